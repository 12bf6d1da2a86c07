// ReduceSum, ReduceMean, ReduceMax, ... : one walk over the input in memory order with an accumulator for every
// result element. Floating point accumulates in double and is rounded once.
#include <cmath>
#include <limits>

#include "element_cast.h"
#include "qtool/ops/registry.h"
#include "reduce_axes.h"
#include "strided_loop.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

// For every input element, in memory order: update(accumulators[its result element], element).
template <class T, class A, class Update>
void accumulate(const Tensor& input, const std::vector<bool>& reduced, std::vector<A>& accumulators, Update update) {
  const StridedLoop<2> loop(input.shape().dims(),
                            {input.shape().strides(), reduced_strides(input.shape(), reduced)});
  const int64_t step = loop.run_step(1);
  const T* values = elements<T>(input);
  loop.for_each_run([&](const auto& offsets, int64_t length) {
    const T* run = values + offsets[0];
    A* target = accumulators.data() + offsets[1];
    if (step == 0) {
      A running = *target;
      for (int64_t i = 0; i < length; ++i) update(running, run[i]);
      *target = running;
    } else {
      for (int64_t i = 0; i < length; ++i) update(target[i * step], run[i]);
    }
  });
}

// A reduction is: State<T>, initial<T>(), update(state, element), finish<T>(state, count).
struct SumLike {
  template <class T> using State = Accumulator<T>;
  template <class T> static State<T> initial() { return 0; }
};

struct Sum : SumLike {
  template <class T> static void update(State<T>& state, T x) { state += static_cast<State<T>>(x); }
  template <class T> static T finish(State<T> state, int64_t) { return static_cast<T>(state); }
};

struct Mean : Sum {
  template <class T> static T finish(State<T> state, int64_t count) {
    if constexpr (std::is_integral_v<T>) {
      if (count == 0) throw Error(ErrorCode::kInvalidData, "mean of no integers");
      if constexpr (std::is_signed_v<T>) return static_cast<T>(static_cast<int64_t>(state) / count);
      else return static_cast<T>(state / static_cast<uint64_t>(count));
    } else {
      return static_cast<T>(state / static_cast<double>(count));
    }
  }
};

struct SumSquare : SumLike {
  template <class T> static void update(State<T>& state, T x) { state += static_cast<State<T>>(x) * static_cast<State<T>>(x); }
  template <class T> static T finish(State<T> state, int64_t) { return static_cast<T>(state); }
};

struct L1 : SumLike {
  template <class T> static void update(State<T>& state, T x) {
    if constexpr (kIsFloat<T>) state += std::fabs(static_cast<double>(x));
    else if (x < T{0}) state -= static_cast<uint64_t>(x);
    else state += static_cast<uint64_t>(x);
  }
  template <class T> static T finish(State<T> state, int64_t) { return static_cast<T>(state); }
};

struct L2 : SumLike {
  template <class T> using State = double;
  template <class T> static double initial() { return 0.0; }
  template <class T> static void update(double& state, T x) { state += static_cast<double>(x) * static_cast<double>(x); }
  template <class T> static T finish(double state, int64_t) { return cast_element<T>(std::sqrt(state)); }
};

struct LogSum : L2 {
  template <class T> static void update(double& state, T x) { state += static_cast<double>(x); }
  template <class T> static T finish(double state, int64_t) { return cast_element<T>(std::log(state)); }
};

struct Product {
  template <class T> using State = Accumulator<T>;
  template <class T> static State<T> initial() { return 1; }
  template <class T> static void update(State<T>& state, T x) { state *= static_cast<State<T>>(x); }
  template <class T> static T finish(State<T> state, int64_t) { return static_cast<T>(state); }
};

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(x);
  else return false;
}

struct Max {
  template <class T> using State = Compute<T>;
  template <class T> static State<T> initial() {
    if constexpr (kIsFloat<T>) return -std::numeric_limits<State<T>>::infinity();
    else return std::numeric_limits<T>::lowest();
  }
  template <class T> static void update(State<T>& state, T x) {
    const auto value = static_cast<State<T>>(x);
    if (value > state || is_nan(value)) state = value;
  }
  template <class T> static T finish(State<T> state, int64_t) { return static_cast<T>(state); }
};

struct Min {
  template <class T> using State = Compute<T>;
  template <class T> static State<T> initial() {
    if constexpr (kIsFloat<T>) return std::numeric_limits<State<T>>::infinity();
    else return std::numeric_limits<T>::max();
  }
  template <class T> static void update(State<T>& state, T x) {
    const auto value = static_cast<State<T>>(x);
    if (value < state || is_nan(value)) state = value;
  }
  template <class T> static T finish(State<T> state, int64_t) { return static_cast<T>(state); }
};

