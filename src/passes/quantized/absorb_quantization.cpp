#include <algorithm>
#include <set>
#include <string_view>

#include "grid_node.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/passes/read_quantized.h"
#include "qtool/passes/rewrite.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::NodeId;
using ir::ValueId;

class Absorber {
 public:
  explicit Absorber(model::ModelState& state) : state_(state), graph_(state.graph) {}

  AbsorbedQuantization run() {
    for (const NodeId id : graph_.topological_order()) {
      if (!graph_.is_live(id)) continue;
      if (is_quantize(graph_.node(id))) absorb_quantize(id);
      else if (is_dequantize(graph_.node(id))) absorb_dequantize(id);
    }
    ops::infer_shapes(graph_, ops::builtin_registry(), {.fold_grids = true});
    graph_.remove_unused();
    forget_erased();
    count();
    return std::move(result_);
  }

 private:
  void leave(const ir::Node& node, const std::string& reason) { result_.left.push_back(format("{}: {}", node.text(), reason)); }

  bool on_same_grid(ValueId id, const GridNode& grid) const {
    const quant::Encoding* known = model::find_encoding(state_.encodings, id);
    return known != nullptr && GridNode{*known, grid.dtype} == grid && known->bits == grid.encoding.bits;
  }

  void set_encoding(ValueId id, const GridNode& grid) {
    state_.encodings[id] = {.encoding = grid.encoding, .source = "model", .frozen = true};
  }

  // ---- x -> QuantizeLinear -> DequantizeLinear ---------------------------------------------------------------

  void absorb_quantize(NodeId id) {
    std::string reason;
    const auto grid = grid_of(graph_, graph_.node(id), &reason);
    const ValueId source = graph_.node(id).inputs[0];
    if (!grid || graph_.type_of(source).dtype != DType::kFloat32) {
      return leave(graph_.node(id), grid ? "the data are not float32" : reason);
    }
    if (grid->encoding.per_channel() && !graph_.is_constant(source)) return leave(graph_.node(id), "an activation with one scale a channel");
    const ValueId codes = graph_.node(id).outputs[0];
    std::vector<NodeId> readers = graph_.value(codes).uses;
    const bool all_dequantize = std::all_of(readers.begin(), readers.end(), [&](NodeId reader) {
      return is_dequantize(graph_.node(reader)) && grid_of(graph_, graph_.node(reader)) == grid;
    });
    if (!all_dequantize || graph_.is_output(codes)) {
      // The integers themselves are read. The node stays; what goes into it may lie on its grid already.
      if (!graph_.is_constant(source) && graph_.single_user(source) == id && !state_.encodings.contains(source)) set_encoding(source, *grid);
      return leave(graph_.node(id), "its integers are read");
    }
    const ValueId carrier = carrier_of(source, id, *grid);
    for (const NodeId reader : readers) {
      if (graph_.is_live(reader)) replace_by(graph_.node(reader).outputs[0], carrier);
    }
    if (graph_.is_live(id)) prune(graph_, codes);
  }

  // The value that lies on the grid from now on: the source where nobody reads it off this grid, else a copy.
  ValueId carrier_of(ValueId source, NodeId quantize, const GridNode& grid) {
    if (on_same_grid(source, grid)) return source;
    const auto& uses = graph_.value(source).uses;
    const bool free = !state_.encodings.contains(source) && !graph_.is_output(source) &&
                      std::all_of(uses.begin(), uses.end(), [&](NodeId user) {
                        return user == quantize || (is_quantize(graph_.node(user)) && grid_of(graph_, graph_.node(user)) == grid);
                      });
    const ValueId carrier = free ? source : add_copy(source, graph_.unique_name(graph_.value(source).name + "_on_grid"));
    set_encoding(carrier, grid);
    return carrier;
  }

  ValueId add_copy(ValueId source, const std::string& name) {
    const ValueId copy = graph_.add_value(name, graph_.type_of(source));
    graph_.add_node({.name = name, .op_type = "Identity", .opset = 13, .inputs = {source}, .outputs = {copy}});
    return copy;
  }

