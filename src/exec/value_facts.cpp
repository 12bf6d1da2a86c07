#include "value_facts.h"

#include <algorithm>

#include "code_layout.h"
#include "integer_support.h"

namespace qtool::exec {

using ir::ValueId;

ValueFacts::ValueFacts(const ir::Graph& graph, const ExecOptions& options)
    : graph_(graph), options_(options), observed_(options.observed.begin(), options.observed.end()),
      integer_(options.encodings != nullptr && !options.keep_values && !options.reference_only &&
               options.integer_kernels == IntegerKernels::kAuto && integer_kernels_usable()) {}

const quant::Encoding* ValueFacts::encoding(ValueId id) const {
  if (options_.encodings == nullptr || id == ir::kNoValue) return nullptr;
  return model::find_encoding(*options_.encodings, id);
}

const quant::Encoding* ValueFacts::code_encoding(ValueId id) const {
  const quant::Encoding* grid = integer_ ? encoding(id) : nullptr;
  if (grid == nullptr || !fits_codes(*grid) || !typed(id) || graph_.is_constant(id)) return nullptr;
  const TensorType& type = graph_.type_of(id);
  return type.dtype == DType::kFloat32 && type.shape.element_count() > 0 ? grid : nullptr;
}

bool ValueFacts::same_grid(ValueId a, ValueId b) const {
  const quant::Encoding* left = encoding(a);
  const quant::Encoding* right = encoding(b);
  if (left == nullptr || right == nullptr) return left == right;
  return left->grids.size() == 1 && right->grids.size() == 1 && left->grids[0].scale == right->grids[0].scale &&
         left->grids[0].offset == right->grids[0].offset && left->bits == right->bits;
}

bool ValueFacts::needed_elsewhere(ValueId id, const ir::Node& reader) const {
  const auto& uses = graph_.value(id).uses;
  return watched(id) || graph_.is_output(id) ||
         std::any_of(uses.begin(), uses.end(), [&](ir::NodeId user) { return user != reader.id; });
}

}  // namespace qtool::exec
