#include "report_document.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "qtool/pipeline/quantize.h"
#include "qtool/quant/quantize.h"
#include "qtool/report/render_html.h"
#include "qtool/support/format.h"
#include "weight_channels.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
constexpr int64_t kPlotBins = 72;

Json histogram_json(const quant::Histogram& histogram) {
  const quant::Range range = histogram.range();
  const double width = histogram.bin_width();
  const auto first = static_cast<int64_t>(std::floor(range.lo / width)), last = static_cast<int64_t>(std::floor(range.hi / width));
  const int64_t merged = (last - first) / kPlotBins + 1;
  std::vector<uint64_t> counts(static_cast<size_t>((last - first) / merged + 1), 0);
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    if (histogram.counts()[i] == 0) continue;
    const int64_t bin = histogram.first_bin() + static_cast<int64_t>(i) - first;
    counts[static_cast<size_t>(bin / merged)] += histogram.counts()[i];
  }
  return {{"lo", shortened(static_cast<double>(first) * width)}, {"width", shortened(static_cast<double>(merged) * width)}, {"counts", counts}};
}

Json channels_json(const std::vector<quant::Range>& ranges) {
  Json low = Json::array(), high = Json::array();
  for (const quant::Range& range : ranges) {
    low.push_back(shortened(range.lo));
    high.push_back(shortened(range.hi));
  }
  return {{"min", std::move(low)}, {"max", std::move(high)}};
}

Json grid_json(const quant::Encoding& encoding) {
  Json grid = {{"symmetric", encoding.is_symmetric}};
  if (encoding.per_channel()) {
    double low = encoding.min(), high = encoding.max();
    for (size_t c = 0; c < encoding.grids.size(); ++c) {
      low = std::min(low, encoding.min(c));
      high = std::max(high, encoding.max(c));
    }
    grid["min"] = shortened(low);
    grid["max"] = shortened(high);
    grid["channels"] = encoding.grids.size();
    return grid;
  }
  grid["min"] = shortened(encoding.min());
  grid["max"] = shortened(encoding.max());
  grid["scale"] = shortened(encoding.grids[0].scale);
  grid["offset"] = encoding.grids[0].offset;
  return grid;
}

// Percent of the counted values in bins that lie wholly outside the grid, by more than rounding reaches.
double clipped_percent(const quant::Histogram& histogram, const quant::Encoding& encoding) {
  uint64_t outside = 0;
  const double width = histogram.bin_width(), half_step = encoding.grids[0].scale / 2.0;
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    const double low = static_cast<double>(histogram.first_bin() + static_cast<int64_t>(i)) * width;
    if (low + width <= encoding.min() - half_step || low >= encoding.max() + half_step) outside += histogram.counts()[i];
  }
  return 100.0 * static_cast<double>(outside) / static_cast<double>(std::max<int64_t>(1, histogram.finite_count()));
}

class TensorList {
 public:
  TensorList(const model::ModelState& state, const Statistics& statistics) : state_(state), graph_(state.graph), statistics_(statistics) {}

  Json build() {
    for (const ir::ValueId id : graph_.inputs) add(id);
    for (const ir::NodeId id : graph_.topological_order()) {
      const ir::Node& node = graph_.node(id);
      for (const ir::ValueId input : node.inputs) {
        if (graph_.is_constant(input)) add(input);
      }
      for (const ir::ValueId output : node.outputs) add(output);
    }
    return std::move(list_);
  }

 private:
  void add(ir::ValueId id) {
    if (id == ir::kNoValue || !added_.insert(id).second) return;
    const model::TensorPlan* plan = state_.plan.find(id);
    const bool left_float = state_.plan.left_float.contains(id);
    if (plan == nullptr && !left_float) return;  // not numeric, or inside a fused operator
    Json tensor = describe(id, plan);
    if (const auto found = state_.encodings.find(id); found != state_.encodings.end()) {
      tensor["bits"] = found->second.encoding.bits;
      tensor["grid"] = grid_json(found->second.encoding);
    } else {
      tensor["bits"] = nullptr;
    }
    if (graph_.is_constant(id)) add_constant_facts(id, plan, tensor);
    else add_observed_facts(id, plan, tensor);
    list_.push_back(std::move(tensor));
  }

  std::string kind_of(ir::ValueId id, const model::TensorPlan* plan) const {
    if (plan != nullptr && plan->role == model::TensorRole::kWeight) return "weight";
    if (plan != nullptr && plan->role == model::TensorRole::kBias) return "bias";
    if (graph_.is_constant(id)) return "constant";
    if (graph_.is_output(id)) return "output";
    return graph_.producer(id) == ir::kNoNode ? "input" : "activation";
  }

  Json describe(ir::ValueId id, const model::TensorPlan* plan) const {
    const ir::Value& value = graph_.value(id);
    Json tensor = {{"name", value.name}, {"kind", kind_of(id, plan)}};
    if (value.type) tensor["shape"] = value.type->shape.dims();
    const ir::NodeId node = graph_.is_constant(id) && !value.uses.empty() ? value.uses[0] : graph_.producer(id);
    if (node != ir::kNoNode) {
      tensor["op"] = graph_.node(node).op_type;
      tensor["node"] = graph_.node(node).name;
    }
    if (plan == nullptr) tensor["source"] = state_.plan.left_float.at(id);
    else if (const auto entry = state_.encodings.find(id); entry != state_.encodings.end()) tensor["source"] = format("{} ({})", entry->second.source, plan->reason);
    else tensor["source"] = plan->reason;
    return tensor;
  }

