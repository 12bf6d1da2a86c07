// Einsum: explicit and implicit form, ellipsis, repeated labels; a loop nest over all labels.
#include <algorithm>
#include <cctype>
#include <map>

#include "operands.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

// Labels of one term; an ellipsis is expanded into labels of its own. Letters are their character code, the
// ellipsis axes are negative: -1 the last one, -2 the one before, so that terms align at the right.
using Labels = std::vector<int>;

struct Term {
  std::string text;
  bool has_ellipsis = false;
};

Labels expand_term(const std::string& term, int64_t ellipsis_rank) {
  Labels labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] == '.') {
      if (term.compare(i, 3, "...") != 0) invalid_model("term '{}' has a stray dot", term);
      for (int64_t k = ellipsis_rank; k > 0; --k) labels.push_back(static_cast<int>(-k));
      i += 2;
    } else if (std::isalpha(static_cast<unsigned char>(term[i])) != 0) {
      labels.push_back(static_cast<unsigned char>(term[i]));
    } else {
      invalid_model("term '{}' has a label that is no letter", term);
    }
  }
  return labels;
}

int64_t letter_count(const std::string& term) {
  return std::count_if(term.begin(), term.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
}

struct Plan {
  std::vector<Labels> operands;
  Labels result;
  Labels summed;
  std::map<int, int64_t> extent;
  Shape shape;
};

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (const char c : text) {
    if (c == ',') terms.emplace_back();
    else terms.back() += c;
  }
  return terms;
}

// Without "->" the result holds the ellipsis, then the letters that occur once, in alphabetical order.
Labels implicit_result(const std::vector<Labels>& operands, int64_t widest_ellipsis) {
  Labels result;
  for (int64_t k = widest_ellipsis; k > 0; --k) result.push_back(static_cast<int>(-k));
  std::map<int, int> occurrences;
  for (const Labels& labels : operands) {
    for (const int label : labels) {
      if (label > 0) ++occurrences[label];
    }
  }
  for (const auto& [label, count] : occurrences) {
    if (count == 1) result.push_back(label);
  }
  return result;
}

template <class Context>
Plan plan_einsum(const Context& context) {
  std::string equation = context.node().attr_string("equation", "");
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  const size_t arrow = equation.find("->");
  const std::vector<std::string> terms = split_terms(equation.substr(0, arrow));
  if (terms.size() != context.input_count()) {
    invalid_model("equation '{}' has {} terms for {} inputs", equation, terms.size(), context.input_count());
  }

  Plan plan;
  int64_t widest_ellipsis = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const Shape& shape = operand_shape(context, i);
    const int64_t rest = static_cast<int64_t>(shape.rank()) - letter_count(terms[i]);
    const bool has_ellipsis = terms[i].find('.') != std::string::npos;
    if (rest < 0 || (rest > 0 && !has_ellipsis)) invalid_model("term '{}' does not fit input {} of shape {}", terms[i], i, shape.text());
    plan.operands.push_back(expand_term(terms[i], rest));
    if (plan.operands.back().size() != shape.rank()) invalid_model("term '{}' has more than one ellipsis", terms[i]);
    widest_ellipsis = std::max(widest_ellipsis, rest);
    for (size_t d = 0; d < shape.rank(); ++d) {
      int64_t& extent = plan.extent.emplace(plan.operands.back()[d], shape[d]).first->second;
      if (extent == 1) extent = shape[d];
      if (shape[d] != 1 && shape[d] != extent) {
        invalid_model("equation '{}': one label stands for lengths {} and {}", equation, extent, shape[d]);
      }
    }
  }
  plan.result = arrow == std::string::npos ? implicit_result(plan.operands, widest_ellipsis)
                                           : expand_term(equation.substr(arrow + 2), widest_ellipsis);
  std::vector<int64_t> dims;
  for (size_t i = 0; i < plan.result.size(); ++i) {
    const int label = plan.result[i];
    const auto at = plan.extent.find(label);
    if (at == plan.extent.end() || std::count(plan.result.begin(), plan.result.end(), label) != 1) {
      invalid_model("equation '{}': a result label is unknown or repeated", equation);
    }
    dims.push_back(at->second);
  }
  for (const auto& [label, extent] : plan.extent) {
    if (std::count(plan.result.begin(), plan.result.end(), label) == 0) plan.summed.push_back(label);
  }
  plan.shape = Shape(std::move(dims));
  return plan;
}

// Strides of one operand along the given labels; a repeated label walks its diagonal, a length of 1 broadcasts.
std::vector<int64_t> label_strides(const Shape& shape, const Labels& own, const Labels& walked) {
  const std::vector<int64_t> strides = shape.strides();
  std::vector<int64_t> result(walked.size(), 0);
  for (size_t w = 0; w < walked.size(); ++w) {
    for (size_t d = 0; d < own.size(); ++d) {
      if (own[d] == walked[w] && shape[d] != 1) result[w] += strides[d];
    }
  }
  return result;
}

