#include "quantization_flags.h"

#include <algorithm>
#include <iterator>

#include "qtool/pipeline/recipe.h"
#include "rounding_flags.h"

namespace qtool::cli {

void add_quantization(CLI::App& app, QuantizationFlags& flags, pipeline::QuantizeConfig& c) {
  const char* group = "Quantization";
  app.add_option("--recipe", flags.recipe, "preset or recipe file; options given beside it are stronger (`qtool recipe list`)")->group(group);
  app.add_option("--profile", c.profile, "target profile: dsp (default), htp, ... (`qtool list profiles`), a JSON file, or an AIMET configuration")->group(group);
  app.add_option("--bias_bitwidth", flags.bias, "8 or 32")->group(group);
  app.add_option("--act_bitwidth", flags.act, "8 or 16")->group(group);
  app.add_option("--weights_bitwidth", flags.weights, "4, 8 or 16")->group(group);
  app.add_flag("--use_per_channel_quantization", c.per_channel, "symmetric per-channel convolution weights")->group(group);
  app.add_flag("--use_symmetric_quantize_weights", c.symmetric_weights, "symmetric weights")->group(group);
  add_calibration(app, flags.calibration, c);
  app.add_option("--concat_policy", c.concat_policy, "inputs of different range: own encodings (own), one for all (tie), or float/16-bit output (auto)")->group(group);
  app.add_flag("--no-bias-overflow-guard{false}", c.bias_overflow_guard, "do not enlarge weight scales for int32 biases that do not fit")->group(group);
  flags.by_hand.add(app);
  group = "Precision by hand";
  app.add_option("--weight_block_size", c.blocks.block_size, "a scale for every N input channels, for weights of 4 bits and less")->group(group);
  app.add_flag("--lpbq{8}", c.blocks.decompressed_bits, "block scales as integers times a scale a channel (decompressed to 8 bits)")->group(group);
  group = "Encodings";
  app.add_option("--quantization_overrides", c.overrides.file, "encodings to keep: overrides, AIMET 0.6.1, 1.0.0 or 2.x; the rest is calibrated")->group(group);
  app.add_flag("--override_params", flags.override_params, "on by default: parameters of the file are used too")->group(group);
  app.add_flag("--ignore-encodings,--ignore_encodings", c.overrides.ignore, "do not use the encodings given")->group(group);
  app.add_flag("--allow-unknown-encodings", c.overrides.allow_unknown, "entries for tensors that the model does not have are warnings")->group(group);
  group = "Optimizations";
  app.add_option("--optimizations,--apply_algorithms", c.optimizations, "comma list of cle, hba, bc, ... (repeatable, `qtool list stages`); head, selective: more bits where needed; auto: all of it by measuring")
      ->delimiter(',')->group(group)->allow_extra_args(false);
  app.add_option("--wide-weights", c.wide_weights, "weights that get 16 bits, comma list; their layers must read 16 bits")->delimiter(',')->group(group)->allow_extra_args(false);
  app.add_option("--wide-activations", c.wide_activations, "tensors whose quantizers get 16 bits, comma list; recipes of a search hold them")->delimiter(',')->group(group)->allow_extra_args(false);
  app.add_flag("--outputs-min-max", c.outputs_min_max, "last layers, outputs and 16-bit tensors keep min-max whatever the calibration method")->group(group);
  app.add_option("--keep-aside", flags.keep_aside, "calibration samples that ranges do not see (0)")->group(group);
  app.add_option("--cost-model", c.cost_model, "JSON file with rates of the cost model instead of the profile's")->group(group);
  app.add_option("--accept", c.accept, "auto: keep a stage only if it measures better (default); always")->group(group);
  add_rounding(app, flags, c);
  app.add_option("--cle-relu6", c.relu6, "equalization across ReLU6: auto (default), keep the bound, replace by ReLU")->group(group);
}

void settle_quantization(const CLI::App& app, const QuantizationFlags& flags, pipeline::QuantizeConfig& c) {
  if (app.count("--bias_bitwidth") > 0) c.bias_bitwidth = flags.bias;
  if (app.count("--act_bitwidth") > 0) c.act_bitwidth = flags.act;
  if (app.count("--weights_bitwidth") > 0) c.weights_bitwidth = flags.weights;
  if (app.count("--keep-aside") > 0) c.keep_aside = flags.keep_aside;
  settle_rounding(flags, c);
  if (!flags.recipe.empty()) {
    pipeline::Recipe recipe = pipeline::load_recipe(flags.recipe);
    std::erase_if(recipe.options, [&](const auto& option) {
      const CLI::Option* given = app.get_option_no_throw("--" + option.first);
      return given != nullptr && given->count() > 0;
    });
    pipeline::apply_recipe(recipe, c);
  }
  std::ranges::copy(flags.by_hand.rules(app), std::back_inserter(c.precision));  // behind the recipe's, and so stronger
  flags.calibration.apply(app, c);
}

}  // namespace qtool::cli
