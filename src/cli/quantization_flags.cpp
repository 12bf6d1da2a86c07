#include "quantization_flags.h"

#include "qtool/pipeline/recipe.h"
#include "rounding_flags.h"

namespace qtool::cli {

void add_quantization(CLI::App& app, QuantizationFlags& flags, pipeline::QuantizeConfig& c) {
  const char* group = "Quantization";
  app.add_option("--recipe", flags.recipe, "preset or recipe file; options given beside it are stronger (`qtool recipe list`)")->group(group);
  app.add_option("--profile", c.profile, "target profile: dsp (default), htp, or a JSON file")->group(group);
  app.add_option("--bias_bitwidth", flags.bias, "8 or 32")->group(group);
  app.add_option("--act_bitwidth", flags.act, "8 or 16")->group(group);
  app.add_option("--weights_bitwidth", flags.weights, "4, 8 or 16")->group(group);
  app.add_flag("--use_per_channel_quantization", c.per_channel, "symmetric per-channel convolution weights")->group(group);
  app.add_flag("--use_symmetric_quantize_weights", c.symmetric_weights, "symmetric weights")->group(group);
  app.add_option("--act_quantizer_calibration,--act_quantizer", c.activation_method, "calibration method of activations")->group(group);
  app.add_option("--param_quantizer_calibration,--param_quantizer", c.weight_method, "calibration method of weights")->group(group);
  app.add_option("--percentile_calibration_value", c.percentile, "share kept by the percentile method, 90 to 100 (99.99)")->group(group);
  app.add_option("--float", c.keep_float, "leave operators in float: glob on node or tensor names, or operator type (repeatable)")->group(group)->allow_extra_args(false);
  group = "Optimizations";
  app.add_option("--optimizations,--apply_algorithms", c.optimizations, "comma list of cle, hba, bc, ... (repeatable); `qtool list stages`")
      ->delimiter(',')->group(group)->allow_extra_args(false);
  app.add_option("--accept", c.accept, "auto: keep a stage only if it measures better (default); always")->group(group);
  add_rounding(app, flags, c);
  app.add_option("--cle-relu6", c.relu6, "equalization across ReLU6: auto (default), keep the bound, replace by ReLU")->group(group);
}

void settle_quantization(const CLI::App& app, const QuantizationFlags& flags, pipeline::QuantizeConfig& c) {
  if (app.count("--bias_bitwidth") > 0) c.bias_bitwidth = flags.bias;
  if (app.count("--act_bitwidth") > 0) c.act_bitwidth = flags.act;
  if (app.count("--weights_bitwidth") > 0) c.weights_bitwidth = flags.weights;
  settle_rounding(flags, c);
  if (flags.recipe.empty()) return;
  pipeline::Recipe recipe = pipeline::load_recipe(flags.recipe);
  std::erase_if(recipe.options, [&](const auto& option) { return app.count("--" + option.first) > 0; });
  pipeline::apply_recipe(recipe, c);
}

}  // namespace qtool::cli
