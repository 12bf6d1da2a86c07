// Replaces calls of a model's local functions by the functions' nodes.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace qtool::onnxio {

using Opsets = std::map<std::string, int64_t>;  // domain ("" is ai.onnx) -> version

// "ai.onnx" and "" are the same domain.
[[nodiscard]] std::string normal_domain(const std::string& domain);
// Throws Error(kInvalidModel) when one domain is imported in two versions.
[[nodiscard]] Opsets read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports);

// A node to build, and the operator sets that are in force where it was written.
struct PendingNode {
  const onnx::NodeProto* proto;
  const Opsets* opsets;
};

class FunctionInliner {
 public:
  explicit FunctionInliner(const onnx::ModelProto& model);

  // The nodes of one graph body, calls expanded. The pointers live as long as this object and the model.
  [[nodiscard]] std::vector<PendingNode> expand(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                                                const Opsets& opsets);
  [[nodiscard]] int expanded_calls() const { return expanded_calls_; }

 private:
  struct Function {
    const onnx::FunctionProto* proto;
    Opsets opsets;
    std::map<std::string, onnx::AttributeProto> defaults;
  };
  void append(const onnx::NodeProto& node, const Opsets& opsets, int depth, std::vector<PendingNode>& result);
  void expand_call(const onnx::NodeProto& call, const Function& function, int depth, std::vector<PendingNode>& result);

  std::map<std::pair<std::string, std::string>, Function> functions_;
  std::deque<onnx::NodeProto> owned_;
  int expanded_calls_ = 0;
};

}  // namespace qtool::onnxio
