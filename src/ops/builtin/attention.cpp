// Attention: softmax(scale * Q K^T, softcapped, + bias) V with grouped heads, key/value cache and masks.
#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

enum Slot : size_t { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kValidKeys };
// Which stage the fourth output shows.
enum class ScoreOutput : int64_t { kProduct = 0, kSoftcapped = 1, kBiased = 2, kProbabilities = 3 };

constexpr double kMasked = -std::numeric_limits<double>::infinity();

// A tensor as [batch, heads, sequence, size], whatever its layout was.
struct Heads {
  int64_t batch = 0, heads = 0, sequence = 0, size = 0;

  [[nodiscard]] Shape shape() const { return Shape{batch, heads, sequence, size}; }
  [[nodiscard]] int64_t row(int64_t b, int64_t h, int64_t s) const { return ((b * heads + h) * sequence + s) * size; }
};

Heads heads_of(const Shape& shape, int64_t head_count) {
  if (shape.rank() == 4) return {shape[0], shape[1], shape[2], shape[3]};
  if (shape.rank() != 3 || head_count < 1 || shape[2] % head_count != 0) {
    throw Error(ErrorCode::kInvalidModel, format("shape {} does not hold {} heads", shape.text(), head_count));
  }
  return {shape[0], head_count, shape[1], shape[2] / head_count};
}

struct AttentionSizes {
  Heads query, key, value;  // key and value with the cache in front
  int64_t past = 0;
  bool flat = false;  // [batch, sequence, heads * size] operands
};

AttentionSizes attention_sizes(const ir::Node& node, const Shape& query, const Shape& key, const Shape& value,
                               const Shape* past_key) {
  AttentionSizes sizes{.query = heads_of(query, node.attr_int("q_num_heads", 0)),
                       .key = heads_of(key, node.attr_int("kv_num_heads", 0)),
                       .value = heads_of(value, node.attr_int("kv_num_heads", 0)),
                       .past = past_key ? (*past_key)[2] : 0,
                       .flat = query.rank() == 3};
  sizes.key.sequence += sizes.past;
  sizes.value.sequence += sizes.past;
  const bool fits = sizes.query.size == sizes.key.size && sizes.key.heads > 0 && sizes.key.heads == sizes.value.heads &&
                    sizes.query.heads % sizes.key.heads == 0 && sizes.key.sequence == sizes.value.sequence;
  if (!fits) {
    throw Error(ErrorCode::kInvalidModel,
                format("query {}, key {} and value {} do not fit", query.text(), key.text(), value.text()));
  }
  return sizes;
}

Shape output_shape(const AttentionSizes& s) {
  if (s.flat) return Shape{s.query.batch, s.query.sequence, s.query.heads * s.value.size};
  return Shape{s.query.batch, s.query.heads, s.query.sequence, s.value.size};
}

Shape score_shape(const AttentionSizes& s) {
  return Shape{s.query.batch, s.query.heads, s.query.sequence, s.key.sequence};
}

InferredTypes infer(const InferContext& context) {
  const Shape* past = context.has_input(kPastKey) ? &context.shape(kPastKey) : nullptr;
  const AttentionSizes sizes = attention_sizes(context.node(), context.shape(kQuery), context.shape(kKey),
                                               context.shape(kValue), past);
  return {TensorType{context.dtype(kQuery), output_shape(sizes)}, TensorType{context.dtype(kKey), sizes.key.shape()},
          TensorType{context.dtype(kValue), sizes.value.shape()}, TensorType{context.dtype(kQuery), score_shape(sizes)}};
}

// Heads first, behind the cached rows.
Reals gather_heads(const Tensor& tensor, const Tensor* past, const Heads& to) {
  const Reals fresh = to_reals(tensor), cached = past ? to_reals(*past) : Reals{};
  const int64_t past_rows = past ? past->shape()[2] : 0, fresh_rows = to.sequence - past_rows;
  const bool flat = tensor.shape().rank() == 3;
  Reals result;
  result.reserve(static_cast<size_t>(to.shape().element_count()));
  for (int64_t b = 0; b < to.batch; ++b) {
    for (int64_t h = 0; h < to.heads; ++h) {
      const auto from_cache = cached.begin() + (b * to.heads + h) * past_rows * to.size;
      result.insert(result.end(), from_cache, from_cache + past_rows * to.size);
      for (int64_t s = 0; s < fresh_rows; ++s) {
        const int64_t row = flat ? (b * fresh_rows + s) * to.heads + h : (b * to.heads + h) * fresh_rows + s;
        result.insert(result.end(), fresh.begin() + row * to.size, fresh.begin() + (row + 1) * to.size);
      }
    }
  }
  return result;
}

