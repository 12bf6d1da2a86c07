#include "reference_kernel.h"

#include <cstring>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exec {

namespace {

class ReferenceKernel final : public Kernel {
 public:
  ReferenceKernel(const ir::Graph& graph, const ir::Node& node, const ops::OpDef& def) : node_(node), def_(def) {
    for (const ir::ValueId id : node.inputs) input_types_.push_back(id == ir::kNoValue ? TensorType{} : graph.type_of(id));
    for (const ir::ValueId id : node.outputs) output_types_.push_back(id == ir::kNoValue ? TensorType{} : graph.type_of(id));
  }

  void run(const KernelArgs& args) const override {
    std::vector<Tensor> inputs;
    inputs.reserve(args.in.size());
    std::vector<const Tensor*> pointers;
    for (size_t i = 0; i < args.in.size(); ++i) {
      const bool present = node_.inputs[i] != ir::kNoValue;
      // Reference kernels read only; the cast is for the borrowing tensor.
      inputs.push_back(present ? Tensor::borrow(input_types_[i].dtype, input_types_[i].shape, const_cast<void*>(args.in[i]))
                               : Tensor());
      pointers.push_back(present ? &inputs.back() : nullptr);
    }
    const std::vector<Tensor> results = ops::evaluate_node(def_, ops::EvalContext(node_, pointers));
    for (size_t i = 0; i < args.out.size() && i < results.size(); ++i) {
      if (args.out[i] == nullptr) continue;
      if (results[i].type() != output_types_[i]) {
        throw Error(ErrorCode::kInternal, format("shape rule said {} {}, the kernel made {} {}",
                                                 dtype_name(output_types_[i].dtype), output_types_[i].shape.text(),
                                                 dtype_name(results[i].dtype()), results[i].shape().text()))
            .with("node", node_.name)
            .with("op", node_.op_type);
      }
      if (results[i].size_bytes() > 0) std::memcpy(args.out[i], results[i].raw(), results[i].size_bytes());
    }
  }

 private:
  const ir::Node& node_;
  const ops::OpDef& def_;
  std::vector<TensorType> input_types_, output_types_;
};

}  // namespace

std::unique_ptr<Kernel> make_reference_kernel(const ir::Graph& graph, const ir::Node& node, const ops::OpDef& def) {
  return std::make_unique<ReferenceKernel>(graph, node, def);
}

}  // namespace qtool::exec
