#include <algorithm>
#include <variant>

#include "dlc_write_records.h"
#include "flat_finish.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {
namespace {

class ParamsBuilder {
 public:
  Bytes build(const DlcFile& file) {
    std::vector<FlatTableRef> graphs;
    for (const DlcGraph& graph : file.graphs) graphs.push_back(add_graph(graph));
    const auto list = builder_.CreateVector(graphs);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::Params::kGraphs), list);
    return finish_record(builder_, end_table(builder_, start), kInlineIdentifier);
  }

 private:
  FlatTableRef add_graph(const DlcGraph& graph) {
    std::vector<FlatTableRef> statics;
    for (const DlcTensor* tensor : sorted_statics(graph)) statics.push_back(add_tensor(*tensor));
    // One set an op, empty ones too: readers find a set by the position of its op, and crash without the list.
    std::vector<FlatTableRef> nodes;
    for (const DlcOp& op : graph.ops) nodes.push_back(add_node(op));
    const auto static_list = builder_.CreateVector(statics);
    const auto node_list = builder_.CreateVector(nodes);
    const auto name = builder_.CreateString(graph.name);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::GraphParams::kName), name);
    builder_.AddOffset(field(slot::GraphParams::kTensors), static_list);
    builder_.AddOffset(field(slot::GraphParams::kNodes), node_list);
    return end_table(builder_, start);
  }

  // By name, as genuine files have it.
  static std::vector<const DlcTensor*> sorted_statics(const DlcGraph& graph) {
    std::vector<const DlcTensor*> statics;
    for (const DlcTensor& tensor : graph.tensors) {
      if (tensor.location == DlcLocation::kStatic) statics.push_back(&tensor);
    }
    std::ranges::sort(statics, {}, [](const DlcTensor* tensor) -> const std::string& { return tensor->name; });
    return statics;
  }

  FlatTableRef add_node(const DlcOp& op) {
    std::vector<FlatTableRef> tensors;
    for (const DlcAttribute& attribute : op.attributes) {
      if (const auto* tensor = std::get_if<DlcTensor>(&attribute.value)) tensors.push_back(add_tensor(*tensor));
    }
    const auto list = builder_.CreateVector(tensors);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::NodeParams::kTensors), list);
    return end_table(builder_, start);
  }

  FlatTableRef add_tensor(const DlcTensor& tensor) {
    // Start of the payload on a multiple of 8, so that a reader may use it in place at any element width.
    builder_.ForceVectorAlignment(tensor.data.size(), 1, 8);
    const auto bytes = builder_.CreateVector(reinterpret_cast<const uint8_t*>(tensor.data.data()), tensor.data.size());
    const auto name = builder_.CreateString(tensor.name);
    const auto start = builder_.StartTable();
    builder_.AddOffset(field(slot::TensorData::kName), name);
    builder_.AddOffset(field(slot::TensorData::kBytes), bytes);
    return end_table(builder_, start);
  }

  flatbuffers::FlatBufferBuilder builder_;
};

uint64_t estimate_tensor(const DlcTensor& tensor) { return 64 + tensor.name.size() + tensor.data.size(); }

uint64_t estimate_params(const DlcFile& file) {
  uint64_t size = 0;
  for (const DlcGraph& graph : file.graphs) {
    size += 64 + graph.name.size();
    for (const DlcTensor& tensor : graph.tensors) size += estimate_tensor(tensor);
    for (const DlcOp& op : graph.ops) {
      size += 32;
      for (const DlcAttribute& attribute : op.attributes) {
        if (const auto* tensor = std::get_if<DlcTensor>(&attribute.value)) size += estimate_tensor(*tensor);
      }
    }
  }
  return size;
}

}  // namespace

Bytes build_params_record(const DlcFile& file, const DlcWriteLimits& limits) {
  const uint64_t size = estimate_params(file);
  if (size > limits.record_bytes) {
    throw Error(ErrorCode::kUnsupported,
                format("the weights take {} bytes; one DLC parameter record holds {} (FlatBuffers limit). Use fewer bits, or split the model",
                       size, limits.record_bytes));
  }
  return ParamsBuilder().build(file);
}

}  // namespace qtool::container
