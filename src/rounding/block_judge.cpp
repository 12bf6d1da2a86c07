#include "block_judge.h"

#include <algorithm>

#include "qtool/exec/executor.h"
#include "qtool/support/parallel.h"
#include "segment.h"

namespace qtool::rounding {

namespace {

std::vector<Tensor> inputs_of(const Segment& segment, const std::map<ir::ValueId, Tensor>& values) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : segment.inputs) inputs.push_back(values.at(id));
  return inputs;
}

double variation(const Tensor& tensor) {
  double sum = 0.0, squares = 0.0;
  for (const float v : tensor.data<float>()) sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
  return squares - sum * sum / static_cast<double>(tensor.element_count());
}

}  // namespace

BlockJudge::BlockJudge(const ir::Graph& reference, const LayerSite& site, std::span<const ir::NodeId> nodes, ir::ValueId end, std::vector<ImageState> images, int threads)
    : reference_(reference), site_(site), nodes_(nodes.begin(), nodes.end()), end_(end), images_(std::move(images)), threads_(threads), wanted_(images_.size()) {
  const Segment segment = make_segment(reference, {}, nodes_, {end});
  const exec::Executor executor(segment.graph, {});
  parallel_for(static_cast<int64_t>(images_.size()), threads, [&](int64_t i, int) {
    wanted_[static_cast<size_t>(i)] = executor.new_session().run(inputs_of(segment, images_[static_cast<size_t>(i)].real))[0];
  });
  for (const Tensor& tensor : wanted_) power_ += variation(tensor);
  power_ = std::max(power_, 1e-30);
}

double BlockJudge::error(std::span<const float> weights, std::span<const float> bias) const {
  Segment segment = make_segment(reference_, {}, nodes_, {end_});
  const auto put = [&](ir::ValueId id, Tensor tensor) { segment.graph.value(segment.graph.find_value(reference_.value(id).name)).constant = std::move(tensor); };
  put(site_.weight, weight_tensor(site_, reference_.type_of(site_.weight).shape, {weights.begin(), weights.end()}));
  if (site_.bias != ir::kNoValue) put(site_.bias, Tensor::from<float>(reference_.constant(site_.bias)->shape(), bias));
  const exec::Executor executor(segment.graph, {});
  std::vector<double> sums(images_.size(), 0.0);
  parallel_for(static_cast<int64_t>(images_.size()), threads_, [&](int64_t i, int) {
    const auto at = static_cast<size_t>(i);
    const Tensor output = executor.new_session().run(inputs_of(segment, images_[at].quantized))[0];
    const auto a = output.data<float>(), b = wanted_[at].data<float>();
    for (size_t k = 0; k < a.size(); ++k) {
      const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
      sums[at] += difference * difference;
    }
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total / power_;
}

}  // namespace qtool::rounding
