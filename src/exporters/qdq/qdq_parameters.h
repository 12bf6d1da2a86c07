// Scale and zero point constants of a QDQ graph. Tensors that share a grid share them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "qtool/model/model_state.h"
#include "qtool/quant/onnx_storage.h"

namespace qtool::exporters {

struct QdqParameters {
  ir::ValueId scale = ir::kNoValue;
  ir::ValueId zero_point = ir::kNoValue;  // left out for 32-bit integers, as the standard wants it
  std::optional<int64_t> axis;            // per-channel grids
};

class QdqParameterTable {
 public:
  // `graph` receives the constants.
  QdqParameterTable(const model::ModelState& state, ir::Graph& graph) : state_(state), graph_(graph) {}

  [[nodiscard]] QdqParameters of(ir::ValueId id, const std::string& name, const quant::Encoding& encoding,
                                 const quant::OnnxStorage& storage);

 private:
  [[nodiscard]] ir::ValueId leader(ir::ValueId id, const quant::Encoding& encoding) const;
  [[nodiscard]] QdqParameters add(const std::string& name, const quant::Encoding& encoding, const quant::OnnxStorage& storage);

  const model::ModelState& state_;
  ir::Graph& graph_;
  std::map<ir::ValueId, QdqParameters> by_leader_;
};

}  // namespace qtool::exporters
