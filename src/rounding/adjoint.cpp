#include "adjoint.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "qtool/ops/window.h"
#include "qtool/support/format.h"

namespace qtool::rounding {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;
using Ints = std::vector<int64_t>;
using Attributes = std::map<std::string, ir::Attribute, std::less<>>;

// Adds nodes of the adjoint to a graph that holds the model.
class Writer {
 public:
  explicit Writer(Graph& graph) : graph_(graph) {}

  ValueId add(const char* op, std::vector<ValueId> inputs, const TensorType& type, Attributes attributes = {}) {
    const ValueId output = graph_.add_value(graph_.unique_name("adjoint"), type);
    Node node;
    node.op_type = op;
    node.opset = kOpset;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    node.attributes = std::move(attributes);
    graph_.add_node(std::move(node));
    return output;
  }
  ValueId constant(const Tensor& tensor) { return graph_.add_constant(graph_.unique_name("adjoint.constant"), tensor); }
  ValueId scalar(float value) { return constant(Tensor::from<float>(Shape(), std::span<const float>(&value, 1))); }
  ValueId ints(const Ints& values) { return constant(Tensor::from<int64_t>(Shape({static_cast<int64_t>(values.size())}), std::span<const int64_t>(values))); }

  TensorType type(ValueId id) const { return graph_.type_of(id); }  // a copy: adding values moves them
  TensorType like(ValueId id, DType dtype) const { return {dtype, type(id).shape}; }
  ValueId multiply(ValueId a, ValueId b, const TensorType& type) { return add("Mul", {a, b}, type); }
  // 1 where low < x < high, else 0.
  ValueId inside(ValueId x, float low, float high) {
    const TensorType logical = like(x, DType::kBool);
    ValueId mask = add("Greater", {x, scalar(low)}, logical);
    if (std::isfinite(high)) mask = add("And", {mask, add("Less", {x, scalar(high)}, logical)}, logical);
    return add("Cast", {mask}, type(x), {{"to", int64_t{1}}});
  }
  ValueId transpose(ValueId x, const Ints& perm) {
    const Shape from = type(x).shape;
    Ints dims;
    for (const int64_t axis : perm) dims.push_back(from[static_cast<size_t>(axis)]);
    return add("Transpose", {x}, {type(x).dtype, Shape(dims)}, {{"perm", perm}});
  }
  ValueId swap_last(ValueId x) {
    Ints perm(type(x).shape.rank());
    std::iota(perm.begin(), perm.end(), int64_t{0});
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return transpose(x, perm);
  }

