#include "grouped_planes.h"

#include <algorithm>

namespace qtool::exec {

namespace {

// Lanes past the last channel follow it, so that they name inputs that exist.
int64_t channel_of(const GroupedChannels& c, int64_t block, int64_t lane) { return std::min(block * c.block + lane, c.out - 1); }

int64_t first_input_of(const GroupedChannels& c, int64_t channel) { return channel / c.out_per_group() * c.in_per_group(); }

// Lane l reads input number `index` of its group.
std::vector<GroupedSource> arrange_lanes(const GroupedChannels& c, int64_t block, int64_t index) {
  std::vector<GroupedSource> sources;
  for (int64_t lane = 0; lane < c.block; ++lane) {
    const int64_t input = first_input_of(c, channel_of(c, block, lane)) + index;
    auto at = std::find_if(sources.begin(), sources.end(), [&](const auto& source) { return source.block == input / c.block; });
    if (at == sources.end()) at = sources.insert(sources.end(), GroupedSource{.block = input / c.block, .lanes = {}, .taken = {}});
    at->lanes[lane] = static_cast<int32_t>(input % c.block);
    at->taken[lane] = -1;
  }
  return sources;
}

bool is_straight(const std::vector<GroupedSource>& sources, int64_t block) {
  if (sources.size() != 1) return false;
  for (int64_t lane = 0; lane < block; ++lane) {
    if (sources[0].lanes[lane] != lane) return false;
  }
  return true;
}

void add_plane(GroupedUnit& unit, std::vector<GroupedSource> sources, int64_t first_lane, int64_t lanes, bool straight) {
  unit.sources.push_back(std::move(sources));
  const auto& kept = unit.sources.back();
  unit.planes.push_back({kept.data(), static_cast<int64_t>(kept.size()), first_lane, lanes, straight});
}

GroupedUnit lane_unit(const GroupedChannels& c, int64_t block) {
  GroupedUnit unit;
  for (int64_t index = 0; index < c.in_per_group(); ++index) {
    auto sources = arrange_lanes(c, block, index);
    const bool straight = is_straight(sources, c.block);
    add_plane(unit, std::move(sources), 0, 1, straight);
  }
  return unit;
}

GroupedUnit broadcast_unit(const GroupedChannels& c, int64_t block) {
  GroupedUnit unit;
  const int64_t begin = first_input_of(c, channel_of(c, block, 0));
  const int64_t end = first_input_of(c, channel_of(c, block, c.block - 1)) + c.in_per_group();
  for (int64_t b = begin / c.block; b * c.block < end; ++b) {
    const int64_t first = std::max<int64_t>(begin - b * c.block, 0), last = std::min(end - b * c.block, c.block);
    add_plane(unit, {GroupedSource{.block = b, .lanes = {}, .taken = {}}}, first, last - first, true);
  }
  return unit;
}

bool same_planes(const GroupedUnit& a, const GroupedUnit& b) {
  const auto same_source = [](const GroupedSource& x, const GroupedSource& y) {
    return x.block == y.block && std::ranges::equal(x.lanes, y.lanes) && std::ranges::equal(x.taken, y.taken);
  };
  if (a.planes.size() != b.planes.size()) return false;
  for (size_t p = 0; p < a.planes.size(); ++p) {
    if (a.planes[p].first_lane != b.planes[p].first_lane || a.planes[p].lanes != b.planes[p].lanes) return false;
    if (!std::ranges::equal(a.sources[p], b.sources[p], same_source)) return false;
  }
  return true;
}

// The weight of one output channel for one lane of a plane and one tap; zero outside of its group.
float weight_at(const GroupedChannels& c, int64_t channel, int64_t index, const float* from, int64_t taps, int64_t tap) {
  if (channel >= c.out || index < 0 || index >= c.in_per_group()) return 0.0f;
  return from[(channel * c.in_per_group() + index) * taps + tap];
}

// The weights of `blocks` output blocks that are multiplied together, in the order in which the kernel reads them.
float* pack_group(GroupedJob::Form form, const GroupedChannels& c, const GroupedUnit& unit, int64_t first_block, int64_t blocks,
                  const float* from, int64_t taps, float* to) {
  for (size_t p = 0; p < unit.planes.size(); ++p) {
    const int64_t first_read = unit.sources[p][0].block * c.block + unit.planes[p].first_lane;
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t l = 0; l < unit.planes[p].lanes; ++l) {
        for (int64_t lane = 0; lane < blocks * c.block; ++lane) {
          const int64_t channel = first_block * c.block + lane;
          const int64_t index = form == GroupedJob::kLanes ? static_cast<int64_t>(p) : first_read + l - first_input_of(c, channel);
          *to++ = weight_at(c, channel, index, from, taps, tap);
        }
      }
    }
  }
  return to;
}

}  // namespace

std::vector<GroupedUnit> grouped_units(GroupedJob::Form form, const GroupedChannels& channels, int64_t taps) {
  std::vector<GroupedUnit> units;
  int64_t at = 0;
  for (int64_t block = 0; block < channels.out_blocks(); ++block) {
    GroupedUnit unit = form == GroupedJob::kLanes ? lane_unit(channels, block) : broadcast_unit(channels, block);
    for (const GroupedPlane& plane : unit.planes) unit.block_weights += plane.lanes * taps * channels.block;
    unit.first_block = block;
    unit.weights_at = at;
    at += unit.block_weights;
    if (!units.empty() && same_planes(units.back(), unit)) ++units.back().blocks;
    else units.push_back(std::move(unit));
  }
  return units;
}

Tensor pack_grouped_weights(GroupedJob::Form form, const GroupedChannels& channels, const std::vector<GroupedUnit>& units,
                            const Tensor& weights, int64_t taps) {
  const GroupedUnit& last = units.back();
  Tensor packed(DType::kFloat32, {last.weights_at + last.blocks * last.block_weights});
  float* to = packed.mutable_data<float>().data();
  const float* from = weights.data<float>().data();
  for (const GroupedUnit& unit : units) {
    for (int64_t b = 0; b < unit.blocks; b += kOutGroup) {
      to = pack_group(form, channels, unit, unit.first_block + b, std::min(kOutGroup, unit.blocks - b), from, taps, to);
    }
  }
  return packed;
}

}  // namespace qtool::exec
