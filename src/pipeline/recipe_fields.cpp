#include "recipe_fields.h"

#include <array>

namespace qtool::pipeline {

std::span<const RecipeField> recipe_fields() {
  using C = QuantizeConfig;
  static const auto fields = std::to_array<RecipeField>({
      {"profile", &C::profile, "target profile: name or file"},
      {"bias_bitwidth", &C::bias_bitwidth, "8 or 32"},
      {"act_bitwidth", &C::act_bitwidth, "8 or 16"},
      {"weights_bitwidth", &C::weights_bitwidth, "4, 8 or 16"},
      {"use_per_channel_quantization", &C::per_channel, "symmetric per-channel convolution weights"},
      {"use_symmetric_quantize_weights", &C::symmetric_weights, "symmetric weights"},
      {"act_quantizer_calibration", &C::activation_method, "calibration method of activations"},
      {"param_quantizer_calibration", &C::weight_method, "calibration method of weights"},
      {"percentile_calibration_value", &C::percentile, "share kept by the percentile method"},
      {"float", &C::keep_float, "operators left in float"},
      {"min-range", &C::min_range, "smallest range: a name or a number"},
      {"concat_policy", &C::concat_policy, "own, tie or auto"},
      {"optimizations", &C::optimizations, "stages, see `qtool list stages`"},
      {"accept", &C::accept, "auto: a stage is kept only if it measures better; always"},
      {"adaround-method", &C::adaround_method, "descent, classic or nearest"},
      {"cle-relu6", &C::relu6, "equalization across ReLU6: auto, keep, replace"},
  });
  return fields;
}

}  // namespace qtool::pipeline
