// Pad; negative amounts are a slice before it.
#include <algorithm>

#include "dlc/lowering_table.h"
#include "dlc/slice_range.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

enum Scheme : uint32_t { kConstant = 0, kMirrorReflect = 2, kEdge = 3 };

struct Amounts {
  std::vector<int64_t> begin;  // by ONNX axis
  std::vector<int64_t> end;
};

Amounts amounts_of(NodeLowering& n) {
  constexpr int64_t kPadsAreInput = 11;
  const size_t rank = n.shape(0).rank();
  const auto pads = n.int_list("pads", 1, kPadsAreInput);
  if (!pads) n.refuse("the amounts are missing");
  std::vector<int64_t> axes;
  for (size_t axis = 0; axis < rank; ++axis) axes.push_back(static_cast<int64_t>(axis));
  axes = n.int_list("axes", 3, kPadsAreInput).value_or(axes);
  if (pads->size() != 2 * axes.size()) n.refuse(format("{} amounts for {} axes", pads->size(), axes.size()));
  Amounts result{std::vector<int64_t>(rank, 0), std::vector<int64_t>(rank, 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = n.shape(0).normalize_axis(axes[i]);
    result.begin[axis] = (*pads)[i];
    result.end[axis] = (*pads)[i + axes.size()];
  }
  return result;
}

Scheme scheme_of(const NodeLowering& n) {
  const std::string mode = n.node().attr_string("mode", "constant");
  if (mode == "constant") return kConstant;
  if (mode == "reflect") return kMirrorReflect;
  if (mode == "edge") return kEdge;
  n.refuse(format("mode '{}' has no counterpart on the backend", mode));
}

float fill_value(NodeLowering& n) {
  constexpr int64_t kValueIsInput = 11;
  if (n.node().opset < kValueIsInput) return n.node().attr_float("value", 0.0f);
  if (!n.has_input(2)) return 0.0f;
  if (n.constant(2) == nullptr) n.refuse("the fill value is computed at run time; a DLC needs it constant");
  return n.constant(2)->to_float().at(0);
}

bool has_negative(const std::vector<int64_t>& amounts) {
  return std::ranges::any_of(amounts, [](int64_t amount) { return amount < 0; });
}

// Cuts off what negative amounts remove; `tensor` is in the form of the result.
std::string cropped(NodeLowering& n, const std::string& tensor, Amounts& amounts, const AxisOrder& order) {
  if (!has_negative(amounts.begin) && !has_negative(amounts.end)) return tensor;
  Shape shape = n.shape(0);
  std::vector<SliceRange> ranges = whole_ranges(shape);
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    ranges[axis] = {std::max<int64_t>(-amounts.begin[axis], 0), shape[axis] + std::min<int64_t>(amounts.end[axis], 0), 1};
    shape[axis] = ranges[axis].end - ranges[axis].begin;
    amounts.begin[axis] = std::max<int64_t>(amounts.begin[axis], 0);
    amounts.end[axis] = std::max<int64_t>(amounts.end[axis], 0);
  }
  OpDraft slice = slice_op(n.helper_op("crop", "StridedSlice", {tensor}), ranges, order);
  return n.emit_inner(std::move(slice), stored_dims(shape, order), n.writer().form(tensor));
}

void lower_pad(NodeLowering& n) {
  const Scheme scheme = scheme_of(n);
  const AxisOrder order = n.order_of(0);
  Amounts amounts = amounts_of(n);
  // Mirroring copies codes; filling requantizes, but with equal encodings there is nothing to requantize.
  const std::string input = cropped(n, n.read_as(0, order, n.result_form()), amounts, order);
  std::vector<uint32_t> pairs;
  for (const size_t axis : order) {
    pairs.push_back(static_cast<uint32_t>(amounts.begin[axis]));
    pairs.push_back(static_cast<uint32_t>(amounts.end[axis]));
  }
  if (std::ranges::all_of(pairs, [](uint32_t amount) { return amount == 0; })) return n.bind({input, order});
  OpDraft draft = n.op("Pad", {input});
  draft.u32_pairs("pad_amount", pairs).u32("scheme", scheme);
  const float fill = scheme == kConstant ? fill_value(n) : 0.0f;
  if (fill != 0.0f) draft.f32("pad_constant_value", fill);
  n.emit(std::move(draft), order);
}

}  // namespace

void register_lower_pad(LoweringTable& table) { table.add("Pad", {lower_pad}); }

}  // namespace qtool::exporters::dlc