  void add_constant_facts(ir::ValueId id, const model::TensorPlan* plan, Json& tensor) const {
    const Tensor& constant = *graph_.constant(id);
    if (constant.dtype() != DType::kFloat32 || constant.element_count() == 0) return;
    if (const quant::Encoding* grid = model::find_encoding(state_.encodings, id)) {
      const quant::QuantizationError error = quant::quantization_error(constant, *grid);
      tensor["sqnr_db"] = finite(error.sqnr());
      tensor["clipped"] = shortened(100.0 * static_cast<double>(error.clipped) / static_cast<double>(constant.element_count()));
    }
    quant::Histogram histogram;
    histogram.add(constant.data<float>());
    tensor["observed"] = {finite(histogram.range().lo), finite(histogram.range().hi)};
    if (plan == nullptr || plan->role != model::TensorRole::kWeight) return;
    if (!histogram.counts().empty()) tensor["histogram"] = histogram_json(histogram);
    if (const auto axis = weight_channel_axis(graph_, id)) tensor["channels"] = channels_json(quant::tensor_ranges(constant, *axis));
  }

  void add_observed_facts(ir::ValueId id, const model::TensorPlan* plan, Json& tensor) const {
    if (plan != nullptr && plan->leader != id) tensor["shares_with"] = graph_.value(plan->leader).name;
    const auto seen = statistics_.find(id);
    if (seen == statistics_.end() || seen->second.empty()) return;
    const calib::TensorStatistics& statistics = seen->second;
    tensor["observed"] = {shortened(statistics.range.lo), shortened(statistics.range.hi)};
    if (!statistics.histogram || statistics.histogram->counts().empty()) return;
    tensor["histogram"] = histogram_json(*statistics.histogram);
    if (const quant::Encoding* grid = model::find_encoding(state_.encodings, id)) {
      tensor["clipped"] = shortened(clipped_percent(*statistics.histogram, *grid));
    }
  }

  const model::ModelState& state_;
  const ir::Graph& graph_;
  const Statistics& statistics_;
  std::set<ir::ValueId> added_;
  Json list_ = Json::array();
};

// How far the widest channel was brought towards the others.
double spread(const std::vector<quant::Range>& ranges) {
  double widest = 0.0, sum = 0.0;
  for (const quant::Range& range : ranges) {
    const double reach = std::max(std::abs(range.lo), std::abs(range.hi));
    widest = std::max(widest, reach);
    sum += reach;
  }
  return sum > 0.0 ? widest * static_cast<double>(ranges.size()) / sum : 1.0;
}

}  // namespace

Json start_document(const std::string& kind, const std::filesystem::path& model, const std::string& subtitle) {
  return {{"schema", report::kDocumentSchema}, {"kind", kind}, {"title", model.stem().string()}, {"subtitle", subtitle},
          {"tool", {{"name", "qtool"}, {"version", tool_version()}}}};
}

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json shortened(double value) { return std::isfinite(value) ? Json(std::strtod(format("{:.5g}", value).c_str(), nullptr)) : Json(nullptr); }

Json card(const std::string& label, const std::string& value, const std::string& note, const std::string& tone) {
  return {{"label", label}, {"value", value}, {"note", note}, {"tone", tone}};
}

Json tensors_part(const model::ModelState& state, const Statistics& statistics) { return TensorList(state, statistics).build(); }

ChannelRanges weight_channel_ranges(const ir::Graph& graph) {
  ChannelRanges ranges;
  for (const ir::ValueId id : graph.value_ids()) {
    const auto axis = weight_channel_axis(graph, id);
    if (axis) ranges[graph.value(id).name] = quant::tensor_ranges(*graph.constant(id), *axis);
  }
  return ranges;
}

Json equalization_part(const ChannelRanges& before, const ChannelRanges& after, size_t limit) {
  std::vector<std::pair<double, std::string>> changed;
  for (const auto& [name, ranges] : after) {
    const auto found = before.find(name);
    if (found == before.end() || found->second.size() != ranges.size() || found->second == ranges) continue;
    changed.emplace_back(-spread(found->second) / spread(ranges), name);
  }
  std::sort(changed.begin(), changed.end());
  Json part = Json::array();
  for (size_t i = 0; i < std::min(limit, changed.size()); ++i) {
    const std::string& name = changed[i].second;
    part.push_back({{"name", name}, {"before", channels_json(before.at(name))}, {"after", channels_json(after.at(name))}});
  }
  return part;
}

std::string render_page(const Json& document, Reporter& reporter) {
  if (!report::has_charts()) reporter.warning("the page has no charts: this build was made without Chart.js (package libjs-chart.js)");
  return report::render_html(document);
}

}  // namespace qtool::pipeline