// An odometer over `dims` that keeps the offset of every operand.
class LabelWalk {
 public:
  LabelWalk(std::vector<int64_t> dims, std::vector<std::vector<int64_t>> strides)
      : dims_(std::move(dims)), strides_(std::move(strides)), index_(dims_.size(), 0) {}

  [[nodiscard]] bool empty() const { return std::find(dims_.begin(), dims_.end(), 0) != dims_.end(); }

  // False after the last position; the offsets are then back at the start.
  bool advance(std::vector<int64_t>& offsets) {
    for (size_t d = dims_.size(); d-- > 0;) {
      for (size_t k = 0; k < offsets.size(); ++k) offsets[k] += strides_[k][d];
      if (++index_[d] < dims_[d]) return true;
      for (size_t k = 0; k < offsets.size(); ++k) offsets[k] -= strides_[k][d] * dims_[d];
      index_[d] = 0;
    }
    return false;
  }

 private:
  std::vector<int64_t> dims_;
  std::vector<std::vector<int64_t>> strides_;
  std::vector<int64_t> index_;
};

// Sum over one run of the innermost summed label.
template <class T>
Accumulator<T> run_sum(const std::vector<const T*>& data, const std::vector<int64_t>& offsets,
                       const std::vector<int64_t>& steps, int64_t length) {
  using A = Accumulator<T>;
  A sum = 0;
  if (data.size() == 2) {  // the common case without the loop over operands
    const T *a = data[0] + offsets[0], *b = data[1] + offsets[1];
    for (int64_t i = 0; i < length; ++i) sum += static_cast<A>(a[i * steps[0]]) * static_cast<A>(b[i * steps[1]]);
    return sum;
  }
  for (int64_t i = 0; i < length; ++i) {
    A product = 1;
    for (size_t k = 0; k < data.size(); ++k) product *= static_cast<A>(data[k][offsets[k] + i * steps[k]]);
    sum += product;
  }
  return sum;
}

template <class T>
void contract(const EvalContext& context, const Plan& plan, Tensor& result) {
  Labels outer_sum = plan.summed;
  int64_t run_length = 1;
  std::vector<int64_t> steps(plan.operands.size(), 0);
  std::vector<const T*> data;
  std::vector<std::vector<int64_t>> result_strides, sum_strides;
  Labels run_label;
  if (!outer_sum.empty()) {
    run_label = {outer_sum.back()};
    run_length = plan.extent.at(outer_sum.back());
    outer_sum.pop_back();
  }
  for (size_t k = 0; k < plan.operands.size(); ++k) {
    const Tensor& operand = context.input(k);
    data.push_back(elements<T>(operand));
    result_strides.push_back(label_strides(operand.shape(), plan.operands[k], plan.result));
    sum_strides.push_back(label_strides(operand.shape(), plan.operands[k], outer_sum));
    if (!run_label.empty()) steps[k] = label_strides(operand.shape(), plan.operands[k], run_label).front();
  }
  std::vector<int64_t> sum_dims;
  for (const int label : outer_sum) sum_dims.push_back(plan.extent.at(label));
  LabelWalk result_walk(plan.shape.dims(), std::move(result_strides));
  LabelWalk sum_walk(std::move(sum_dims), std::move(sum_strides));
  if (result_walk.empty() || sum_walk.empty()) return;  // the result is zero already
  std::vector<int64_t> offsets(plan.operands.size(), 0);
  T* target = mutable_elements<T>(result);
  do {
    Accumulator<T> sum = 0;
    do {
      sum += run_sum(data, offsets, steps, run_length);
    } while (sum_walk.advance(offsets));
    *target++ = static_cast<T>(sum);
  } while (result_walk.advance(offsets));
}

template <class Context>
InferredTypes types(const Context& context) {
  require_numeric(operand_dtype(context, 0));
  for (size_t i = 1; i < context.input_count(); ++i) require_same_dtype(context, 0, i);
  return {TensorType{operand_dtype(context, 0), plan_einsum(context).shape}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  Tensor result(settled(types(context)));
  const Plan plan = plan_einsum(context);
  dispatch_numeric(result.dtype(), [&]<class T>() { contract<T>(context, plan, result); });
  return {std::move(result)};
}

}  // namespace

void register_einsum(Registry& registry) {
  registry.add({.type = "Einsum", .first_opset = 12, .infer = types<InferContext>, .evaluate = evaluate});
}

}  // namespace qtool::ops
