#include "qdq_parameters.h"

#include <algorithm>

namespace qtool::exporters {

namespace {

bool same_grids(const quant::Encoding& a, const quant::Encoding& b) {
  return a.bits == b.bits && a.is_symmetric == b.is_symmetric && a.channel_axis == b.channel_axis &&
         std::equal(a.grids.begin(), a.grids.end(), b.grids.begin(), b.grids.end(), [](const auto& x, const auto& y) {
           return x.scale == y.scale && x.offset == y.offset;
         });
}

}  // namespace

ir::ValueId QdqParameterTable::leader(ir::ValueId id, const quant::Encoding& encoding) const {
  const model::TensorPlan* plan = state_.plan.find(id);
  if (plan == nullptr || plan->leader == ir::kNoValue) return id;
  const quant::Encoding* shared = model::find_encoding(state_.encodings, plan->leader);
  return shared != nullptr && same_grids(*shared, encoding) ? plan->leader : id;
}

QdqParameters QdqParameterTable::of(ir::ValueId id, const std::string& name, const quant::Encoding& encoding,
                                    const quant::OnnxStorage& storage) {
  const ir::ValueId first = leader(id, encoding);
  const auto known = by_leader_.find(first);
  if (known != by_leader_.end()) return known->second;
  return by_leader_[first] = add(name, encoding, storage);
}

QdqParameters QdqParameterTable::add(const std::string& name, const quant::Encoding& encoding,
                                     const quant::OnnxStorage& storage) {
  const auto count = static_cast<int64_t>(encoding.grids.size());
  const Shape shape = encoding.per_channel() ? Shape{count} : Shape{};
  Tensor scales(DType::kFloat32, shape), zero_points(storage.dtype, shape);
  std::transform(encoding.grids.begin(), encoding.grids.end(), scales.mutable_data<float>().begin(),
                 [](const quant::Grid& grid) { return static_cast<float>(grid.scale); });
  dispatch_dtype(storage.dtype, [&]<class T>() {
    T* target = static_cast<T*>(zero_points.mutable_raw());
    for (size_t i = 0; i < storage.zero_points.size(); ++i) target[i] = static_cast<T>(storage.zero_points[i]);
  });
  QdqParameters result{.scale = graph_.add_constant(graph_.unique_name(name + "_scale"), std::move(scales))};
  if (storage.dtype != DType::kInt32) {
    result.zero_point = graph_.add_constant(graph_.unique_name(name + "_zero_point"), std::move(zero_points));
  }
  if (encoding.per_channel()) result.axis = encoding.channel_axis;
  return result;
}

}  // namespace qtool::exporters
