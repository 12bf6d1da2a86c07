// The layer's outputs for given rows.
#pragma once

#include <span>

#include "layer_site.h"

namespace qtool::rounding {

// y[rows][channels] = x W' + bias; x [rows][shape.row()], W [channels][inputs], bias [channels] or empty.
void layer_product(const LayerShape& shape, std::span<const float> weights, std::span<const float> bias, const float* x, int64_t rows,
                   float* y);

}  // namespace qtool::rounding
