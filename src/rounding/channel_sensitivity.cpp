#include "qtool/rounding/channel_sensitivity.h"

#include <algorithm>
#include <cmath>

#include "adjoint.h"
#include "probes.h"
#include "qtool/calib/model_inputs.h"
#include "qtool/exec/executor.h"
#include "qtool/support/parallel.h"

namespace qtool::rounding {

namespace {

using ir::Graph;
using ir::ValueId;

std::vector<int64_t> spread(int64_t count, int64_t wanted) {
  std::vector<int64_t> images;
  for (int64_t i = 0; i < std::min(count, wanted); ++i) images.push_back(i * count / std::min(count, wanted));
  return images;
}

double power(const Tensor& tensor) {
  double sum = 0.0;
  for (const float v : tensor.data<float>()) sum += static_cast<double>(v) * v;
  return sum;
}

// Mean over the first few images of the power of every output.
std::vector<double> output_powers(const Graph& graph, const data::SampleSource& source, std::vector<int64_t> images, int threads) {
  constexpr size_t kImages = 4;
  images.resize(std::min(images.size(), kImages));
  const exec::Executor executor(graph, {});
  std::vector<std::vector<double>> by_image(images.size());
  parallel_for(static_cast<int64_t>(images.size()), threads, [&](int64_t i, int) {
    for (const Tensor& output : executor.new_session().run(calib::model_inputs(graph, source.load(images[static_cast<size_t>(i)])))) {
      by_image[static_cast<size_t>(i)].push_back(power(output));
    }
  });
  std::vector<double> powers(graph.outputs.size(), 0.0);
  for (const auto& image : by_image) {
    for (size_t o = 0; o < powers.size(); ++o) powers[o] += image[o] / static_cast<double>(images.size());
  }
  return powers;
}

std::vector<double> squares_by_channel(const Tensor& adjoint) {
  const int64_t channels = adjoint.shape()[1], pixels = adjoint.element_count() / std::max<int64_t>(channels, 1);
  const auto values = adjoint.data<float>();
  std::vector<double> sums(static_cast<size_t>(channels), 0.0);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t p = 0; p < pixels; ++p) {
      const double v = values[static_cast<size_t>(c * pixels + p)];
      sums[static_cast<size_t>(c)] += v * v;
    }
  }
  return sums;
}

bool has_float_outputs(const Graph& graph) {
  return std::all_of(graph.outputs.begin(), graph.outputs.end(), [&](ValueId id) { return graph.type_of(id).dtype == DType::kFloat32; });
}

}  // namespace

std::map<ValueId, std::vector<double>> channel_sensitivity(const Graph& graph, const std::vector<ValueId>& values,
                                                           const data::SampleSource& source, const SensitivityOptions& options) {
  std::map<ValueId, std::vector<double>> result;
  const std::vector<int64_t> images = spread(source.size(), options.images);
  if (images.empty() || !has_float_outputs(graph)) return result;
  const AdjointGraph adjoint = make_adjoint(graph, graph.outputs, values);
  std::vector<ValueId> reached;
  for (const ValueId id : values) {
    if (adjoint.adjoints.contains(id)) reached.push_back(id);
  }
  if (reached.empty()) return result;
  const std::vector<double> powers = output_powers(graph, source, images, options.threads);
  const exec::Executor executor(adjoint.graph, {});
  std::vector<std::vector<std::vector<double>>> by_image(images.size());
  parallel_for(static_cast<int64_t>(images.size()), options.threads, [&](int64_t i, int) {
    const int64_t image = images[static_cast<size_t>(i)];
    std::vector<Tensor> inputs = calib::model_inputs(graph, source.load(image));
    for (size_t o = 0; o < graph.outputs.size(); ++o) {
      Tensor probe = random_signs(graph.type_of(graph.outputs[o]), options.seed, static_cast<uint64_t>(image), o);
      const double unit = powers[o] > 0.0 ? 1.0 / std::sqrt(powers[o]) : 0.0;
      for (float& v : probe.mutable_data<float>()) v = static_cast<float>(v * unit);
      inputs.push_back(std::move(probe));
    }
    for (const Tensor& tensor : executor.new_session().run(inputs)) by_image[static_cast<size_t>(i)].push_back(squares_by_channel(tensor));
  });
  for (size_t v = 0; v < reached.size(); ++v) {
    std::vector<double>& mean = result[reached[v]];
    for (const auto& image : by_image) {
      mean.resize(image[v].size(), 0.0);
      for (size_t c = 0; c < mean.size(); ++c) mean[c] += image[v][c] / static_cast<double>(images.size());
    }
  }
  return result;
}

}  // namespace qtool::rounding
