// `qtool analyze`: which layers a quantized model loses its accuracy in, and why.
//
// Four questions, as quant analyzers ask them: weights alone, activations alone, each layer alone (all else in float), and
// each layer left in float (all else quantized). A layer is a quantizer group: the grid of an output, and the weights and
// biases of the operator that makes it. Noise at the outputs answers them without labels; a metric on request.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "qtool/pipeline/evaluate_model.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

struct AnalyzeConfig {
  QuantizeConfig quantize;              // how the model is quantized; output, html and emit are not looked at
  std::filesystem::path html;           // page to write; empty: none
  int64_t probe_samples = 4;            // calibration samples that noise is measured on
  int64_t left_in_float = 16;           // worst layers that are also tried in float; each costs a simulation
  EvaluationRequest evaluation;         // with images and labels: the metric too
  int64_t metric_layers = 5;            // worst layers that the metric is measured for
};

struct BlockNoise {
  std::string name;                     // "scores", "boxes", or the name of an output
  std::optional<double> sqnr_db;        // empty: no noise at all
};

struct NoiseFigure {
  std::optional<double> loss;           // noise over signal, amplitude, blocks added; 0.01 is 40 dB. empty: no signal
  std::vector<BlockNoise> blocks;
};

struct LayerSensitivity {
  std::string name, op;                 // of the operator, or "input 'x'"
  std::string tensor;                   // whose grid it is
  NoiseFigure alone;
  std::optional<double> gain_db;        // of leaving it in float; worst layers only
  std::optional<double> metric_alone, metric_without;  // 0..1
  std::string kind, cause, option;      // in plain words; may be empty
};

struct QuantizedPart {
  std::string name;                     // "weights only", "activations only", "weights and activations"
  NoiseFigure noise;
  std::optional<double> metric;
};

struct AnalyzeResult {
  std::string model;
  int64_t samples = 0;                  // that noise was measured on
  bool detector = false;                // blocks are decoded boxes and scores
  std::vector<QuantizedPart> parts;
  std::vector<LayerSensitivity> layers; // worst first
  std::string metric;                   // its name; empty: not measured
  std::optional<double> float_metric;
  std::vector<std::string> warnings;    // for example a detection head whose boxes and scores share a scale
  double seconds = 0.0;
};

// Deterministic whatever the thread count, the time apart. Throws Error(kUnsupported) for shapes that depend on data.
[[nodiscard]] AnalyzeResult analyze(const AnalyzeConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
