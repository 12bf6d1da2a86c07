// A small Conv2d + ReLU graph, hand-made: what most tests change one property of.
#pragma once

#include <array>
#include <cstring>

#include "qtool/container/dlc_attributes.h"
#include "qtool/container/dlc_model.h"

namespace qtool::container {

inline DlcEncoding per_tensor(float scale, int32_t offset, uint32_t bits) {
  const float top = static_cast<float>((uint64_t{1} << bits) - 1);
  return {.type = DlcEncodingType::kScaleOffset,
          .entries = {{.bitwidth = bits, .min = scale * offset, .max = scale * (top + offset), .scale = scale, .offset = offset}}};
}

inline DlcEncoding per_channel(int32_t axis, const std::vector<float>& scales, uint32_t bits) {
  DlcEncoding encoding{.type = DlcEncodingType::kAxisScaleOffset, .axis = axis};
  const float half = static_cast<float>(uint64_t{1} << (bits - 1));
  for (const float scale : scales) {
    encoding.entries.push_back({.bitwidth = bits, .min = -half * scale, .max = (half - 1) * scale, .scale = scale, .is_symmetric = true});
  }
  return encoding;
}

inline DlcTensor activation(const char* name, DlcLocation location, std::vector<uint32_t> dims, DlcEncoding encoding) {
  DlcTensor tensor;
  tensor.name = name;
  tensor.location = location;
  tensor.dims = std::move(dims);
  tensor.axis_format = 3;
  tensor.dtype = DlcDtype::kUFixed8;
  tensor.encoding = std::move(encoding);
  return tensor;
}

template <class T>
DlcTensor static_tensor(const char* name, DlcDtype dtype, std::vector<uint32_t> dims, const std::vector<T>& values, DlcEncoding encoding) {
  DlcTensor tensor;
  tensor.name = name;
  tensor.location = DlcLocation::kStatic;
  tensor.dims = std::move(dims);
  tensor.dtype = dtype;
  tensor.encoding = std::move(encoding);
  const auto raw = std::as_bytes(std::span(values));
  tensor.data.assign(raw.begin(), raw.end());
  return tensor;
}

inline std::vector<DlcAttribute> convolution_attributes(const char* op) {
  const std::array<uint32_t, 2> ones = {1, 1};
  const std::array<uint32_t, 4> pads = {1, 1, 1, 1};
  return {u32_tensor_attribute(op, "dilation", {2}, ones), u32_attribute("group", 1), package_name_attribute(),
          u32_tensor_attribute(op, "pad_amount", {2, 2}, pads), u32_tensor_attribute(op, "stride", {2}, ones)};
}

// image [1,4,4,2] u8 -> Conv2d 3x3, 2 to 3 channels, s8 per channel, s32 bias -> ReLU -> out [1,4,4,3] u8.
inline DlcFile sample_dlc() {
  const float image_scale = 1.0f / 64;
  const std::vector<float> weight_scales = {1.0f / 128, 1.0f / 256, 1.0f / 64};
  std::vector<int8_t> weight;
  for (int i = 0; i < 3 * 3 * 2 * 3; ++i) weight.push_back(static_cast<int8_t>((i * 37) % 255 - 127));
  std::vector<float> bias_scales;
  for (const float scale : weight_scales) bias_scales.push_back(scale * image_scale);
  const DlcEncoding result = per_tensor(1.0f / 32, 0, 8);

  DlcGraph graph;
  graph.name = "sample";
  graph.tensors = {activation("image", DlcLocation::kGraphInput, {1, 4, 4, 2}, per_tensor(image_scale, -128, 8)),
                   static_tensor<int8_t>("weight", DlcDtype::kSFixed8, {3, 3, 2, 3}, weight, per_channel(3, weight_scales, 8)),
                   static_tensor<int32_t>("bias", DlcDtype::kSFixed32, {3}, {1000, -2000, 300}, per_channel(0, bias_scales, 32)),
                   activation("sum", DlcLocation::kNative, {1, 4, 4, 3}, result),
                   activation("out", DlcLocation::kGraphOutput, {1, 4, 4, 3}, result)};
  graph.ops = {{.name = "conv", .type = "Conv2d", .inputs = {"image", "weight", "bias"}, .outputs = {"sum"},
                .attributes = convolution_attributes("conv")},
               {.name = "relu", .type = "ElementWiseNeuron", .inputs = {"sum"}, .outputs = {"out"},
                .attributes = {u32_attribute("operation", 4), package_name_attribute()}}};
  DlcFile file;
  file.metadata = {{"converter-command", "qtool"}, {"converter-version", "0"}, {"model-copyright", "N/A"}};
  file.graphs = {graph};
  return file;
}

}  // namespace qtool::container
