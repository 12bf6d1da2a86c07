#include "qtool/quant/onnx_storage.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::quant {

namespace {

struct IntegerType {
  DType dtype;
  int bits;
  bool is_signed;
};

constexpr std::array<IntegerType, 7> kTypes{{{DType::kUInt4, 4, false},
                                             {DType::kInt4, 4, true},
                                             {DType::kUInt8, 8, false},
                                             {DType::kInt8, 8, true},
                                             {DType::kUInt16, 16, false},
                                             {DType::kInt16, 16, true},
                                             {DType::kInt32, 32, true}}};

const IntegerType& type_for(const Encoding& encoding) {
  const auto fits = [&](const IntegerType& type) {
    return type.bits >= encoding.bits && type.is_signed == encoding.stored_signed();
  };
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), fits);
  if (found == kTypes.end()) {
    throw Error(ErrorCode::kUnsupported, format("ONNX has no integer type for an asymmetric grid of {} bits", encoding.bits));
  }
  return *found;
}

}  // namespace

OnnxStorage onnx_storage(const Encoding& encoding) {
  const IntegerType& type = type_for(encoding);
  const int64_t lowest = type.is_signed ? -(int64_t{1} << (type.bits - 1)) : 0;
  const int64_t highest = lowest + (int64_t{1} << type.bits) - 1;
  OnnxStorage storage{.dtype = type.dtype};
  for (size_t i = 0; i < encoding.grids.size(); ++i) {
    const int64_t zero = type.is_signed ? 0 : -encoding.grids[i].offset;
    storage.zero_points.push_back(zero);
    const int64_t first = encoding.lowest_level(i) + zero, last = encoding.highest_level(i) + zero;
    if (first < lowest || last > highest || zero < lowest || zero > highest) {
      throw Error(ErrorCode::kUnsupported, format("{} cannot hold a {}-bit grid with offset {}", dtype_name(type.dtype),
                                                  encoding.bits, encoding.grids[i].offset));
    }
    storage.wider_than_grid = storage.wider_than_grid || first > lowest || last < highest;
  }
  return storage;
}

Tensor store_tensor(const Tensor& tensor, const Encoding& encoding, const OnnxStorage& storage) {
  const std::vector<int64_t> levels = quantize_levels(tensor, encoding);
  Tensor stored(storage.dtype, tensor.shape());
  dispatch_dtype(storage.dtype, [&]<class T>() {
    T* target = static_cast<T*>(stored.mutable_raw());
    for_each_channel_element(tensor.shape(), encoding.channel_axis, [&](int64_t i, int64_t c) {
      target[i] = static_cast<T>(levels[static_cast<size_t>(i)] + storage.zero_points[static_cast<size_t>(c)]);
    });
  });
  return stored;
}

Encoding encoding_of_storage(DType dtype, std::span<const float> scales, std::span<const int64_t> zero_points,
                             int channel_axis) {
  const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const IntegerType& t) { return t.dtype == dtype; });
  if (type == kTypes.end()) {
    throw Error(ErrorCode::kUnsupported, format("{} is not a type of quantized tensors", dtype_name(dtype)));
  }
  if (scales.empty() || (zero_points.size() > 1 && zero_points.size() != scales.size())) {
    throw Error(ErrorCode::kInvalidModel, format("{} scales and {} zero points", scales.size(), zero_points.size()));
  }
  const bool centred = std::all_of(zero_points.begin(), zero_points.end(), [](int64_t zero) { return zero == 0; });
  Encoding encoding{.bits = type->bits, .is_symmetric = type->is_signed && centred,
                    .channel_axis = scales.size() > 1 ? channel_axis : -1};
  const int64_t lowest = type->is_signed ? -(int64_t{1} << (type->bits - 1)) : 0;
  for (size_t i = 0; i < scales.size(); ++i) {
    if (!(scales[i] > 0.0f) || !std::isfinite(scales[i])) {
      throw Error(ErrorCode::kInvalidModel, format("scale {} is not a positive number", scales[i]));
    }
    const int64_t zero = zero_points.empty() ? 0 : zero_points[zero_points.size() == 1 ? 0 : i];
    encoding.grids.push_back({static_cast<double>(scales[i]), lowest - zero});
  }
  return encoding;
}

}  // namespace qtool::quant
