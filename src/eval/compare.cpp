#include "qtool/eval/compare.h"

#include <algorithm>

#include "progress_counter.h"
#include "qtool/eval/classification.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"

namespace qtool::eval {

namespace {

// A vector of class scores: [1, classes] with trailing ones.
bool looks_like_classes(const Shape& shape) {
  return shape.rank() >= 2 && shape[1] > 1 && shape.element_count() == shape[1];
}

struct SampleComparison {
  std::vector<SignalSums> sums;  // by output
  std::vector<bool> same_top1;
};

SampleComparison compare_outputs(const std::vector<Tensor>& reference,
                                 const std::vector<Tensor>& test) {
  SampleComparison result;
  QTOOL_CHECK(reference.size() == test.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    if (reference[i].shape() != test[i].shape()) {
      throw Error(ErrorCode::kInvalidData,
                  format("output {} has shape {} in one model and {} in the other", i,
                         reference[i].shape().text(), test[i].shape().text()));
    }
    const std::vector<float> r = reference[i].to_float(), t = test[i].to_float();
    result.sums.emplace_back().add(r, t);
    result.same_top1.push_back(best_classes(r, 1) == best_classes(t, 1));
  }
  return result;
}

struct WorkerSessions {
  exec::Session reference, test;
};

std::vector<Tensor> in_graph_order(const ir::Graph& graph, const data::Sample& sample) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) {
    const auto found = sample.find(graph.value(id).name);
    if (found == sample.end()) {
      throw Error(ErrorCode::kInvalidData,
                  format("no tensor for the model's input '{}'", graph.value(id).name));
    }
    inputs.push_back(found->second);
  }
  return inputs;
}

OutputComparison summarize(size_t output, const ir::Graph& graph,
                           const std::vector<SampleComparison>& samples,
                           const data::SampleSource& source) {
  const ir::Value& value = graph.value(graph.outputs[output]);
  OutputComparison result;
  result.name = value.name;
  int64_t same = 0;
  for (size_t i = 0; i < samples.size(); ++i) {  // in order of samples: sums of double
    result.sums.merge(samples[i].sums[output]);
    same += samples[i].same_top1[output];
    const double sqnr_db = samples[i].sums[output].sqnr_db();
    if (i == 0 || sqnr_db < result.worst_sqnr_db) {
      result.worst_sqnr_db = sqnr_db;
      result.worst_sample = source.name(static_cast<int64_t>(i));
    }
  }
  if (value.type && looks_like_classes(value.type->shape)) {
    result.top1_agreement = static_cast<double>(same) / static_cast<double>(samples.size());
  }
  return result;
}

}  // namespace

ComparisonResult compare(const exec::Executor& reference, const exec::Executor& test,
                         const ir::Graph& graph, const data::SampleSource& source, int threads,
                         Reporter& reporter) {
  const int64_t count = source.size();
  if (count == 0) throw Error(ErrorCode::kInvalidData, "there are no samples to compare on");
  const int workers = threads > 0 ? threads : available_threads();
  std::vector<std::optional<WorkerSessions>> sessions(static_cast<size_t>(workers));
  std::vector<SampleComparison> samples(static_cast<size_t>(count));
  ProgressCounter progress(reporter, "compare", count);
  parallel_for(count, workers, [&](int64_t index, int worker) {
    try {
      auto& session = sessions[static_cast<size_t>(worker)];
      if (!session) session.emplace(WorkerSessions{reference.new_session(), test.new_session()});
      const std::vector<Tensor> inputs = in_graph_order(graph, source.load(index));
      samples[static_cast<size_t>(index)] =
          compare_outputs(session->reference.run(inputs), session->test.run(inputs));
    } catch (Error& error) {
      error.with("sample", source.name(index));
      throw;
    }
    progress.step();
  });

  ComparisonResult result;
  result.samples = count;
  for (size_t output = 0; output < graph.outputs.size(); ++output) {
    result.outputs.push_back(summarize(output, graph, samples, source));
  }
  return result;
}

}  // namespace qtool::eval
