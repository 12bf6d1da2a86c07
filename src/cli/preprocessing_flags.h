// The preprocessing options that commands reading images share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "qtool/data/preprocess_request.h"

namespace qtool::cli {

// Option texts as given; turned into a request when the command runs, so that errors carry our exit codes.
struct PreprocessingFlags {
  std::string preset, resize, interp, resampler, crop, color, scale, mean, std, pad, pad_at, size_rounding, layout;

  [[nodiscard]] data::PreprocessingRequest request() const;
};

void add_preprocessing(CLI::App& app, PreprocessingFlags& flags);

}  // namespace qtool::cli
