// Which category of the labels a class of the model is.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "qtool/eval/labels.h"

namespace qtool::eval {

class CategoryMap {
 public:
  // `class_count` of the model, of which the first `class_offset` are background. With `wanted`,
  // class i is wanted[i]. Otherwise as many classes as categories: ascending ids; more classes, as
  // many as the largest id (plus one): the class is the id itself (minus one). Throws
  // Error(kUsage) for anything else.
  CategoryMap(int64_t class_count, int64_t class_offset, const std::vector<Category>& categories,
              const std::vector<int64_t>& wanted);

  // -1: none.
  [[nodiscard]] int64_t id_of(int64_t class_index) const;

 private:
  int64_t class_offset_ = 0;
  std::vector<int64_t> ids_;
};

}  // namespace qtool::eval
