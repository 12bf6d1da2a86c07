#include "measured_flags.h"

namespace qtool::cli {

void add_calibrated_model(CLI::App& app, pipeline::QuantizeConfig& quantize) {
  const CLI::Validator positive = CLI::Range(int64_t{1}, int64_t{1} << 40).description("");
  app.add_option("model", quantize.model.path, "FP32 ONNX model")->required();
  app.add_option("--calib,--input_list", quantize.data.calib, "calibration: folder of images, list file, .npy/.npz/.raw tensors")->required()->group("Data");
  app.add_option("--calib-limit", quantize.data.limit, "calibrate on the first N samples")->check(positive)->group("Data");
}

void add_measured(CLI::App& app, MeasuredFlags& flags, pipeline::QuantizeConfig& quantize, pipeline::EvaluationRequest& evaluation) {
  add_evaluation(app, flags.evaluation, evaluation);
  add_input_shape(app, quantize.model.input_shapes);
  add_split_output(app, quantize.model.split_outputs);
  add_unroll_recurrent(app, quantize.model.unroll_recurrent);
  app.add_option("--preprocess", quantize.data.preprocess_file, "JSON file that declares the preprocessing")->group("Preprocessing");
  add_preprocessing(app, flags.preprocessing);
  add_quantization(app, flags.quantization, quantize);
}

void settle_measured(const CLI::App& app, const CommonOptions& common, const MeasuredFlags& flags, pipeline::QuantizeConfig& quantize,
                     pipeline::EvaluationRequest& evaluation) {
  quantize.threads = evaluation.threads = common.resolved_threads();
  quantize.data.preprocessing = evaluation.preprocessing = flags.preprocessing.request();
  evaluation.preprocess_file = quantize.data.preprocess_file;
  settle_quantization(app, flags.quantization, quantize);
  settle_evaluation(flags.evaluation, evaluation);
}

}  // namespace qtool::cli
