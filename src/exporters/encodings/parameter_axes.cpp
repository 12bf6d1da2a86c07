#include "encodings/parameter_axes.h"

#include "encodings/format.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters::encodings {

namespace {

struct Axes {
  int channel = 0, block = 1;
};

// Blocks lie along the input channels: axis 1 of a Conv, axis 0 of a ConvTranspose or of the [K, N] of a MatMul.
Axes axes_of(const ir::Graph& graph, const ops::Registry& registry, ir::ValueId id) {
  const Shape& shape = graph.type_of(id).shape;
  for (const ir::NodeId user : graph.value(id).uses) {
    const ir::Node& node = graph.node(user);
    const ops::QuantTraits& traits = registry.at(node).traits;
    if (traits.weight_input >= 0 && static_cast<size_t>(traits.weight_input) < node.inputs.size() &&
        node.inputs[static_cast<size_t>(traits.weight_input)] == id && traits.weight_channel_axis) {
      const int channel = static_cast<int>(shape.normalize_axis(traits.weight_channel_axis(node)));
      return {channel, channel == 0 ? 1 : channel - 1};
    }
  }
  return {};
}

}  // namespace

void settle_axes(DocumentEntry& entry, const ir::Graph& graph, const ops::Registry& registry, ir::ValueId id, const std::string& file) {
  const Shape& shape = graph.type_of(id).shape;
  entry.rank = shape.rank();
  quant::Encoding& encoding = entry.encoding;
  if (entry.kind != DocumentEntry::Kind::kGrid || !encoding.per_channel()) {
    entry.axis_known = true;
    return;
  }
  const bool counts_from_end = encoding.channel_axis < 0;
  if (!entry.axis_known || counts_from_end) {
    const Axes axes = axes_of(graph, registry, id);
    encoding.channel_axis = axes.channel;
    if (encoding.per_block()) encoding.block_axis = axes.block;
    entry.axis_known = true;
  }
  size_t expected = 0;
  try {
    expected = quant::grid_count(shape, encoding.layout());
  } catch (const Error& error) {
    fail(error.message(), file, entry.name);
  }
  if (expected != encoding.grids.size()) {
    fail(format("{} entries for a tensor of shape {} whose channel axis is {}; expected {}", encoding.grids.size(), shape.text(),
                encoding.channel_axis, expected),
         file, entry.name);
  }
  if (encoding.per_block()) entry.channels = static_cast<size_t>(shape[static_cast<size_t>(encoding.channel_axis)]);
}

}  // namespace qtool::exporters::encodings
