#include "moment_flow.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "channel_flow.h"
#include "clipped_normal.h"
#include "qtool/ops/registry.h"
#include "qtool/passes/rewrite.h"
#include "tap_window.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

constexpr double kReach = 6.0;  // deviations that a range covers, as in the paper
constexpr int kPoints = 97;     // of the grid on which unary functions are integrated

ChannelMoments with_reach(ChannelMoments m) {
  m.lo = m.hi = m.mean;
  for (size_t c = 0; c < m.mean.size(); ++c) {
    m.lo[c] -= kReach * m.deviation[c];
    m.hi[c] += kReach * m.deviation[c];
  }
  return m;
}

ChannelMoments sized(size_t channels) {
  const std::vector<double> zeros(channels, 0.0);
  return {zeros, zeros, zeros, zeros};
}

// The whole tensor as one channel.
ChannelMoments merged(const ChannelMoments& m) {
  ChannelMoments one = sized(1);
  double square = 0.0;
  const auto n = static_cast<double>(m.mean.size());
  for (size_t c = 0; c < m.mean.size(); ++c) {
    one.mean[0] += m.mean[c] / n;
    square += (m.mean[c] * m.mean[c] + m.deviation[c] * m.deviation[c]) / n;
  }
  one.deviation[0] = std::sqrt(std::max(0.0, square - one.mean[0] * one.mean[0]));
  one.lo[0] = *std::min_element(m.lo.begin(), m.lo.end());
  one.hi[0] = *std::max_element(m.hi.begin(), m.hi.end());
  return one;
}

bool is_unary_function(const Node& node) {
  static const std::set<std::string, std::less<>> kNames = {
      "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Selu", "Celu", "Gelu", "Mish", "Softplus", "Softsign", "LeakyRelu",
      "PRelu", "Erf", "Exp", "Neg", "Abs", "ThresholdedRelu", "Swish"};
  return node.domain.empty() && kNames.contains(node.op_type);
}

class Flow {
 public:
  Flow(const model::ModelState& state, const std::map<std::string, ChannelMoments>& inputs) : state_(state), graph_(state.graph) {
    for (const ValueId id : graph_.inputs) {
      const auto given = inputs.find(graph_.value(id).name);
      known_[id] = given != inputs.end() ? fitting(given->second, id) : with_reach({{0.0}, {1.0}, {}, {}});
    }
  }

  ValueMoments run() {
    for (const ir::NodeId id : graph_.topological_order()) {
      const Node& node = graph_.node(id);
      if (node.outputs.empty() || node.inputs.empty()) continue;
      std::optional<ChannelMoments> result = of_node(node);
      if (!result) continue;
      for (const ValueId out : node.outputs) {
        if (out != ir::kNoValue) known_[out] = fitting(*result, out);
      }
    }
    return std::move(known_);
  }

 private:
  const ChannelMoments* find(ValueId id) const {
    const auto at = known_.find(id);
    return id == ir::kNoValue || at == known_.end() ? nullptr : &at->second;
  }

  // Channels of the value's axis 1, else one entry.
  ChannelMoments fitting(const ChannelMoments& m, ValueId id) const {
    const auto channels = static_cast<size_t>(channel_count(graph_, id));
    return m.mean.size() == 1 || m.mean.size() == channels ? m : merged(m);
  }

  std::optional<ChannelMoments> of_node(const Node& node) const {
    const auto folded = state_.folded_batch_norms.find(node.outputs[0]);
    if (folded != state_.folded_batch_norms.end()) {
      const auto& [mean, deviation] = folded->second;
      return with_reach({{mean.begin(), mean.end()}, {deviation.begin(), deviation.end()}, {}, {}});
    }
    if (const auto layer = layer_of(graph_, node.id)) return of_layer(*layer);
    if (is_unary_function(node)) return of_function(node, node.inputs[0]);
    if (node.op_type == "Softmax") return ChannelMoments{{0.0}, {0.1}, {0.0}, {1.0}};
    if (const auto source = silu_source(node)) return of_silu(*source);
    if (const auto step = channel_step(graph_, node)) return of_step(*step, node);
    if (node.op_type == "Add" || node.op_type == "Sub" || node.op_type == "Mul" || node.op_type == "Div") return of_binary(node);
    if (node.op_type == "Concat") return of_union(node);
    const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
    const bool moves = def != nullptr && def->traits.flow == ops::ValueFlow::kMovesData;
    if (!moves && node.op_type != "ReduceMean") return std::nullopt;
    const ChannelMoments* input = find(node.inputs[0]);
    return input == nullptr ? std::nullopt : std::optional(merged(*input));
  }

