#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>
#include <variant>
#include <vector>

#include "qtool/support/format.h"
#include "verify_parts.h"

namespace qtool::container {
namespace {

// Without these the runtime refuses to compose the op (QNN op notes, section 8), and the two resize ops end the
// process. Only types whose need was tried are listed.
struct Required {
  std::string_view type;
  std::vector<std::string_view> parameters;
};

const std::vector<Required>& required_parameters() {
  static const std::vector<Required> table = {
      {"Conv2d", {"stride", "pad_amount"}},
      {"DepthWiseConv2d", {"stride", "pad_amount"}},
      {"TransposeConv2d", {"stride", "pad_amount"}},
      {"ElementWiseNeuron", {"operation"}},
      {"Eltwise_Unary", {"operation"}},
      {"Transpose", {"perm"}},
      {"Concat", {"axis"}},
      {"Split", {"axis", "split_index"}},
      {"StridedSlice", {"ranges"}},
      {"Pad", {"pad_amount", "scheme"}},
      {"Gather", {"axis"}},
      {"Tile", {"multiples"}},
      {"DepthToSpace", {"block_size"}},
      {"SpaceToDepth", {"block_size"}},
      {"PoolMax2d", {"filter_size", "stride", "pad_amount"}},
      {"PoolAvg2d", {"filter_size", "stride", "pad_amount"}},
      {"ResizeNearestNeighbor", {"align_corners", "half_pixel_centers"}},
      {"ResizeBilinear", {"align_corners", "half_pixel_centers"}},
      {"L2Norm", {"axis"}},
      {"LayerNorm", {"axes"}},
  };
  return table;
}

bool has_parameter(const DlcOp& op, std::string_view name) {
  const DlcAttribute* attribute = op.find_attribute(name);
  return attribute != nullptr && attribute->usage == DlcUsage::kParameter;
}

void require_parameter(const DlcOp& op, std::string_view name) {
  if (!has_parameter(op, name)) refuse(format("{} needs the parameter '{}'", op.type, name));
}

void verify_required(const DlcOp& op) {
  for (const Required& entry : required_parameters()) {
    if (entry.type != op.type) continue;
    for (const std::string_view name : entry.parameters) require_parameter(op, name);
  }
  // Two generations: SNPE 2.19 names the function in a supplemental string instead.
  if (op.type == "Eltwise_Binary" && op.find_attribute("eltwise_type") == nullptr) require_parameter(op, "operation");
  if (op.type == "Neuron" && op.find_attribute("neuron_type") == nullptr) require_parameter(op, "operation");
  if (op.type == "Resize" && op.find_attribute("transformation_mode") == nullptr) {
    require_parameter(op, "align_corners");
    require_parameter(op, "half_pixel_centers");
  }
  constexpr std::array<std::string_view, 3> kMisspelt = {"ElementWiseBinary", "ElementWiseUnary", "Relu6"};
  if (std::ranges::find(kMisspelt, op.type) != kMisspelt.end()) {
    refuse(format("type {} is refused by the reader; DLC files say Eltwise_Binary, Eltwise_Unary, ElementWiseNeuron", op.type));
  }
}

bool is_text_kind(DlcDtype kind) { return kind == DlcDtype::kUndefined || kind == DlcDtype::kString; }

// Netron refuses the whole file for any other kind of scalar (64-bit integers for example).
bool is_scalar_kind(DlcDtype kind) {
  switch (kind) {
    case DlcDtype::kUndefined: case DlcDtype::kString: case DlcDtype::kInt32: case DlcDtype::kUInt8:
    case DlcDtype::kUInt32: case DlcDtype::kFloat32: case DlcDtype::kBool: return true;
    default: return false;
  }
}

void verify_scalar(const DlcAttribute& attribute, const DlcScalar& scalar) {
  const auto complain = [&](const std::string& problem) { refuse(format("attribute '{}': {}", attribute.name, problem)); };
  if (!is_scalar_kind(scalar.kind)) complain(format("scalars of kind {} are not read by every tool", dlc_dtype_name(scalar.kind)));
  if (!std::isfinite(scalar.real)) complain(format("the value {} is not finite", scalar.real));
  if (!scalar.text.empty() && !is_text_kind(scalar.kind)) complain("text in a scalar that is not a string");
  if (is_text_kind(scalar.kind) && attribute.usage == DlcUsage::kParameter) complain("strings must be supplemental");
}

void verify_attribute(const DlcAttribute& attribute) {
  if (attribute.name.empty()) refuse("an attribute has no name");
  if (attribute.usage != DlcUsage::kParameter && attribute.usage != DlcUsage::kSupplemental) {
    refuse(format("attribute '{}' has usage {}; 1 (parameter) or 2 (supplemental) expected", attribute.name,
                  static_cast<int>(attribute.usage)));
  }
  if (const auto* scalar = std::get_if<DlcScalar>(&attribute.value)) verify_scalar(attribute, *scalar);
  if (const auto* tensor = std::get_if<DlcTensor>(&attribute.value)) verify_attribute_tensor(*tensor);
}

void verify_package(const DlcOp& op) {
  const DlcAttribute* package = op.find_attribute("packageName");
  if (package == nullptr) return;
  const auto* scalar = std::get_if<DlcScalar>(&package->value);
  if (scalar == nullptr || scalar->text != "qti.aisw") refuse("packageName must be qti.aisw");
}

// Readers find the bytes of an attribute tensor by its name among those of the op.
void verify_distinct_names(const DlcOp& op) {
  std::set<std::string_view> names;
  std::set<std::string_view> tensor_names;
  for (const DlcAttribute& attribute : op.attributes) {
    if (!names.insert(attribute.name).second) refuse(format("attribute '{}' appears twice", attribute.name));
    const auto* tensor = std::get_if<DlcTensor>(&attribute.value);
    if (tensor != nullptr && !tensor_names.insert(tensor->name).second) refuse_tensor(*tensor, "two attribute tensors have this name");
  }
}

}  // namespace

void verify_attributes(const DlcOp& op) {
  for (const DlcAttribute& attribute : op.attributes) verify_attribute(attribute);
  verify_distinct_names(op);
  verify_package(op);
  verify_required(op);
}

}  // namespace qtool::container
