#include "qtool/pipeline/recipe.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "embedded_texts.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"
#include "recipe_fields.h"

namespace qtool::pipeline {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr int kSchema = 1;
constexpr int kMostAncestors = 8;

const RecipeField& field_at(const std::string& key) {
  const auto fields = recipe_fields();
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const RecipeField& field) { return field.key == key; });
  if (found != fields.end()) return *found;
  std::vector<std::string> known;
  for (const RecipeField& field : fields) known.emplace_back(field.key);
  throw Error(ErrorCode::kInvalidData, format("unknown option '{}' in the recipe{} (known: {})", key, did_you_mean(key, known),
                                              join(known, ", ")));
}

void refuse_unknown_keys(const Json& file) {
  static const std::vector<std::string> kKnown = {"schema", "name", "summary", "extends", "options"};
  for (const auto& [key, value] : file.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) {
      throw Error(ErrorCode::kInvalidData, format("unknown key '{}' in the recipe{}", key, did_you_mean(key, kKnown)));
    }
  }
}

using Options = std::map<std::string, Json>;

// Paths are relative to `folder`.
void read_options(const Json& file, const fs::path& folder, Options& options) {
  if (!file.contains("options")) return;
  for (const auto& [key, value] : file["options"].items()) {
    const RecipeField& field = field_at(key);
    if (!fits(field, value)) {
      throw Error(ErrorCode::kInvalidData, format("option '{}' is {}, expected {} {}", key, value.dump(), field.type == "integer" ? "an" : "a", field.type));
    }
    options[key] = field.type == "path" && !value.get<std::string>().empty() ? Json((folder / value.get<std::string>()).string()) : value;
  }
}

// Text of the recipe and the folder that its `extends` is relative to.
std::pair<std::string, fs::path> open_recipe(const std::string& name, const fs::path& folder) {
  const auto preset = embedded_recipes().find(name);
  if (preset != embedded_recipes().end()) return {preset->second, folder};
  const fs::path path = folder / name;
  if (!fs::exists(path)) {
    throw Error(ErrorCode::kUsage, format("unknown recipe '{}'{} (presets: {}; or the path of a recipe file)", name,
                                          did_you_mean(name, recipe_names()), join(recipe_names(), ", ")));
  }
  return {read_text_file(path), path.parent_path()};
}

Json parse(const std::string& text) {
  Json file = Json::parse(text);
  if (!file.is_object()) throw Error(ErrorCode::kInvalidData, "a recipe is a JSON object");
  refuse_unknown_keys(file);
  if (file.value("schema", 0) != kSchema) throw Error(ErrorCode::kInvalidData, format("this tool reads recipes with \"schema\": {}", kSchema));
  return file;
}

// Fills `options` from the oldest ancestor down; returns the recipe's own file.
Json read_chain(const std::string& name, const fs::path& folder, int depth, Options& options) {
  if (depth > kMostAncestors) throw Error(ErrorCode::kInvalidData, format("recipes extend each other more than {} deep", kMostAncestors));
  try {
    const auto [text, base] = open_recipe(name, folder);
    Json file = parse(text);
    if (file.contains("extends")) (void)read_chain(file["extends"].get<std::string>(), base, depth + 1, options);
    read_options(file, base, options);
    return file;
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInvalidData, format("malformed recipe: {}", error.what())).with("file", name);
  } catch (Error& error) {
    if (error.code() == ErrorCode::kInvalidData && depth == 0) error.with("file", name);
    throw;
  }
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : embedded_recipes()) names.push_back(name);
  return names;
}

Recipe load_recipe(const std::string& name_or_path) {
  Options options;
  const Json file = read_chain(name_or_path, {}, 0, options);
  Recipe recipe{.name = file.value("name", fs::path(name_or_path).stem().string()), .summary = file.value("summary", "")};
  for (const RecipeField& field : recipe_fields()) {
    const auto found = options.find(std::string(field.key));
    if (found != options.end()) recipe.options.emplace_back(field.key, found->second.dump());
  }
  return recipe;
}

void apply_recipe(const Recipe& recipe, QuantizeConfig& config) {
  for (const auto& [key, text] : recipe.options) {
    field_at(key).write(config, Json::parse(text));
  }
}

Recipe recipe_of(const QuantizeConfig& config, const std::string& name) {
  Recipe recipe{.name = name};
  for (const RecipeField& field : recipe_fields()) {
    const Json value = field.read(config);
    if (!value.is_null()) recipe.options.emplace_back(field.key, value.dump());
  }
  return recipe;
}

std::string recipe_json(const Recipe& recipe) {
  Json file;
  file["schema"] = kSchema;
  file["name"] = recipe.name;
  if (!recipe.summary.empty()) file["summary"] = recipe.summary;
  file["options"] = Json::object();
  for (const auto& [key, text] : recipe.options) file["options"][key] = Json::parse(text);
  return file.dump(2) + "\n";
}

std::vector<RecipeKey> recipe_keys() {
  std::vector<RecipeKey> keys;
  for (const RecipeField& field : recipe_fields()) keys.push_back({std::string(field.key), std::string(field.type), std::string(field.summary)});
  return keys;
}

}  // namespace qtool::pipeline