  std::optional<ChannelMoments> of_layer(const Layer& layer) const {
    const ChannelMoments* input = find(layer.input);
    if (input == nullptr) return std::nullopt;
    ChannelMoments result = sized(static_cast<size_t>(layer.out_channels));
    const bool by_channel = layer.channel_axis == 1;
    const bool convolution = graph_.node(layer.node).op_type.starts_with("Conv");
    std::vector<double> coverage(static_cast<size_t>(layer.taps), 1.0);
    if (convolution) {
      const TapWindow window(graph_, layer);
      for (int64_t t = 0; t < layer.taps; ++t) coverage[static_cast<size_t>(t)] = window.coverage(t);
    }
    if (const auto bias = bias_of(graph_, layer)) result.mean = *bias;
    const auto weight = graph_.constant(layer.weight)->data<float>();
    std::vector<double> variance(result.mean.size(), 0.0);
    WeightIndex(graph_, layer).for_each([&](int64_t flat, const WeightPlace& at) {
      const size_t c = by_channel ? moment_index(*input, at.in) : 0;
      const double w = weight[static_cast<size_t>(flat)], share = coverage[static_cast<size_t>(at.tap)];
      result.mean[static_cast<size_t>(at.out)] += w * share * input->mean[c];
      variance[static_cast<size_t>(at.out)] += w * w * share * input->deviation[c] * input->deviation[c];
    });
    for (size_t c = 0; c < variance.size(); ++c) result.deviation[c] = std::sqrt(variance[c]);
    return with_reach(std::move(result));
  }

  // x * sigmoid(x)
  std::optional<ValueId> silu_source(const Node& node) const {
    if (node.op_type != "Mul" || node.inputs.size() != 2) return std::nullopt;
    for (size_t slot = 0; slot < 2; ++slot) {
      const Node* sigmoid = passes::producer_of(graph_, node.inputs[slot], "Sigmoid");
      if (sigmoid != nullptr && sigmoid->inputs[0] == node.inputs[1 - slot]) return sigmoid->inputs[0];
    }
    return std::nullopt;
  }

  std::optional<ChannelMoments> of_silu(ValueId source) const {
    const ChannelMoments* x = find(source);
    if (x == nullptr) return std::nullopt;
    return integrate(*x, [](const std::vector<float>& points) {
      std::vector<float> values;
      for (const float p : points) values.push_back(p / (1.0f + std::exp(-p)));
      return values;
    });
  }

  std::optional<ChannelMoments> of_function(const Node& node, ValueId source) const {
    const ChannelMoments* x = find(source);
    if (x == nullptr) return std::nullopt;
    const ops::OpDef& def = ops::builtin_registry().at(node);
    const size_t rank = graph_.type_of(source).shape.rank();
    return integrate(*x, [&](const std::vector<float>& points) {
      std::vector<int64_t> dims(std::max<size_t>(rank, 3), 1);
      dims[1] = static_cast<int64_t>(x->mean.size());
      dims[2] = kPoints;
      const Tensor tensor = Tensor::from<float>(Shape(std::move(dims)), std::span<const float>(points));
      std::vector<const Tensor*> inputs{&tensor};
      for (size_t slot = 1; slot < node.inputs.size(); ++slot) inputs.push_back(passes::constant_input(graph_, node, slot));
      return ops::evaluate_node(def, ops::EvalContext(node, inputs)).at(0).to_float();
    });
  }

