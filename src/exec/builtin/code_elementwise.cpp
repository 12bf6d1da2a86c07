// Add, Sub, Mul, Div, Max and Min of two values on grids: decoded, combined and encoded in registers. The second operand
// may be one value a channel. (Functions of one value are tables, code_tables.h.)
#include <algorithm>
#include <limits>

#include "code_layout.h"
#include "qtool/exec/registry.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::exec {

namespace {

using Kind = FusedActivation::Kind;

struct Clamp {
  float lo = -std::numeric_limits<float>::infinity(), hi = std::numeric_limits<float>::infinity();
};

std::optional<Clamp> clamp_of(const FusedActivation& activation) {
  if (activation.kind == Kind::kNone) return Clamp{};
  if (activation.kind == Kind::kRelu) return Clamp{.lo = 0.0f};
  if (activation.kind == Kind::kClip) return Clamp{activation.lo, activation.hi};
  return std::nullopt;
}

// [N, C, 1...] against [N, C, spatial...].
bool is_channel_vector(const Shape& shape, const Shape& full) {
  return full.rank() >= 3 && shape.rank() == full.rank() && shape[0] == full[0] && shape[1] == full[1] &&
         std::all_of(shape.begin() + 2, shape.end(), [](int64_t d) { return d == 1; });
}

std::optional<KernelChoice> binary(const KernelRequest& request, simd::BinaryOp op) {
  const auto clamp = clamp_of(request.activation);
  if (!clamp || !request.all_float() || request.node.inputs.size() != 2 || request.output_code_grid() == nullptr) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (request.input_code_grid(i) == nullptr || request.constant(i) != nullptr) return std::nullopt;
  }
  if (!request.lies_in_codes(0) && !request.lies_in_codes(1)) return std::nullopt;
  const Shape& shape = request.output_shape();
  const bool equal = request.input_shape(0) == shape && request.input_shape(1) == shape;
  const bool left_vector = !equal && request.input_shape(1) == shape && is_channel_vector(request.input_shape(0), shape);
  const bool right_vector = !equal && request.input_shape(0) == shape && is_channel_vector(request.input_shape(1), shape);
  if ((!equal && !left_vector && !right_vector) || shape.element_count() == 0) return std::nullopt;

  const size_t leading = request.lies_in_codes(0) ? 0 : 1;
  Layout layout = request.input_layouts[leading];
  if (!equal) layout = {.storage = Storage::kCodesChannelsLast};
  // Rows of a channel vector, or everything as one row.
  const int64_t row = equal ? shape.element_count() : shape[1];
  const int64_t rows_an_image = equal ? 1 : shape.span_count(2, shape.rank()), images = equal ? 1 : shape[0];
  const simd::CodeGrid a = code_grid(*request.input_code_grid(0)), b = code_grid(*request.input_code_grid(1));
  const simd::CodeGrid y = code_grid(*request.output_code_grid());
  KernelChoice choice;
  choice.input_layouts = {layout, layout};
  choice.output_layouts = {layout};
  if (equal && request.node.inputs[0] != request.node.inputs[1]) choice.in_place_input = 0;
  choice.kernel = make_kernel([=, clamp = *clamp](const KernelArgs& args) {
    const auto* left = static_cast<const uint8_t*>(args.in[0]);
    const auto* right = static_cast<const uint8_t*>(args.in[1]);
    auto* out = static_cast<uint8_t*>(args.out[0]);
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t r = 0; r < rows_an_image; ++r) {
        const int64_t at = (n * rows_an_image + r) * row;
        simd::code_kernels().binary(op, left + (left_vector ? n * row : at), a, right + (right_vector ? n * row : at), b, row,
                                    clamp.lo, clamp.hi, y, out + at);
      }
    }
  });
  return choice;
}

KernelFactory binary_of(simd::BinaryOp op) {
  return [op](const KernelRequest& request) { return binary(request, op); };
}

}  // namespace

void register_code_elementwise(Registry& registry) {
  registry.add_codes("Add", binary_of(simd::BinaryOp::kAdd));
  registry.add_codes("Sub", binary_of(simd::BinaryOp::kSub));
  registry.add_codes("Mul", binary_of(simd::BinaryOp::kMul));
  registry.add_codes("Div", binary_of(simd::BinaryOp::kDiv));
  registry.add_codes("Max", binary_of(simd::BinaryOp::kMax));
  registry.add_codes("Min", binary_of(simd::BinaryOp::kMin));
}

}  // namespace qtool::exec
