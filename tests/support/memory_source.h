// Samples that a test made itself.
#pragma once

#include <utility>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/support/format.h"

namespace qtool::testing {

class MemorySource final : public data::SampleSource {
 public:
  explicit MemorySource(std::vector<data::Sample> samples) : samples_(std::move(samples)) {}
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  data::Sample load(int64_t index) const override { return samples_[static_cast<size_t>(index)]; }
  std::string name(int64_t index) const override { return format("sample-{}.npy", index); }

 private:
  std::vector<data::Sample> samples_;
};

}  // namespace qtool::testing
