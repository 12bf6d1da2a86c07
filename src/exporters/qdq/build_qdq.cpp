#include "qtool/exporters/qdq_exporter.h"

#include <algorithm>
#include <set>

#include "qdq_parameters.h"
#include "qtool/onnxio/opset_upgrade.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "wide_bias.h"

namespace qtool::exporters {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::NodeId;
using ir::ValueId;

constexpr int64_t kFirstPerAxisOpset = 13;    // QuantizeLinear with an axis
constexpr int64_t kFirstNarrowWideOpset = 21;  // 4-bit and 16-bit integers

class QdqBuilder {
 public:
  QdqBuilder(const model::ModelState& state, QdqExportReport& report)
      : state_(state), report_(report), graph_(state.graph), parameters_(state, graph_) {}

  Graph build() {
    upgrade();
    for (const ValueId input : std::vector<ValueId>(graph_.inputs)) place(input);
    for (const NodeId id : graph_.topological_order()) {
      const ir::Node node = graph_.node(id);
      for (const ValueId input : node.inputs) place(input);
      for (const ValueId output : node.outputs) place(output);
    }
    return std::move(graph_);
  }

 private:
  const quant::Encoding* encoding(ValueId id) const {
    if (id == ir::kNoValue || static_cast<size_t>(id) >= state_.graph.value_capacity()) return nullptr;
    const quant::Encoding* found = model::find_encoding(state_.encodings, id);
    const auto& type = state_.graph.value(id).type;
    return found != nullptr && type && type->dtype == DType::kFloat32 ? found : nullptr;
  }

  void upgrade() {
    opset_ = std::max(kFirstPerAxisOpset, onnxio::newest_opset(graph_));
    for (const auto& [id, entry] : state_.encodings) {
      const bool needs_new_types = entry.encoding.bits <= 4 || (entry.encoding.bits > 8 && entry.encoding.bits <= 16);
      if (encoding(id) != nullptr && needs_new_types) opset_ = std::max(opset_, kFirstNarrowWideOpset);
    }
    onnxio::upgrade_opset(graph_, opset_);
  }

  // Once for every value; nothing happens for values without an encoding.
  void place(ValueId id) {
    const quant::Encoding* found = encoding(id);
    if (found == nullptr || !placed_.insert(id).second) return;
    const std::string name = graph_.value(id).name;
    try {
      graph_.is_constant(id) ? store_constant(id, name, *found) : quantize_activation(id, name, *found);
    } catch (Error& error) {
      error.with("tensor", name);
      throw;
    }
  }

  void store_constant(ValueId id, const std::string& name, const quant::Encoding& own) {
    const std::optional<WideBias> bias = widened_bias(state_, id);
    if (bias) ++report_.widened_biases;
    const quant::Encoding& encoding = bias ? bias->encoding : own;
    const quant::OnnxStorage storage = quant::onnx_storage(encoding);
    const Tensor& values = bias ? bias->values : *graph_.value(id).constant;
    const ValueId stored = graph_.add_constant(graph_.unique_name(name + "_quantized"), quant::store_tensor(values, encoding, storage));
    graph_.value(id).constant.reset();
    add_dequantize(name, stored, id, parameters_.of(id, name, encoding, storage));
    ++report_.stored_constants;
  }

  void quantize_activation(ValueId id, const std::string& name, const quant::Encoding& encoding) {
    if (encoding.per_channel()) {
      throw Error(ErrorCode::kUnsupported, "an activation with one scale a channel has no QuantizeLinear that backends take");
    }
    const quant::OnnxStorage storage = quant::onnx_storage(encoding);
    const TensorType type = *graph_.value(id).type;
    const QdqParameters grid = parameters_.of(id, name, encoding, storage);
    const ValueId result = graph_.add_value(graph_.unique_name(name + "_DequantizeLinear_Output"), type);
    const ValueId codes = graph_.add_value(graph_.unique_name(name + "_QuantizeLinear_Output"),
                                           TensorType{storage.dtype, type.shape});
    read_instead(id, result, name);
    const ValueId bounded = storage.wider_than_grid ? clamp(id, name, encoding) : id;
    add_node(name + "_QuantizeLinear", "QuantizeLinear", {bounded, grid.scale, grid.zero_point}, codes, {});
    add_dequantize(name, codes, result, grid);
    ++report_.quantized_activations;
  }

  // All readers of `id` read `result`. A graph output keeps its name; only an input cannot give its name away.
  void read_instead(ValueId id, ValueId result, const std::string& name) {
    const bool is_output = graph_.is_output(id);
    const bool is_input = graph_.value(id).producer == kNoNode;
    graph_.replace_all_uses(id, result);
    if (!is_output) return;
    if (is_input) {
      std::replace(graph_.outputs.begin(), graph_.outputs.end(), result, id);
      report_.notes.push_back(format("output '{}' is an input of the model and stays as it is", name));
      return;
    }
    graph_.rename_value(id, graph_.unique_name(name + "_QuantizeLinear_Input"));
    graph_.rename_value(result, name);
  }

  // A grid with fewer levels than its integer type: the type's saturation does not clamp to it.
  ValueId clamp(ValueId id, const std::string& name, const quant::Encoding& encoding) {
    const ValueId lowest = graph_.add_constant(graph_.unique_name(name + "_lowest"), Tensor::scalar(static_cast<float>(encoding.min())));
    const ValueId highest = graph_.add_constant(graph_.unique_name(name + "_highest"), Tensor::scalar(static_cast<float>(encoding.max())));
    const ValueId result = graph_.add_value(graph_.unique_name(name + "_Clip_Output"), graph_.value(id).type);
    add_node(name + "_Clip", "Clip", {id, lowest, highest}, result, {});
    report_.notes.push_back(format("'{}' is clipped in front of QuantizeLinear: ONNX has no type with {} levels", name,
                                   encoding.level_count() + 1));
    return result;
  }

  void add_dequantize(const std::string& name, ValueId codes, ValueId result, const QdqParameters& grid) {
    add_node(name + "_DequantizeLinear", "DequantizeLinear", {codes, grid.scale, grid.zero_point}, result, grid.axis);
  }

  void add_node(const std::string& name, std::string op_type, std::vector<ValueId> inputs, ValueId output,
                std::optional<int64_t> axis) {
    ir::Node node{.name = name, .op_type = std::move(op_type), .opset = opset_, .inputs = std::move(inputs), .outputs = {output}};
    if (axis) node.attributes["axis"] = *axis;
    graph_.add_node(std::move(node));
  }

  const model::ModelState& state_;
  QdqExportReport& report_;
  Graph graph_;
  QdqParameterTable parameters_;
  std::set<ValueId> placed_;
  int64_t opset_ = 0;
};

}  // namespace

ir::Graph build_qdq(const model::ModelState& state, QdqExportReport* report) {
  QdqExportReport unused;
  return QdqBuilder(state, report != nullptr ? *report : unused).build();
}

}  // namespace qtool::exporters
