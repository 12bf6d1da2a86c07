// A convolution or matrix product from codes to codes or floats: sums of code_conv.h, zero points and padding by
// correction terms, then the float operations of the simulation on floats, to the bit.
//
// With levels l = code + lowest of the activation and w of the weight, over the taps inside the image:
//   sum l * w = sum code * w8 + d * sum code + lowest * sum w,   w = w8 + d, w8 in [-128, 127]
// The last term depends on which taps lie inside: one vector of corrections for every combination of clipped rows and
// columns. The second is needed only for weights that do not fit signed bytes (asymmetric ones).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "code_conv.h"
#include "qtool/exec/kernel.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::exec {

struct CodeProductSpec {
  ConvShape shape;
  int64_t batch = 1;
  std::vector<int16_t> weight_levels;   // [out, in / groups, rows, columns]
  int64_t input_lowest = 0;             // lowest level of the activation
  std::vector<float> scale, bias;       // by output channel
  bool sums_in_double = false;          // sums may pass 2^24: scaled in double, as the sums of digits are
  FusedActivation activation;
  std::optional<simd::CodeGrid> grid;   // of the codes to write; none: floats
  const CodeTable* table = nullptr;     // applied to these codes
  Layout float_layout;                  // of floats to write: blocked images, or plain matrices [pixels, channels]
};

struct CodeProduct {
  std::unique_ptr<Kernel> kernel;       // reads in[0]: channels-last codes, all else is absorbed; writes out[0]
  size_t scratch_bytes = 0;
};

// nullopt where 32 bits do not suffice or oneDNN has no fast kernel.
[[nodiscard]] std::optional<CodeProduct> make_code_product(const CodeProductSpec& spec);

}  // namespace qtool::exec
