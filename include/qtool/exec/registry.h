// Fast kernels by operator. Files in src/exec/builtin each add the kernels of one operator family.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/exec/kernel.h"

namespace qtool::exec {

class Registry {
 public:
  // Factories of one operator are asked in the order they were added.
  void add(std::string_view op_type, KernelFactory factory) {
    factories_[std::string(op_type)].push_back(std::move(factory));
  }
  [[nodiscard]] const std::vector<KernelFactory>* find(std::string_view op_type) const { return find(factories_, op_type); }

  // Kernels on 8-bit codes, asked before the others where the simulation may use integers (Layout::codes).
  void add_codes(std::string_view op_type, KernelFactory factory) {
    code_factories_[std::string(op_type)].push_back(std::move(factory));
  }
  [[nodiscard]] const std::vector<KernelFactory>* find_codes(std::string_view op_type) const {
    return find(code_factories_, op_type);
  }

 private:
  using Table = std::map<std::string, std::vector<KernelFactory>, std::less<>>;
  static const std::vector<KernelFactory>* find(const Table& table, std::string_view op_type) {
    const auto at = table.find(op_type);
    return at == table.end() ? nullptr : &at->second;
  }
  Table factories_, code_factories_;
};

void register_builtin(Registry& registry);

// Operator name of the fused Sigmoid + Mul step (x * sigmoid(x)); output 0 is the product, output 1 the gate.
inline constexpr std::string_view kSiluStep = "qtool.Silu";

}  // namespace qtool::exec
