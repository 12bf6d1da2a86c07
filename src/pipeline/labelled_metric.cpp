#include "labelled_metric.h"

#include <chrono>

#include "qtool/exec/executor.h"

namespace qtool::pipeline {

LabelledMetric::LabelledMetric(const EvaluationRequest& request, const ir::Graph& floats, Reporter& reporter)
    : reporter_(reporter),
      options_(evaluation_options(request, floats, reporter)),
      labels_(eval::load_labels(request.images, {.path = request.labels, .task = request.task, .limit = request.limit}, reporter)) {
  float_value_ = run(floats, nullptr);
}

double LabelledMetric::measure(const model::ModelState& state) { return run(state.graph, &state.encodings); }

double LabelledMetric::run(const ir::Graph& graph, const model::EncodingTable* encodings) {
  const auto start = std::chrono::steady_clock::now();
  const exec::Executor executor(graph, {.encodings = encodings});
  const eval::EvaluationResult result = eval::evaluate(executor, graph, labels_, options_, reporter_);
  name_ = result.headline().name;
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result.headline().value;
}

}  // namespace qtool::pipeline
