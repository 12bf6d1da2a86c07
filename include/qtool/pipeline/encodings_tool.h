// `qtool encodings`: convert, check and compare encodings files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "qtool/pipeline/load_model.h"
#include "qtool/support/reporter.h"

namespace qtool::pipeline {

struct ConvertEncodingsConfig {
  std::filesystem::path input, output;
  std::string to = "1.0.0";
  ModelOptions model;             // an empty path: axes and sections are guessed where the file does not state them
};

struct ConvertEncodingsSummary {
  std::string from, to;
  size_t entries = 0;
  std::vector<std::string> losses;    // what the target cannot hold
  std::vector<std::string> warnings;  // what reading had to interpret
};

[[nodiscard]] ConvertEncodingsSummary convert_encodings(const ConvertEncodingsConfig& config, Reporter& reporter);

struct Finding {
  enum class Severity : uint8_t { kNote, kWarning, kError };
  Severity severity = Severity::kNote;
  std::string rule;     // "unknown-name", "bias-overflow", ...
  std::string tensor;
  std::string text;
};

struct CheckEncodingsConfig {
  std::filesystem::path input;
  ModelOptions model;
  std::string profile = "htp";
};

struct CheckEncodingsSummary {
  std::string version;
  size_t entries = 0, applied = 0, planned = 0, missing = 0;
  std::vector<Finding> findings;
  [[nodiscard]] size_t count(Finding::Severity severity) const;
};

// Names, widths, channel axes, shared encodings, bias overflow, requantization ratios, degenerate ranges, limits of the
// profile. Throws Error only for files that cannot be read at all.
[[nodiscard]] CheckEncodingsSummary check_encodings(const CheckEncodingsConfig& config, Reporter& reporter);

struct DiffEncodingsConfig {
  std::filesystem::path a, b;
  double tolerance = 1e-6;   // relative, of scales
};

struct EncodingDifference {
  std::string tensor;
  std::string text;
};

struct DiffEncodingsSummary {
  std::string version_a, version_b;
  size_t in_both = 0, equal = 0;
  std::vector<std::string> only_a, only_b;
  std::vector<EncodingDifference> different;
  double worst_scale_ratio = 1.0;   // largest scale over the other file's, of all grids compared
  [[nodiscard]] bool same() const { return only_a.empty() && only_b.empty() && different.empty(); }
};

[[nodiscard]] DiffEncodingsSummary diff_encodings(const DiffEncodingsConfig& config);

}  // namespace qtool::pipeline
