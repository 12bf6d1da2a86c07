#include "qtool/calib/registry.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::calib {

namespace {

// Spellings of Qualcomm's quantizers, AIMET and TensorRT.
std::string_view canonical(std::string_view name) {
  static const std::map<std::string_view, std::string_view> aliases = {
      {"tf", "min-max"}, {"minmax", "min-max"}, {"min_max", "min-max"}, {"post_training_tf", "min-max"},
      {"enhanced", "sqnr"}, {"tf_enhanced", "sqnr"}, {"post_training_tf_enhanced", "sqnr"},
      {"post_training_percentile", "percentile"}, {"kl", "entropy"}, {"adjusted_weights", "adjusted"}};
  const auto found = aliases.find(name);
  return found == aliases.end() ? name : found->second;
}

}  // namespace

void Registry::add(Method method) {
  const std::string name = method.name;
  if (!methods_.emplace(name, std::move(method)).second) {
    throw Error(ErrorCode::kInternal, format("calibration method '{}' is registered twice", name));
  }
}

const Method& Registry::at(std::string_view name) const {
  const auto found = methods_.find(canonical(name));
  if (found == methods_.end()) {
    throw Error(ErrorCode::kUsage, format("unknown calibration method '{}'{} (known: {})", name,
                                          did_you_mean(name, names()), join(names(), ", ")));
  }
  return found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> list;
  for (const auto& [name, method] : methods_) list.push_back(name);
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

}  // namespace qtool::calib
