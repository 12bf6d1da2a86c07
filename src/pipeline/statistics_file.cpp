#include "qtool/pipeline/statistics_file.h"

#include <nlohmann/json.hpp>

#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::ordered_json;
constexpr int kVersion = 1;

Json channels_json(const calib::ChannelStatistics& channels) {
  Json lo = Json::array(), hi = Json::array(), sum = Json::array(), squares = Json::array();
  for (size_t c = 0; c < channels.channels(); ++c) {
    lo.push_back(channels.range[c].lo);
    hi.push_back(channels.range[c].hi);
    sum.push_back(channels.sum[c].text());
    squares.push_back(channels.sum_squares[c].text());
  }
  return {{"axis", channels.axis}, {"min", std::move(lo)}, {"max", std::move(hi)}, {"count", channels.count},
          {"sum", std::move(sum)}, {"sum_squares", std::move(squares)}};
}

Json tensor_json(const std::string& name, const calib::TensorStatistics& statistics) {
  Json json = {{"name", name}, {"min", statistics.range.lo}, {"max", statistics.range.hi}, {"count", statistics.count},
               {"non_finite", statistics.non_finite}};
  if (statistics.histogram) {
    std::vector<uint64_t> counts = statistics.histogram->counts();
    while (!counts.empty() && counts.back() == 0) counts.pop_back();
    json["histogram"] = {{"exponent", statistics.histogram->exponent()}, {"first_bin", statistics.histogram->first_bin()}, {"counts", std::move(counts)}};
  }
  if (statistics.channels) json["channels"] = channels_json(*statistics.channels);
  return json;
}

calib::ChannelStatistics channels_of(const Json& json) {
  calib::ChannelStatistics channels{.axis = json.at("axis").get<int>()};
  channels.count = json.at("count").get<std::vector<int64_t>>();
  const size_t count = channels.count.size();
  for (const char* key : {"min", "max", "sum", "sum_squares"}) {
    if (json.at(key).size() != count) throw Error(ErrorCode::kInvalidData, format("'{}' has {} entries, 'count' has {}", key, json.at(key).size(), count));
  }
  for (size_t c = 0; c < count; ++c) {
    channels.range.push_back({json.at("min")[c].get<double>(), json.at("max")[c].get<double>()});
    channels.sum.push_back(quant::ExactSum::from_text(json.at("sum")[c].get<std::string>()));
    channels.sum_squares.push_back(quant::ExactSum::from_text(json.at("sum_squares")[c].get<std::string>()));
  }
  return channels;
}

calib::TensorStatistics tensor_of(const Json& json) {
  calib::TensorStatistics statistics{.range = {json.at("min").get<double>(), json.at("max").get<double>()},
                                     .count = json.at("count").get<int64_t>(),
                                     .non_finite = json.at("non_finite").get<int64_t>()};
  if (const auto at = json.find("histogram"); at != json.end()) {
    statistics.histogram = quant::Histogram::from_parts({.exponent = at->at("exponent").get<int>(),
                                                         .first_bin = at->at("first_bin").get<int64_t>(),
                                                         .counts = at->at("counts").get<std::vector<uint64_t>>(),
                                                         .range = statistics.range,
                                                         .finite_count = statistics.count,
                                                         .non_finite_count = statistics.non_finite});
  }
  if (const auto at = json.find("channels"); at != json.end()) statistics.channels = channels_of(*at);
  return statistics;
}

Json header_json(const StatisticsFile& file) {
  Json samples = Json::array();
  for (const auto& [index, hash] : file.sample_sha256) samples.push_back({index, hash});
  return {{"model", {{"sha256", file.model_sha256}, {"inputs", file.inputs}}},
          {"preprocessing", file.preprocessing_json.empty() ? Json(nullptr) : Json::parse(file.preprocessing_json)},
          {"preprocessing_text", file.preprocessing_line},
          {"samples", {{"total", file.total_samples}, {"counted", std::move(samples)}}}};
}

