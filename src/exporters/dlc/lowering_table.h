// Which function lowers which operator. Each lower_*.cpp file registers one family.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "dlc/node_lowering.h"

namespace qtool::exporters::dlc {

struct Lowering {
  void (*lower)(NodeLowering&) = nullptr;
  // True for nodes that are computed in float even when everything around them is quantized. Null: never.
  bool (*float_only)(const ir::Node&) = nullptr;
};

class LoweringTable {
 public:
  // Throws Error(kInternal) when the operator is registered twice.
  void add(std::string op_type, Lowering lowering);
  // nullptr when unknown; only the standard domain is known.
  [[nodiscard]] const Lowering* find(const ir::Node& node) const;

 private:
  std::map<std::string, Lowering, std::less<>> table_;
};

[[nodiscard]] inline bool always_float(const ir::Node&) { return true; }

[[nodiscard]] const LoweringTable& builtin_lowerings();

}  // namespace qtool::exporters::dlc
