#include "calibration_data.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "qtool/data/picture_cache.h"
#include "qtool/data/subset_source.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"

namespace qtool::pipeline {

namespace {

// By sample name: the hashes of its files, a line each. Files are hashed on all threads.
std::map<std::string, std::string> hash_samples(const data::SampleListing& listing, int64_t limit, int threads) {
  size_t count = listing.samples.size();
  if (limit > 0) count = std::min(count, static_cast<size_t>(limit));
  std::vector<std::string> hashes(count);
  parallel_for(static_cast<int64_t>(count), threads, [&](int64_t i, int) {
    std::vector<std::string> files;
    for (const auto& [input, path] : listing.samples[static_cast<size_t>(i)].by_input) {
      std::error_code ec;
      files.push_back(std::filesystem::is_regular_file(path, ec) ? sha256_hex(read_file(path)) : "missing");
    }
    hashes[static_cast<size_t>(i)] = format("{}", join(files, "\n"));
  });
  std::map<std::string, std::string> by_name;
  for (size_t i = 0; i < count; ++i) by_name[listing.samples[i].name] = hashes[i];
  return by_name;
}

// Files of the first pictures that are used, bad ones left out.
std::vector<std::filesystem::path> first_images(const std::map<std::string, std::filesystem::path>& files, const data::SampleSource& source) {
  constexpr int64_t kShown = 4;
  std::vector<std::filesystem::path> first;
  for (int64_t i = 0; i < std::min(kShown, source.size()); ++i) {
    if (const auto found = files.find(source.name(i)); found != files.end()) first.push_back(found->second);
  }
  return first;
}

}  // namespace

data::PreprocessingRequest request_of(const DataOptions& options) {
  data::PreprocessingRequest request;
  if (!options.preprocess_file.empty()) {
    request = data::parse_preprocessing_json(read_text_file(options.preprocess_file), options.preprocess_file.string());
  }
  request.merge(options.preprocessing);
  return request;
}

std::map<std::string, optimize::ChannelMoments> image_input_moments(const DataOptions& options, const ir::Graph& graph,
                                                                    Reporter& reporter) {
  constexpr double kPhotoMean = 115.0, kPhotoDeviation = 70.0;  // levels 0..255, of photographs
  const std::vector<data::InputSpec> inputs = input_specs(graph);
  if (inputs.size() != 1 || inputs[0].type.shape.rank() != 4) return {};
  const data::Preprocessing preprocessing = data::resolve_preprocessing(request_of(options), inputs[0].type.shape);
  const auto channels = static_cast<size_t>(data::input_geometry(inputs[0].type.shape, preprocessing.layout).channels);
  optimize::ChannelMoments moments;
  for (size_t c = 0; c < channels; ++c) {
    const auto of = [&](const std::vector<double>& list, double fallback) { return list.empty() ? fallback : list[std::min(c, list.size() - 1)]; };
    const double mean = of(preprocessing.mean, 0.0), deviation = of(preprocessing.std, 1.0);
    const auto prepared = [&](double level) { return (level * preprocessing.scale - mean) / deviation; };
    moments.mean.push_back(prepared(kPhotoMean));
    moments.deviation.push_back(std::abs(kPhotoDeviation * preprocessing.scale / deviation));
    moments.lo.push_back(std::min(prepared(0.0), prepared(255.0)));
    moments.hi.push_back(std::max(prepared(0.0), prepared(255.0)));
  }
  reporter.info(format("no samples: input range from the preprocessing {}", data::describe(preprocessing, inputs[0].type.shape)));
  return {{inputs[0].name, std::move(moments)}};
}

std::string hash_of(const std::vector<std::string>& hashes) {
  const std::string all = format("{}", join(hashes, "\n"));
  return sha256_hex(std::as_bytes(std::span(all)));
}

CalibrationData without_samples_aside(const CalibrationData& data, int64_t most) {
  CalibrationData part{.preprocessing_line = data.preprocessing_line, .preprocessing_json = data.preprocessing_json,
                       .preprocessing = data.preprocessing, .first_images = data.first_images, .sha256 = data.sha256,
                       .sample_sha256 = data.sample_sha256, .statistics = data.statistics, .skipped = data.skipped, .synthetic = data.synthetic};
  if (!data.source) return part;
  std::vector<int64_t> kept(static_cast<size_t>(data.source->size()));
  std::iota(kept.begin(), kept.end(), int64_t{0});
  if (most > 0) kept = data::split_held_out(data.source->size(), most).kept;
  part.sample_sha256.clear();
  for (const int64_t index : kept) part.sample_sha256.push_back(data.sample_sha256[static_cast<size_t>(index)]);
  part.sha256 = hash_of(part.sample_sha256);
  part.source = data::subset_of(*data.source, std::move(kept));
  return part;
}

CalibrationData open_calibration_data(const DataOptions& options, const ir::Graph& graph, int threads, Reporter& reporter, size_t picture_budget) {
  const std::vector<data::InputSpec> inputs = input_specs(graph);
  data::SampleListing listing = data::list_samples(options.calib, inputs);
  CalibrationData result;
  data::SampleOptions samples;
  if (listing.kind == data::FileKind::kImage) {
    samples.preprocessing = data::resolve_preprocessing(request_of(options), inputs.at(0).type.shape);
    result.preprocessing = samples.preprocessing;
    result.preprocessing_line = data::describe(samples.preprocessing, inputs[0].type.shape);
    result.preprocessing_json = data::to_json(samples.preprocessing);
    const bool said = options.preprocessing.preset || options.preprocessing.resize || !options.preprocess_file.empty() ||
                      options.preprocessing.mean || options.preprocessing.scale;
    reporter.info(format("preprocessing: {}{}", result.preprocessing_line,
                         said ? "" : " (derived from the model input; --preset or --preprocess says otherwise)"));
  }
  std::map<std::string, std::filesystem::path> image_files;
  if (listing.kind == data::FileKind::kImage) {
    for (const auto& sample : listing.samples) image_files[sample.name] = sample.by_input.begin()->second;
  }
  const auto hashes = hash_samples(listing, options.skip_bad_images ? 0 : options.limit, threads);
  if (options.skip_bad_images) {
    auto all = data::make_sample_source(std::move(listing), inputs, samples, picture_budget);
    data::ScreenedSource screened = data::skip_bad_samples(std::move(all), options.limit, threads);
    for (const auto& skipped : screened.skipped) result.skipped.push_back(format("{}: {}", skipped.name, skipped.reason));
    if (!result.skipped.empty()) {
      reporter.warning(format("{} unreadable image{} skipped, first: {}", result.skipped.size(),
                              result.skipped.size() == 1 ? "" : "s", result.skipped.front()));
    }
    result.source = std::move(screened.source);
  } else {
    samples.limit = options.limit;
    result.source = data::make_sample_source(std::move(listing), inputs, samples, picture_budget);
  }
  result.first_images = first_images(image_files, *result.source);
  for (int64_t i = 0; i < result.source->size(); ++i) result.sample_sha256.push_back(hashes.at(result.source->name(i)));
  result.sha256 = hash_of(result.sample_sha256);
  return result;
}

}  // namespace qtool::pipeline
