// The `model` record of container version 4 (DLC container notes, section 5).
#include <algorithm>
#include <set>

#include "dlc_parameters.h"
#include "dlc_records.h"
#include "dlc_schema.h"
#include "flat_view.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {
namespace {

DlcEncodingEntry read_entry(const FlatTable& table) {
  return {.bitwidth = table.scalar<uint32_t>(slot::Fixed::kBitwidth, 0),
          .min = table.scalar<float>(slot::Fixed::kMin, 0),
          .max = table.scalar<float>(slot::Fixed::kMax, 0),
          .scale = table.scalar<float>(slot::Fixed::kScale, 0),
          .offset = table.scalar<int32_t>(slot::Fixed::kOffset, 0),
          .is_symmetric = table.scalar<uint8_t>(slot::Fixed::kSymmetric, 0) != 0};
}

DlcEncoding read_encoding(const FlatTable& table) {
  DlcEncoding encoding;
  encoding.type = static_cast<DlcEncodingType>(table.scalar<uint32_t>(slot::Encoding::kType, 0));
  encoding.is_overridden = table.scalar<uint8_t>(slot::Encoding::kOverridden, 0) != 0;
  if (encoding.is_per_tensor()) {
    if (const auto fixed = table.table(slot::Encoding::kFixed)) encoding.entries.push_back(read_entry(*fixed));
  } else if (encoding.is_per_axis()) {
    if (const auto axis = table.table(slot::Encoding::kAxis)) {
      encoding.axis = axis->scalar<int32_t>(slot::Axis::kAxis, 0);
      for (const FlatTable& entry : axis->tables(slot::Axis::kEntries)) encoding.entries.push_back(read_entry(entry));
    }
  }
  return encoding;
}

DlcTensor read_tensor(const FlatTable& table) {
  DlcTensor tensor;
  tensor.name = table.text(slot::Tensor::kName);
  tensor.id = table.scalar<uint32_t>(slot::Tensor::kId, 0);
  tensor.location = static_cast<DlcLocation>(table.scalar<int32_t>(slot::Tensor::kLocation, 0));
  tensor.dims = table.scalars<uint32_t>(slot::Tensor::kDims);
  tensor.axis_format = table.scalar<int32_t>(slot::Tensor::kAxisFormat, 0);
  tensor.dtype = static_cast<DlcDtype>(table.scalar<uint32_t>(slot::Tensor::kDtype, 0));
  const auto source = table.scalar<uint32_t>(slot::Tensor::kSourceDtype, 0);
  tensor.source_dtype = source == 0 ? DlcDtype::kUndefined : static_cast<DlcDtype>(source);
  if (const auto encoding = table.table(slot::Tensor::kEncoding)) tensor.encoding = read_encoding(*encoding);
  return tensor;
}

DlcScalar read_scalar(const FlatTable& table) {
  return {.kind = static_cast<DlcDtype>(table.scalar<uint32_t>(slot::Scalar::kKind, 0)),
          .integer = table.scalar<int64_t>(slot::Scalar::kInteger, 0),
          .real = table.scalar<double>(slot::Scalar::kReal, 0),
          .text = table.text(slot::Scalar::kText)};
}

// Fills the bytes of static tensors while it walks the graph.
class GraphReader {
 public:
  GraphReader(const DlcParameters& parameters, uint64_t copy_budget, DlcFile& file)
      : parameters_(parameters), copy_budget_(copy_budget), file_(file) {}

  DlcGraph read(const FlatTable& table) {
    DlcGraph graph;
    graph.name = table.text(slot::Graph::kName);
    const std::string params_name = table.has(slot::Graph::kParamsName) ? table.text(slot::Graph::kParamsName) : graph.name;
    graph_parameters_ = parameters_.find(params_name);
    try {
      read_ops(table, graph);
      read_tensors(table, graph);
    } catch (Error& error) {
      error.with("graph", graph.name);
      throw;
    }
    return graph;
  }

 private:
  void read_ops(const FlatTable& table, DlcGraph& graph) {
    for (const FlatTable& op_table : table.tables(slot::Graph::kOps)) {
      graph.ops.push_back(read_op(op_table, graph.ops.size()));
    }
  }

  DlcOp read_op(const FlatTable& table, size_t index) {
    DlcOp op;
    op.name = table.text(slot::Op::kName);
    op.type = table.text(slot::Op::kType);
    op.inputs = table.texts(slot::Op::kInputs);
    op.outputs = table.texts(slot::Op::kOutputs);
    try {
      for (const FlatTable& attribute : table.tables(slot::Op::kAttributes)) {
        op.attributes.push_back(read_attribute(attribute, index));
      }
    } catch (Error& error) {
      error.with("op", op.name);
      throw;
    }
    return op;
  }

