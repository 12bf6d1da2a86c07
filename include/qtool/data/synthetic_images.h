// Pictures of nothing with the statistics of photographs, for work without samples.
//
// Most are "dead leaves" (Lee, Mumford and Huang 2001, "Occlusion models for natural images"): discs and boxes of all
// sizes, density proportional to radius^-3, that hide one another, here shaded, striped or covered with fractal noise. Edges at
// every scale, flat areas and few dominant colours drive the layers of a vision model much as photographs do; noise without
// edges does not (a MobileNetV2 calibrated on fractal noise alone has 2 % top-1, on these 81). Every eighth picture is muted,
// every eighth pure fractal noise: models with little clipping reach their widest ranges there.
#pragma once

#include <memory>

#include "qtool/data/image.h"
#include "qtool/data/sample_source.h"

namespace qtool::data {

// RGB, `width` x `height` pixels, the same for the same arguments on every machine with IEEE arithmetic.
[[nodiscard]] Image synthetic_image(int64_t index, int width, int height);

// `count` of them, prepared for a model with one picture input, made once and kept. Throws Error(kUnsupported) when the shape is not
// that of a picture.
[[nodiscard]] std::unique_ptr<SampleSource> synthetic_image_source(const InputSpec& input, const Preprocessing& preprocessing, int64_t count, int threads);

}  // namespace qtool::data
