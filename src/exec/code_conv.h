// Sums of a convolution of unsigned 8-bit codes with signed 8-bit weights, by oneDNN, a band of output rows at a time so
// that the 32-bit sums are still in cache when they are turned into codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dnnl_support.h"
#include "qtool/ops/window.h"

namespace qtool::exec {

// Channels-last images; one image is convolved at a time. The outermost of the three axes of `window` is 1.
struct ConvShape {
  int64_t in_channels = 0, out_channels = 0, groups = 1;
  ops::Window3d window{};

  [[nodiscard]] int64_t in_rows() const { return window.input[1]; }
  [[nodiscard]] int64_t in_columns() const { return window.input[2]; }
  [[nodiscard]] int64_t out_rows() const { return window.output[1]; }
  [[nodiscard]] int64_t out_columns() const { return window.output[2]; }
  [[nodiscard]] int64_t weight_count() const { return out_channels * (in_channels / groups) * window.kernel[1] * window.kernel[2]; }
  [[nodiscard]] bool depthwise() const { return groups > 1 && groups == in_channels && groups == out_channels; }
};

struct Band {
  int64_t row = 0, rows = 0;              // of the output
  int64_t source_row = 0, source_rows = 0;  // what it reads, padding left out
  int64_t pad_top = 0, pad_bottom = 0;
};

class CodeConv {
 public:
  // Weights [out, in / groups, rows, columns]. nullopt where oneDNN has nothing faster than plain loops.
  static std::optional<CodeConv> make(const ConvShape& shape, std::span<const int8_t> weights);

  [[nodiscard]] const std::vector<Band>& bands() const { return bands_; }
  [[nodiscard]] int64_t largest_band_rows() const { return bands_.front().rows; }
  [[nodiscard]] size_t scratch_bytes() const;
  // Padding counts as code 0. image: the whole one; sums: [band rows, columns, out channels].
  void run(size_t band, const uint8_t* image, int32_t* sums, std::byte* scratch) const;

 private:
  struct Primitive {
    dnnl::primitive primitive;
    dnnl::memory::desc source, weights, target, scratchpad;
  };
  static std::optional<Primitive> make_primitive(const ConvShape& shape, const Band& band);

  ConvShape shape_;
  std::vector<Band> bands_;
  std::vector<size_t> primitive_of_;     // by band
  std::vector<Primitive> primitives_;
  std::vector<Tensor> packed_;           // by primitive; shared where the layout is
};

}  // namespace qtool::exec
