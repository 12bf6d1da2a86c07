#include "category_map.h"

#include <algorithm>
#include <set>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

// Detectors trained on ids with gaps (COCO: 80 categories with ids up to 90) have a class for each
// id.
std::vector<int64_t> ids_with_gaps(int64_t classes, const std::set<int64_t>& known) {
  const int64_t first_id = classes == *known.rbegin() + 1 ? 0 : 1;
  std::vector<int64_t> ids;
  for (int64_t c = 0; c < classes; ++c)
    ids.push_back(known.contains(c + first_id) ? c + first_id : -1);
  return ids;
}

}  // namespace

CategoryMap::CategoryMap(int64_t class_count, int64_t class_offset,
                         const std::vector<Category>& categories,
                         const std::vector<int64_t>& wanted)
    : class_offset_(class_offset) {
  const int64_t classes = class_count - class_offset;
  std::set<int64_t> known;
  for (const Category& category : categories) known.insert(category.id);
  if (known.empty()) throw Error(ErrorCode::kInvalidData, "the labels have no categories");
  for (const int64_t id : wanted) {
    if (!known.contains(id)) {
      throw Error(ErrorCode::kUsage, format("category {} is not among those of the labels: {}", id,
                                            join(known, ", ")));
    }
  }
  if (!wanted.empty() && static_cast<int64_t>(wanted.size()) <= classes) {
    ids_ = wanted;
  } else if (wanted.empty() && classes == static_cast<int64_t>(known.size())) {
    ids_.assign(known.begin(), known.end());
  } else if (wanted.empty() && (classes == *known.rbegin() || classes == *known.rbegin() + 1)) {
    ids_ = ids_with_gaps(classes, known);
  } else {
    throw Error(
        ErrorCode::kUsage,
        format("the model has {} classes{}, {}; list the category id of each class", class_count,
               class_offset > 0 ? format(" of which {} are background", class_offset) : "",
               wanted.empty() ? format("the labels have {} categories", known.size())
                              : format("{} categories were listed", wanted.size())));
  }
}

int64_t CategoryMap::id_of(int64_t class_index) const {
  const int64_t index = class_index - class_offset_;
  if (index < 0 || index >= static_cast<int64_t>(ids_.size())) return -1;
  return ids_[static_cast<size_t>(index)];
}

}  // namespace qtool::eval
