#include "weight_plan.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

const model::OperatorLimits* limits_of(const ir::Node& node, const model::TargetProfile& profile) {
  const auto at = profile.op_limits.find(node.op_type);
  return at == profile.op_limits.end() ? nullptr : &at->second;
}

std::string listed(const std::vector<int>& bits) {
  std::vector<std::string> words;
  for (const int width : bits) words.push_back(format("{}", width));
  return format("{}", join(words, ", "));
}

int allowed(const std::vector<int>& widths, int wanted, bool by_hand, const ir::Node& node, std::string_view what,
            const model::TargetProfile& profile, std::vector<std::string>& limited) {
  if (widths.empty() || std::ranges::find(widths, wanted) != widths.end()) return wanted;
  if (by_hand) {
    throw Error(ErrorCode::kUsage, format("{} bits for the {} of {}: profile '{}' has {} bits there", wanted, what, node.text(), profile.name, listed(widths)));
  }
  // The narrowest of those that are wider, else the widest.
  const auto wider = std::ranges::find_if(widths, [&](int width) { return width > wanted; });
  const int taken = wider != widths.end() ? *std::min_element(wider, widths.end()) : *std::ranges::max_element(widths);
  limited.push_back(format("{}: {} of {} bits instead of {}", node.text(), what, taken, wanted));
  return taken;
}

// Blocks lie along the input channels.
void add_blocks(const WeightRequest& request, quant::QuantSpec& spec, PlanNotes& notes) {
  const BlockRule& rule = request.blocks;
  if (rule.block_size <= 0 || spec.bits > rule.widest) return;
  const int block_axis = spec.channel_axis == 0 ? 1 : spec.channel_axis - 1;
  const bool fits = spec.channel_axis >= 0 && block_axis < static_cast<int>(request.shape.rank()) &&
                    request.shape[static_cast<size_t>(block_axis)] % rule.block_size == 0;
  if (!fits) {
    notes.unblocked.push_back(format("{} {}: blocks of {} do not divide its input channels, one scale a channel", request.name,
                                     request.shape.text(), rule.block_size));
    return;
  }
  spec.block_axis = block_axis;
  spec.block_size = rule.block_size;
  spec.decompressed_bits = rule.decompressed_bits;
}

}  // namespace

quant::QuantSpec weight_spec(const WeightRequest& request, const model::TargetProfile& profile, PlanNotes& notes) {
  const model::OperatorLimits* limits = limits_of(request.node, profile);
  int bits = request.by_hand.value_or(profile.weight_bits);
  bool symmetric = profile.weight_symmetric && !profile.asymmetric_weight_ops.contains(request.node.op_type);
  if (limits != nullptr) {
    const bool wide = request.wide_input && !limits->weight_bits_at_16.empty();
    bits = allowed(wide ? limits->weight_bits_at_16 : limits->weight_bits, bits, request.by_hand.has_value(), request.node, "weight", profile,
                   notes.limited);
    symmetric = limits->weight_symmetric.value_or(symmetric);
  }
  // The output channels of a grouped transposed convolution are spread over groups: no axis holds them.
  const bool has_channel_axis = request.node.op_type != "ConvTranspose" || request.node.attr_int("group", 1) == 1;
  const bool blocked = request.blocks.block_size > 0 && bits <= request.blocks.widest;
  const bool per_channel = blocked || (profile.per_channel && profile.per_channel_ops.contains(request.node.op_type));
  quant::QuantSpec spec{.bits = bits, .symmetry = profile.symmetry(symmetric || blocked), .min_range = profile.minimum_range(bits)};
  if (per_channel && has_channel_axis) spec.channel_axis = static_cast<int>(request.shape.normalize_axis(request.channel_axis));
  add_blocks(request, spec, notes);
  // Without its blocks a weight keeps to what the profile says of channels.
  if (blocked && spec.block_size == 0 && !(profile.per_channel && profile.per_channel_ops.contains(request.node.op_type))) {
    spec.channel_axis = -1;
    spec.symmetry = profile.symmetry(symmetric);
  }
  return spec;
}

int allowed_activation_bits(const ir::Node& node, int wanted, bool by_hand, const model::TargetProfile& profile,
                            std::vector<std::string>& limited) {
  const model::OperatorLimits* limits = limits_of(node, profile);
  return limits == nullptr ? wanted : allowed(limits->activation_bits, wanted, by_hand, node, "output", profile, limited);
}

}  // namespace qtool::passes
