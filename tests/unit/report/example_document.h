// A document with every section, as the commands write them, and with names that try to be markup.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace qtool::testing {

inline constexpr const char* kHostileName = "<script>alert(1)</script>";
inline constexpr const char* kHostileImageName = "\"><img src=x onerror=alert(1)>.jpg";

inline nlohmann::json example_tensors() {
  nlohmann::json tensors = nlohmann::json::array();
  const auto histogram = [](int bins) {
    nlohmann::json counts = nlohmann::json::array();
    for (int i = 0; i < bins; ++i) counts.push_back(static_cast<int>(1e5 * std::exp(-0.01 * (i - bins / 2) * (i - bins / 2))));
    return nlohmann::json{{"lo", -2.0}, {"width", 4.0 / bins}, {"counts", counts}};
  };
  for (int i = 0; i < 30; ++i) {
    tensors.push_back({{"name", "conv" + std::to_string(i) + ".out"}, {"kind", "activation"}, {"op", "Conv"}, {"node", "conv" + std::to_string(i)},
                       {"shape", {1, 16, 20, 20}}, {"bits", 8}, {"observed", {-2.0, 2.0}}, {"clipped", 0.01 * i}, {"source", "min-max"},
                       {"grid", {{"min", -1.5}, {"max", 1.8}, {"scale", 0.0129}, {"offset", -116}, {"symmetric", false}}},
                       {"histogram", histogram(60)}});
  }
  tensors.push_back({{"name", kHostileName}, {"kind", "weight"}, {"op", "Conv"}, {"node", kHostileName}, {"bits", 8}, {"sqnr_db", 31.5},
                     {"grid", {{"min", -2.0}, {"max", 2.0}, {"symmetric", true}, {"channels", 4}}}, {"histogram", histogram(40)},
                     {"channels", {{"min", {-2.0, -0.5, -0.1, 0.0}}, {"max", {2.0, 0.4, 0.2, 0.0}}}}});
  // Recipes differ in its range, and one of them does without.
  tensors[2]["by_recipe"] = {{"recommended", {{"grid", {{"min", -0.5}, {"max", 0.5}, {"scale", 0.0039}, {"offset", -128}}}, {"clipped", nullptr}}}};
  tensors[3]["by_recipe"] = {{"recommended", nullptr}};
  tensors.push_back({{"name", "shape of things"}, {"kind", "output"}, {"bits", nullptr}, {"source", "left in float by --float"}});
  return tensors;
}

inline nlohmann::json example_document() {
  using Json = nlohmann::json;
  Json document = {{"schema", 1}, {"kind", "compare"}, {"title", kHostileName}, {"subtitle", "an example"}, {"tool", {{"name", "qtool"}, {"version", "0"}}}};
  document["cards"] = {{{"label", "FP32"}, {"value", "45.3 mAP"}, {"note", kHostileName}}, {{"label", "Drop"}, {"value", "0.4"}, {"tone", "good"}}};
  document["warnings"] = {kHostileName};
  document["advice"] = {"try the other profile"};
  document["compare"] = {{"metric", {{"name", "mAP"}, {"unit", "%"}}}, {"images", 300}, {"confidence", 0.95}, {"max_drop", 0.5}, {"reference", "FP32"},
    {"rows", {{{"name", "FP32"}, {"metric", 45.3}, {"size_bytes", 12800000}},
              {{"name", "vanilla"}, {"metric", 0.0}, {"drop", 45.3}, {"drop_low", 43.0}, {"drop_high", 47.1}, {"sqnr_db", 11.0}, {"passes", false}},
              {{"name", "recommended"}, {"metric", 44.9}, {"drop", 0.4}, {"drop_low", -0.2}, {"drop_high", 0.9}, {"sqnr_db", 24.0}, {"passes", true}, {"gain", 44.9},
               {"gain_over", "vanilla"}, {"seconds", 2.0}, {"evaluate_seconds", 1.0}, {"blocks", {{"boxes", 30.0}, {"scores", 24.0}}}, {"note", kHostileName}}}}};
  document["stages"] = {{{"name", "start"}, {"sqnr_db", 8.0}, {"decision", "start"}}, {{"name", "cle"}, {"sqnr_db", 12.0}, {"decision", "kept"}, {"reason", kHostileName}}};
  document["worst_layers"] = {{{"name", kHostileName}, {"op", "Concat"}, {"kind", "range clash"}, {"cause", "boxes and scores share a grid"}, {"option", "--act_bitwidth 16"}, {"tone", "bad"}},
                              {{"name", "conv3.out"}, {"kind", "outliers"}, {"cause", "a few large values"}, {"figure", "3.1 %"}}};
  Json layers = Json::array();
  for (int i = 0; i < 40; ++i) layers.push_back({{"name", "conv" + std::to_string(i)}, {"op", "Conv"}, {"on_loss", 0.1 * i}, {"on_blocks", {{"scores", 40.0 - i}, {"boxes", nullptr}}}, {"off_gain_db", i == 39 ? Json(2.5) : Json(nullptr)}});
  document["sensitivity"] = {{"measure", "Noise of the outputs."}, {"layers", layers}, {"totals", {{{"name", "weights only"}, {"loss", 1.5}, {"blocks", {{"scores", 35.0}}}}}}};
  document["tensors"] = example_tensors();
  document["equalization"] = {{{"name", "conv1.weight"}, {"before", {{"min", {-2.0, -0.1}}, {"max", {2.0, 0.1}}}}, {"after", {{"min", {-0.6, -0.5}}, {"max", {0.6, 0.5}}}}}};
  document["images"] = {{{"name", kHostileImageName}, {"width", 64}, {"height", 48}, {"uri", "javascript:alert(1)"},
    {"views", {{{"name", "FP32"}, {"boxes", {{4, 4, 30, 30, 0.9, 0}, {40, 8, 60, 40, 0.5, 1}}}}, {{"name", "vanilla"}, {"boxes", Json::array()}}, {{"name", "recommended"}, {"boxes", {{5, 4, 30, 31, 0.8, 0}}}}}}}};
  const Json answers = {{{"label", kHostileName}, {"score", 0.9}}, {{"label", "dog"}, {"score", 0.1}}};
  document["images"].push_back({{"name", "answers.jpg"}, {"note", kHostileName}, {"width", 64}, {"height", 48},
    {"views", {{{"name", "FP32"}, {"top", answers}}, {{"name", "vanilla"}, {"top", {answers[1], answers[0]}}}}}});
  document["images"].push_back({{"name", "mask.jpg"}, {"width", 64}, {"height", 48},
    {"views", {{{"name", "FP32"}, {"mask", "javascript:alert(1)"}, {"top", {{{"label", "sky"}, {"shade", "#808000"}}, {{"label", "sea"}, {"shade", "red;x"}}}}}}}});
  document["classes"] = {kHostileName, "dog"};
  document["run"] = {{"command", "qtool compare m.onnx"}, {"options", {{"profile", "htp"}}},
                     {"recipes", {{{"name", kHostileName}, {"options", {{"profile", "htp"}}}}}}};
  return document;
}

}  // namespace qtool::testing
