// The DLC graph under construction: unique names, tensors once each, ops in execution order, and the helper ops
// (Transpose, Convert, Quantize, Dequantize, Cast, Reshape) that carry a tensor from one form into another.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dlc/axis_order.h"
#include "dlc/tensor_form.h"
#include "qtool/container/dlc_model.h"

namespace qtool::exporters::dlc {

// An op that is not added yet. The name is final, because attribute tensors are named after it.
struct OpDraft {
  std::string name;
  std::string type;
  std::vector<std::string> inputs;  // tensor names
  std::vector<container::DlcAttribute> attributes;

  OpDraft& u32(std::string key, uint32_t value);
  OpDraft& i32(std::string key, int32_t value);
  OpDraft& f32(std::string key, float value);
  OpDraft& boolean(std::string key, bool value);
  OpDraft& u32s(std::string key, const std::vector<uint32_t>& values);
  OpDraft& u32_pairs(std::string key, const std::vector<uint32_t>& values);            // [n, 2]
  OpDraft& i32_triples(std::string key, const std::vector<int32_t>& values);           // [n, 3]
};

class GraphWriter {
 public:
  explicit GraphWriter(std::string graph_name);

  // Tensor names that only the values of the model may take; generated names avoid them.
  void reserve_tensor_name(std::string name) { reserved_.insert(std::move(name)); }
  // The same for the names of the model's nodes.
  void reserve_op_name(std::string name) { op_names_.insert(std::move(name)); }

  [[nodiscard]] std::string fresh_tensor_name(const std::string& stem) const;
  [[nodiscard]] std::string fresh_op_name(const std::string& stem);

  // The name must be unused: Error(kInternal).
  std::string add_tensor(container::DlcTensor tensor);
  std::string add_tensor(std::string name, container::DlcLocation location, std::vector<uint32_t> dims,
                                TensorForm form);
  // Returns the name of an equal static with that name or stem when there is one.
  std::string add_static(container::DlcTensor tensor);
  void add_op(OpDraft draft, std::vector<std::string> outputs);

  [[nodiscard]] const container::DlcTensor& tensor(std::string_view name) const;
  [[nodiscard]] TensorForm form(std::string_view name) const;
  [[nodiscard]] bool has_tensor(std::string_view name) const { return index_.contains(name); }
  // Type of the op that writes the tensor; empty for inputs and statics.
  [[nodiscard]] std::string_view producer_type(std::string_view name) const;

  // The tensor itself when nothing has to be done; otherwise a copy, which is made once for each target.
  std::string convert(const std::string& source, const TensorForm& target);
  std::string permute(const std::string& source, const AxisOrder& permutation, std::string_view suffix);
  std::string reshape(const std::string& source, const std::vector<uint32_t>& dims, std::string_view suffix);

  // The same steps into a tensor that exists already (a graph output).
  void convert_into(const std::string& source, const std::string& target);
  void permute_into(const std::string& source, const AxisOrder& permutation, const std::string& target);
  void reshape_into(const std::string& source, const std::string& target);

  [[nodiscard]] size_t convert_op_count() const { return convert_ops_; }
  // Graph outputs come in the order of `outputs` at run time.
  [[nodiscard]] container::DlcGraph finish(const std::vector<std::string>& outputs);

 private:
  void order_outputs(const std::vector<std::string>& outputs);

  container::DlcGraph graph_;
  std::map<std::string, size_t, std::less<>> index_;             // tensor name -> position
  std::map<std::string, std::string, std::less<>> producers_;    // tensor name -> op type
  std::map<std::string, std::string> copies_;                    // source and target, as text -> tensor name
  std::set<std::string> reserved_;
  std::set<std::string> op_names_;
  size_t convert_ops_ = 0;
};

}  // namespace qtool::exporters::dlc
