#include "qtool/pipeline/search_json.h"

#include "json_number.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json row_json(const SearchRow& row) {
  // How much time was missing is not the same twice.
  const bool timed = row.decision == "skipped";
  Json json{{"step", row.step}, {"decision", row.decision}, {"reason", timed ? "did not fit the time budget" : row.reason}};
  if (!row.precision.empty()) json["precision"] = row.precision;
  if (!row.proxy_db) return json;
  json["score_db"] = finite_or_null(*row.proxy_db);
  for (const auto& [name, db] : row.blocks) json["outputs"][name] = finite_or_null(db);
  json["expected_drop"] = row.expected_drop;
  json["metric"] = or_null(row.metric);
  json["drop"] = or_null(row.drop);
  json["relative_cost"] = row.cost;
  json["converts"] = row.converts;
  json["wide_activations"] = row.wide.activations;
  json["wide_weights"] = row.wide.weights;
  json["pareto"] = row.pareto;
  return json;
}

std::string figures(const SearchRow& row, const std::string& metric) {
  std::string text = format("relative cost {:.3f}, {} conversions, {} wide activations", row.cost, row.converts, row.wide.activations);
  if (row.wide.weights > 0) text += format(", {} wide weights", row.wide.weights);
  if (row.drop) text += format("; {} {:.2f}, drop {:.2f}", metric, 100.0 * *row.metric, *row.drop);
  else text += format("; expected drop {:.2f}", row.expected_drop);
  return text;
}

}  // namespace

Json search_json(const SearchRecord& record) {
  Json rows = Json::array();
  for (const SearchRow& row : record.rows) rows.push_back(row_json(row));
  return {{"target_drop", record.target_drop}, {"target_given", record.target_given}, {"target_cost", or_null(record.target_cost)},
          {"time_budget_seconds", or_null(record.time_budget)}, {"target_met", record.target_met},
          {"judged_by", record.measured ? "metric" : "expected drop"}, {"cut_by_budget", record.cut_by_budget},
          {"metric", record.metric}, {"float_metric", or_null(record.float_metric)}, {"samples", record.samples},
          {"best", record.rows.at(record.best).step}, {"verdict", record.verdict}, {"steps", std::move(rows)}};
}

std::vector<optimize::StageRow> search_rows(const SearchRecord& record) {
  std::vector<optimize::StageRow> rows;
  for (const SearchRow& step : record.rows) {
    optimize::StageRow row{.stage = "auto: " + step.step, .decision = step.decision, .reason = step.reason, .seconds = step.seconds};
    if (step.proxy_db) {
      row.score.emplace();
      row.score->sqnr_db = *step.proxy_db;
      for (const auto& [name, db] : step.blocks) row.score->blocks.push_back({name, db});
      row.reason += "; " + figures(step, record.metric);
    } else if (step.decision == "skipped") {
      row.reason = "did not fit the time budget";
      row.outcome.notes.push_back(step.reason);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace qtool::pipeline