  DlcAttribute read_attribute(const FlatTable& table, size_t op_index) {
    DlcAttribute attribute;
    attribute.name = table.text(slot::Attribute::kName);
    attribute.usage = static_cast<DlcUsage>(table.scalar<uint8_t>(slot::Attribute::kUsage, 0));
    const auto kind = table.scalar<int32_t>(slot::Attribute::kKind, 0);
    if (kind == kTensorAttribute) {
      const auto tensor_table = table.table(slot::Attribute::kTensor);
      if (!tensor_table) throw Error(ErrorCode::kInvalidModel, format("attribute '{}' has no tensor", attribute.name));
      DlcTensor tensor = read_tensor(*tensor_table);
      const bool known = graph_parameters_ != nullptr && op_index < graph_parameters_->ops.size();
      fill(tensor, known ? &graph_parameters_->ops[op_index] : nullptr);
      attribute.value = std::move(tensor);
    } else if (kind == kScalarAttribute) {
      const auto scalar = table.table(slot::Attribute::kScalar);
      if (!scalar) throw Error(ErrorCode::kInvalidModel, format("attribute '{}' has no value", attribute.name));
      attribute.value = read_scalar(*scalar);
    } else {
      throw Error(ErrorCode::kInvalidModel, format("attribute '{}' is of unknown kind {}", attribute.name, kind));
    }
    return attribute;
  }

  void read_tensors(const FlatTable& table, DlcGraph& graph) {
    std::set<std::string, std::less<>> seen;
    for (const FlatTable& tensor_table : table.tables(slot::Graph::kTensors)) {
      DlcTensor tensor = read_tensor(tensor_table);
      if (!seen.insert(tensor.name).second) {
        throw Error(ErrorCode::kInvalidModel, "the tensor is listed twice").with("tensor", tensor.name);
      }
      if (tensor.location == DlcLocation::kStatic) {
        fill(tensor, graph_parameters_ != nullptr ? &graph_parameters_->statics : nullptr);
      }
      note_graph_tensor(tensor_table, tensor);
      graph.tensors.push_back(std::move(tensor));
    }
  }

  void note_graph_tensor(const FlatTable& table, const DlcTensor& tensor) {
    if (table.scalar<uint8_t>(slot::Tensor::kGraphFlag, 0) != 1) {
      note("tensor '{}' lacks the flag of a graph tensor; QAIRT refuses such a file", tensor.name);
    }
    if (!table.has(slot::Tensor::kEncoding)) {
      note("tensor '{}' has no encoding table; QAIRT crashes on such a file", tensor.name);
    }
    const auto type = static_cast<uint32_t>(tensor.encoding.type);
    if (!tensor.encoding.is_per_tensor() && !tensor.encoding.is_per_axis() && tensor.encoding.type != DlcEncodingType::kNone) {
      note("tensor '{}' has an encoding of type {}, which is not decoded", tensor.name, type);
    }
  }

  template <class... Args>
  void note(fmt::format_string<Args...> text, Args&&... args) {
    constexpr size_t kMaxNotes = 100;  // one a tensor would drown everything else
    if (file_.notes.size() < kMaxNotes) file_.notes.push_back(format(text, std::forward<Args>(args)...));
  }

  void fill(DlcTensor& tensor, const TensorBytes* source) {
    const auto at = source != nullptr ? source->find(tensor.name) : TensorBytes::const_iterator{};
    if (source == nullptr || at == source->end()) {
      throw Error(ErrorCode::kInvalidModel, "no bytes for the tensor in the parameter record").with("tensor", tensor.name);
    }
    const auto bytes = at->second;
    check_size(tensor, bytes.size());
    if (bytes.size() > copy_budget_) throw Error(ErrorCode::kInvalidModel, "damaged record: the same bytes are used over and over");
    copy_budget_ -= bytes.size();
    tensor.data.assign(bytes.begin(), bytes.end());
  }

  static void check_size(const DlcTensor& tensor, uint64_t size) {
    const auto element = dlc_dtype_size_bytes(tensor.dtype);
    if (!element) return;  // a type we do not know: the bytes are kept as they are
    const uint64_t count = dlc_element_count(tensor.dims);
    // Divided instead of multiplied, because count x element can overflow.
    if (size % *element == 0 && size / *element == count) return;
    throw Error(ErrorCode::kInvalidModel, format("{} bytes for {} elements of {}", size, count, dlc_dtype_name(tensor.dtype)))
        .with("tensor", tensor.name);
  }

  const DlcParameters& parameters_;
  const GraphParameters* graph_parameters_ = nullptr;
  uint64_t copy_budget_;
  DlcFile& file_;
};

}  // namespace

void read_v4(const DlcRecords& records, DlcFile& file) {
  const FlatView view(without_prefix(records.model, kModelRecord), kModelRecord);
  if (view.identifier() != kModelIdentifier) {
    throw Error(ErrorCode::kInvalidModel, format("record '{}' has the identifier '{}' instead of {}", kModelRecord,
                                                 view.identifier(), kModelIdentifier));
  }
  const DlcParameters parameters(records, file.minor);
  file.parameter_format = parameters.form();
  // Each tensor is normally copied once; sharing is allowed, amplification is not.
  constexpr uint64_t kCopyFactor = 4;
  const uint64_t stored = records.params.size() + (records.payload ? records.payload->size() : 0);
  GraphReader reader(parameters, kCopyFactor * stored, file);
  for (const FlatTable& graph : view.root().tables(slot::Model::kGraphs)) file.graphs.push_back(reader.read(graph));
  if (file.graphs.empty()) throw Error(ErrorCode::kInvalidModel, "the DLC has no graph");
}

}  // namespace qtool::container
