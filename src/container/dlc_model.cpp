#include "qtool/container/dlc_model.h"

#include <algorithm>
#include <limits>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {

const DlcAttribute* DlcOp::find_attribute(std::string_view attribute_name) const {
  const auto at = std::ranges::find(attributes, attribute_name, &DlcAttribute::name);
  return at == attributes.end() ? nullptr : &*at;
}

const DlcTensor* DlcGraph::find_tensor(std::string_view tensor_name) const {
  const auto at = std::ranges::find(tensors, tensor_name, &DlcTensor::name);
  return at == tensors.end() ? nullptr : &*at;
}

uint64_t dlc_element_count(const std::vector<uint32_t>& dims) {
  if (std::ranges::find(dims, 0u) != dims.end()) return 0;
  uint64_t count = 1;
  for (const uint32_t dim : dims) {
    if (count > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / dim) {
      throw Error(ErrorCode::kInvalidModel, format("the dims [{}] multiply to more than 2^63 elements", join(dims, ",")));
    }
    count *= dim;
  }
  return count;
}

}  // namespace qtool::container
