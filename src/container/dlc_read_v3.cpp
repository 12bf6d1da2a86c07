// Container version 3 (SNPE 1.4x to 1.68), for inspection (DLC container notes, section 9).
//
// That version has layers with nested attributes and no tensor list. What is built from it:
//   ops      one a layer; nested attributes are flattened, their path joined with dots
//   tensors  one for each layer output, dims and encoding from the attributes of the layer, and one for each
//            weight, called <layer>/<weight>
#include <algorithm>
#include <cmath>
#include <variant>

#include "dlc_records.h"
#include "dlc_schema.h"
#include "flat_view.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {
namespace {

namespace v3 {
struct Model { enum : uint16_t { kNodes = 1, kAttributes = 4 }; };
struct Node { enum : uint16_t { kIndex, kName, kType, kInputs, kOutputs, kAttributes }; };
struct Attribute {
  enum : uint16_t { kName, kType, kBool, kInt, kUInt, kFloat, kText, kBytes = 8, kInts, kFloats, kChildren = 12 };
};
enum AttributeType : uint8_t { kBool = 1, kInt = 2, kUInt = 3, kFloat = 4, kText = 5, kBytes = 7, kInts = 8, kFloats = 9, kNested = 11 };
struct Params { enum : uint16_t { kNodes }; };
struct NodeWeights { enum : uint16_t { kName, kWeights }; };
struct Weight { enum : uint16_t { kName, kDims, kData, kAttributes }; };
struct WeightData { enum : uint16_t { kDtype, kBytes, kFloats }; };
constexpr uint8_t kUInt8Data = 6;
constexpr uint8_t kFloat32Data = 9;
}  // namespace v3

using Attributes = std::vector<DlcAttribute>;

constexpr int kMaxDepth = 16;  // genuine nesting is 4

DlcAttribute scalar(std::string name, DlcScalar value) { return {std::move(name), DlcUsage::kParameter, std::move(value)}; }

template <class T>
DlcAttribute list(std::string name, DlcDtype dtype, const std::vector<T>& values) {
  DlcTensor tensor;
  tensor.name = name;
  tensor.location = DlcLocation::kStatic;
  tensor.dims = {static_cast<uint32_t>(values.size())};
  tensor.dtype = dtype;
  const auto raw = std::as_bytes(std::span(values));
  tensor.data.assign(raw.begin(), raw.end());
  return {std::move(name), DlcUsage::kParameter, std::move(tensor)};
}

class Flattener {
 public:
  explicit Flattener(const FlatView& view) : view_(view) {}

  Attributes flatten(const std::vector<FlatTable>& tables) {
    Attributes result;
    append(tables, "", 0, result);
    return result;
  }

 private:
  void append(const std::vector<FlatTable>& tables, const std::string& path, int depth, Attributes& out) {
    if (depth > kMaxDepth) view_.fail("damaged record: attributes are nested too deeply");
    for (const FlatTable& table : tables) {
      view_.charge(path.size());
      std::string name = path + table.text(v3::Attribute::kName);
      if (table.scalar<uint8_t>(v3::Attribute::kType, 0) == v3::kNested) {
        append(table.tables(v3::Attribute::kChildren), name + ".", depth + 1, out);
      } else {
        out.push_back(leaf(table, std::move(name)));
      }
    }
  }

  DlcAttribute leaf(const FlatTable& table, std::string name) const {
    using A = v3::Attribute;
    const auto type = table.scalar<uint8_t>(A::kType, 0);
    switch (type) {
      case v3::kBool: return scalar(std::move(name), {.kind = DlcDtype::kBool, .integer = table.scalar<uint8_t>(A::kBool, 0)});
      case v3::kInt: return scalar(std::move(name), {.kind = DlcDtype::kInt32, .integer = table.scalar<int32_t>(A::kInt, 0)});
      case v3::kUInt: return scalar(std::move(name), {.kind = DlcDtype::kUInt32, .integer = table.scalar<uint32_t>(A::kUInt, 0)});
      case v3::kFloat: return scalar(std::move(name), {.kind = DlcDtype::kFloat32, .real = table.scalar<float>(A::kFloat, 0)});
      case v3::kText: return scalar(std::move(name), {.kind = DlcDtype::kString, .text = table.text(A::kText)});
      case v3::kBytes: return list(std::move(name), DlcDtype::kInt8, table.scalars<int8_t>(A::kBytes));
      case v3::kInts: return list(std::move(name), DlcDtype::kInt32, table.scalars<int32_t>(A::kInts));
      case v3::kFloats: return list(std::move(name), DlcDtype::kFloat32, table.scalars<float>(A::kFloats));
      default: view_.fail(format("attribute '{}' is of unknown type {}", name, type));
    }
  }

