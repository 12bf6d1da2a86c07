#include "lockstep.h"

#include <algorithm>
#include <optional>

#include "qtool/exec/executor.h"
#include "qtool/support/error.h"
#include "qtool/support/parallel.h"
#include "segment.h"
#include "vector_loops.h"

namespace qtool::rounding {

namespace {

using ir::kNoNode;
using ir::kNoValue;
using ir::NodeId;
using ir::ValueId;

// One executor of the stretch between two positions and the session of each worker.
class Runner {
 public:
  Runner(Segment segment, bool simulate, int workers)
      : segment_(std::move(segment)), sessions_(static_cast<size_t>(workers)) {
    if (segment_.outputs.empty()) return;
    executor_.emplace(segment_.graph, exec::ExecOptions{.encodings = simulate ? &segment_.encodings : nullptr});
  }

  // Adds the outputs of the segment to `values`.
  void run(std::map<ValueId, Tensor>& values, int worker) {
    if (!executor_) return;
    std::vector<Tensor> inputs;
    for (const ValueId id : segment_.inputs) inputs.push_back(values.at(id));
    auto& session = sessions_[static_cast<size_t>(worker)];
    if (!session) session.emplace(executor_->new_session());
    std::vector<Tensor> outputs = session->run(inputs);
    for (size_t i = 0; i < outputs.size(); ++i) values[segment_.outputs[i]] = std::move(outputs[i]);
  }

