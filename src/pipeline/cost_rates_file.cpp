#include "cost_rates_file.h"

#include <array>

#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::pipeline {

namespace {

using model::CostRates;

struct Rate {
  const char* key;
  double CostRates::*member;
};

constexpr std::array kRates = {
    Rate{"mac_8x8", &CostRates::mac_8x8},     Rate{"mac_16x8", &CostRates::mac_16x8}, Rate{"mac_16x16", &CostRates::mac_16x16},
    Rate{"mac_8x4", &CostRates::mac_8x4},     Rate{"mac_float", &CostRates::mac_float}, Rate{"byte", &CostRates::byte},
    Rate{"convert_byte", &CostRates::convert_byte}, Rate{"weight_byte", &CostRates::weight_byte}};

const Rate& rate_at(const std::string& key) {
  std::vector<std::string> known;
  for (const Rate& rate : kRates) {
    if (key == rate.key) return rate;
    known.emplace_back(rate.key);
  }
  throw Error(ErrorCode::kInvalidData, format("unknown rate '{}' in cost{} (known: {})", key, did_you_mean(key, known), join(known, ", ")));
}

}  // namespace

void read_cost_rates(const nlohmann::json& json, CostRates& rates) {
  if (!json.is_object()) throw Error(ErrorCode::kInvalidData, format("cost is {}, expected an object of rates", json.dump()));
  for (const auto& [key, value] : json.items()) {
    const Rate& rate = rate_at(key);
    if (!value.is_number() || !(value.get<double>() >= 0.0)) {
      throw Error(ErrorCode::kInvalidData, format("rate '{}' is {}, expected a number, at least 0", key, value.dump()));
    }
    rates.*rate.member = value.get<double>();
  }
  if (!(rates.mac_8x8 > 0.0)) throw Error(ErrorCode::kInvalidData, "rate 'mac_8x8' is what costs are relative to: it must be above 0");
}

CostRates load_cost_rates(const std::filesystem::path& file, CostRates base) {
  try {
    const nlohmann::json json = nlohmann::json::parse(read_text_file(file));
    if (!json.is_object() || json.value("schema", 0) != 1 || !json.contains("cost")) {
      throw Error(ErrorCode::kInvalidData, "a cost model is a JSON object with \"schema\": 1 and \"cost\": {rates}");
    }
    read_cost_rates(json.at("cost"), base);
    return base;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kInvalidData, format("malformed cost model: {}", error.what())).with("file", file.string());
  } catch (Error& error) {
    if (error.code() == ErrorCode::kInvalidData) error.with("file", file.string());
    throw;
  }
}

nlohmann::ordered_json cost_rates_json(const CostRates& rates) {
  nlohmann::ordered_json json;
  for (const Rate& rate : kRates) json[rate.key] = rates.*rate.member;
  return json;
}

}  // namespace qtool::pipeline
