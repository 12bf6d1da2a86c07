#include "integer_support.h"

#include <vector>

#include "code_conv.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

ConvShape square(int64_t in, int64_t out, int64_t groups, int64_t kernel, int64_t size) {
  const int64_t pad = kernel / 2;
  return {.in_channels = in, .out_channels = out, .groups = groups,
          .window = {.input = {1, size, size}, .kernel = {1, kernel, kernel}, .strides = {1, 1, 1}, .dilations = {1, 1, 1},
                     .pads_begin = {0, pad, pad}, .pads_end = {0, pad, pad}, .output = {1, size, size}}};
}

// Every code 255, every weight of an output channel 127 or -128: the largest sums there are.
bool sums_are_exact(const ConvShape& shape) {
  const int64_t kernel = shape.window.kernel[1], pad = shape.window.pads_begin[1], size = shape.in_rows();
  const int64_t per_channel = shape.weight_count() / shape.out_channels;
  std::vector<int8_t> weights(static_cast<size_t>(shape.weight_count()));
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<int64_t>(i) / per_channel % 2 == 0 ? 127 : -128;
  const auto conv = CodeConv::make(shape, weights);
  if (!conv) return false;
  const std::vector<uint8_t> image(static_cast<size_t>(size * size * shape.in_channels), 255);
  std::vector<int32_t> sums(static_cast<size_t>(size * size * shape.out_channels));
  std::vector<std::byte> scratch(conv->scratch_bytes() + 64);
  conv->run(0, image.data(), sums.data(), scratch.data());
  const auto covered = [&](int64_t at) { return std::min(at + pad + 1, size) - std::max<int64_t>(at - pad, 0); };
  for (int64_t y = 0; y < size; ++y) {
    for (int64_t x = 0; x < size; ++x) {
      for (int64_t c = 0; c < shape.out_channels; ++c) {
        const int64_t taps = covered(y) * covered(x) * (per_channel / (kernel * kernel));
        if (sums[static_cast<size_t>((y * size + x) * shape.out_channels + c)] != taps * 255 * (c % 2 == 0 ? 127 : -128)) return false;
      }
    }
  }
  return true;
}

bool run_self_test() {
  return sums_are_exact(square(64, 32, 1, 3, 8)) && sums_are_exact(square(3, 16, 1, 3, 8)) &&
         sums_are_exact(square(64, 32, 1, 1, 8)) && sums_are_exact(square(32, 32, 32, 3, 8));
}

}  // namespace

bool integer_products_are_exact() {
  static const bool exact = run_self_test();
  return exact;
}

bool integer_kernels_usable() {
  const simd::Isa isa = simd::kernels().isa;
  return isa == simd::best_isa() && isa != simd::Isa::kGeneric && integer_products_are_exact();
}

}  // namespace qtool::exec
