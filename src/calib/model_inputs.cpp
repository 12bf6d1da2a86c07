#include "qtool/calib/model_inputs.h"

#include "qtool/support/error.h"

namespace qtool::calib {

std::vector<Tensor> model_inputs(const ir::Graph& graph, const data::Sample& sample) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) {
    const std::string& name = graph.value(id).name;
    const auto found = sample.find(name);
    if (found == sample.end()) {
      throw Error(ErrorCode::kInvalidData, "a sample has no tensor for this model input").with("tensor", name);
    }
    inputs.push_back(found->second);
  }
  return inputs;
}

}  // namespace qtool::calib
