// What earlier runs of adaround() found, for callers that quantize one model again and again with other activation ranges or
// widths: rounding does not depend on these.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

struct RoundedLayer {
  model::EncodingEntry encoding;  // of the weight
  Tensor weight, bias;            // shared with the state that they were found for; bias: empty when it was not moved
};

struct RoundedModel {
  AdaroundReport report;
  std::vector<RoundedLayer> layers;  // in the order of the run
};

// Not thread-safe. One object serves one set of samples.
class RoundingMemory {
 public:
  [[nodiscard]] const RoundedModel* find(const std::string& key) const {
    const auto found = models_.find(key);
    return found == models_.end() ? nullptr : &found->second;
  }
  void keep(const std::string& key, RoundedModel model) { models_[key] = std::move(model); }

 private:
  std::map<std::string, RoundedModel> models_;
};

}  // namespace qtool::rounding
