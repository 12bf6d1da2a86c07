#include "dlc/graph_writer.h"

#include <algorithm>

#include "qtool/container/dlc_attributes.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {

using container::DlcDtype;
using container::DlcLocation;
using container::DlcTensor;

namespace {

constexpr int32_t kFormatNhwc = 3;
constexpr int32_t kFormatUntracked = 11;

bool has_integers(DlcDtype dtype) { return dtype == DlcDtype::kInt32 || dtype == DlcDtype::kUInt32 || dtype == DlcDtype::kBool; }

// The op that turns elements of one form into another; empty when there is none.
std::string_view conversion_op(const TensorForm& from, const TensorForm& to) {
  if (is_fixed(from) && is_fixed(to)) return "Convert";
  if (is_float(from) && is_fixed(to)) return "Quantize";
  if (is_fixed(from) && is_float(to)) return "Dequantize";
  const bool castable = (is_float(from) || has_integers(from.dtype)) && (is_float(to) || has_integers(to.dtype));
  return castable ? "Cast" : "";
}

std::string form_suffix(const TensorForm& form) {
  if (form.dtype == DlcDtype::kFloat16) return ".fp16";
  if (form.dtype == DlcDtype::kFloat32) return ".float";
  return is_fixed(form) ? ".converted" : ".cast";
}

std::string form_key(const TensorForm& form) {
  std::string key = format("{:x}", static_cast<uint32_t>(form.dtype));
  for (const auto& entry : form.encoding.entries) key += format("/{}/{}/{}", entry.bitwidth, entry.scale, entry.offset);
  return key;
}

std::vector<uint32_t> permuted_dims(const std::vector<uint32_t>& dims, const AxisOrder& permutation) {
  std::vector<uint32_t> result;
  for (const size_t axis : permutation) result.push_back(dims[axis]);
  return result;
}

}  // namespace

OpDraft& OpDraft::u32(std::string key, uint32_t value) {
  attributes.push_back(container::u32_attribute(std::move(key), value));
  return *this;
}

OpDraft& OpDraft::i32(std::string key, int32_t value) {
  attributes.push_back(container::i32_attribute(std::move(key), value));
  return *this;
}

OpDraft& OpDraft::f32(std::string key, float value) {
  attributes.push_back(container::f32_attribute(std::move(key), value));
  return *this;
}

OpDraft& OpDraft::boolean(std::string key, bool value) {
  attributes.push_back(container::bool_attribute(std::move(key), value));
  return *this;
}

OpDraft& OpDraft::u32s(std::string key, const std::vector<uint32_t>& values) {
  attributes.push_back(container::u32_tensor_attribute(name, std::move(key), {static_cast<uint32_t>(values.size())}, values));
  return *this;
}

OpDraft& OpDraft::u32_pairs(std::string key, const std::vector<uint32_t>& values) {
  attributes.push_back(
      container::u32_tensor_attribute(name, std::move(key), {static_cast<uint32_t>(values.size() / 2), 2}, values));
  return *this;
}

OpDraft& OpDraft::i32_triples(std::string key, const std::vector<int32_t>& values) {
  attributes.push_back(
      container::i32_tensor_attribute(name, std::move(key), {static_cast<uint32_t>(values.size() / 3), 3}, values));
  return *this;
}

GraphWriter::GraphWriter(std::string graph_name) { graph_.name = std::move(graph_name); }

std::string GraphWriter::fresh_tensor_name(const std::string& stem) const {
  std::string name = stem;
  for (int n = 1; index_.contains(name) || reserved_.contains(name); ++n) name = format("{}_{}", stem, n);
  return name;
}

std::string GraphWriter::fresh_op_name(const std::string& stem) {
  std::string name = stem;
  for (int n = 1; !op_names_.insert(name).second; ++n) name = format("{}_{}", stem, n);
  return name;
}

std::string GraphWriter::add_tensor(DlcTensor tensor) {
  QTOOL_CHECK(!tensor.name.empty());
  const bool is_new = index_.emplace(tensor.name, graph_.tensors.size()).second;
  QTOOL_CHECK(is_new);
  graph_.tensors.push_back(std::move(tensor));
  return graph_.tensors.back().name;
}

std::string GraphWriter::add_tensor(std::string name, DlcLocation location, std::vector<uint32_t> dims, TensorForm form) {
  DlcTensor tensor;
  tensor.name = std::move(name);
  tensor.location = location;
  tensor.axis_format = dims.size() == 4 ? kFormatNhwc : kFormatUntracked;
  tensor.dims = dims.empty() ? std::vector<uint32_t>{1} : std::move(dims);  // the backend has no rank 0
  tensor.dtype = form.dtype;
  tensor.encoding = std::move(form.encoding);
  return add_tensor(std::move(tensor));
}

