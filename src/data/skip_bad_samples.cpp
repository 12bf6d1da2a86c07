#include <algorithm>
#include <utility>

#include "qtool/data/sample_source.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"

namespace qtool::data {

namespace {

class ChosenSamples final : public SampleSource {
 public:
  ChosenSamples(std::unique_ptr<SampleSource> source, std::vector<int64_t> indices)
      : source_(std::move(source)), indices_(std::move(indices)) {}
  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  [[nodiscard]] Sample load(int64_t index) const override {
    return source_->load(indices_.at(static_cast<size_t>(index)));
  }
  [[nodiscard]] std::string name(int64_t index) const override {
    return source_->name(indices_.at(static_cast<size_t>(index)));
  }

 private:
  std::unique_ptr<SampleSource> source_;
  std::vector<int64_t> indices_;
};

// "" when the sample loads, else why not. Bugs and unsupported inputs are not the file's fault and
// pass through.
std::string trouble_with(const SampleSource& source, int64_t index) {
  try {
    (void)source.load(index);
    return "";
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidData && error.code() != ErrorCode::kIo) throw;
    return error.what();
  }
}

}  // namespace

ScreenedSource skip_bad_samples(std::unique_ptr<SampleSource> source, int64_t limit, int threads) {
  const int64_t total = source->size();
  const int64_t wanted = limit > 0 ? limit : total;
  std::vector<int64_t> kept;
  std::vector<SkippedSample> skipped;
  // Blocks as large as what is still missing: with few bad files hardly more is read than needed.
  for (int64_t begin = 0; begin < total && static_cast<int64_t>(kept.size()) < wanted;) {
    const int64_t count = std::min(total - begin, wanted - static_cast<int64_t>(kept.size()));
    std::vector<std::string> trouble(static_cast<size_t>(count));
    parallel_for(count, threads, [&](int64_t i, int) {
      trouble[static_cast<size_t>(i)] = trouble_with(*source, begin + i);
    });
    for (int64_t i = 0; i < count; ++i) {
      std::string& reason = trouble[static_cast<size_t>(i)];
      if (reason.empty()) {
        kept.push_back(begin + i);
      } else {
        skipped.push_back({source->name(begin + i), std::move(reason)});
      }
    }
    begin += count;
  }
  if (kept.empty()) {
    throw Error(ErrorCode::kInvalidData,
                format("none of {} samples can be read; the first: {}", total,
                       skipped.empty() ? "there is none" : skipped.front().reason));
  }
  return {std::make_unique<ChosenSamples>(std::move(source), std::move(kept)), std::move(skipped)};
}

}  // namespace qtool::data
