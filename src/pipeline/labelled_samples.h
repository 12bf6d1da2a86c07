// Labelled images for people to look at.
#pragma once

#include <string>
#include <vector>

#include "qtool/eval/labels.h"
#include "sample_images.h"

namespace qtool::pipeline {

// `count` images spread evenly over those that show something (detection: at least one box), each with what its label says.
[[nodiscard]] std::vector<SampleImage> labelled_samples(const eval::Labels& labels, size_t count, const std::vector<std::string>& class_names);

// Names by class index of the model: of `file` where given (a name a line; of a table the last column), else of the
// categories of detection labels, those of `categories` only where that is not empty. Throws Error(kIo).
[[nodiscard]] std::vector<std::string> class_names(const eval::Labels& labels, const std::vector<int64_t>& categories,
                                                   const std::filesystem::path& file);

}  // namespace qtool::pipeline
