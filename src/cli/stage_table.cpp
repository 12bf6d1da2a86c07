#include "stage_table.h"

#include <cstdio>

#include "qtool/pipeline/stage_json.h"
#include "qtool/support/format.h"

namespace qtool::cli {

namespace {

std::string details(const optimize::StageRow& row) {
  std::vector<std::string> parts;
  if (!row.reason.empty()) parts.push_back(row.reason);
  for (const auto& [name, count] : row.outcome.counts) {
    if (count > 0) parts.push_back(format("{} {}", count, name));
  }
  return format("{}", join(parts, "; "));
}

}  // namespace

void print_stage_table(const pipeline::QuantizeSummary& summary) {
  if (summary.stages.empty()) return;
  std::printf("%s", format("\nstage           SQNR dB  top-1 %  float moved    time  decision       ({} samples kept aside to judge by)\n", summary.held_out).c_str());
  for (const optimize::StageRow& row : summary.stages) {
    const std::string sqnr = row.score ? format("{:.2f}", row.score->sqnr_db) : "-";
    const std::string agreement = row.score && row.score->agreement ? format("{:.1f}", 100.0 * *row.score->agreement) : "-";
    const std::string moved = row.float_difference ? format("{:.1e}", *row.float_difference) : "-";
    std::printf("%s", format("{:<14} {:>8} {:>8} {:>12} {:>6.2f}s  {:<14} {}\n", row.stage, sqnr, agreement, moved, row.seconds, row.decision, details(row)).c_str());
    for (const auto& block : row.score && row.score->blocks.size() > 1 ? row.score->blocks : std::vector<optimize::Score::Block>{}) {
      std::printf("%s", format("{:<14} {:>8.2f}  {}\n", "", block.sqnr_db, block.name).c_str());
    }
    for (const std::string& note : row.outcome.notes) std::printf("%s", format("{:<14} {}\n", "", note).c_str());
  }
  std::printf("\n");
}

nlohmann::ordered_json stages_json(const pipeline::QuantizeSummary& summary) {
  auto rows = nlohmann::ordered_json::array();
  for (const optimize::StageRow& row : summary.stages) {
    rows.push_back(pipeline::stage_json(row));
    rows.back()["seconds"] = row.seconds;
  }
  return rows;
}

}  // namespace qtool::cli
