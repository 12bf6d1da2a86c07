// Runs a model once and then, again and again, only what lies behind changed tensors.
//
// The run keeps every value. A rerun copies the values to be changed, lets the caller alter them, and computes the steps
// that depend on them into a second memory; everything else is read where the run left it, so reruns do not disturb each
// other. Cost of a rerun: the suffix of the model, nothing else.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "qtool/exec/executor.h"

namespace qtool::exec {

class SuffixSession {
 public:
  // Made with ExecOptions::keep_values, the values to be changed among `observed`. Throws Error(kUnsupported) when shapes
  // depend on data.
  explicit SuffixSession(const Executor& executor);
  ~SuffixSession();
  SuffixSession(SuffixSession&&) noexcept;

  void run(const std::vector<Tensor>& inputs);

  // Alters `count` floats in place, channel padding included: an element-wise function, so the layout does not matter.
  using Change = std::function<void(ir::ValueId value, std::span<float> values)>;
  // Every value of `changed` is altered where it is made; a later one sees the changes of earlier ones.
  void rerun(std::span<const ir::ValueId> changed, const Change& change);

  // Of the run, and of the last rerun, in graph order.
  [[nodiscard]] Tensor output(size_t index) const;
  [[nodiscard]] Tensor changed_output(size_t index) const;
  [[nodiscard]] bool output_changed(size_t index) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qtool::exec
