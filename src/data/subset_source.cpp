#include "qtool/data/subset_source.h"

#include <algorithm>
#include <numeric>

#include "qtool/support/error.h"

namespace qtool::data {

namespace {

class SubsetSource final : public SampleSource {
 public:
  SubsetSource(const SampleSource& source, std::vector<int64_t> indices) : source_(source), indices_(std::move(indices)) {
    for (const int64_t index : indices_) QTOOL_CHECK(index >= 0 && index < source.size());
  }
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  Sample load(int64_t index) const override { return source_.load(indices_[static_cast<size_t>(index)]); }
  std::string name(int64_t index) const override { return source_.name(indices_[static_cast<size_t>(index)]); }

 private:
  const SampleSource& source_;
  std::vector<int64_t> indices_;
};

}  // namespace

std::unique_ptr<SampleSource> subset_of(const SampleSource& source, std::vector<int64_t> indices) {
  return std::make_unique<SubsetSource>(source, std::move(indices));
}

HeldOutSplit split_held_out(int64_t count, int64_t most) {
  HeldOutSplit split;
  if (count < 4) {
    split.kept.resize(static_cast<size_t>(count));
    std::iota(split.kept.begin(), split.kept.end(), int64_t{0});
    split.held_out = split.kept;
    return split;
  }
  const int64_t aside = std::clamp<int64_t>(count / 8, 1, most);
  for (int64_t i = 0; i < count; ++i) {
    // The middle of each of `aside` equal stretches.
    const int64_t stretch = i * aside / count;
    const bool middle = i == (2 * stretch + 1) * count / (2 * aside);
    (middle ? split.held_out : split.kept).push_back(i);
  }
  return split;
}

}  // namespace qtool::data
