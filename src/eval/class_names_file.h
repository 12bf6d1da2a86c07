// classes.txt beside label files: one class name a line, in the order of the class indices.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qtool::eval {

inline constexpr std::string_view kClassNamesFile = "classes.txt";

// Empty when the folder has no such file.
[[nodiscard]] std::vector<std::string> read_class_names(const std::filesystem::path& folder);

}  // namespace qtool::eval
