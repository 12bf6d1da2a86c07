// What the tool knows about one operator: shape rule, plain reference kernel, quantization traits.
//
// Reference kernels are written for clarity and exactness, not speed; fast kernels live in `exec` and are tested
// against these. Everything a pass would otherwise switch on by operator name is a trait.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qtool/ir/node.h"
#include "qtool/tensor/tensor.h"

namespace qtool::ops {

// Input types (and values where they are constants) of one node. Thrown errors gain node and op as context.
class InferContext {
 public:
  InferContext(const ir::Node& node, std::vector<const TensorType*> types, std::vector<const Tensor*> constants)
      : node_(node), types_(std::move(types)), constants_(std::move(constants)) {}

  [[nodiscard]] const ir::Node& node() const { return node_; }
  [[nodiscard]] size_t input_count() const { return types_.size(); }
  [[nodiscard]] size_t output_count() const { return node_.outputs.size(); }
  [[nodiscard]] bool has_input(size_t i) const { return i < types_.size() && types_[i] != nullptr; }
  // Throws Error(kInvalidModel) when the input is left out.
  [[nodiscard]] const TensorType& type(size_t i) const;
  [[nodiscard]] const Shape& shape(size_t i) const { return type(i).shape; }
  [[nodiscard]] DType dtype(size_t i) const { return type(i).dtype; }
  // nullptr when the input is absent or not a constant.
  [[nodiscard]] const Tensor* constant(size_t i) const { return i < constants_.size() ? constants_[i] : nullptr; }

 private:
  const ir::Node& node_;
  std::vector<const TensorType*> types_;
  std::vector<const Tensor*> constants_;
};

// The values of one node's inputs.
class EvalContext {
 public:
  EvalContext(const ir::Node& node, std::vector<const Tensor*> inputs) : node_(node), inputs_(std::move(inputs)) {}

  [[nodiscard]] const ir::Node& node() const { return node_; }
  [[nodiscard]] size_t input_count() const { return inputs_.size(); }
  [[nodiscard]] size_t output_count() const { return node_.outputs.size(); }
  [[nodiscard]] bool has_input(size_t i) const { return i < inputs_.size() && inputs_[i] != nullptr; }
  [[nodiscard]] const Tensor& input(size_t i) const;                        // throws when left out
  [[nodiscard]] const Tensor* optional_input(size_t i) const {
    return i < inputs_.size() ? inputs_[i] : nullptr;
  }

 private:
  const ir::Node& node_;
  std::vector<const Tensor*> inputs_;
};

// One entry an output slot; nullopt where the shape depends on data that are not known.
using InferredTypes = std::vector<std::optional<TensorType>>;
using InferFn = std::function<InferredTypes(const InferContext&)>;
// One tensor an output slot. May return the input tensor itself (shared buffer) for pure reshapes.
using EvaluateFn = std::function<std::vector<Tensor>(const EvalContext&)>;
// The outputs when types alone decide them (Shape, Size); empty vector: they do not.
using FoldTypesFn = std::function<std::vector<Tensor>(const InferContext&)>;

// How an operator moves or changes values; drives encoding groups and equalization.
enum class ValueFlow : uint8_t {
  kComputes,      // new values: the output has a range of its own
  kMovesData,     // output elements are input-0 elements (reshape, transpose, slice, max pool, ...)
  kJoinsInputs,   // output elements are elements of all inputs (Concat)
  kNotNumeric,    // shapes, indices, booleans
};

struct QuantTraits {
  ValueFlow flow = ValueFlow::kComputes;
  int weight_input = -1;  // slot of the parameter that is multiplied with input 0, -1: none
  int bias_input = -1;
  // Output-channel axis of the weight tensor, given the node (Gemm depends on transB). Valid if weight_input >= 0.
  std::function<int64_t(const ir::Node&)> weight_channel_axis;
  bool is_activation = false;  // element-wise unary function that backends fuse behind a convolution
};

struct OpDef {
  std::string type;
  std::string domain;          // "" is ai.onnx
  int64_t first_opset = 1;     // oldest version with the meaning implemented here
  std::string notes;           // limits, one line; shown by `qtool list ops`
  InferFn infer;
  EvaluateFn evaluate;
  FoldTypesFn fold_types;      // optional
  QuantTraits traits;
  bool deterministic = true;   // false: never folded
};

}  // namespace qtool::ops
