// Finished layers on disk, one file a layer, so that an interrupted run can go on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "problem.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

struct FinishedLayer {
  LayerReport report;
  LayerSolution solution;
};

class Checkpoint {
 public:
  // An empty folder name: nothing is written or found. `key` names everything the result depends on; without `resume`
  // what an earlier run left is removed. Throws Error(kInvalidData) when the folder belongs to another key.
  Checkpoint(std::filesystem::path folder, const std::string& key, bool resume);

  // nullopt when the layer is not there. Throws Error(kInvalidData) naming the file when it is damaged.
  [[nodiscard]] std::optional<FinishedLayer> load(size_t index) const;
  // Appears whole or not at all. Throws Error(kIo).
  void save(size_t index, const FinishedLayer& layer) const;

 private:
  [[nodiscard]] std::filesystem::path file(size_t index) const;
  std::filesystem::path folder_;
};

// Throws Interrupted, which says where finished layers are kept, after Ctrl-C.
void stop_if_interrupted(const std::filesystem::path& folder, size_t done, size_t total);

// The run is through: nothing stays behind. An empty name is no folder.
void remove_checkpoint(const std::filesystem::path& folder);

}  // namespace qtool::rounding
