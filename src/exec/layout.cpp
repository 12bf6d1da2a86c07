#include "qtool/exec/layout.h"

#include <algorithm>
#include <cstring>

namespace qtool::exec {

namespace {

struct Blocked {
  int64_t batch, channels, blocks, spatial, block;
};

Blocked describe(const Shape& shape, Layout layout) {
  const int64_t channels = shape[1];
  return {shape[0], channels, (channels + layout.block - 1) / layout.block, shape.span_count(2, shape.rank()),
          layout.block};
}

}  // namespace

int64_t physical_count(const Shape& shape, Layout layout) {
  if (layout.block == 1) return shape.element_count();
  const Blocked d = describe(shape, layout);
  return d.batch * d.blocks * d.spatial * d.block;
}

void for_each_span(const PhysicalView& view, const std::function<void(std::span<const float>)>& fn) {
  if (view.layout.plain()) {
    fn({view.data, static_cast<size_t>(view.shape.element_count())});
    return;
  }
  const Blocked d = describe(view.shape, view.layout);
  const int64_t plane = d.spatial * d.block;
  const int64_t full_blocks = d.channels / d.block;
  const int64_t rest = d.channels % d.block;
  std::vector<float> compact;
  for (int64_t n = 0; n < d.batch; ++n) {
    const float* image = view.data + n * d.blocks * plane;
    if (full_blocks > 0) fn({image, static_cast<size_t>(full_blocks * plane)});
    if (rest == 0) continue;
    compact.resize(static_cast<size_t>(rest * d.spatial));
    const float* source = image + full_blocks * plane;
    float* target = compact.data();
    for (int64_t s = 0; s < d.spatial; ++s, source += d.block, target += rest) {
      std::copy(source, source + rest, target);
    }
    fn(compact);
  }
}

void for_each_channel_span(const PhysicalView& view, const std::function<void(int64_t, std::span<const float>)>& fn) {
  if (view.shape.rank() < 2) {
    fn(0, {view.data, static_cast<size_t>(view.shape.element_count())});
    return;
  }
  const int64_t spatial = view.shape.span_count(2, view.shape.rank());
  if (view.layout.plain()) {
    for (int64_t n = 0; n < view.shape[0]; ++n) {
      for (int64_t c = 0; c < view.shape[1]; ++c) {
        fn(c, {view.data + (n * view.shape[1] + c) * spatial, static_cast<size_t>(spatial)});
      }
    }
    return;
  }
  const Blocked d = describe(view.shape, view.layout);
  std::vector<float> channel(static_cast<size_t>(spatial));
  for (int64_t n = 0; n < d.batch; ++n) {
    for (int64_t c = 0; c < d.channels; ++c) {
      const float* source = view.data + ((n * d.blocks + c / d.block) * spatial) * d.block + c % d.block;
      for (int64_t s = 0; s < spatial; ++s) channel[static_cast<size_t>(s)] = source[s * d.block];
      fn(c, channel);
    }
  }
}

void copy_to_plain(const PhysicalView& view, float* target) {
  if (view.layout.plain()) {
    std::memcpy(target, view.data, static_cast<size_t>(view.shape.element_count()) * sizeof(float));
    return;
  }
  const Blocked d = describe(view.shape, view.layout);
  constexpr int64_t kTile = 64;  // pixels at a time, so that both sides stay in the first-level cache
  for (int64_t n = 0; n < d.batch; ++n) {
    for (int64_t b = 0; b < d.blocks; ++b) {
      const float* source = view.data + (n * d.blocks + b) * d.spatial * d.block;
      const int64_t lanes = std::min(d.block, d.channels - b * d.block);
      float* rows = target + (n * d.channels + b * d.block) * d.spatial;
      for (int64_t tile = 0; tile < d.spatial; tile += kTile) {
        const int64_t end = std::min(tile + kTile, d.spatial);
        for (int64_t lane = 0; lane < lanes; ++lane) {
          float* row = rows + lane * d.spatial;
          for (int64_t s = tile; s < end; ++s) row[s] = source[s * d.block + lane];
        }
      }
    }
  }
}

void copy_from_plain(const float* source, const Shape& shape, Layout layout, float* target) {
  if (layout.plain()) {
    std::memcpy(target, source, static_cast<size_t>(shape.element_count()) * sizeof(float));
    return;
  }
  const Blocked d = describe(shape, layout);
  for (int64_t n = 0; n < d.batch; ++n) {
    for (int64_t b = 0; b < d.blocks; ++b) {
      float* block = target + (n * d.blocks + b) * d.spatial * d.block;
      const int64_t lanes = std::min(d.block, d.channels - b * d.block);
      const float* rows = source + (n * d.channels + b * d.block) * d.spatial;
      for (int64_t s = 0; s < d.spatial; ++s) {
        for (int64_t lane = 0; lane < lanes; ++lane) block[s * d.block + lane] = rows[lane * d.spatial + s];
        for (int64_t lane = lanes; lane < d.block; ++lane) block[s * d.block + lane] = 0.0f;
      }
    }
  }
}

}  // namespace qtool::exec
