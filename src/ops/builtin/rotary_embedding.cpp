// RotaryEmbedding: rotates pairs of features of each head by a position-dependent angle.
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

// Input [batch, heads, sequence, head_size], or [batch, sequence, heads * head_size].
struct HeadLayout {
  int64_t batch, heads, sequence, head_size;
  bool heads_first;

  [[nodiscard]] int64_t row(int64_t b, int64_t h, int64_t s) const {
    return (heads_first ? (b * heads + h) * sequence + s : (b * sequence + s) * heads + h) * head_size;
  }
};

HeadLayout head_layout(const ir::Node& node, const Shape& input) {
  if (input.rank() == 4) return {input[0], input[1], input[2], input[3], true};
  const int64_t heads = node.attr_int("num_heads", 0);
  if (input.rank() != 3 || heads < 1 || input[2] % heads != 0) {
    throw Error(ErrorCode::kInvalidModel, format("input {} does not hold {} heads", input.text(), heads));
  }
  return {input[0], heads, input[1], input[2] / heads, false};
}

InferredTypes infer(const InferContext& context) {
  (void)head_layout(context.node(), context.shape(0));
  return {context.type(0)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const HeadLayout layout = head_layout(context.node(), input.shape());
  const bool interleaved = context.node().attr_int("interleaved", 0) != 0;
  int64_t rotated = context.node().attr_int("rotary_embedding_dim", 0);
  if (rotated == 0) rotated = layout.head_size;
  const int64_t half = rotated / 2;
  const Tensor &cos_cache = context.input(1), &sin_cache = context.input(2);
  // With position_ids: [positions, half]; without: [batch, sequence, half].
  const std::vector<int64_t> positions = context.has_input(3) ? context.input(3).to_int64() : std::vector<int64_t>{};
  const int64_t rows = half == 0 ? 0 : cos_cache.element_count() / half;
  const bool fits = half > 0 && rotated % 2 == 0 && rotated <= layout.head_size &&
                    cos_cache.shape() == sin_cache.shape() && cos_cache.element_count() == rows * half &&
                    (context.has_input(3) ? static_cast<int64_t>(positions.size()) : rows) == layout.batch * layout.sequence;
  if (!fits) {
    throw Error(ErrorCode::kInvalidModel, format("caches {} and {} do not fit input {}", cos_cache.shape().text(),
                                                 sin_cache.shape().text(), input.shape().text()));
  }
  const Reals cosines = to_reals(cos_cache), sines = to_reals(sin_cache);
  Reals values = to_reals(input);
  for (int64_t b = 0; b < layout.batch; ++b) {
    for (int64_t s = 0; s < layout.sequence; ++s) {
      int64_t position = b * layout.sequence + s;
      if (!positions.empty()) position = positions[static_cast<size_t>(position)];
      if (position < 0 || position >= rows) throw Error(ErrorCode::kInvalidData, format("position {} of {}", position, rows));
      for (int64_t h = 0; h < layout.heads; ++h) {
        double* features = values.data() + layout.row(b, h, s);
        for (int64_t i = 0; i < half; ++i) {
          double& first = features[interleaved ? 2 * i : i];
          double& second = features[interleaved ? 2 * i + 1 : i + half];
          const double c = cosines[static_cast<size_t>(position * half + i)];
          const double d = sines[static_cast<size_t>(position * half + i)];
          const double real = c * first - d * second;
          second = d * first + c * second;
          first = real;
        }
      }
    }
  }
  return {from_reals(input.dtype(), input.shape(), values)};
}

}  // namespace

void register_rotary_embedding(Registry& registry) {
  registry.add({.type = "RotaryEmbedding", .first_opset = 23, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
