#include "dlc/lowering_context.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/tensor/permutation.h"

namespace qtool::exporters::dlc {

using container::DlcDtype;
using container::DlcLocation;
using ir::ValueId;

LoweringContext::LoweringContext(const ir::Graph& graph, const model::EncodingTable& encodings, const DlcExportOptions& options,
                                 GraphWriter& writer, std::vector<std::string>& notes)
    : graph_(graph), encodings_(encodings), options_(options), writer_(writer), notes_(notes) {
  for (const ValueId value : graph.value_ids()) {
    if (!graph.is_constant(value)) writer_.reserve_tensor_name(graph.value(value).name);
  }
  for (const ir::NodeId node : graph.node_ids()) writer_.reserve_op_name(graph.node(node).name);
}

DlcDtype LoweringContext::float_dtype() const {
  return options_.float_type == DlcExportOptions::FloatType::kFloat16 ? DlcDtype::kFloat16 : DlcDtype::kFloat32;
}

TensorForm LoweringContext::form_of(ValueId value) const {
  const DType dtype = graph_.type_of(value).dtype;
  const quant::Encoding* known = is_floating(dtype) ? encoding(value) : nullptr;
  if (known == nullptr) return plain_form(dtype, float_dtype());
  try {
    return activation_form(*known);
  } catch (Error& error) {
    error.with("tensor", graph_.value(value).name);
    throw;
  }
}

// What the application sees: codes, or float32 even when the inside is float16.
TensorForm LoweringContext::outer_form_of(ValueId value) const {
  TensorForm form = form_of(value);
  if (is_float(form)) form.dtype = DlcDtype::kFloat32;
  return form;
}

void LoweringContext::add_inputs() {
  for (const ValueId value : graph_.inputs) add_input(value);
}

void LoweringContext::add_input(ValueId value) {
  constexpr size_t kImageRank = 4;
  const size_t rank = shape(value).rank();
  const AxisOrder order = rank == kImageRank ? channels_last(rank) : onnx_order(rank);
  const std::string name = writer_.add_tensor(graph_.value(value).name, DlcLocation::kGraphInput,
                                              stored_dims(shape(value), order), outer_form_of(value));
  placements_[value] = {writer_.convert(name, form_of(value)), order};
}

const Placement& LoweringContext::placement(ValueId value) const {
  const auto at = placements_.find(value);
  if (at == placements_.end()) {
    throw Error(ErrorCode::kInternal, "a value is read that nobody has written").with("tensor", graph_.value(value).name);
  }
  return at->second;
}

std::string LoweringContext::in_order(ValueId value, const AxisOrder& order) {
  const Placement& from = placement(value);
  refuse_many_axes(value);
  return writer_.permute(from.tensor, permutation_between(from.order, order), order_suffix(order));
}

std::string LoweringContext::in_memory_order(ValueId value) {
  const Placement& from = placement(value);
  const AxisOrder order = onnx_order(from.order.size());
  if (same_memory(shape(value), from.order, order)) return from.tensor;
  if (order.size() <= kMostAxes) return in_order(value, order);
  const std::vector<uint32_t> stored = stored_dims(shape(value), from.order);
  const AxisOrder permutation = permutation_between(from.order, order);
  const ReducedPermutation reduced = reduce_permutation({Shape(std::vector<int64_t>(stored.begin(), stored.end())),
                                                         std::vector<int64_t>(permutation.begin(), permutation.end())});
  if (reduced.dims.size() > kMostAxes) refuse_many_axes(value);
  const std::string source = writer_.reshape(from.tensor, {reduced.dims.begin(), reduced.dims.end()}, ".reduced");
  return writer_.permute(source, {reduced.perm.begin(), reduced.perm.end()}, order_suffix(order));
}

void LoweringContext::refuse_many_axes(ValueId value) const {
  const size_t rank = shape(value).rank();
  if (rank <= kMostAxes) return;
  throw Error(ErrorCode::kUnsupported, format("'{}' has {} axes; the backend has at most {}", graph_.value(value).name, rank, kMostAxes));
}

// A graph output with its final name, order and form.
bool LoweringContext::is_final(ValueId value, const AxisOrder& order) const {
  return graph_.is_output(value) && is_onnx_order(order) && same_form(form_of(value), outer_form_of(value));
}

std::string LoweringContext::fresh_name_of(ValueId value, const AxisOrder& order) const {
  const std::string& name = graph_.value(value).name;
  if (!graph_.is_output(value) || is_final(value, order)) return name;
  return writer_.fresh_tensor_name(name + (is_onnx_order(order) ? ".inner" : order_suffix(order)));
}

std::string LoweringContext::create(ValueId value, const AxisOrder& order, const TensorForm& form) {
  refuse_many_axes(value);
  const TensorForm own = form_of(value);
  const DlcLocation location = is_final(value, order) ? DlcLocation::kGraphOutput : DlcLocation::kNative;
  const std::vector<uint32_t> dims = stored_dims(shape(value), order);
  const std::string name = fresh_name_of(value, order);
  if (same_form(own, form)) {
    placements_[value] = {writer_.add_tensor(name, location, dims, own), order};
    return placements_[value].tensor;
  }
  const std::string suffix = is_float(form) ? ".float" : ".wide";
  const std::string computed = writer_.add_tensor(writer_.fresh_tensor_name(name + suffix), DlcLocation::kNative, dims, form);
  pending_[value] = computed;
  placements_[value] = {writer_.add_tensor(name, location, dims, own), order};
  return computed;
}

void LoweringContext::complete(ValueId value) {
  const auto at = pending_.find(value);
  if (at == pending_.end()) return;
  writer_.convert_into(at->second, placement(value).tensor);
  pending_.erase(at);
}

void LoweringContext::bind(ValueId value, Placement placement) {
  placement.tensor = writer_.convert(placement.tensor, form_of(value));
  placements_[value] = std::move(placement);
}

std::vector<std::string> LoweringContext::finish_outputs() {
  std::vector<std::string> names;
  for (const ValueId value : graph_.outputs) names.push_back(finish_output(value));
  return names;
}

std::string LoweringContext::finish_output(ValueId value) {
  const std::string& name = graph_.value(value).name;
  if (graph_.is_constant(value)) {
    throw Error(ErrorCode::kUnsupported, "a graph output is a constant; the backend has no such thing").with("tensor", name);
  }
  if (writer_.has_tensor(name) && writer_.tensor(name).location == DlcLocation::kGraphOutput) return name;
  if (writer_.has_tensor(name)) {
    throw Error(ErrorCode::kUnsupported, "a graph input is a graph output too; put an Identity with a name of its own between them")
        .with("tensor", name);
  }
  refuse_many_axes(value);
  const AxisOrder order = onnx_order(shape(value).rank());
  const TensorForm form = outer_form_of(value);
  const Placement from = placement(value);
  const AxisOrder permutation = permutation_between(from.order, order);
  std::string source = from.tensor;
  const bool converts = !same_form(writer_.form(source), form);
  if (converts) source = writer_.permute(source, permutation, order_suffix(order));
  writer_.add_tensor(name, DlcLocation::kGraphOutput, stored_dims(shape(value), order), form);
  if (converts) {
    writer_.convert_into(source, name);
  } else {
    writer_.permute_into(source, permutation, name);
  }
  return name;
}

}  // namespace qtool::exporters::dlc
