#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "qtool/calib/registry.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/exporters/registry.h"
#include "qtool/onnxio/import.h"
#include "qtool/ops/registry.h"
#include "qtool/optimize/registry.h"
#include "qtool/pipeline/profile_file.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::cli {

namespace {

using Json = nlohmann::ordered_json;

Json list_ops() {
  Json rows = Json::array();
  for (const ops::OpDef* def : ops::builtin_registry().all()) {
    rows.push_back({{"name", def->type}, {"domain", def->domain.empty() ? "ai.onnx" : def->domain}, {"first_opset", def->first_opset},
                    {"last_opset", def->domain.empty() ? onnxio::kNewestKnownOpset : def->first_opset}, {"notes", def->notes}});
  }
  return rows;
}

Json list_names(const std::vector<std::string>& names) {
  Json rows = Json::array();
  for (const std::string& name : names) rows.push_back({{"name", name}});
  return rows;
}

Json list_profiles() {
  Json rows = Json::array();
  for (const std::string& name : pipeline::profile_names()) {
    rows.push_back({{"name", name}, {"notes", pipeline::load_profile(name).summary}});
  }
  return rows;
}

Json list_exporters() {
  Json rows = Json::array();
  for (const std::string& name : exporters::builtin_registry().names()) {
    rows.push_back({{"name", name}, {"notes", exporters::builtin_registry().at(name).summary}});
  }
  return rows;
}

Json list_methods() {
  Json rows = Json::array();
  for (const std::string& name : calib::builtin_registry().names()) {
    rows.push_back({{"name", name}, {"notes", calib::builtin_registry().at(name).summary}});
  }
  return rows;
}

Json list_stages() {
  Json rows = Json::array();
  for (const optimize::Stage* stage : optimize::builtin_registry().all()) rows.push_back({{"name", stage->name}, {"notes", stage->summary}});
  return rows;
}

}  // namespace

Action add_list(CLI::App& app, const CommonOptions& common) {
  auto what = std::make_shared<std::string>();
  app.add_option("what", *what, "ops, methods, stages, exporters, profiles or presets")->required();
  return [what, &common](Reporter&) {
    static const std::vector<std::string> kKnown = {"ops", "methods", "stages", "exporters", "profiles", "presets"};
    Json rows;
    if (*what == "ops") rows = list_ops();
    else if (*what == "methods") rows = list_methods();
    else if (*what == "stages") rows = list_stages();
    else if (*what == "exporters") rows = list_exporters();
    else if (*what == "profiles") rows = list_profiles();
    else if (*what == "presets") rows = list_names(data::preset_names());
    else throw Error(ErrorCode::kUsage, format("cannot list '{}'{} (known: {})", *what, did_you_mean(*what, kKnown), join(kKnown, ", ")));
    if (common.json) {
      std::printf("%s\n", rows.dump(2).c_str());
      return 0;
    }
    for (const Json& row : rows) {
      std::printf("%-28s %s\n", row["name"].get<std::string>().c_str(), row.value("notes", "").c_str());
    }
    return 0;
  };
}

}  // namespace qtool::cli
