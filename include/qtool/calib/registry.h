// Calibration methods: from statistics to the range a grid is made for. Files in src/calib/builtin each add one.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/quant/encoding.h"

namespace qtool::calib {

struct MethodOptions {
  double percentile = 99.99;  // --percentile_calibration_value, 90..100: share of the values kept inside the range
};

struct Method {
  std::string name;
  std::string summary;
  bool needs_histogram = true;
  bool minimizes_noise = false;  // its aim is the least (weighted) squared error
  // The range may be narrower than the observed one; zero is included later, by the grid.
  std::function<quant::Range(const TensorStatistics&, const quant::QuantSpec&, const MethodOptions&)> range;
};

class Registry {
 public:
  void add(Method method);
  // Accepts aliases of other tools ("tf", "enhanced", ...); throws Error(kUsage) with the nearest known name.
  [[nodiscard]] const Method& at(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::map<std::string, Method, std::less<>> methods_;
};

void register_builtin(Registry& registry);
[[nodiscard]] const Registry& builtin_registry();

}  // namespace qtool::calib