// The additive bias of all scores: 0 or a mask value where a query may look, -inf where not.
class ScoreBias {
 public:
  ScoreBias(const EvalContext& context, const AttentionSizes& sizes) : sizes_(sizes) {
    const ir::Node& node = context.node();
    causal_ = node.attr_int("is_causal", 0) != 0;
    left_window_ = node.attr_int("left_window_size", -1);
    right_window_ = node.attr_int("right_window_size", -1);
    if (context.has_input(kValidKeys)) valid_keys_ = context.input(kValidKeys).to_int64();
    if (context.has_input(kMask)) read_mask(context.input(kMask));
  }

  [[nodiscard]] double at(int64_t b, int64_t h, int64_t query, int64_t key) const {
    const bool external = !valid_keys_.empty();
    const int64_t valid = external ? valid_keys_[static_cast<size_t>(b)] : sizes_.key.sequence;
    // Position of the query among the keys: behind the cache, or aligned with the end of the valid keys.
    const int64_t position = query + (external && sizes_.past == 0 ? valid - sizes_.query.sequence : sizes_.past);
    const bool hidden = key >= valid || (causal_ && key > position) ||
                        (left_window_ >= 0 && position - key > left_window_) ||
                        (right_window_ >= 0 && key - position > right_window_);
    return hidden ? kMasked : mask_at(b, h, query, key);
  }

 private:
  void read_mask(const Tensor& mask) {
    mask_ = to_reals(mask);
    if (mask.dtype() == DType::kBool) {
      for (double& value : mask_) value = value != 0.0 ? 0.0 : kMasked;
    }
    mask_shape_ = mask.shape();
    // A mask may be shorter than the keys: what it does not cover is hidden.
    Shape covered = score_shape(sizes_);
    const int64_t own = mask_shape_.rank() > 0 ? mask_shape_[mask_shape_.rank() - 1] : 0;
    if (own > covered[3]) throw Error(ErrorCode::kInvalidModel, format("mask {} is wider than the keys", mask_shape_.text()));
    covered[3] = own;
    if (!(broadcast_shapes(mask_shape_, covered) == covered)) {
      throw Error(ErrorCode::kInvalidModel, format("mask {} does not fit scores {}", mask_shape_.text(), covered.text()));
    }
  }

  [[nodiscard]] double mask_at(int64_t b, int64_t h, int64_t query, int64_t key) const {
    if (mask_.empty()) return 0.0;
    const int64_t coordinates[] = {b, h, query, key};
    const size_t rank = mask_shape_.rank();
    if (key >= mask_shape_[rank - 1]) return kMasked;
    int64_t index = 0;
    for (size_t i = 0; i < rank; ++i) {
      index = index * mask_shape_[i] + (mask_shape_[i] == 1 ? 0 : coordinates[4 - rank + i]);
    }
    return mask_[static_cast<size_t>(index)];
  }

  const AttentionSizes& sizes_;
  bool causal_ = false;
  int64_t left_window_ = -1, right_window_ = -1;
  std::vector<int64_t> valid_keys_;
  Reals mask_;
  Shape mask_shape_;
};