  // Moments of f(x) on a grid of normal quantiles; f maps [channel][point].
  template <class Function>
  static ChannelMoments integrate(const ChannelMoments& x, Function&& f) {
    std::vector<float> points;
    std::vector<double> weights;
    double total = 0.0;
    for (int k = 0; k < kPoints; ++k) {
      const double z = -kReach + 2.0 * kReach * k / (kPoints - 1);
      weights.push_back(std::exp(-0.5 * z * z));
      total += weights.back();
    }
    for (size_t c = 0; c < x.mean.size(); ++c) {
      for (int k = 0; k < kPoints; ++k) {
        const double z = -kReach + 2.0 * kReach * k / (kPoints - 1);
        points.push_back(static_cast<float>(std::clamp(x.mean[c] + z * x.deviation[c], x.lo[c], x.hi[c])));
      }
    }
    const std::vector<float> values = f(points);
    ChannelMoments result = sized(x.mean.size());
    for (size_t c = 0; c < x.mean.size(); ++c) {
      const auto first = values.begin() + static_cast<std::ptrdiff_t>(c * kPoints);
      const auto [lowest, highest] = std::minmax_element(first, first + kPoints);
      double mean = 0.0, square = 0.0;
      for (int k = 0; k < kPoints; ++k) {
        const double v = first[k], w = weights[static_cast<size_t>(k)] / total;
        mean += w * v;
        square += w * v * v;
      }
      result.mean[c] = mean;
      result.deviation[c] = std::sqrt(std::max(0.0, square - mean * mean));
      result.lo[c] = *lowest;
      result.hi[c] = *highest;
    }
    return result;
  }

