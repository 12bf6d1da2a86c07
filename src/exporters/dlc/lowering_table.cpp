#include "dlc/lowering_table.h"

#include "qtool/support/error.h"

namespace qtool::exporters::dlc {

void register_lower_activation(LoweringTable& table);
void register_lower_binary(LoweringTable& table);
void register_lower_cast(LoweringTable& table);
void register_lower_concat(LoweringTable& table);
void register_lower_convolution(LoweringTable& table);
void register_lower_depth_space(LoweringTable& table);
void register_lower_extremum_index(LoweringTable& table);
void register_lower_gather(LoweringTable& table);
void register_lower_matrix_product(LoweringTable& table);
void register_lower_normalization(LoweringTable& table);
void register_lower_pad(LoweringTable& table);
void register_lower_pooling(LoweringTable& table);
void register_lower_reduction(LoweringTable& table);
void register_lower_reshape(LoweringTable& table);
void register_lower_resize(LoweringTable& table);
void register_lower_slice(LoweringTable& table);
void register_lower_softmax(LoweringTable& table);
void register_lower_tile(LoweringTable& table);
void register_lower_unary(LoweringTable& table);
void register_lower_where(LoweringTable& table);

void LoweringTable::add(std::string op_type, Lowering lowering) {
  const bool is_new = table_.emplace(std::move(op_type), lowering).second;
  QTOOL_CHECK(is_new);
}

const Lowering* LoweringTable::find(const ir::Node& node) const {
  const auto at = node.domain.empty() ? table_.find(node.op_type) : table_.end();
  return at == table_.end() ? nullptr : &at->second;
}

const LoweringTable& builtin_lowerings() {
  static const LoweringTable table = [] {
    LoweringTable result;
    register_lower_activation(result);
    register_lower_binary(result);
    register_lower_cast(result);
    register_lower_concat(result);
    register_lower_convolution(result);
    register_lower_depth_space(result);
    register_lower_extremum_index(result);
    register_lower_gather(result);
    register_lower_matrix_product(result);
    register_lower_normalization(result);
    register_lower_pad(result);
    register_lower_pooling(result);
    register_lower_reduction(result);
    register_lower_reshape(result);
    register_lower_resize(result);
    register_lower_slice(result);
    register_lower_softmax(result);
    register_lower_tile(result);
    register_lower_unary(result);
    register_lower_where(result);
    return result;
  }();
  return table;
}

}  // namespace qtool::exporters::dlc