StatisticsFile file_of(const Json& json) {
  if (!json.is_object() || !json.contains("qtool_statistics")) {
    throw Error(ErrorCode::kInvalidData, "this is no statistics file; `qtool calibrate` makes one");
  }
  if (const int version = json.at("qtool_statistics").get<int>(); version != kVersion) {
    throw Error(ErrorCode::kInvalidData, format("the file has version {}, this build reads version {}; calibrate again", version, kVersion));
  }
  StatisticsFile file{.model_sha256 = json.at("model").at("sha256").get<std::string>(),
                      .inputs = json.at("model").at("inputs").get<std::vector<std::string>>()};
  file.preprocessing_line = json.at("preprocessing_text").get<std::string>();
  if (!json.at("preprocessing").is_null()) file.preprocessing_json = json.at("preprocessing").dump();
  file.total_samples = json.at("samples").at("total").get<int64_t>();
  for (const Json& sample : json.at("samples").at("counted")) file.sample_sha256[sample.at(0).get<int64_t>()] = sample.at(1).get<std::string>();
  for (const Json& tensor : json.at("tensors")) {
    const std::string name = tensor.at("name").get<std::string>();
    try {
      file.tensors.emplace_back(name, tensor_of(tensor));
    } catch (Error& error) {
      error.with("tensor", name);
      throw;
    }
  }
  return file;
}

}  // namespace

std::string StatisticsFile::data_sha256() const {
  std::vector<std::string> hashes;
  for (const auto& [index, hash] : sample_sha256) hashes.push_back(hash);
  const std::string all = format("{}", join(hashes, "\n"));
  return sha256_hex(std::as_bytes(std::span(all)));
}

std::string write_statistics(const StatisticsFile& file) {
  std::string text = format("{{\"qtool_statistics\": {},\n", kVersion);
  const Json header = header_json(file);
  for (const auto& [key, value] : header.items()) text += format("\"{}\": {},\n", key, value.dump());
  text += "\"tensors\": [";
  bool first = true;
  for (const auto& [name, statistics] : file.tensors) {  // one line each, so that files can be compared by line
    text += (first ? "\n" : ",\n") + tensor_json(name, statistics).dump();
    first = false;
  }
  return text + "\n]}\n";
}

StatisticsFile read_statistics(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  try {
    return file_of(Json::parse(text));
  } catch (Error& error) {
    error.with("file", path.string());
    throw;
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInvalidData, format("not a statistics file, or a damaged one: {}", error.what())).with("file", path.string());
  }
}

namespace {

// The first difference that forbids adding `other` to `file`.
std::string obstacle(const StatisticsFile& file, const StatisticsFile& other) {
  if (file.model_sha256 != other.model_sha256) return format("they are of different models ({:.12}... and {:.12}...)", file.model_sha256, other.model_sha256);
  if (file.inputs != other.inputs) return format("the inputs differ: {} and {}", join(file.inputs, ", "), join(other.inputs, ", "));
  if (file.preprocessing_json != other.preprocessing_json) {
    return format("the preprocessing differs: '{}' and '{}'", file.preprocessing_line, other.preprocessing_line);
  }
  if (file.total_samples != other.total_samples) return format("one is of {} samples, the other of {}", file.total_samples, other.total_samples);
  for (const auto& [index, hash] : other.sample_sha256) {
    if (file.sample_sha256.contains(index)) return format("both count sample {} of the data set; merge each shard once", index + 1);
  }
  if (file.tensors.size() != other.tensors.size()) return "they observe different tensors; use the same build for all shards";
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    if (file.tensors[i].first != other.tensors[i].first) return "they observe different tensors; use the same build for all shards";
  }
  return {};
}

}  // namespace

StatisticsFile merge_statistics(const std::vector<std::filesystem::path>& paths) {
  QTOOL_CHECK(!paths.empty());
  StatisticsFile merged = read_statistics(paths.front());
  for (size_t i = 1; i < paths.size(); ++i) {
    const StatisticsFile other = read_statistics(paths[i]);
    if (const std::string reason = obstacle(merged, other); !reason.empty()) {
      throw Error(ErrorCode::kInvalidData, format("these statistics cannot be merged: {}", reason))
          .with("file", paths.front().string()).with("other file", paths[i].string());
    }
    merged.sample_sha256.insert(other.sample_sha256.begin(), other.sample_sha256.end());
    for (size_t t = 0; t < merged.tensors.size(); ++t) merged.tensors[t].second.merge(other.tensors[t].second);
  }
  if (!merged.complete()) {
    int64_t missing = 0;
    while (merged.sample_sha256.contains(missing)) ++missing;
    throw Error(ErrorCode::kInvalidData, format("{} of {} samples are counted (the first missing one is number {}): a shard is missing",
                                                merged.sample_sha256.size(), merged.total_samples, missing + 1));
  }
  return merged;
}

}  // namespace qtool::pipeline
