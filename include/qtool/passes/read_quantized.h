// A model that somebody else quantized, read as what it means: a float graph and the grid of every tensor.
//
// Order: expand_integer_operators, shapes, clean-up (QuantizeLinear and DequantizeLinear stand in the way of every
// rewrite that would move values across a grid), absorb_quantization.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::passes {

// Rewrites operators on integers (QLinearConv, QLinearMatMul, the QLinear family and QGemm of com.microsoft) and
// operators that only move integers (Reshape, MaxPool, ...) as DequantizeLinear, the float operator, QuantizeLinear. The
// contrib QuantizeLinear / DequantizeLinear become those of the standard. Scales and zero points must be constants; nodes
// where they are not stay. Types need not be settled. Returns the number of nodes rewritten.
size_t expand_integer_operators(ir::Graph& graph);

struct AbsorbedQuantization {
  size_t activations = 0;
  size_t constants = 0;
  std::vector<std::string> left;  // nodes that stay, with the reason
};

// Takes QuantizeLinear / DequantizeLinear out of the graph and puts their grids into state.encodings, frozen. The
// simulation of the result computes the integers that the file means. A value that is read both on a grid and off it, or
// on two grids, gets an Identity for each further grid. Dequantized constants become float constants on their grid.
//
// Tensors keep their names; suffixes that quantizers append to the name of a weight are taken off, and a graph output
// keeps the name it has in the file. Types must be settled. Nodes left over on constants are folded.
// Throws Error(kInvalidModel) for scales that are no positive numbers.
AbsorbedQuantization absorb_quantization(model::ModelState& state);

}  // namespace qtool::passes