  std::optional<ChannelMoments> of_step(const ChannelStep& step, const Node& node) const {
    std::vector<const ChannelMoments*> inputs;
    for (const ValueId id : step.inputs) {
      if (find(id) == nullptr) return std::nullopt;
      inputs.push_back(find(id));
    }
    if (step.op == ChannelOp::kAdd) return sum(*inputs[0], *inputs[1]);
    if (step.op == ChannelOp::kConcat) return joined(step);
    ChannelMoments result = *inputs[0];
    const bool cuts = step.op == ChannelOp::kClip || step.op == ChannelOp::kRelu;
    const double low = step.op == ChannelOp::kClip ? step.clip.low : 0.0;
    const double high = step.op == ChannelOp::kClip ? step.clip.high : std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < result.mean.size() && cuts; ++c) {
      const NormalMoments cut = clipped_normal({result.mean[c], result.deviation[c]}, low, high);
      result.mean[c] = cut.mean;
      result.deviation[c] = cut.deviation;
      result.lo[c] = std::min(std::max(result.lo[c], low), high);
      result.hi[c] = std::min(std::max(result.hi[c], low), high);
    }
    if (node.op_type == "GlobalAveragePool") {  // means over many pixels stay near the mean
      for (size_t c = 0; c < result.mean.size(); ++c) {
        result.lo[c] = std::max(result.lo[c], result.mean[c] - 0.5 * kReach * result.deviation[c]);
        result.hi[c] = std::min(result.hi[c], result.mean[c] + 0.5 * kReach * result.deviation[c]);
      }
    }
    if (step.spread == 1 || result.mean.size() == 1) return result;
    ChannelMoments spread = sized(result.mean.size() * static_cast<size_t>(step.spread));
    for (size_t c = 0; c < spread.mean.size(); ++c) {
      const size_t from = c / static_cast<size_t>(step.spread);
      spread.mean[c] = result.mean[from];
      spread.deviation[c] = result.deviation[from];
      spread.lo[c] = result.lo[from];
      spread.hi[c] = result.hi[from];
    }
    return spread;
  }

  static ChannelMoments sum(const ChannelMoments& a, const ChannelMoments& b) {
    ChannelMoments result = sized(std::max(a.mean.size(), b.mean.size()));
    for (size_t c = 0; c < result.mean.size(); ++c) {
      const size_t i = moment_index(a, static_cast<int64_t>(c)), j = moment_index(b, static_cast<int64_t>(c));
      result.mean[c] = a.mean[i] + b.mean[j];
      result.deviation[c] = std::hypot(a.deviation[i], b.deviation[j]);
      result.lo[c] = std::max(a.lo[i] + b.lo[j], result.mean[c] - kReach * result.deviation[c]);
      result.hi[c] = std::min(a.hi[i] + b.hi[j], result.mean[c] + kReach * result.deviation[c]);
    }
    return result;
  }

  ChannelMoments joined(const ChannelStep& step) const {
    ChannelMoments result;
    for (const ValueId id : step.inputs) {
      const ChannelMoments& part = *find(id);
      for (int64_t c = 0; c < channel_count(graph_, id); ++c) {
        const size_t i = moment_index(part, c);
        result.mean.push_back(part.mean[i]);
        result.deviation.push_back(part.deviation[i]);
        result.lo.push_back(part.lo[i]);
        result.hi.push_back(part.hi[i]);
      }
    }
    return result;
  }

  // A constant operand: one number a channel where it is so, else all its values as one channel.
  ChannelMoments of_constant(const Tensor& constant, const Shape& result) const {
    const auto values = result.rank() > 1 ? passes::per_channel_constant(constant, result, 1) : std::nullopt;
    if (values) return {*values, std::vector<double>(values->size(), 0.0), *values, *values};
    const std::vector<float> all = constant.to_float();
    const std::vector<double> list(all.begin(), all.end());
    return merged({list, std::vector<double>(list.size(), 0.0), list, list});
  }

  std::optional<ChannelMoments> of_binary(const Node& node) const {
    const TensorType* type = passes::known_type(graph_, node.outputs[0]);
    if (type == nullptr || type->dtype != DType::kFloat32 || node.inputs.size() != 2) return std::nullopt;
    ChannelMoments operands[2];
    for (size_t slot = 0; slot < 2; ++slot) {
      const Tensor* constant = graph_.constant(node.inputs[slot]);
      const ChannelMoments* known = find(node.inputs[slot]);
      if (constant == nullptr && known == nullptr) return std::nullopt;
      operands[slot] = constant != nullptr ? of_constant(*constant, type->shape) : *known;
    }
    auto& [a, b] = operands;
    if (a.mean.size() != b.mean.size() && a.mean.size() != 1 && b.mean.size() != 1) a = merged(a), b = merged(b);
    if (node.op_type == "Div") {
      for (size_t c = 0; c < b.mean.size(); ++c) {
        if (b.lo[c] != b.hi[c] || b.mean[c] == 0.0) return std::nullopt;  // only by constants
        b.mean[c] = b.lo[c] = b.hi[c] = 1.0 / b.mean[c];
      }
    }
    if (node.op_type == "Sub") {
      for (size_t c = 0; c < b.mean.size(); ++c) {
        b.mean[c] = -b.mean[c];
        b.lo[c] = -std::exchange(b.hi[c], -b.lo[c]);
      }
    }
    return node.op_type == "Add" || node.op_type == "Sub" ? sum(a, b) : product(a, b);
  }

  static ChannelMoments product(const ChannelMoments& a, const ChannelMoments& b) {
    ChannelMoments result = sized(std::max(a.mean.size(), b.mean.size()));
    for (size_t c = 0; c < result.mean.size(); ++c) {
      const size_t i = moment_index(a, static_cast<int64_t>(c)), j = moment_index(b, static_cast<int64_t>(c));
      const auto square = [](double v) { return v * v; };
      result.mean[c] = a.mean[i] * b.mean[j];
      result.deviation[c] = std::sqrt(std::max(0.0, (square(a.deviation[i]) + square(a.mean[i])) * (square(b.deviation[j]) + square(b.mean[j])) - square(result.mean[c])));
      const double corners[] = {a.lo[i] * b.lo[j], a.lo[i] * b.hi[j], a.hi[i] * b.lo[j], a.hi[i] * b.hi[j]};
      result.lo[c] = *std::min_element(corners, corners + 4);
      result.hi[c] = *std::max_element(corners, corners + 4);
    }
    return result;
  }

  std::optional<ChannelMoments> of_union(const Node& node) const {
    ChannelMoments all;
    for (const ValueId id : node.inputs) {
      const ChannelMoments* part = find(id);
      if (part == nullptr) return std::nullopt;
      const ChannelMoments one = merged(*part);
      all.mean.push_back(one.mean[0]);
      all.deviation.push_back(one.deviation[0]);
      all.lo.push_back(one.lo[0]);
      all.hi.push_back(one.hi[0]);
    }
    return merged(all);
  }

  const model::ModelState& state_;
  const Graph& graph_;
  ValueMoments known_;
};

}  // namespace

ValueMoments flow_moments(const model::ModelState& state, const std::map<std::string, ChannelMoments>& inputs) {
  return Flow(state, inputs).run();
}

}  // namespace qtool::optimize
