// The bytes of static and attribute tensors of a version 4 DLC, whichever of the three parameter forms holds them.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dlc_records.h"
#include "flat_view.h"

namespace qtool::container {

using TensorBytes = std::map<std::string, std::span<const std::byte>, std::less<>>;

struct GraphParameters {
  TensorBytes statics;
  std::vector<TensorBytes> ops;  // by op index
};

// Refers into the records, which must outlive it.
class DlcParameters {
 public:
  // `minor` decides between inline bytes (0) and the payload record (1), as it does for the runtimes.
  DlcParameters(const DlcRecords& records, int minor);

  [[nodiscard]] const std::string& form() const { return form_; }
  // nullptr when the record has no parameters for that graph.
  [[nodiscard]] const GraphParameters* find(const std::string& graph_name) const;

 private:
  void open_inline(std::span<const std::byte> bytes);
  void open_wide(std::span<const std::byte> bytes);
  void collect();
  [[nodiscard]] TensorBytes tensors_of(const std::vector<FlatTable>& tables) const;
  [[nodiscard]] std::span<const std::byte> bytes_of(const FlatTable& tensor_data) const;
  [[nodiscard]] std::span<const std::byte> payload_of(const FlatTable& tensor_data) const;

  std::string form_;
  std::unique_ptr<FlatView> wide_;
  std::unique_ptr<FlatView> view_;
  std::vector<std::span<const std::byte>> buffers_;  // NR64
  const Bytes* payload_ = nullptr;                   // 4.1
  std::map<std::string, GraphParameters> graphs_;
};

}  // namespace qtool::container
