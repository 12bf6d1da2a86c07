// Where every value of the model lives in the DLC.
//
// A value has one primary tensor: its form is fixed point when the value has an encoding, its axes lie in some order.
// A Transpose of the model emits nothing, it only binds its output to the same tensor in another order; an op is
// written when a reader needs an order that is not there. Copies in other orders and forms are made once.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dlc/axis_order.h"
#include "dlc/graph_writer.h"
#include "dlc/tensor_form.h"
#include "qtool/exporters/dlc_exporter.h"
#include "qtool/ir/graph.h"
#include "qtool/model/model_state.h"

namespace qtool::exporters::dlc {

// The backend has no tensors with more axes.
inline constexpr size_t kMostAxes = 5;

// A tensor of the DLC and how the axes of the ONNX value lie in it. For values with more than kMostAxes axes only the
// elements lie so: the tensor itself has other dims.
struct Placement {
  std::string tensor;
  AxisOrder order;
};

class LoweringContext {
 public:
  // `encodings` is empty for a float export. All references outlive the context.
  LoweringContext(const ir::Graph& graph, const model::EncodingTable& encodings, const DlcExportOptions& options,
                  GraphWriter& writer, std::vector<std::string>& notes);

  [[nodiscard]] const ir::Graph& graph() const { return graph_; }
  [[nodiscard]] GraphWriter& writer() { return writer_; }
  [[nodiscard]] const Shape& shape(ir::ValueId value) const { return graph_.type_of(value).shape; }
  [[nodiscard]] const quant::Encoding* encoding(ir::ValueId value) const { return model::find_encoding(encodings_, value); }
  [[nodiscard]] bool is_quantized() const { return options_.quantized; }

  // Form of the primary tensor of an activation.
  [[nodiscard]] TensorForm form_of(ir::ValueId value) const;
  [[nodiscard]] container::DlcDtype float_dtype() const;
  [[nodiscard]] TensorForm float_form() const { return {float_dtype(), {}}; }
  void note(std::string text) { notes_.push_back(std::move(text)); }

  // Writes graph inputs; call once before the nodes.
  void add_inputs();
  // Gives every graph output a tensor of its name, order and outer form; call once behind the nodes. Returns their
  // names in order.
  [[nodiscard]] std::vector<std::string> finish_outputs();

  // False for constants, and for results of nodes that could not be lowered.
  [[nodiscard]] bool is_placed(ir::ValueId value) const { return placements_.contains(value); }
  [[nodiscard]] const Placement& placement(ir::ValueId value) const;
  // The value in that order; its own form. Throws Error(kUnsupported) beyond kMostAxes.
  [[nodiscard]] std::string in_order(ir::ValueId value, const AxisOrder& order);
  // The value with its elements in ONNX order, whatever the dims of the tensor (axes of extent 1 may lie elsewhere).
  [[nodiscard]] std::string in_memory_order(ir::ValueId value);

  // Makes the tensor that an op computes `value` into, in `form`, and places the value: directly where the form is its
  // own, behind a conversion that complete() adds where it is not.
  [[nodiscard]] std::string create(ir::ValueId value, const AxisOrder& order, const TensorForm& form);
  // After the op that writes what create() returned was added.
  void complete(ir::ValueId value);
  // The value lies in an existing tensor.
  void bind(ir::ValueId value, Placement placement);

 private:
  [[nodiscard]] std::string fresh_name_of(ir::ValueId value, const AxisOrder& order) const;
  [[nodiscard]] bool is_final(ir::ValueId value, const AxisOrder& order) const;
  [[nodiscard]] TensorForm outer_form_of(ir::ValueId value) const;
  void refuse_many_axes(ir::ValueId value) const;
  void add_input(ir::ValueId value);
  std::string finish_output(ir::ValueId value);

  const ir::Graph& graph_;
  const model::EncodingTable& encodings_;
  const DlcExportOptions& options_;
  GraphWriter& writer_;
  std::vector<std::string>& notes_;
  std::map<ir::ValueId, Placement> placements_;
  std::map<ir::ValueId, std::string> pending_;  // computed tensor that still has to be converted
};

}  // namespace qtool::exporters::dlc
