#include "class_names_file.h"

#include <sstream>

#include "qtool/support/files.h"

namespace qtool::eval {

std::vector<std::string> read_class_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  const std::filesystem::path file = folder / kClassNamesFile;
  if (!std::filesystem::exists(file)) return names;
  std::istringstream lines(read_text_file(file));
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  return names;
}

}  // namespace qtool::eval
