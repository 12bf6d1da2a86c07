// Channels that can only be scaled together, and which layers write and read them.
//
// A channel of a value is tied to the same channel behind ReLU, pooling, resize, zero padding, to its partners in a sum, to
// its place in a concatenation. The tied channels are one class: dividing all of them by s > 0 keeps the function when the
// layers that write the class divide that output channel by s and those that read it multiply that input channel by s.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "channel_flow.h"
#include "qtool/optimize/layer.h"

namespace qtool::optimize {

struct ChannelEnd {
  size_t layer = 0;     // index into ChannelSets::layers
  int64_t channel = 0;  // output channel of a writer, input channel of a reader
};

struct ChannelClass {
  std::vector<ChannelEnd> writers, readers;
  // Channels that enter a Clip: value and channel.
  std::vector<std::pair<ir::ValueId, int64_t>> clipped;
};

// Classes that run side by side through the same values.
struct ChannelSet {
  std::vector<size_t> classes;
  std::vector<ir::NodeId> clips;
  bool branched = false;   // goes through a sum or a concatenation
  std::string name;        // of the value it begins with
};

struct ChannelSets {
  std::vector<Layer> layers;
  std::vector<ChannelClass> classes;
  std::vector<ChannelSet> sets;              // those that can be scaled, producers first
  // Class of each channel of a value, kFixed where it cannot be scaled. Values without a scalable channel are left out.
  static constexpr int64_t kFixed = -1;
  std::map<ir::ValueId, std::vector<int64_t>> value_classes;
  int64_t blocked = 0;                       // sets that end in a model input or output or an operator that mixes
};

// by_class spread over the channels of a value; 1 for fixed channels, empty for a value without scalable ones.
[[nodiscard]] std::vector<double> by_channel(const ChannelSets& sets, ir::ValueId value, const std::vector<double>& by_class);

[[nodiscard]] ChannelSets find_channel_sets(const ir::Graph& graph);

}  // namespace qtool::optimize