 private:
  static constexpr int64_t kOpset = 13;
  Graph& graph_;
};

// d: adjoint of the node's output. Returns the adjoint of input `slot`, or kNoValue when there is no rule.
using Rule = ValueId (*)(Writer& w, const Graph& model, const Node& node, size_t slot, ValueId d);

ValueId through_conv(Writer& w, const Graph& model, const Node& node, size_t slot, ValueId d) {
  const Tensor* weight = model.constant(node.inputs[1]);
  if (slot != 0 || weight == nullptr) return kNoValue;
  const TensorType input = w.type(node.inputs[0]);
  const ops::WindowParams window = ops::conv_window(node, input.shape, weight->shape());
  const size_t axes = window.rank();
  Ints extra, pads(2 * axes);
  for (size_t a = 0; a < axes; ++a) {
    const int64_t reached = (window.output[a] - 1) * window.strides[a] + (window.kernel[a] - 1) * window.dilations[a] + 1;
    pads[a] = window.pads_begin[a];
    // Input pixels that no window reaches are padding of the transposed convolution's output.
    extra.push_back(std::max<int64_t>(0, input.shape[a + 2] + window.pads_begin[a] - reached));
    pads[axes + a] = reached + extra[a] - window.pads_begin[a] - input.shape[a + 2];
  }
  return w.add("ConvTranspose", {d, node.inputs[1]}, input,
               {{"group", node.attr_int("group", 1)}, {"strides", window.strides},
                {"dilations", window.dilations}, {"pads", pads}, {"output_padding", extra}});
}

ValueId through_matmul(Writer& w, const Graph&, const Node& node, size_t slot, ValueId d) {
  const ValueId a = node.inputs[0], b = node.inputs[1];
  const size_t rank_a = w.type(a).shape.rank(), rank_b = w.type(b).shape.rank();
  if (rank_a < 2 || rank_b < 2) return kNoValue;
  if (slot == 0) return rank_b <= rank_a ? w.add("MatMul", {d, w.swap_last(b)}, w.type(a)) : kNoValue;
  return rank_a == rank_b ? w.add("MatMul", {w.swap_last(a), d}, w.type(b)) : kNoValue;
}

ValueId through_gemm(Writer& w, const Graph&, const Node& node, size_t slot, ValueId d) {
  if (slot != 0 || node.attr_int("transA", 0) != 0 || node.attr_float("alpha", 1.0f) != 1.0f) return kNoValue;
  const ValueId weight = node.attr_int("transB", 0) != 0 ? node.inputs[1] : w.swap_last(node.inputs[1]);
  return w.add("MatMul", {d, weight}, w.type(node.inputs[0]));
}

bool same_shape(const Writer& w, ValueId input, ValueId d) { return w.type(input).shape == w.type(d).shape; }

ValueId through_add(Writer& w, const Graph&, const Node& node, size_t slot, ValueId d) {
  return same_shape(w, node.inputs[slot], d) ? d : kNoValue;
}

ValueId through_mul(Writer& w, const Graph&, const Node& node, size_t slot, ValueId d) {
  return same_shape(w, node.inputs[slot], d) ? w.multiply(d, node.inputs[1 - slot], w.type(d)) : kNoValue;
}

ValueId through_relu(Writer& w, const Graph&, const Node& node, size_t, ValueId d) {
  return w.multiply(d, w.inside(node.inputs[0], 0.0f, INFINITY), w.type(d));
}

ValueId through_clip(Writer& w, const Graph& model, const Node& node, size_t slot, ValueId d) {
  if (slot != 0) return kNoValue;
  const auto bound = [&](size_t at, const char* name, float fallback) {
    const Tensor* value = at < node.inputs.size() ? model.constant(node.inputs[at]) : nullptr;
    return value != nullptr ? value->to_float()[0] : node.attr_float(name, fallback);
  };
  return w.multiply(d, w.inside(node.inputs[0], bound(1, "min", -INFINITY), bound(2, "max", INFINITY)), w.type(d));
}

// y (1 - y)
ValueId through_sigmoid(Writer& w, const Graph&, const Node& node, size_t, ValueId d) {
  const ValueId y = node.outputs[0];
  const ValueId slope = w.multiply(y, w.add("Sub", {w.scalar(1.0f), y}, w.type(y)), w.type(y));
  return w.multiply(d, slope, w.type(d));
}

// x Phi(x): Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi)
ValueId through_gelu(Writer& w, const Graph&, const Node& node, size_t, ValueId d) {
  const ValueId x = node.inputs[0];
  const TensorType type = w.type(x);
  const ValueId error = w.add("Erf", {w.multiply(x, w.scalar(0.70710678f), type)}, type);
  const ValueId phi = w.multiply(w.add("Add", {error, w.scalar(1.0f)}, type), w.scalar(0.5f), type);
  const ValueId bell = w.add("Exp", {w.multiply(w.multiply(x, x, type), w.scalar(-0.5f), type)}, type);
  const ValueId slope = w.add("Add", {phi, w.multiply(w.multiply(x, bell, type), w.scalar(0.39894228f), type)}, type);
  return w.multiply(d, slope, w.type(d));
}

// y (d - sum(d y)) over the axis.
ValueId through_softmax(Writer& w, const Graph&, const Node& node, size_t, ValueId d) {
  const ValueId y = node.outputs[0];
  const TensorType type = w.type(y);
  const auto rank = static_cast<int64_t>(type.shape.rank());
  const int64_t axis = node.attr_int("axis", -1);
  if (axis != -1 && axis != rank - 1) return kNoValue;
  Ints dims = type.shape.dims();
  dims.back() = 1;
  const ValueId sum = w.add("ReduceSum", {w.multiply(d, y, type), w.ints({rank - 1})}, {type.dtype, Shape(dims)}, {{"keepdims", int64_t{1}}});
  return w.multiply(y, w.add("Sub", {d, sum}, type), type);
}

ValueId through_shape_change(Writer& w, const Graph&, const Node& node, size_t slot, ValueId d) {
  if (slot != 0) return kNoValue;
  const TensorType input = w.type(node.inputs[0]);
  return w.add("Reshape", {d, w.ints(input.shape.dims())}, input);
}

ValueId through_transpose(Writer& w, const Graph&, const Node& node, size_t, ValueId d) {
  const Ints perm = node.attr_ints("perm");
  if (perm.empty()) return kNoValue;
  Ints back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return w.transpose(d, back);
}

ValueId through_global_average(Writer& w, const Graph&, const Node& node, size_t, ValueId d) {
  const TensorType input = w.type(node.inputs[0]);
  const Ints& dims = input.shape.dims();
  const auto pixels = static_cast<float>(input.shape.span_count(2, input.shape.rank()));
  return w.add("Expand", {w.multiply(d, w.scalar(1.0f / pixels), w.type(d)), w.ints(dims)}, input);
}

const std::map<std::string, Rule, std::less<>>& rules() {
  static const std::map<std::string, Rule, std::less<>> table = {
      {"Conv", through_conv}, {"MatMul", through_matmul}, {"Gemm", through_gemm}, {"Add", through_add}, {"Mul", through_mul},
      {"Relu", through_relu}, {"Clip", through_clip}, {"Sigmoid", through_sigmoid}, {"Gelu", through_gelu}, {"Softmax", through_softmax},
      {"Reshape", through_shape_change}, {"Flatten", through_shape_change}, {"Squeeze", through_shape_change}, {"Unsqueeze", through_shape_change},
      {"Identity", through_shape_change}, {"Transpose", through_transpose}, {"GlobalAveragePool", through_global_average}};
  return table;
}

class Builder {
 public:
  Builder(const Graph& model, const std::vector<ValueId>& seeds) : model_(model), seeds_(seeds.begin(), seeds.end()) {
    result_.graph = model;
    for (const ValueId seed : seeds) {
      const ValueId probe = result_.graph.add_value(result_.graph.unique_name("probe"), model.type_of(seed));
      result_.graph.inputs.push_back(probe);
      result_.probes.push_back(probe);
      result_.adjoints[seed] = probe;
    }
  }

