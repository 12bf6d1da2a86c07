#include "channel_sets.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qtool/passes/rewrite.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

class UnionFind {
 public:
  size_t add(size_t count) {
    const size_t first = parent_.size();
    parent_.resize(first + count);
    std::iota(parent_.begin() + static_cast<std::ptrdiff_t>(first), parent_.end(), first);
    return first;
  }
  size_t root(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  // The smaller index stays the root, so that roots follow the graph's order.
  void join(size_t a, size_t b) {
    a = root(a);
    b = root(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parent_;
};

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph) {}

  ChannelSets find() {
    const std::vector<NodeId> order = graph_.topological_order();
    for (const ValueId id : graph_.inputs) declare(id);
    for (const NodeId id : order) {
      for (const ValueId out : graph_.node(id).outputs) declare(out);
    }
    for (const ValueId id : graph_.inputs) block(id);
    for (const ValueId id : graph_.outputs) block(id);
    for (const NodeId id : order) visit(graph_.node(id));
    collect();
    return std::move(result_);
  }

 private:
  struct Place {
    size_t first = 0;  // index of channel 0 among all channels
    size_t value = 0;  // index of the value
    int64_t count = 0;
  };

  void declare(ValueId id) {
    const int64_t count = channel_count(graph_, id);
    if (count == 0 || graph_.is_constant(id) || places_.contains(id)) return;
    places_[id] = {channels_.add(static_cast<size_t>(count)), values_.add(1), count};
    blocked_.resize(places_[id].first + static_cast<size_t>(count), false);
    declared_.push_back(id);
  }

  const Place* place(ValueId id) const {
    const auto at = places_.find(id);
    return id == ir::kNoValue || at == places_.end() ? nullptr : &at->second;
  }

  void block(ValueId id) {
    if (const Place* p = place(id)) std::fill_n(blocked_.begin() + static_cast<std::ptrdiff_t>(p->first), p->count, true);
  }

  void block_all(const Node& node) {
    for (const ValueId id : node.inputs) block(id);
    for (const ValueId id : node.outputs) block(id);
  }

  void visit(const Node& node) {
    if (const auto layer = layer_of(graph_, node.id); layer && layer->channel_axis == 1 && bias_of(graph_, *layer) &&
                                                      place(layer->input) != nullptr && place(layer->output) != nullptr) {
      result_.layers.push_back(*layer);
      return;
    }
    const auto step = channel_step(graph_, node);
    if (!step || std::any_of(step->inputs.begin(), step->inputs.end(), [&](ValueId id) { return place(id) == nullptr; }) ||
        place(step->output) == nullptr || bad_clip(*step)) {
      block_all(node);
      return;
    }
    if (step->op == ChannelOp::kClip) clips_.push_back(node.id);
    tie(*step);
  }

  // Only a lower bound of zero (or none) survives scaling.
  static bool bad_clip(const ChannelStep& step) {
    return step.op == ChannelOp::kClip && !((step.clip.low == 0.0 && step.clip.high > 0.0) ||
                                            (std::isinf(step.clip.low) && std::isinf(step.clip.high)));
  }

  void tie(const ChannelStep& step) {
    const Place& out = *place(step.output);
    size_t offset = 0;
    for (const ValueId id : step.inputs) {
      const Place& in = *place(id);
      for (int64_t c = 0; c < in.count; ++c) {
        for (int64_t k = 0; k < step.spread; ++k) {
          const auto target = out.first + offset + static_cast<size_t>(c * step.spread + k);
          channels_.join(in.first + static_cast<size_t>(c), target);
        }
      }
      values_.join(in.value, out.value);
      if (step.op == ChannelOp::kConcat) offset += static_cast<size_t>(in.count);
      if (step.op == ChannelOp::kConcat || step.op == ChannelOp::kAdd) branched_.insert(out.value);
    }
  }

  void collect() {
    std::set<size_t> blocked_roots;
    for (size_t i = 0; i < blocked_.size(); ++i) {
      if (blocked_[i]) blocked_roots.insert(channels_.root(i));
    }
    std::map<size_t, size_t> class_of_root;
    const auto class_at = [&](size_t channel) -> ChannelClass* {
      const size_t root = channels_.root(channel);
      if (blocked_roots.contains(root)) return nullptr;
      const auto [at, fresh] = class_of_root.emplace(root, result_.classes.size());
      if (fresh) result_.classes.emplace_back();
      return &result_.classes[at->second];
    };
    for (size_t l = 0; l < result_.layers.size(); ++l) add_ends(l, class_at);
    for (const NodeId id : clips_) {
      const ValueId input = graph_.node(id).inputs[0];
      const Place& p = *place(input);
      for (int64_t c = 0; c < p.count; ++c) {
        if (ChannelClass* found = class_at(p.first + static_cast<size_t>(c))) found->clipped.emplace_back(input, c);
      }
    }
    make_sets(class_of_root);
    index_classes(class_of_root);
  }

  template <class ClassAt>
  void add_ends(size_t l, const ClassAt& class_at) {
    const Layer& layer = result_.layers[l];
    const Place &in = *place(layer.input), &out = *place(layer.output);
    for (int64_t c = 0; c < out.count; ++c) {
      if (ChannelClass* found = class_at(out.first + static_cast<size_t>(c))) found->writers.push_back({l, c});
    }
    for (int64_t c = 0; c < in.count; ++c) {
      if (ChannelClass* found = class_at(in.first + static_cast<size_t>(c))) found->readers.push_back({l, c});
    }
  }

  void make_sets(const std::map<size_t, size_t>& class_of_root) {
    std::map<size_t, ChannelSet> by_value;  // by root of values
    std::set<size_t> taken;
    std::set<size_t> branched;
    for (const size_t value : branched_) branched.insert(values_.root(value));
    std::set<size_t> with_layers, used;
    for (const ValueId id : declared_) {
      const Place& p = places_.at(id);
      const size_t root = values_.root(p.value);
      for (int64_t c = 0; c < p.count; ++c) {
        const auto at = class_of_root.find(channels_.root(p.first + static_cast<size_t>(c)));
        if (at == class_of_root.end()) continue;
        const ChannelClass& found = result_.classes[at->second];
        if (found.writers.empty() || found.readers.empty() || !taken.insert(at->second).second) continue;
        ChannelSet& set = by_value[root];
        if (set.classes.empty()) set.name = graph_.value(id).name;
        set.classes.push_back(at->second);
        set.branched = branched.contains(root);
      }
    }
    for (const NodeId id : clips_) {
      const auto at = by_value.find(values_.root(place(graph_.node(id).inputs[0])->value));
      if (at != by_value.end()) at->second.clips.push_back(id);
    }
    for (const Layer& layer : result_.layers) {
      const size_t root = values_.root(place(layer.output)->value);
      if (used.insert(root).second && !by_value.contains(root)) ++result_.blocked;
    }
    for (auto& [root, set] : by_value) result_.sets.push_back(std::move(set));
  }

  void index_classes(const std::map<size_t, size_t>& class_of_root) {
    std::set<size_t> usable;
    for (const ChannelSet& set : result_.sets) usable.insert(set.classes.begin(), set.classes.end());
    for (const ValueId id : declared_) {
      const Place& p = places_.at(id);
      std::vector<int64_t> classes;
      for (int64_t c = 0; c < p.count; ++c) {
        const auto at = class_of_root.find(channels_.root(p.first + static_cast<size_t>(c)));
        const bool scalable = at != class_of_root.end() && usable.contains(at->second);
        classes.push_back(scalable ? static_cast<int64_t>(at->second) : ChannelSets::kFixed);
      }
      const bool any = std::any_of(classes.begin(), classes.end(), [](int64_t c) { return c != ChannelSets::kFixed; });
      if (any) result_.value_classes.emplace(id, std::move(classes));
    }
  }

  const Graph& graph_;
  ChannelSets result_;
  UnionFind channels_, values_;
  std::map<ValueId, Place> places_;
  std::vector<ValueId> declared_;
  std::vector<bool> blocked_;
  std::set<size_t> branched_;
  std::vector<NodeId> clips_;
};

}  // namespace

std::vector<double> by_channel(const ChannelSets& sets, ValueId value, const std::vector<double>& by_class) {
  const auto at = sets.value_classes.find(value);
  if (at == sets.value_classes.end()) return {};
  std::vector<double> factors;
  for (const int64_t c : at->second) factors.push_back(c == ChannelSets::kFixed ? 1.0 : by_class[static_cast<size_t>(c)]);
  return factors;
}

ChannelSets find_channel_sets(const Graph& graph) { return Finder(graph).find(); }

}  // namespace qtool::optimize