// In place. A row that sees no key becomes zeros.
void softmax_row(std::span<double> scores, bool sees_any_key) {
  const double highest = scores.empty() ? kMasked : *std::max_element(scores.begin(), scores.end());
  if (!sees_any_key || highest == kMasked) return std::fill(scores.begin(), scores.end(), 0.0);
  double sum = 0.0;
  for (double& score : scores) sum += score = std::exp(score - highest);
  for (double& score : scores) score /= sum;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const ir::Node& node = context.node();
  const Tensor *past_key = context.optional_input(kPastKey), *past_value = context.optional_input(kPastValue);
  if ((past_key == nullptr) != (past_value == nullptr)) {
    throw Error(ErrorCode::kInvalidModel, "past_key and past_value must be given together");
  }
  const AttentionSizes s =
      attention_sizes(node, context.input(kQuery).shape(), context.input(kKey).shape(), context.input(kValue).shape(),
                      past_key ? &past_key->shape() : nullptr);
  const Reals query = gather_heads(context.input(kQuery), nullptr, s.query);
  const Reals key = gather_heads(context.input(kKey), past_key, s.key);
  const Reals value = gather_heads(context.input(kValue), past_value, s.value);
  const ScoreBias bias(context, s);
  const double scale = node.has_attribute("scale") ? node.attr_float("scale", 1.0f)
                                                   : 1.0 / std::sqrt(static_cast<double>(s.query.size));
  const double softcap = node.attr_float("softcap", 0.0f);
  const auto shown = static_cast<ScoreOutput>(node.attr_int("qk_matmul_output_mode", 0));

  const Shape y_shape = output_shape(s), shape_of_scores = score_shape(s);
  Reals y(static_cast<size_t>(y_shape.element_count()), 0.0), shown_scores;
  shown_scores.reserve(static_cast<size_t>(shape_of_scores.element_count()));
  const auto keys = static_cast<size_t>(s.key.sequence);
  Reals scores(keys);
  const auto show = [&](ScoreOutput stage) {
    if (stage == shown) shown_scores.insert(shown_scores.end(), scores.begin(), scores.end());
  };
  for (int64_t b = 0; b < s.query.batch; ++b) {
    for (int64_t h = 0; h < s.query.heads; ++h) {
      const int64_t shared_head = h / (s.query.heads / s.key.heads);  // several query heads share one key head
      for (int64_t q = 0; q < s.query.sequence; ++q) {
        const double* features = query.data() + s.query.row(b, h, q);
        for (size_t k = 0; k < keys; ++k) {
          const double* other = key.data() + s.key.row(b, shared_head, static_cast<int64_t>(k));
          double sum = 0.0;
          for (int64_t i = 0; i < s.query.size; ++i) sum += features[i] * other[i];
          scores[k] = sum * scale;
        }
        show(ScoreOutput::kProduct);
        if (softcap > 0.0) {
          for (double& score : scores) score = softcap * std::tanh(score / softcap);
        }
        show(ScoreOutput::kSoftcapped);
        bool sees_any_key = false;
        for (size_t k = 0; k < keys; ++k) {
          const double addend = bias.at(b, h, q, static_cast<int64_t>(k));
          sees_any_key = sees_any_key || addend != kMasked;
          scores[k] += addend;
        }
        show(ScoreOutput::kBiased);
        softmax_row(scores, sees_any_key);
        show(ScoreOutput::kProbabilities);
        const int64_t row = s.flat ? (b * s.query.sequence + q) * s.query.heads + h
                                   : (b * s.query.heads + h) * s.query.sequence + q;
        double* target = y.data() + row * s.value.size;
        for (size_t k = 0; k < keys; ++k) {
          const double* source = value.data() + s.value.row(b, shared_head, static_cast<int64_t>(k));
          for (int64_t i = 0; i < s.value.size; ++i) target[i] += scores[k] * source[i];
        }
      }
    }
  }
  if (shown_scores.size() != static_cast<size_t>(shape_of_scores.element_count())) {
    throw Error(ErrorCode::kInvalidModel, format("qk_matmul_output_mode is {}, expected 0 to 3", static_cast<int64_t>(shown)));
  }
  const DType dtype = context.input(kQuery).dtype();
  return {from_reals(dtype, y_shape, y), from_reals(context.input(kKey).dtype(), s.key.shape(), key),
          from_reals(context.input(kValue).dtype(), s.value.shape(), value),
          from_reals(dtype, shape_of_scores, shown_scores)};
}

}  // namespace

void register_attention(Registry& registry) {
  registry.add({.type = "Attention", .first_opset = 23, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