 private:
  Segment segment_;
  std::optional<exec::Executor> executor_;
  std::vector<std::optional<exec::Session>> sessions_;
};

}  // namespace

model::EncodingTable grids_of_prefix(const model::ModelState& state) {
  constexpr int kFineBias = 16;
  model::EncodingTable table = state.encodings;
  std::erase_if(table, [&](const auto& entry) {
    const model::TensorPlan* plan = state.plan.find(entry.first);
    const bool fine_bias = plan != nullptr && plan->role == model::TensorRole::kBias && entry.second.encoding.bits >= kFineBias;
    return !state.graph.is_constant(entry.first) || fine_bias;
  });
  return table;
}

// What lies between two positions, in both models.
struct Lockstep::Stretch {
  Runner real, quantized;
  void run(ImageState& image, int worker) {
    real.run(image.real, worker);
    quantized.run(image.quantized, worker);
  }
};

Lockstep::Lockstep(const ir::Graph& reference, const model::ModelState& state, const std::vector<LayerSite>& sites,
                   const data::SampleSource& source, LockstepOptions options)
    : reference_(reference), state_(state), sites_(sites), source_(source), options_(std::move(options)) {
  plan_order();
  for (size_t i = 0; i < sites_.size(); ++i) options_.stops[i].values = count_values(frontier(positions_[i]));
  plan_ = plan_walk(options_.stops, std::min(source_.size(), options_.most_images), options_.frontier_bytes);
}

Lockstep::~Lockstep() = default;

void Lockstep::plan_order() {
  std::set<NodeId> needed;
  std::vector<NodeId> todo;
  for (const LayerSite& site : sites_) todo.push_back(site.node);
  while (!todo.empty()) {
    const NodeId id = todo.back();
    todo.pop_back();
    if (!needed.insert(id).second) continue;
    for (const ValueId input : reference_.node(id).inputs) {
      const NodeId producer = reference_.producer(input);
      if (producer != kNoNode) todo.push_back(producer);
    }
  }
  for (const NodeId id : reference_.topological_order()) {
    if (needed.contains(id)) order_.push_back(id);
  }
  for (const ValueId id : reference_.inputs) produced_at_[id] = 0;
  for (size_t i = 0; i < order_.size(); ++i) {
    for (const ValueId id : reference_.node(order_[i]).inputs) {
      if (id != kNoValue && !reference_.is_constant(id)) last_use_[id] = i;
    }
    for (const ValueId id : reference_.node(order_[i]).outputs) {
      if (id != kNoValue) produced_at_[id] = i + 1;
    }
  }
  for (const LayerSite& site : sites_) {
    positions_.push_back(static_cast<size_t>(std::find(order_.begin(), order_.end(), site.node) - order_.begin()));
    // The branch that a layer repairs must be at hand at the layer.
    if (site.skip != kNoValue && produced_at_.contains(site.skip)) {
      size_t& last = last_use_[site.skip];
      last = std::max(last, positions_.back());
    }
  }
}

std::set<ValueId> Lockstep::frontier(size_t position) const {
  std::set<ValueId> alive;
  for (const auto& [id, made] : produced_at_) {
    const auto last = last_use_.find(id);
    if (made <= position && last != last_use_.end() && last->second >= position) alive.insert(id);
  }
  return alive;
}

int64_t Lockstep::count_values(const std::set<ValueId>& values) const {
  int64_t total = 0;
  for (const ValueId id : values) {
    const auto& type = reference_.value(id).type;
    if (!type) return -1;
    total += type->shape.element_count();
  }
  return total;
}

Lockstep::Stretch Lockstep::make_stretch(size_t from, size_t to, const std::set<ValueId>& alive) const {
  std::set<ValueId> made;
  for (const ValueId id : alive) {
    if (produced_at_.at(id) > from) made.insert(id);
  }
  const auto nodes = std::span(order_).subspan(from, to - from);
  return {Runner(make_segment(reference_, {}, nodes, made), false, options_.threads),
          Runner(make_segment(state_.graph, options_.simulate_activations ? state_.encodings : grids_of_prefix(state_), nodes, made), true, options_.threads)};
}

ImageState Lockstep::load(int64_t place) const {
  ImageState state;
  const data::Sample sample = source_.load(options_.image_order[static_cast<size_t>(place)]);
  for (const ValueId id : reference_.inputs) {
    const auto found = sample.find(reference_.value(id).name);
    if (found == sample.end()) {
      throw Error(ErrorCode::kInvalidData, "a sample has no tensor for this model input").with("tensor", reference_.value(id).name);
    }
    state.real[id] = state.quantized[id] = found->second;
  }
  return state;
}

// Rounding to 16 bits is the same in both models: another picture, not an error that a layer would repair.
Lockstep::Stored Lockstep::pack(const ImageState& image) const {
  Stored stored;
  for (const auto& [id, real] : image.real) {
    const Tensor& quantized = image.quantized.at(id);
    if (!plan_.compact || real.dtype() != DType::kFloat32) {
      stored.real[id] = {real, nullptr};
      stored.difference[id] = {quantized, nullptr};
      continue;
    }
    const auto r = real.data<float>(), q = quantized.data<float>();
    auto values = std::make_shared<std::vector<uint16_t>>(r.size()), differences = std::make_shared<std::vector<uint16_t>>(r.size());
    to_brief(r.data(), nullptr, values->data(), static_cast<int64_t>(r.size()));
    to_brief(q.data(), r.data(), differences->data(), static_cast<int64_t>(r.size()));
    stored.real[id] = {Tensor(), std::move(values)};
    stored.difference[id] = {Tensor(), std::move(differences)};
  }
  return stored;
}

ImageState Lockstep::unpack(const Stored& stored) const {
  ImageState image;
  for (const auto& [id, packed] : stored.real) {
    const Packed& difference = stored.difference.at(id);
    if (!packed.compact) {
      image.real[id] = packed.wide;
      image.quantized[id] = difference.wide;
      continue;
    }
    const Shape& shape = reference_.type_of(id).shape;
    Tensor real(DType::kFloat32, shape), quantized(DType::kFloat32, shape);
    const auto n = shape.element_count();
    from_brief(packed.compact->data(), nullptr, real.mutable_data<float>().data(), n);
    from_brief(difference.compact->data(), real.data<float>().data(), quantized.mutable_data<float>().data(), n);
    image.real[id] = std::move(real);
    image.quantized[id] = std::move(quantized);
  }
  return image;
}

void Lockstep::run(size_t index, int64_t images, int64_t chunk, const std::function<void(int64_t, const ImageState&)>& visit,
                   const std::function<void(int64_t, int64_t)>& after) {
  const size_t to = positions_[index];
  const std::set<ValueId> alive = frontier(to);
  const auto kept = static_cast<size_t>(plan_.steps[index].stored), before = stored_.size();
  std::optional<Stretch> onwards, from_file;
  if (before > 0) onwards.emplace(make_stretch(stored_at_, to, alive));
  if (images > static_cast<int64_t>(before)) from_file.emplace(make_stretch(0, to, alive));
  stored_.resize(std::max(kept, before));
  for (int64_t first = 0; first < images; first += chunk) {
    const int64_t end = std::min(first + chunk, images);
    parallel_for(end - first, options_.threads, [&](int64_t offset, int worker) {
      const int64_t place = first + offset;
      const auto at = static_cast<size_t>(place);
      try {
        ImageState state = at < before ? unpack(stored_[at]) : load(place);
        if (at < before) stored_[at] = {};
        (at < before ? *onwards : *from_file).run(state, worker);
        std::erase_if(state.real, [&](const auto& entry) { return !alive.contains(entry.first); });
        std::erase_if(state.quantized, [&](const auto& entry) { return !alive.contains(entry.first); });
        visit(place, state);
        if (at < kept) stored_[at] = pack(state);
      } catch (Error& error) {
        error.with("sample", source_.name(options_.image_order[at]));
        throw;
      }
    });
    after(first, end);
  }
  stored_.resize(kept);
  stored_at_ = to;
}

void Lockstep::advance(size_t index, int64_t chunk, const std::function<void(int64_t, const ImageState&)>& visit,
                       const std::function<void(int64_t, int64_t)>& after) {
  run(index, plan_.steps[index].visited, chunk, visit, after);
}

std::span<const NodeId> Lockstep::nodes_until(size_t index, ValueId end) const {
  const auto made = produced_at_.find(end);
  if (made == produced_at_.end() || made->second <= positions_[index]) return {};
  return std::span(order_).subspan(positions_[index], made->second - positions_[index]);
}

void Lockstep::pass(size_t index) {
  const int64_t kept = plan_.steps[index].stored;
  run(index, kept, std::max<int64_t>(kept, 1), [](int64_t, const ImageState&) {}, [](int64_t, int64_t) {});
}

}  // namespace qtool::rounding
