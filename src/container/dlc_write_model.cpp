#include <variant>

#include "dlc_write_records.h"
#include "flat_finish.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {
namespace {

using flatbuffers::FlatBufferBuilder;
template <class T>
using Ref = flatbuffers::Offset<T>;

// FlatBuffers are built from the leaves up: every string, vector and table before the table that refers to it.
class ModelBuilder {
 public:
  Bytes build(const DlcFile& file) {
    std::vector<FlatTableRef> graphs;
    for (const DlcGraph& graph : file.graphs) graphs.push_back(add_graph(graph));
    const auto list = builder_.CreateVector(graphs);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::Model::kGraphs), list);
    return finish_record(builder_, end_table(builder_, start), kModelIdentifier);
  }

 private:
  FlatTableRef add_graph(const DlcGraph& graph) {
    std::vector<FlatTableRef> ops;
    for (const DlcOp& op : graph.ops) ops.push_back(add_op(op));
    std::vector<FlatTableRef> tensors;
    for (const DlcTensor& tensor : graph.tensors) tensors.push_back(add_tensor(tensor, Place::kGraph));
    const auto op_list = builder_.CreateVector(ops);
    const auto tensor_list = builder_.CreateVector(tensors);
    const auto name = builder_.CreateString(graph.name);
    const auto params_name = builder_.CreateString(graph.name);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::Graph::kName), name);
    builder_.AddOffset(field(slot::Graph::kOps), op_list);
    builder_.AddOffset(field(slot::Graph::kTensors), tensor_list);
    builder_.AddOffset(field(slot::Graph::kParamsName), params_name);
    return end_table(builder_, start);
  }

  FlatTableRef add_op(const DlcOp& op) {
    std::vector<FlatTableRef> attributes;
    for (const DlcAttribute& attribute : op.attributes) attributes.push_back(add_attribute(attribute));
    const auto attribute_list = builder_.CreateVector(attributes);
    const auto inputs = builder_.CreateVectorOfStrings(op.inputs);
    const auto outputs = builder_.CreateVectorOfStrings(op.outputs);
    const auto name = builder_.CreateString(op.name);
    const auto type = builder_.CreateString(op.type);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::Op::kName), name);
    builder_.AddOffset(field(slot::Op::kType), type);
    builder_.AddOffset(field(slot::Op::kInputs), inputs);
    builder_.AddOffset(field(slot::Op::kOutputs), outputs);
    builder_.AddOffset(field(slot::Op::kAttributes), attribute_list);
    return end_table(builder_, start);
  }

  FlatTableRef add_attribute(const DlcAttribute& attribute) {
    const auto* tensor = std::get_if<DlcTensor>(&attribute.value);
    const FlatTableRef value =
        tensor != nullptr ? add_tensor(*tensor, Place::kAttribute) : add_scalar(std::get<DlcScalar>(attribute.value));
    const auto name = builder_.CreateString(attribute.name);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::Attribute::kName), name);
    builder_.AddElement<int32_t>(field(slot::Attribute::kKind), tensor != nullptr ? kTensorAttribute : kScalarAttribute, 0);
    builder_.AddElement<uint8_t>(field(slot::Attribute::kUsage), static_cast<uint8_t>(attribute.usage), 0);
    builder_.AddOffset(field(tensor != nullptr ? slot::Attribute::kTensor : slot::Attribute::kScalar), value);
    return end_table(builder_, start);
  }

  FlatTableRef add_scalar(const DlcScalar& scalar) {
    const bool is_text = scalar.kind == DlcDtype::kString || scalar.kind == DlcDtype::kUndefined;
    const auto text = is_text ? builder_.CreateString(scalar.text) : Ref<flatbuffers::String>();
    const auto start = builder_.StartTable();
    builder_.AddElement<uint32_t>(field(slot::Scalar::kKind), static_cast<uint32_t>(scalar.kind), 0);
    builder_.AddElement<int64_t>(field(slot::Scalar::kInteger), scalar.integer, 0);
    builder_.AddElement<double>(field(slot::Scalar::kReal), scalar.real, 0);
    if (is_text) builder_.AddOffset(field(slot::Scalar::kText), text);
    return end_table(builder_, start);
  }

  enum class Place { kGraph, kAttribute };

  FlatTableRef add_tensor(const DlcTensor& tensor, Place place) {
    const auto name = builder_.CreateString(tensor.name);
    const auto dims = builder_.CreateVector(tensor.dims);
    const auto encoding = add_encoding(tensor.encoding);
    const auto source = tensor.source_dtype == DlcDtype::kUndefined ? tensor.dtype : tensor.source_dtype;
    const auto start = builder_.StartTable();
    builder_.AddElement<uint32_t>(field(slot::Tensor::kId), tensor.id, 0);
    builder_.AddOffset(field(slot::Tensor::kName), name);
    builder_.AddElement<int32_t>(field(slot::Tensor::kLocation), static_cast<int32_t>(tensor.location), 0);
    builder_.AddOffset(field(slot::Tensor::kDims), dims);
    builder_.AddElement<int32_t>(field(slot::Tensor::kAxisFormat), tensor.axis_format, 0);
    builder_.AddOffset(field(slot::Tensor::kEncoding), encoding);
    builder_.AddElement<uint32_t>(field(slot::Tensor::kDtype), static_cast<uint32_t>(tensor.dtype), 0);
    builder_.AddElement<uint32_t>(field(slot::Tensor::kSourceDtype), static_cast<uint32_t>(source), 0);
    builder_.AddElement<uint8_t>(field(slot::Tensor::kGraphFlag), place == Place::kGraph ? 1 : 0, 0);
    return end_table(builder_, start);
  }

  FlatTableRef add_encoding(const DlcEncoding& encoding) {
    FlatTableRef content;
    if (encoding.is_per_tensor()) content = add_entry(encoding.entries.at(0));
    if (encoding.is_per_axis()) content = add_axis(encoding);
    const auto start = builder_.StartTable();
    builder_.AddElement<uint32_t>(field(slot::Encoding::kType), static_cast<uint32_t>(encoding.type), 0);
    builder_.AddElement<uint8_t>(field(slot::Encoding::kOverridden), encoding.is_overridden ? 1 : 0, 0);
    if (encoding.is_per_tensor()) builder_.AddOffset(field(slot::Encoding::kFixed), content);
    if (encoding.is_per_axis()) builder_.AddOffset(field(slot::Encoding::kAxis), content);
    return end_table(builder_, start);
  }

  FlatTableRef add_axis(const DlcEncoding& encoding) {
    std::vector<FlatTableRef> entries;
    for (const DlcEncodingEntry& entry : encoding.entries) entries.push_back(add_entry(entry));
    const auto list = builder_.CreateVector(entries);
    const auto start = builder_.StartTable();
    builder_.AddElement<int32_t>(field(slot::Axis::kAxis), encoding.axis, 0);
    builder_.AddOffset(field(slot::Axis::kEntries), list);
    return end_table(builder_, start);
  }

  FlatTableRef add_entry(const DlcEncodingEntry& entry) {
    const auto start = builder_.StartTable();
    builder_.AddElement<uint32_t>(field(slot::Fixed::kBitwidth), entry.bitwidth, 0);
    builder_.AddElement<float>(field(slot::Fixed::kMin), entry.min, 0);
    builder_.AddElement<float>(field(slot::Fixed::kMax), entry.max, 0);
    builder_.AddElement<float>(field(slot::Fixed::kScale), entry.scale, 0);
    builder_.AddElement<int32_t>(field(slot::Fixed::kOffset), entry.offset, 0);
    builder_.AddElement<uint8_t>(field(slot::Fixed::kSymmetric), entry.is_symmetric ? 1 : 0, 0);
    return end_table(builder_, start);
  }

  FlatBufferBuilder builder_;
};

