// Parts of a report document (docs/report.md) that several commands share.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/model/model_state.h"
#include "qtool/support/reporter.h"

namespace qtool::pipeline {

using Statistics = std::map<ir::ValueId, calib::TensorStatistics>;

// Schema, kind, title (file name without extension) and tool.
[[nodiscard]] nlohmann::json start_document(const std::string& kind, const std::filesystem::path& model, const std::string& subtitle);

// null for NaN and infinities.
[[nodiscard]] nlohmann::json finite(double value);

// Five significant digits are more than a plot shows and a third of the bytes.
[[nodiscard]] nlohmann::json shortened(double value);

[[nodiscard]] nlohmann::json card(const std::string& label, const std::string& value, const std::string& note, const std::string& tone = "neutral");

// "tensors": every planned tensor in graph order with its grid; histograms where the statistics have them and of all
// weights, channel ranges of weights.
[[nodiscard]] nlohmann::json tensors_part(const model::ModelState& state, const Statistics& statistics);

// Range of each output channel of every weight, by name of the weight.
using ChannelRanges = std::map<std::string, std::vector<quant::Range>>;
[[nodiscard]] ChannelRanges weight_channel_ranges(const ir::Graph& graph);

// "equalization": weights whose channel ranges differ from `before`, those that changed most first, at most `limit`.
[[nodiscard]] nlohmann::json equalization_part(const ChannelRanges& before, const ChannelRanges& after, size_t limit = 40);

// The whole page; says so when this build has no charts.
[[nodiscard]] std::string render_page(const nlohmann::json& document, Reporter& reporter);

}  // namespace qtool::pipeline