  AdjointGraph run(const std::vector<ValueId>& wanted) {
    std::vector<NodeId> order = model_.topological_order();
    for (auto id = order.rbegin(); id != order.rend(); ++id) pull(model_.node(*id));
    for (const ValueId id : unreached_) result_.adjoints.erase(id);
    result_.graph.outputs.clear();
    for (const ValueId id : wanted) {
      if (result_.adjoints.contains(id)) result_.graph.outputs.push_back(result_.adjoints.at(id));
    }
    result_.graph.remove_unused();
    return std::move(result_);
  }

 private:
  void pull(const Node& node) {
    ValueId d = kNoValue;
    bool lost = false;
    for (const ValueId output : node.outputs) {
      if (unreached_.contains(output)) lost = true;
      else if (const auto found = result_.adjoints.find(output); found != result_.adjoints.end()) d = found->second;
    }
    if (d == kNoValue && !lost) return;
    const auto rule = rules().find(node.op_type);
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const ValueId input = node.inputs[slot];
      if (input == kNoValue || model_.is_constant(input) || seeds_.contains(input)) continue;
      Writer writer(result_.graph);
      const bool known = !lost && node.outputs.size() == 1 && node.domain.empty() && rule != rules().end();
      const ValueId part = known ? rule->second(writer, model_, node, slot, d) : kNoValue;
      if (part == kNoValue) unreached_.insert(input);
      else add(writer, input, part);
    }
  }

  void add(Writer& writer, ValueId value, ValueId part) {
    const auto [entry, first] = result_.adjoints.try_emplace(value, part);
    if (!first) entry->second = writer.add("Add", {entry->second, part}, writer.type(part));
  }

  const Graph& model_;
  std::set<ValueId> seeds_, unreached_;
  AdjointGraph result_;
};

}  // namespace

AdjointGraph make_adjoint(const Graph& model, const std::vector<ValueId>& seeds, const std::vector<ValueId>& wanted) {
  return Builder(model, seeds).run(wanted);
}

}  // namespace qtool::rounding
