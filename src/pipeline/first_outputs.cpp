#include "first_outputs.h"

#include "qtool/calib/model_inputs.h"
#include "qtool/exec/executor.h"

namespace qtool::pipeline {

std::vector<Tensor> first_outputs(const ir::Graph& graph, const data::SampleSource& source) {
  const exec::Executor executor(graph, {});
  return executor.new_session().run(calib::model_inputs(graph, source.load(0)));
}

}  // namespace qtool::pipeline
