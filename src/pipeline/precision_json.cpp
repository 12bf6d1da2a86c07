#include "precision_json.h"

#include <algorithm>

#include "json_number.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::ordered_json;

std::string_view cause_name(optimize::HeadCause cause) {
  switch (cause) {
    case optimize::HeadCause::kRangeClash: return "range clash";
    case optimize::HeadCause::kBehindClash: return "behind a range clash";
    case optimize::HeadCause::kArithmetic: return "box arithmetic";
    case optimize::HeadCause::kDecoded: return "decoded further";
  }
  return "";
}

Json head_json(const ir::Graph& graph, const optimize::HeadAnalysis& head) {
  Json json{{"tail_operators", head.tail.size()}, {"last_layers", Json::array()}, {"findings", Json::array()}};
  for (const ir::ValueId id : head.last_layers) json["last_layers"].push_back(graph.value(id).name);
  for (const optimize::HeadFinding& finding : head.findings) {
    Json row{{"tensor", graph.value(finding.value).name}, {"cause", cause_name(finding.cause)}, {"text", finding.text}};
    for (const optimize::ConcatPart& part : finding.parts) {
      row["inputs"][part.name] = {{"min", part.range.lo}, {"max", part.range.hi}, {"levels", part.levels}};
    }
    json["findings"].push_back(std::move(row));
  }
  return json;
}

}  // namespace

Json precision_json(const ir::Graph& graph, const optimize::PrecisionResult& precision) {
  Json json{{"samples", precision.samples}, {"head", head_json(graph, precision.head)}, {"choices", Json::array()},
            {"steps", Json::array()}, {"sensitivity", Json::array()}};
  for (const optimize::PrecisionChoice& choice : precision.choices) {
    json["choices"].push_back({{"tensor", graph.value(choice.value).name}, {"kind", graph.is_constant(choice.value) ? "weight" : "activation"},
                               {"dtype", choice.bits >= optimize::kFloatBits ? "float" : "int"}, {"bitwidth", std::min(choice.bits, 16)}, {"reason", choice.reason}});
  }
  for (const optimize::PrecisionStep& step : precision.steps) {
    Json row{{"step", step.name}, {"score_db", finite_or_null(step.score_db)}, {"relative_cost", step.cost}, {"wide_activations", step.wide.activations},
             {"wide_weights", step.wide.weights}, {"kept", step.kept}};
    for (const auto& [name, db] : step.blocks) row["outputs"][name] = finite_or_null(db);
    json["steps"].push_back(std::move(row));
  }
  for (const optimize::SensitivityRow& row : precision.sensitivity) {
    json["sensitivity"].push_back({{"tensor", graph.value(row.value).name}, {"alone_db", finite_or_null(row.alone_db)}});
  }
  return json;
}

}  // namespace qtool::pipeline