std::string GraphWriter::add_static(DlcTensor tensor) {
  if (tensor.dims.empty()) tensor.dims = {1};
  const std::string stem = tensor.name;
  for (int n = 1; index_.contains(tensor.name) || reserved_.contains(tensor.name); ++n) {
    const auto at = index_.find(tensor.name);
    if (at != index_.end() && graph_.tensors[at->second] == tensor) return tensor.name;
    tensor.name = format("{}_{}", stem, n);
  }
  return add_tensor(std::move(tensor));
}

void GraphWriter::add_op(OpDraft draft, std::vector<std::string> outputs) {
  draft.attributes.push_back(container::package_name_attribute());
  std::ranges::sort(draft.attributes, {}, &container::DlcAttribute::name);
  for (const std::string& output : outputs) producers_[output] = draft.type;
  graph_.ops.push_back({std::move(draft.name), std::move(draft.type), std::move(draft.inputs), std::move(outputs),
                        std::move(draft.attributes)});
}

const DlcTensor& GraphWriter::tensor(std::string_view name) const {
  const auto at = index_.find(name);
  QTOOL_CHECK(at != index_.end());
  return graph_.tensors[at->second];
}

TensorForm GraphWriter::form(std::string_view name) const {
  const DlcTensor& found = tensor(name);
  return {found.dtype, found.encoding};
}

std::string_view GraphWriter::producer_type(std::string_view name) const {
  const auto at = producers_.find(name);
  return at == producers_.end() ? std::string_view() : std::string_view(at->second);
}

std::string GraphWriter::convert(const std::string& source, const TensorForm& target) {
  if (same_form(form(source), target)) return source;
  const auto [at, is_new] = copies_.emplace(format("{}\nform {}", source, form_key(target)), "");
  if (is_new) {
    at->second = add_tensor(fresh_tensor_name(source + form_suffix(target)), DlcLocation::kNative, tensor(source).dims, target);
    convert_into(source, at->second);
  }
  return at->second;
}

std::string GraphWriter::permute(const std::string& source, const AxisOrder& permutation, std::string_view suffix) {
  if (is_onnx_order(permutation)) return source;
  const auto [at, is_new] = copies_.emplace(format("{}\norder {}", source, join(permutation, ",")), "");
  if (is_new) {
    at->second = add_tensor(fresh_tensor_name(source + std::string(suffix)), DlcLocation::kNative,
                            permuted_dims(tensor(source).dims, permutation), form(source));
    permute_into(source, permutation, at->second);
  }
  return at->second;
}

std::string GraphWriter::reshape(const std::string& source, const std::vector<uint32_t>& dims, std::string_view suffix) {
  if (tensor(source).dims == dims) return source;
  const auto [at, is_new] = copies_.emplace(format("{}\ndims {}", source, join(dims, ",")), "");
  if (is_new) {
    at->second = add_tensor(fresh_tensor_name(source + std::string(suffix)), DlcLocation::kNative, dims, form(source));
    reshape_into(source, at->second);
  }
  return at->second;
}

void GraphWriter::convert_into(const std::string& source, const std::string& target) {
  const std::string_view type = conversion_op(form(source), form(target));
  if (type.empty()) {
    throw Error(ErrorCode::kUnsupported, format("the backend cannot turn {} into {}", container::dlc_dtype_name(form(source).dtype),
                                                container::dlc_dtype_name(form(target).dtype)))
        .with("tensor", source);
  }
  ++convert_ops_;
  add_op({fresh_op_name(target), std::string(type), {source}}, {target});
}

void GraphWriter::permute_into(const std::string& source, const AxisOrder& permutation, const std::string& target) {
  std::vector<int64_t> dims(tensor(source).dims.begin(), tensor(source).dims.end());
  // Moving axes of extent 1 does not move a byte.
  if (same_memory(Shape(dims), onnx_order(dims.size()), permutation)) return reshape_into(source, target);
  OpDraft draft{fresh_op_name(target), "Transpose", {source}};
  draft.u32s("perm", {permutation.begin(), permutation.end()});
  add_op(std::move(draft), {target});
}

void GraphWriter::reshape_into(const std::string& source, const std::string& target) {
  add_op({fresh_op_name(target), "Reshape", {source}}, {target});
}

void GraphWriter::order_outputs(const std::vector<std::string>& outputs) {
  std::vector<size_t> positions;
  for (size_t i = 0; i < graph_.tensors.size(); ++i) {
    if (graph_.tensors[i].location == DlcLocation::kGraphOutput) positions.push_back(i);
  }
  QTOOL_CHECK(positions.size() == outputs.size());
  std::vector<DlcTensor> ordered;
  for (const std::string& name : outputs) ordered.push_back(tensor(name));
  for (size_t i = 0; i < positions.size(); ++i) graph_.tensors[positions[i]] = std::move(ordered[i]);
}

container::DlcGraph GraphWriter::finish(const std::vector<std::string>& outputs) {
  order_outputs(outputs);
  index_.clear();
  return std::move(graph_);
}

}  // namespace qtool::exporters::dlc
