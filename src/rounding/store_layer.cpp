#include "store_layer.h"

#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"

namespace qtool::rounding {

namespace {

// As compute_encodings does it: from the scales of input and weight, or from a range of its own.
void refresh(model::ModelState& state, ir::ValueId bias) {
  const model::TensorPlan* plan = state.plan.find(bias);
  const auto entry = state.encodings.find(bias);
  if (plan == nullptr || entry == state.encodings.end() || entry->second.frozen) return;
  const Tensor& tensor = *state.graph.constant(bias);
  const quant::Encoding* input = model::find_encoding(state.encodings, plan->bias_of_input);
  const quant::Encoding* weight = model::find_encoding(state.encodings, plan->bias_of_weight);
  if (input != nullptr && weight != nullptr) {
    entry->second.encoding = quant::bias_encoding(input->grids[0].scale, *weight, tensor.element_count());
  } else {
    entry->second.encoding = quant::encoding_from_ranges(plan->spec, quant::tensor_ranges(tensor, -1));
  }
}

// The bias slot, movable or not: its grid follows the weight's.
ir::ValueId bias_of(const ir::Graph& graph, const LayerSite& site) {
  const ir::Node& node = graph.node(site.node);
  const bool has = node.op_type != "MatMul" && node.inputs.size() > 2 && graph.is_constant(node.inputs[2]);
  return has ? node.inputs[2] : ir::kNoValue;
}

}  // namespace

void refresh_bias_encoding(model::ModelState& state, const LayerSite& site) {
  const ir::ValueId bias = bias_of(state.graph, site);
  if (bias != ir::kNoValue) refresh(state, bias);
}

void store_bias(model::ModelState& state, const LayerSite& site, std::span<const float> bias) {
  ir::Value& value = state.graph.value(site.bias);
  value.constant = Tensor::from<float>(value.constant->shape(), bias);
  refresh_bias_encoding(state, site);
}

void store_layer(model::ModelState& state, const LayerSite& site, const LayerSolution& solution, Method method) {
  ir::Value& weight = state.graph.value(site.weight);
  if (method != Method::kSeqMse) weight.constant = weight_tensor(site, weight.constant->shape(), solution.weights);
  model::EncodingEntry& entry = state.encodings.at(site.weight);
  entry.encoding = solution.encoding;
  entry.source = method == Method::kSeqMse ? solution.method : format("adaround ({})", solution.method);
  entry.frozen = true;
  if (site.bias == ir::kNoValue || method == Method::kSeqMse) return refresh_bias_encoding(state, site);
  store_bias(state, site, solution.bias);
}

}  // namespace qtool::rounding
