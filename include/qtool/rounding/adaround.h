// Rounding that is optimised on calibration data: weights go to the level that keeps the layer's output, not to the
// nearest one.
//
// Layers are taken in topological order. The float model and the prefix that is quantized already run side by side; at
// each layer some thousand output pixels are sampled, and rounding is a quadratic problem in the second moments of these
// rows (docs/rounding.md has formulas and sources). Weights end up on their grid, encodings frozen, biases moved.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/model/model_state.h"
#include "qtool/support/reporter.h"

namespace qtool::rounding {

class RoundingMemory;  // rounding_memory.h

enum class Method : uint8_t {
  kDescent,       // successive rounding and coordinate descent on the Gram matrix, scales refitted
  kClassic,       // the published relaxation: gradient descent on a sigmoid per weight, scales fixed
  kNearest,       // nearest levels, biases corrected in closed form; for comparison
  kSeqMse,        // scales alone, by output error of nearest rounding; weights stay float
};
[[nodiscard]] Method method_from_name(const std::string& name);  // throws Error(kUsage) with the nearest known name
[[nodiscard]] std::string method_name(Method method);
[[nodiscard]] std::vector<std::string> method_names();

// The published method, with AIMET's defaults.
struct ClassicOptions {
  int iterations = 0;             // 0: 10000, 15000 for weights of fewer than 8 bits
  double regularization = 0.01;   // lambda
  double beta_start = 20.0, beta_end = 2.0;
  double warm_start = 0.2;        // share of the iterations without rounding loss
  double learning_rate = 1e-3;    // Adam
  int batch_rows = 1024;          // sampled rows an iteration
};

struct AdaroundOptions {
  Method method = Method::kDescent;
  ClassicOptions classic;
  bool seqmse_base = false;                            // kClassic: base grid from SeqMSE instead of the given one
  uint64_t seed = 0;
  int threads = 1;
  // kDescent: layers below 8 bits that cannot bear them get 8, the worst first, while these hold at most this share of all
  // such weights. 0: none.
  double wide_share = 0.1;
  // kDescent: layers inside a residual, inverted residual or attention block are also rounded against the error at the block's
  // end, and keep that where it falls on images kept aside.
  bool blocks = false;
  bool tabu = false;                                   // kDescent: a tabu search behind the descent, kept where held-out rows gain
  int64_t least_rows = 4096, rows_per_input = 12;      // sampled rows of a layer: the larger of least and K x rows_per_input
  int64_t frontier_bytes = int64_t{384} << 20;         // activations of the images between layers
  std::filesystem::path checkpoint;                    // folder for finished layers; empty: none
  std::string checkpoint_key;                          // what the caller knows of the run: version of the tool, hash of the samples
  bool resume = false;                                 // take finished layers from the checkpoint
  RoundingMemory* memory = nullptr;                    // taken over when nothing differs that matters; null: every run is new
};

struct LayerReport {
  std::string node;
  std::string method;            // of the solution that was kept
  int bits = 0;
  int64_t rows = 0;              // the fit used
  double error_nearest = 0.0;    // relative output error on images kept aside: plain nearest rounding on the base grid
  double error = 0.0;            // of what was kept
  double error_wide = 0.0;       // kDescent: of the weights before rounding, which is what more bits come to
};

// A layer that was given 8 bits.
struct WidenedLayer {
  std::string node;
  double error = 0.0;            // at the bits asked for
  double error_wide = 0.0;       // at 8 bits
};

struct AdaroundReport {
  std::vector<LayerReport> layers;
  std::vector<WidenedLayer> widened; // in the order of their need
  double widened_share = 0.0;        // of the weights below 8 bits
  size_t blocks = 0, blocks_taken = 0;   // with options.blocks: blocks tried, and those where a layer kept what was found
  double widened_gain_db = 0.0;      // at the outputs, on images kept aside
  size_t settled = 0;                // kDescent, kNearest: layers whose bias takes up what rounding of activations moves; 0: none, or undone
  double settled_gain_db = 0.0;      // likewise
  std::vector<std::string> skipped;  // "node: reason"
  size_t resumed = 0;                // layers taken from the checkpoint
};

// `state` has plan and encodings of weights and activations. On return weights of all layers lie on grids that are frozen,
// biases and their encodings follow. Where activations have grids of fewer than 16 bits, biases are moved once more at the end to
// take up their rounding, unless the simulated outputs lose by it on images kept aside. Throws Error(kInvalidData) when a sample
// does not fit or the checkpoint is of another run, Error(kIo) when the checkpoint cannot be written.
AdaroundReport adaround(model::ModelState& state, const data::SampleSource& source, const AdaroundOptions& options, Reporter& reporter);

}  // namespace qtool::rounding
