#include "calibration_flags.h"

#include "qtool/calib/registry.h"
#include "qtool/quant/symmetry_name.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::cli {

namespace {

// One of the two kinds of tensors, and what its options said.
struct Side {
  const char* kind;
  std::string& method;
  std::optional<quant::Symmetry>& schema;
  bool named = false;

  void set_method(std::string_view name) {
    // Qualcomm's older quantizer of that name is min-max on a symmetric grid.
    if (name == "symmetric") {
      schema = quant::Symmetry::kSymmetric;
      name = "min-max";
    }
    const std::string& known = calib::builtin_registry().at(name).name;
    if (named && known != method) {
      throw Error(ErrorCode::kUsage, format("two calibration methods for {}: {} and {}; name one", kind, method, known));
    }
    method = known;
    named = true;
  }
};

}  // namespace

void CalibrationFlags::apply(const CLI::App& app, pipeline::QuantizeConfig& config) const {
  Side activations{"activations", config.activation_method, config.activation_schema};
  Side weights{"weights", config.weight_method, config.weight_schema};
  if (!act_method.empty()) activations.set_method(act_method);
  if (!param_method.empty()) weights.set_method(param_method);
  if (app.count("--use_enhanced_quantizer") > 0) {
    if (enhanced != "weights") activations.set_method("sqnr");
    if (enhanced != "activations") weights.set_method("sqnr");
  }
  if (adjusted) weights.set_method("adjusted");
  if (weights.method == "best") throw Error(ErrorCode::kUsage, "'best' is a choice of one method for all activations; for weights use auto");
  if (!act_schema.empty()) config.activation_schema = quant::parse_symmetry(act_schema);
  if (!param_schema.empty()) config.weight_schema = quant::parse_symmetry(param_schema);
  if (!min_range.empty()) config.min_range = min_range;
}

void add_calibration(CLI::App& app, CalibrationFlags& f, pipeline::QuantizeConfig& c) {
  const char* group = "Calibration";
  app.add_option("--act_quantizer_calibration,--act_quantizer", f.act_method, "method of activations: min-max (default; with --optimizations: best), sqnr, mse, entropy, percentile, auto, best")->group(group);
  app.add_option("--param_quantizer_calibration,--param_quantizer", f.param_method, "method of weights: min-max (default), sqnr, mse, adjusted, entropy, percentile, auto")->group(group);
  app.add_option("--percentile_calibration_value", c.percentile, "share kept by the percentile method, 90 to 100 (99.99)")->group(group);
  app.add_option("--act_quantizer_schema", f.act_schema, "asymmetric, symmetric, strictsymmetric, unsignedsymmetric (default: the profile's)")->group(group);
  app.add_option("--param_quantizer_schema", f.param_schema, "the same for weights")->group(group);
  app.add_option("--use_enhanced_quantizer", f.enhanced, "sqnr for weights or activations; alone: both")
      ->expected(0, 1)->check(CLI::IsMember({"weights", "activations"}).description("[weights|activations]"))->group(group);
  app.add_flag("--use_adjusted_weights_quantizer", f.adjusted, "adjusted weights: nothing clipped, zero on a level")->group(group);
  app.add_option("--min-range", f.min_range, "widen narrower ranges to this: a number in real units, aimet-legacy (0.01), qairt (0.0001) or aimet-2 (by scale)")->group(group);
  app.add_option("--stats", c.stats, "statistics file of `qtool calibrate` instead of --calib")->group("Data");
  app.add_flag("--compare-calibration", c.compare_calibration, "tabulate every method, in the report and on the terminal")->group(group);
}

}  // namespace qtool::cli