  void replace_by(ValueId dequantized, ValueId carrier) {
    if (redirect(graph_, dequantized, carrier)) return;
    // A graph output whose name the carrier cannot take.
    const NodeId former = graph_.producer(dequantized);
    const ValueId codes = graph_.node(former).inputs[0];
    graph_.erase_node(former);
    graph_.add_node({.name = graph_.unique_name(graph_.value(dequantized).name + "_copy"), .op_type = "Identity", .opset = 13,
                     .inputs = {carrier}, .outputs = {dequantized}});
    prune(graph_, codes);
  }

  // ---- integers -> DequantizeLinear --------------------------------------------------------------------------

  void absorb_dequantize(NodeId id) {
    std::string reason;
    const auto grid = grid_of(graph_, graph_.node(id), &reason);
    const ValueId result = graph_.node(id).outputs[0];
    if (!grid || graph_.type_of(result).dtype != DType::kFloat32) {
      return leave(graph_.node(id), grid ? "the result is not float32" : reason);
    }
    const Tensor* integers = constant_input(graph_, graph_.node(id), 0);
    if (integers == nullptr) {
      // Integers from outside or from an operator on integers; the result lies on the grid by itself.
      if (!grid->encoding.per_channel()) set_encoding(result, *grid);
      return leave(graph_.node(id), "its integers are no constants");
    }
    Tensor values = dequantize(*integers, *grid);
    graph_.erase_node(id);
    graph_.value(result).constant = std::move(values);
    set_encoding(result, *grid);
    take_short_name(result);
  }

  static Tensor dequantize(const Tensor& integers, const GridNode& grid) {
    const std::vector<int64_t> stored = integers.to_int64();
    const quant::Encoding& encoding = grid.encoding;
    // level = stored - zero point = code + offset, where code counts from the lowest integer of the type.
    const bool is_signed = grid.dtype == DType::kInt4 || grid.dtype == DType::kInt8 || grid.dtype == DType::kInt16 || grid.dtype == DType::kInt32;
    const int64_t first_code = is_signed ? -(int64_t{1} << (encoding.bits - 1)) : 0;
    Tensor values(DType::kFloat32, integers.shape());
    float* target = values.mutable_data<float>().data();
    quant::for_each_channel_element(integers.shape(), encoding.channel_axis, [&](int64_t i, int64_t c) {
      const quant::Grid& g = encoding.grids[static_cast<size_t>(c)];
      const int64_t level = stored[static_cast<size_t>(i)] - first_code + g.offset;
      target[i] = static_cast<float>(level) * static_cast<float>(g.scale);
    });
    return values;
  }

  // ONNX Runtime calls the dequantized weight w "w_DequantizeLinear_Output", AIMET "w_qdq".
  void take_short_name(ValueId id) {
    const std::string name = graph_.value(id).name;
    if (graph_.is_output(id)) return;
    for (const std::string_view suffix : {"_DequantizeLinear_Output", "_qdq"}) {
      if (!name.ends_with(suffix)) continue;
      const std::string shorter = name.substr(0, name.size() - suffix.size());
      if (!shorter.empty() && graph_.find_value(shorter) == ir::kNoValue) graph_.rename_value(id, shorter);
      return;
    }
  }

  // ---- afterwards --------------------------------------------------------------------------------------------

  void forget_erased() {
    const std::vector<ValueId> live = graph_.value_ids();
    const std::set<ValueId> known(live.begin(), live.end());
    std::erase_if(state_.encodings, [&](const auto& entry) { return !known.contains(entry.first); });
  }

  void count() {
    for (const auto& [id, entry] : state_.encodings) ++(graph_.is_constant(id) ? result_.constants : result_.activations);
  }

  model::ModelState& state_;
  Graph& graph_;
  AbsorbedQuantization result_;
};

}  // namespace

AbsorbedQuantization absorb_quantization(model::ModelState& state) { return Absorber(state).run(); }

}  // namespace qtool::passes
