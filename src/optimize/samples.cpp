#include "samples.h"

#include <algorithm>
#include <mutex>

#include "qtool/calib/model_inputs.h"
#include "qtool/support/error.h"

namespace qtool::optimize {

namespace {

class PickedSource final : public data::SampleSource {
 public:
  PickedSource(const data::SampleSource& source, std::vector<int64_t> indices, int64_t bytes)
      : source_(source), indices_(std::move(indices)), bytes_left_(bytes), kept_(indices_.size()) {}

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  [[nodiscard]] std::string name(int64_t index) const override { return source_.name(indices_[static_cast<size_t>(index)]); }

  [[nodiscard]] data::Sample load(int64_t index) const override {
    const auto at = static_cast<size_t>(index);
    {
      const std::lock_guard lock(mutex_);
      if (!kept_[at].empty()) return kept_[at];
    }
    data::Sample sample = source_.load(indices_[at]);
    int64_t bytes = 0;
    for (const auto& [name, tensor] : sample) bytes += static_cast<int64_t>(tensor.size_bytes());
    const std::lock_guard lock(mutex_);
    if (bytes <= bytes_left_ && kept_[at].empty()) {
      bytes_left_ -= bytes;
      kept_[at] = sample;
    }
    return sample;
  }

 private:
  const data::SampleSource& source_;
  std::vector<int64_t> indices_;
  mutable std::mutex mutex_;
  mutable int64_t bytes_left_;
  mutable std::vector<data::Sample> kept_;
};

std::vector<int64_t> spread(const std::vector<int64_t>& from, int64_t wanted) {
  const auto count = static_cast<int64_t>(from.size());
  if (count <= wanted) return from;
  std::vector<int64_t> picked;
  for (int64_t i = 0; i < wanted; ++i) picked.push_back(from[static_cast<size_t>(i * count / wanted)]);
  return picked;
}

}  // namespace

std::vector<Tensor> sample_inputs(const ir::Graph& graph, const data::SampleSource& source, int64_t index) {
  try {
    return calib::model_inputs(graph, source.load(index));
  } catch (Error& error) {
    error.with("sample", source.name(index));
    throw;
  }
}

std::unique_ptr<data::SampleSource> pick_samples(const data::SampleSource& source, std::vector<int64_t> indices, int64_t bytes) {
  return std::make_unique<PickedSource>(source, std::move(indices), bytes);
}

SampleSplit split_samples(int64_t count, int64_t output_bytes) {
  constexpr int64_t kMost = 24, kFewest = 8, kQuick = 16, kStatistics = 96, kOutputBudget = int64_t{128} << 20;
  SampleSplit split;
  std::vector<int64_t> all;
  for (int64_t i = 0; i < count; ++i) all.push_back(i);
  if (count < 4) return {.held_out = all, .rest = all, .quick = all};
  int64_t wanted = std::clamp(count / 4, std::min(kFewest, count / 2), kMost);
  wanted = std::clamp<int64_t>(kOutputBudget / std::max<int64_t>(output_bytes, 1), 2, wanted);
  const int64_t every = count / wanted;
  for (int64_t i = 0; i < count; ++i) {
    const bool aside = i % every == every - 1 && static_cast<int64_t>(split.held_out.size()) < wanted;
    (aside ? split.held_out : split.rest).push_back(i);
  }
  split.quick = spread(split.rest, kQuick);
  split.rest = spread(split.rest, kStatistics);
  return split;
}

}  // namespace qtool::optimize