  const FlatView& view_;
};

const DlcScalar* find_scalar(const Attributes& attributes, const std::string& name) {
  for (const DlcAttribute& attribute : attributes) {
    if (attribute.name == name) return std::get_if<DlcScalar>(&attribute.value);
  }
  return nullptr;
}

std::vector<uint32_t> find_dims(const Attributes& attributes, const std::string& name) {
  for (const DlcAttribute& attribute : attributes) {
    const auto* tensor = attribute.name == name ? std::get_if<DlcTensor>(&attribute.value) : nullptr;
    if (tensor == nullptr || tensor->dtype != DlcDtype::kInt32) continue;
    std::vector<uint32_t> dims;
    for (size_t at = 0; at + 4 <= tensor->data.size(); at += 4) dims.push_back(load_little_endian<uint32_t>(tensor->data, at));
    return dims;
  }
  return {};
}

double number(const Attributes& attributes, const std::string& name) {
  const DlcScalar* value = find_scalar(attributes, name);
  if (value == nullptr) return 0;
  return value->kind == DlcDtype::kFloat32 ? value->real : static_cast<double>(value->integer);
}

// The field called precision holds 0x208 for 8-bit codes in every genuine file: the low byte is the width.
uint32_t bits_of(const Attributes& attributes, const std::string& path) {
  const DlcScalar* precision = find_scalar(attributes, path + "precision");
  return precision != nullptr ? static_cast<uint32_t>(precision->integer) & 0xff : 0;
}

// Out-of-range values of a damaged file must not reach a narrowing cast.
int32_t to_int32(double value) {
  constexpr double kLimit = 2147483647.0;
  return std::isnan(value) ? 0 : static_cast<int32_t>(std::clamp(value, -kLimit, kLimit));
}

// SNPE 1.42 and 1.48 call the table FxpData, SNPE 1.68 DataEncoding with two more levels.
DlcEncoding find_encoding(const Attributes& attributes, size_t index) {
  for (const std::string& path : {format("FxpData.{}.", index), format("DataEncoding.{}.DataEncodingElement.0.", index)}) {
    if (find_scalar(attributes, path + "delta") == nullptr) continue;
    DlcEncoding encoding;
    encoding.type = DlcEncodingType::kScaleOffset;
    encoding.entries.push_back({.bitwidth = bits_of(attributes, path),
                                .min = static_cast<float>(number(attributes, path + "min")),
                                .max = static_cast<float>(number(attributes, path + "max")),
                                .scale = static_cast<float>(number(attributes, path + "delta")),
                                .offset = to_int32(number(attributes, path + "offset"))});
    return encoding;
  }
  return {};
}

DlcTensor output_tensor(const DlcOp& op, size_t index) {
  DlcTensor tensor;
  tensor.name = op.outputs[index];
  tensor.location = op.type == "Input" ? DlcLocation::kGraphInput : DlcLocation::kNative;
  tensor.dims = find_dims(op.attributes, format("OutputDims.{}", index));
  tensor.encoding = find_encoding(op.attributes, index);
  if (!tensor.encoding.entries.empty()) {
    tensor.dtype = tensor.encoding.entries.front().bitwidth > 8 ? DlcDtype::kUFixed16 : DlcDtype::kUFixed8;
  }
  return tensor;
}

class V3Reader {
 public:
  V3Reader(const DlcRecords& records, DlcFile& file) : records_(records), file_(file) {}

  void read() {
    const FlatView view(without_prefix(records_.model, kModelRecord), kModelRecord);
    DlcGraph graph;
    for (const FlatTable& node : view.root().tables(v3::Model::kNodes)) add_layer(view, node, graph);
    if (!records_.params.empty()) add_weights(graph);
    file_.parameter_format = records_.params.empty() ? "none" : "version 3";
    file_.graphs.push_back(std::move(graph));
  }

 private:
  void add_layer(const FlatView& view, const FlatTable& node, DlcGraph& graph) {
    DlcOp op;
    op.name = node.text(v3::Node::kName);
    op.type = node.text(v3::Node::kType);
    op.inputs = node.texts(v3::Node::kInputs);
    op.outputs = node.texts(v3::Node::kOutputs);
    op.attributes = Flattener(view).flatten(node.tables(v3::Node::kAttributes));
    for (size_t i = 0; i < op.outputs.size(); ++i) graph.tensors.push_back(output_tensor(op, i));
    graph.ops.push_back(std::move(op));
  }

  void add_weights(DlcGraph& graph) {
    const FlatView view(without_prefix(records_.params, kParamsRecord), kParamsRecord);
    for (const FlatTable& node : view.root().tables(v3::Params::kNodes)) {
      const std::string layer = node.text(v3::NodeWeights::kName);
      for (const FlatTable& weight : node.tables(v3::NodeWeights::kWeights)) {
        view.charge(layer.size());
        graph.tensors.push_back(read_weight(view, weight, layer));
      }
    }
  }

  static DlcTensor read_weight(const FlatView& view, const FlatTable& table, const std::string& layer) {
    DlcTensor tensor;
    tensor.name = format("{}/{}", layer, table.text(v3::Weight::kName));
    tensor.location = DlcLocation::kStatic;
    tensor.dims = table.scalars<uint32_t>(v3::Weight::kDims);
    tensor.encoding = find_encoding(Flattener(view).flatten(table.tables(v3::Weight::kAttributes)), 0);
    if (const auto data = table.table(v3::Weight::kData)) read_weight_data(view, *data, tensor);
    return tensor;
  }

  static void read_weight_data(const FlatView& view, const FlatTable& data, DlcTensor& tensor) {
    const auto code = data.scalar<uint8_t>(v3::WeightData::kDtype, 0);
    if (code == v3::kUInt8Data) {
      const auto bytes = data.bytes(v3::WeightData::kBytes);
      view.charge(bytes.size());
      tensor.dtype = tensor.encoding.entries.empty() ? DlcDtype::kUInt8 : DlcDtype::kUFixed8;
      tensor.data.assign(bytes.begin(), bytes.end());
    } else if (code == v3::kFloat32Data) {
      const auto values = data.scalars<float>(v3::WeightData::kFloats);
      const auto raw = std::as_bytes(std::span(values));
      tensor.dtype = DlcDtype::kFloat32;
      tensor.data.assign(raw.begin(), raw.end());
    } else {
      view.fail(format("weight '{}' is of unknown type {}", tensor.name, code));
    }
  }

  const DlcRecords& records_;
  DlcFile& file_;
};

}  // namespace

void read_v3(const DlcRecords& records, DlcFile& file) { V3Reader(records, file).read(); }

}  // namespace qtool::container
