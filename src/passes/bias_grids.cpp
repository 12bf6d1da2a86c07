#include "bias_grids.h"

#include <algorithm>
#include <cmath>

#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::ValueId;
using model::EncodingEntry;
using model::TensorPlan;

// A hair below 2^31, for the rounding of scales to float32.
constexpr double kLargestCode = 2147483000.0;

class BiasSettler {
 public:
  BiasSettler(model::ModelState& state, bool guard, EncodingNotes& notes) : state_(state), guard_(guard), notes_(notes) {}

  void make_room(ValueId id, const TensorPlan& plan) {
    const quant::Encoding* input = model::find_encoding(state_.encodings, plan.bias_of_input);
    const auto weight = state_.encodings.find(plan.bias_of_weight);
    if (input == nullptr || weight == state_.encodings.end()) return;
    const Tensor& bias = *state_.graph.constant(id);
    // The values of a frozen weight lie on its grid already.
    if (guard_ && !weight->second.frozen) widen(id, bias, input->grids[0].scale, plan.bias_of_weight, weight->second.encoding);
    else list_clipped(id, bias, input->grids[0].scale, weight->second.encoding);
  }

  void settle(ValueId id, const TensorPlan& plan) {
    const Tensor& tensor = *state_.graph.constant(id);
    const quant::Encoding* input = model::find_encoding(state_.encodings, plan.bias_of_input);
    const quant::Encoding* weight = model::find_encoding(state_.encodings, plan.bias_of_weight);
    if (input != nullptr && weight != nullptr) {
      state_.encodings[id] = {.encoding = quant::bias_encoding(input->grids[0].scale, *weight, tensor.element_count()),
                              .source = "input scale x weight scale"};
      return;
    }
    const quant::Range range = quant::tensor_ranges(tensor, -1)[0];
    const bool degenerate = std::max(0.0, range.hi) - std::min(0.0, range.lo) < plan.spec.min_range;
    if (degenerate) notes_.degenerate.push_back(name(id));
    state_.encodings[id] = {.encoding = quant::encoding_from_ranges(plan.spec, {&range, 1}), .source = "min-max", .degenerate = degenerate};
    if (plan.spec.bits <= 8) predict_cost(id, tensor);
  }

 private:
  const std::string& name(ValueId id) const { return state_.graph.value(id).name; }

  // Calls fn(value, channel, number of channels). One value may serve all channels.
  template <class Fn>
  static void for_each_channel(const Tensor& bias, const quant::Encoding& weight, Fn&& fn) {
    const auto values = bias.data<float>();
    const size_t channels = values.size() == 1 && weight.per_channel() && !weight.per_block() ? weight.grids.size() : values.size();
    for (size_t c = 0; c < channels; ++c) fn(std::abs(static_cast<double>(values[values.size() == 1 ? 0 : c])), c, channels);
  }

  static size_t grid_of(const quant::Encoding& weight, size_t channel) {
    return weight.per_channel() ? std::min(channel, weight.grids.size() - 1) : 0;
  }

  void widen(ValueId id, const Tensor& bias, double input_scale, ValueId weight_id, quant::Encoding& weight) {
    size_t widened = 0, channels = 0;
    for_each_channel(bias, weight, [&](double value, size_t c, size_t count) {
      channels = count;
      const double needed = value / (kLargestCode * input_scale);
      if (weight.per_block()) {
        widened += widen_blocks(weight, c, count, needed) ? 1 : 0;
        return;
      }
      quant::Grid& grid = weight.grids[grid_of(weight, c)];
      if (grid.scale >= needed) return;
      grid.scale = needed;
      ++widened;
    });
    if (widened == 0) return;
    notes_.bias_overflow.push_back(format("{}: {} of {} channels of {}", name(id), widened, channels, name(weight_id)));
  }

  // All blocks of the channel grow together, so that their ratios stay.
  static bool widen_blocks(quant::Encoding& weight, size_t channel, size_t channels, double needed) {
    const double own = static_cast<double>(quant::bias_encoding(1.0, weight, static_cast<int64_t>(channels), channels).grids[channel].scale);
    if (own >= needed) return false;
    const size_t blocks = weight.grids.size() / channels;
    for (size_t k = 0; k < blocks; ++k) weight.grids[channel * blocks + k].scale *= needed / own;
    if (weight.low_power) weight.low_power->channel_scale[channel] *= needed / own;
    return true;
  }

  void list_clipped(ValueId id, const Tensor& bias, double input_scale, const quant::Encoding& weight) {
    size_t clipped = 0, channels = 0;
    for_each_channel(bias, weight, [&](double value, size_t c, size_t count) {
      channels = count;
      if (weight.per_block()) return;
      if (value > 2147483647.0 * input_scale * weight.grids[grid_of(weight, c)].scale) ++clipped;
    });
    if (clipped > 0) notes_.bias_clipped.push_back(format("{}: {} of {} channels", name(id), clipped, channels));
  }

  void predict_cost(ValueId id, const Tensor& tensor) {
    const quant::Encoding& encoding = state_.encodings.at(id).encoding;
    EncodingNotes::NarrowBias cost{.name = name(id), .sqnr_db = quant::quantization_error(tensor, encoding).sqnr()};
    const Tensor rounded = quant::fake_quantize(tensor, encoding);
    double worst = 0.0;
    for (size_t i = 0; i < tensor.data<float>().size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(tensor.data<float>()[i]) - static_cast<double>(rounded.data<float>()[i])));
    }
    if (const quant::Encoding* output = output_of_layer(id)) cost.worst_output_levels = worst / output->grids[0].scale;
    notes_.narrow_biases.push_back(std::move(cost));
  }

  // The grid that the layer's result has, behind a fused activation.
  const quant::Encoding* output_of_layer(ValueId bias) const {
    for (const ir::NodeId user : state_.graph.value(bias).uses) {
      ValueId at = state_.graph.node(user).outputs[0];
      for (int step = 0; step < 3 && at != ir::kNoValue; ++step) {
        if (const quant::Encoding* found = model::find_encoding(state_.encodings, at)) return found;
        const ir::NodeId next = state_.graph.single_user(at);
        at = next == ir::kNoNode ? ir::kNoValue : state_.graph.node(next).outputs[0];
      }
    }
    return nullptr;
  }

  model::ModelState& state_;
  bool guard_;
  EncodingNotes& notes_;
};

}  // namespace

void settle_biases(model::ModelState& state, bool guard, EncodingNotes& notes) {
  BiasSettler settler(state, guard, notes);
  const auto each = [&](auto&& fn) {
    for (const auto& [id, plan] : state.plan.tensors) {
      const auto found = state.encodings.find(id);
      const bool frozen = found != state.encodings.end() && found->second.frozen;
      if (plan.role == model::TensorRole::kBias && !frozen) fn(id, plan);
    }
  };
  each([&](ValueId id, const TensorPlan& plan) { settler.make_room(id, plan); });
  each([&](ValueId id, const TensorPlan& plan) { settler.settle(id, plan); });
}

}  // namespace qtool::passes
