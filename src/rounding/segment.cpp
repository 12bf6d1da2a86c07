#include "segment.h"

#include <map>

namespace qtool::rounding {

namespace {

using ir::kNoValue;
using ir::ValueId;

class Builder {
 public:
  Builder(const ir::Graph& whole, const model::EncodingTable& encodings) : whole_(whole), encodings_(encodings) {}

  void add(const ir::Node& node) {
    ir::Node copy = node;
    copy.id = ir::kNoNode;
    for (ValueId& id : copy.inputs) id = id == kNoValue ? id : local(id, true);
    for (ValueId& id : copy.outputs) id = id == kNoValue ? id : local(id, false);
    segment_.graph.add_node(std::move(copy));
  }

  Segment finish(const std::set<ValueId>& wanted) {
    for (const ValueId id : wanted) {
      segment_.outputs.push_back(id);
      segment_.graph.outputs.push_back(ids_.at(id));
    }
    return std::move(segment_);
  }

 private:
  ValueId local(ValueId id, bool read) {
    if (const auto found = ids_.find(id); found != ids_.end()) return found->second;
    const ir::Value& value = whole_.value(id);
    const ValueId own = value.constant ? segment_.graph.add_constant(value.name, *value.constant)
                                       : segment_.graph.add_value(value.name, value.type);
    if (read && !value.constant) {
      segment_.inputs.push_back(id);
      segment_.graph.inputs.push_back(own);
    }
    if (const auto entry = encodings_.find(id); entry != encodings_.end()) segment_.encodings[own] = entry->second;
    return ids_[id] = own;
  }

  const ir::Graph& whole_;
  const model::EncodingTable& encodings_;
  std::map<ValueId, ValueId> ids_;
  Segment segment_;
};

}  // namespace

Segment make_segment(const ir::Graph& whole, const model::EncodingTable& encodings, std::span<const ir::NodeId> nodes,
                     const std::set<ValueId>& wanted) {
  Builder builder(whole, encodings);
  for (const ir::NodeId id : nodes) builder.add(whole.node(id));
  return builder.finish(wanted);
}

}  // namespace qtool::rounding