// An upper estimate: names, dims and tables. Only absurd graphs come near the limit.
uint64_t estimate_tensor(const DlcTensor& tensor) {
  constexpr uint64_t kTensorTables = 128;
  constexpr uint64_t kEntryTable = 64;
  return kTensorTables + tensor.name.size() + 4 * tensor.dims.size() + kEntryTable * tensor.encoding.entries.size();
}

uint64_t estimate_op(const DlcOp& op) {
  constexpr uint64_t kTables = 128;
  uint64_t size = kTables + op.name.size() + op.type.size();
  for (const std::string& name : op.inputs) size += 16 + name.size();
  for (const std::string& name : op.outputs) size += 16 + name.size();
  for (const DlcAttribute& attribute : op.attributes) {
    size += kTables + attribute.name.size();
    if (const auto* tensor = std::get_if<DlcTensor>(&attribute.value)) size += estimate_tensor(*tensor);
    if (const auto* scalar = std::get_if<DlcScalar>(&attribute.value)) size += scalar->text.size();
  }
  return size;
}

uint64_t estimate_model(const DlcFile& file) {
  uint64_t size = 0;
  for (const DlcGraph& graph : file.graphs) {
    size += 64 + 2 * graph.name.size();
    for (const DlcOp& op : graph.ops) size += estimate_op(op);
    for (const DlcTensor& tensor : graph.tensors) size += estimate_tensor(tensor);
  }
  return size;
}

}  // namespace

Bytes build_model_record(const DlcFile& file, const DlcWriteLimits& limits) {
  const uint64_t size = estimate_model(file);
  if (size > limits.record_bytes) {
    throw Error(ErrorCode::kUnsupported, format("the graph description would take {} bytes; a DLC record holds {}", size, limits.record_bytes));
  }
  return ModelBuilder().build(file);
}

}  // namespace qtool::container
