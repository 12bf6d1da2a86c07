#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "qtool/pipeline/recipe.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::cli {

namespace {

using Json = nlohmann::ordered_json;

int show(const std::string& name) {
  std::fputs(pipeline::recipe_json(pipeline::load_recipe(name)).c_str(), stdout);
  return 0;
}

int validate(const std::string& name, const CommonOptions& common) {
  const pipeline::Recipe recipe = pipeline::load_recipe(name);
  pipeline::QuantizeConfig config;
  pipeline::apply_recipe(recipe, config);
  config.validate();
  if (common.json) {
    std::printf("%s\n", Json{{"name", recipe.name}, {"valid", true}, {"options", recipe.options.size()}}.dump(2).c_str());
  } else {
    std::printf("%s", format("{}: valid, {} options\n", recipe.name, recipe.options.size()).c_str());
  }
  return 0;
}

int list(const CommonOptions& common) {
  Json rows = Json::array();
  for (const std::string& name : pipeline::recipe_names()) rows.push_back({{"name", name}, {"notes", pipeline::load_recipe(name).summary}});
  if (common.json) {
    std::printf("%s\n", rows.dump(2).c_str());
    return 0;
  }
  for (const Json& row : rows) {
    std::printf("%-16s %s\n", row["name"].get<std::string>().c_str(), row["notes"].get<std::string>().c_str());
  }
  return 0;
}

}  // namespace

Action add_recipe(CLI::App& app, const CommonOptions& common) {
  struct Options {
    std::string action, name;
  };
  auto options = std::make_shared<Options>();
  app.add_option("action", options->action, "show, validate or list")->required()->check(CLI::IsMember({"show", "validate", "list"}).description(""));
  app.add_option("recipe", options->name, "preset or recipe file");
  app.footer(
      "Examples:\n"
      "  qtool recipe list\n"
      "  qtool recipe show recommended > my.json\n"
      "  qtool recipe validate my.json\n"
      "  qtool quantize model.onnx --calib imgs/ --recipe my.json -o out/");
  return [options, &common, &app](Reporter&) {
    if (options->action == "list") return list(common);
    if (options->name.empty()) throw Error(ErrorCode::kUsage, format("name a recipe to {}: a preset ({}) or a file", options->action, join(pipeline::recipe_names(), ", ")));
    return options->action == "show" ? show(options->name) : validate(options->name, common);
  };
}

}  // namespace qtool::cli