template <class Reduction, class T>
void reduce_into(const Tensor& input, const ReducePlan& plan, Tensor& result) {
  using State = typename Reduction::template State<T>;
  const auto slots = static_cast<size_t>(result.element_count());
  const int64_t count = slots == 0 ? 0 : input.element_count() / result.element_count();
  T* target = mutable_elements<T>(result);
  if constexpr (std::is_same_v<State, bool>) {
    // std::vector<bool> has no addressable elements.
    std::vector<uint8_t> states(slots, Reduction::template initial<T>());
    accumulate<T>(input, plan.reduced, states, [](uint8_t& state, T x) {
      bool flag = state != 0;
      Reduction::template update<T>(flag, x);
      state = flag;
    });
    for (size_t i = 0; i < slots; ++i) target[i] = states[i] != 0;
  } else {
    std::vector<State> states(slots, Reduction::template initial<T>());
    accumulate<T>(input, plan.reduced, states, [](State& state, T x) { Reduction::template update<T>(state, x); });
    for (size_t i = 0; i < slots; ++i) target[i] = Reduction::template finish<T>(states[i], count);
  }
}

// log(sum(exp(x))) with the largest element taken out, so that nothing overflows.
template <class T>
void log_sum_exp_into(const Tensor& input, const ReducePlan& plan, Tensor& result) {
  struct State {
    double largest = -std::numeric_limits<double>::infinity();
    double sum = 0.0;  // of exp(x - largest)
  };
  std::vector<State> states(static_cast<size_t>(result.element_count()));
  accumulate<T>(input, plan.reduced, states, [](State& state, T x) {
    const auto value = static_cast<double>(x);
    if (value > state.largest || std::isnan(value)) state.largest = value;
  });
  accumulate<T>(input, plan.reduced, states, [](State& state, T x) {
    const auto value = static_cast<double>(x);
    // An infinite maximum equals the element that caused it; the difference would be NaN.
    state.sum += value == state.largest ? 1.0 : std::exp(value - state.largest);
  });
  T* target = mutable_elements<T>(result);
  for (size_t i = 0; i < states.size(); ++i) target[i] = cast_element<T>(states[i].largest + std::log(states[i].sum));
}

enum class Accepts : uint8_t { kNumeric, kNumericAndBool };

void require_reducible(DType dtype, Accepts accepts) {
  if (accepts == Accepts::kNumericAndBool && dtype == DType::kBool) return;
  require_numeric(dtype);
}

template <class Kernel>
OpDef reduction(const char* type, int64_t axes_input_since, Accepts accepts, ValueFlow flow, Kernel kernel) {
  return {.type = type,
          .infer = [=](const InferContext& context) -> InferredTypes {
            require_reducible(context.dtype(0), accepts);
            const auto plan = reduce_plan(context, axes_input_since);
            if (!plan) return {std::nullopt};
            return {TensorType{context.dtype(0), plan->result}};
          },
          .evaluate = [=](const EvalContext& context) -> std::vector<Tensor> {
            const Tensor& input = context.input(0);
            require_reducible(input.dtype(), accepts);
            const ReducePlan plan = *reduce_plan(context, axes_input_since);
            Tensor result(input.dtype(), plan.result);
            kernel(input, plan, result);
            return {std::move(result)};
          },
          .traits = {.flow = flow}};
}

template <class Reduction>
auto numeric_kernel() {
  return [](const Tensor& input, const ReducePlan& plan, Tensor& result) {
    dispatch_numeric(input.dtype(), [&]<class T>() { reduce_into<Reduction, T>(input, plan, result); });
  };
}

template <class Reduction>
auto ordered_kernel() {
  return [](const Tensor& input, const ReducePlan& plan, Tensor& result) {
    dispatch_dtype(input.dtype(), [&]<class T>() { reduce_into<Reduction, T>(input, plan, result); });
  };
}

}  // namespace

void register_reductions(Registry& registry) {
  const auto add = [&](const char* type, int64_t axes_input_since, auto kernel) {
    registry.add(reduction(type, axes_input_since, Accepts::kNumeric, ValueFlow::kComputes, kernel));
  };
  add("ReduceSum", 13, numeric_kernel<Sum>());
  add("ReduceMean", 18, numeric_kernel<Mean>());
  add("ReduceProd", 18, numeric_kernel<Product>());
  add("ReduceL1", 18, numeric_kernel<L1>());
  add("ReduceL2", 18, numeric_kernel<L2>());
  add("ReduceLogSum", 18, numeric_kernel<LogSum>());
  add("ReduceSumSquare", 18, numeric_kernel<SumSquare>());
  add("ReduceLogSumExp", 18, [](const Tensor& input, const ReducePlan& plan, Tensor& result) {
    dispatch_numeric(input.dtype(), [&]<class T>() { log_sum_exp_into<T>(input, plan, result); });
  });
  registry.add(reduction("ReduceMax", 18, Accepts::kNumericAndBool, ValueFlow::kMovesData, ordered_kernel<Max>()));
  registry.add(reduction("ReduceMin", 18, Accepts::kNumericAndBool, ValueFlow::kMovesData, ordered_kernel<Min>()));
}

}  // namespace qtool::ops
