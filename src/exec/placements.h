// Where the values of a plan lie: buffers, views into others, homes of Concat parts, and copies in other layouts.
#pragma once

#include <map>
#include <tuple>
#include <utility>

#include "concat_homes.h"
#include "plan.h"
#include "value_facts.h"

namespace qtool::exec {

struct Placement {
  int buffer = kNoBuffer;
  Layout layout;
};

[[nodiscard]] size_t element_bytes(const TensorType& type, Layout layout);

class Placements {
 public:
  Placements(Plan& plan, const ValueFacts& facts, int64_t block) : plan_(plan), graph_(plan.graph), facts_(facts), block_(block) {}

  void set_homes(ConcatHomes homes) { homes_ = std::move(homes); }
  [[nodiscard]] bool has_home(ir::ValueId id) const { return homes_.contains(id); }

  void set(ir::ValueId id, Placement place) { places_[id] = place; }
  // nullptr where the value has no place yet.
  [[nodiscard]] const Placement* find(ir::ValueId id) const {
    const auto at = places_.find(id);
    return at == places_.end() ? nullptr : &at->second;
  }
  // Constants get theirs when first asked for.
  Placement place_of(ir::ValueId id);
  // The buffer that holds the value in that layout; adds a step that copies it there where there is none.
  int in_layout(ir::ValueId id, Layout wanted);

  int new_buffer(Buffer buffer);
  int new_arena_buffer(const TensorType& type, Layout layout);
  int new_view(int of, int64_t byte_offset, size_t bytes);
  // Memory for a node output; a Concat part goes straight into the Concat's output where that is possible.
  int new_output_buffer(ir::ValueId id, Layout layout);

 private:
  Plan& plan_;
  const ir::Graph& graph_;
  const ValueFacts& facts_;
  int64_t block_;
  ConcatHomes homes_;
  std::map<ir::ValueId, Placement> places_;
  std::map<std::tuple<ir::ValueId, int64_t, Storage>, int> converted_;
};

}  // namespace qtool::exec
