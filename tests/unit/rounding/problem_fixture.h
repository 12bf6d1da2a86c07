// Layers with known data for tests of the solvers.
#pragma once

#include "grid_search.h"
#include "judge.h"
#include "regression.h"
#include "sampling.h"
#include "solve_layer.h"

namespace qtool::rounding::testing {

inline float noise(uint64_t seed, uint64_t a, uint64_t b) { return static_cast<float>(2.0 * uniform(seed, a, b, 0) - 1.0); }

// Inputs that are strongly correlated, as activations are: every input is a mixture of a few sources plus a mean.
inline Rows correlated_rows(const LayerShape& shape, const std::vector<float>& weights, int64_t count, uint64_t seed) {
  constexpr uint64_t kSources = 3;
  Rows rows{.count = count, .x = std::vector<float>(static_cast<size_t>(count * shape.row())),
            .t = std::vector<float>(static_cast<size_t>(count * shape.channels()))};
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t i = 0; i < shape.row(); ++i) {
      float value = 0.5f + 0.2f * noise(seed, static_cast<uint64_t>(r), static_cast<uint64_t>(1000 + i));
      for (uint64_t s = 0; s < kSources; ++s) value += noise(seed, static_cast<uint64_t>(r), s) * noise(99, s, static_cast<uint64_t>(i));
      rows.x[static_cast<size_t>(r * shape.row() + i)] = value;
    }
  }
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < shape.channels(); ++c) {
      const int64_t group = c / shape.outputs;
      float sum = 0.0f;
      for (int64_t k = 0; k < shape.inputs; ++k) {
        sum += rows.x[static_cast<size_t>(r * shape.row() + group * shape.inputs + k)] * weights[static_cast<size_t>(c * shape.inputs + k)];
      }
      rows.t[static_cast<size_t>(r * shape.channels() + c)] = sum;
    }
  }
  return rows;
}

struct Layer {
  LayerData data;
  LayerProblem problem;

  Layer(const LayerShape& shape, const quant::QuantSpec& spec, bool with_bias, int64_t rows = 600, int threads = 1)
      : data{.fit = Moments(shape), .judged = {}, .fit_rows = {}}, problem{.data = data, .activation = {}, .weights = {}, .bias = {}, .encoding = {}} {
    for (int64_t i = 0; i < shape.channels() * shape.inputs; ++i) problem.weights.push_back(noise(7, static_cast<uint64_t>(i), 0));
    data.fit_rows = correlated_rows(shape, problem.weights, rows, 1);
    data.fit.add(data.fit_rows, threads);
    data.judged = correlated_rows(shape, problem.weights, 200, 2);
    if (with_bias) problem.bias.assign(static_cast<size_t>(shape.channels()), 0.0f);
    problem.encoding = quant::encoding_from_ranges(spec, std::vector<quant::Range>(spec.channel_axis < 0 ? 1 : static_cast<size_t>(shape.channels()), {-1.0, 1.0}));
    problem.threads = threads;
  }
  Layer(const Layer&) = delete;
};

inline const quant::QuantSpec kChannelW4{.bits = 4, .symmetry = quant::Symmetry::kSymmetric, .channel_axis = 0};
inline const quant::QuantSpec kTensorW4{.bits = 4, .symmetry = quant::Symmetry::kSymmetric};
inline const quant::QuantSpec kAsymmetricW4{.bits = 4};

}  // namespace qtool::rounding::testing
