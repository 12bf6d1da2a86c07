// Output formats of `qtool quantize --emit`. Files in src/exporters/builtin each add one.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/model/model_state.h"
#include "qtool/model/target_profile.h"
#include "qtool/support/files.h"
#include "qtool/support/reporter.h"

namespace qtool::exporters {

struct ExportRequest {
  const model::ModelState& state;      // cleaned, planned, with encodings; exporters cannot change it
  const model::TargetProfile& profile;
  std::string model_name;              // stem of the input file
  std::string tool_version;
  Reporter& reporter;
  std::string encodings_version = "0.6.1";
};

struct OutputFile {
  std::string name;   // below the output folder
  Bytes content;      // the same for the same request: no time stamps, no paths
  std::map<std::string, size_t> counts = {};  // for the report: operators, conversions between widths, ...
};

struct Exporter {
  std::string name;
  std::string summary;
  std::function<std::vector<OutputFile>(const ExportRequest&)> write;
};

class Registry {
 public:
  void add(Exporter exporter);
  // Throws Error(kUsage) with the nearest known name.
  [[nodiscard]] const Exporter& at(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::map<std::string, Exporter, std::less<>> exporters_;
};

void register_builtin(Registry& registry);
[[nodiscard]] const Registry& builtin_registry();

}  // namespace qtool::exporters
