// Rows of a layer: what one output pixel reads (im2col of sampled pixels only) and what it gives.
#pragma once

#include <optional>
#include <span>

#include "layer_site.h"
#include "qtool/ops/window.h"

namespace qtool::rounding {

class PatchRows {
 public:
  PatchRows(const ir::Graph& graph, const LayerSite& site);

  // Output pixels of one sample: batch x spatial positions, or rows of the matrix.
  [[nodiscard]] int64_t pixels() const { return pixels_; }
  // rows[i] = the site.shape.row() input values of pixels[i], zero where the window leaves the input. `input` is row-major.
  void gather_inputs(std::span<const float> input, std::span<const int64_t> pixels, float* rows) const;
  // rows[i] += factor * the channels of pixels[i] of a tensor shaped like the layer's output.
  void add_outputs(std::span<const float> output, std::span<const int64_t> pixels, float factor, float* rows) const;

 private:
  void gather_window(std::span<const float> input, int64_t pixel, float* row) const;

  LayerKind kind_;
  LayerShape shape_;
  int64_t pixels_ = 0;
  int64_t input_channels_ = 0, output_plane_ = 0;
  std::optional<ops::Window3d> window_;
};

}  // namespace qtool::rounding
