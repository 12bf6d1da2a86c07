#include "qtool/exporters/registry.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::exporters {

void Registry::add(Exporter exporter) {
  const std::string name = exporter.name;
  if (!exporters_.emplace(name, std::move(exporter)).second) {
    throw Error(ErrorCode::kInternal, format("exporter '{}' is registered twice", name));
  }
}

const Exporter& Registry::at(std::string_view name) const {
  const auto found = exporters_.find(name);
  if (found == exporters_.end()) {
    throw Error(ErrorCode::kUsage,
                format("--emit {}: unknown{} (known: {})", name, did_you_mean(name, names()), join(names(), ", ")));
  }
  return found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> list;
  for (const auto& [name, exporter] : exporters_) list.push_back(name);
  return list;
}

const Registry& builtin_registry() {
  static const Registry registry = [] {
    Registry table;
    register_builtin(table);
    return table;
  }();
  return registry;
}

}  // namespace qtool::exporters
