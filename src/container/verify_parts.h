// The parts of verify_dlc(). Each throws Error(kInvalidModel); the caller adds graph and op.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "qtool/container/dlc_model.h"

namespace qtool::container {

using TensorIndex = std::map<std::string_view, const DlcTensor*>;

[[noreturn]] void refuse(const std::string& problem);
[[noreturn]] void refuse_tensor(const DlcTensor& tensor, const std::string& problem);

// One tensor by itself: name, type, bytes, encoding.
void verify_graph_tensor(const DlcTensor& tensor);
void verify_attribute_tensor(const DlcTensor& tensor);

// Names, listing, order of ops, and roles that fit producers and consumers.
[[nodiscard]] TensorIndex verify_topology(const DlcGraph& graph);

// Attribute form, and the parameters without which a runtime refuses the op or ends.
void verify_attributes(const DlcOp& op);

// What the arithmetic of one op demands of its encodings.
void verify_op_rules(const DlcOp& op, const TensorIndex& tensors);

// ReLU kinds that the runtime fuses into the op before them, dropping the encoding between the two.
void verify_fusions(const DlcGraph& graph, const TensorIndex& tensors);

// Equal in what a runtime reads: type of encoding, axis, scales and offsets (and widths where the type has them).
[[nodiscard]] bool means_the_same(const DlcTensor& a, const DlcTensor& b);

}  // namespace qtool::container
