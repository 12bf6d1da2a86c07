#include "lockstep.h"

#include <algorithm>
#include <optional>

#include "qtool/exec/executor.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/parallel.h"
#include "segment.h"

namespace qtool::rounding {

namespace {

using ir::kNoNode;
using ir::kNoValue;
using ir::NodeId;
using ir::ValueId;

// Bytes of one element as stored, for a value with this encoding.
int code_bytes(const quant::Encoding* encoding) {
  if (encoding == nullptr || encoding->per_channel()) return 4;
  return encoding->bits <= 8 ? 1 : encoding->bits <= 16 ? 2 : 4;
}

template <class Code>
Tensor to_codes(const Tensor& tensor, const quant::Encoding& encoding, DType dtype) {
  Tensor codes(dtype, tensor.shape());
  const auto in = tensor.data<float>();
  const auto out = codes.mutable_data<Code>();
  const quant::Grid& grid = encoding.grids[0];
  // Values lie on the grid already, so the nearest level is exact.
  const double inverse = 1.0 / grid.scale, offset = static_cast<double>(grid.offset);
  for (size_t i = 0; i < in.size(); ++i) out[i] = static_cast<Code>(static_cast<double>(in[i]) * inverse - offset + 0.5);
  return codes;
}

template <class Code>
Tensor from_codes(const Tensor& codes, const quant::Encoding& encoding) {
  Tensor tensor(DType::kFloat32, codes.shape());
  const auto in = codes.data<Code>();
  const auto out = tensor.mutable_data<float>();
  const auto scale = static_cast<float>(encoding.grids[0].scale);
  const auto offset = static_cast<float>(encoding.grids[0].offset);
  for (size_t i = 0; i < in.size(); ++i) out[i] = scale * (static_cast<float>(in[i]) + offset);
  return tensor;
}

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

Lockstep::Lockstep(const ir::Graph& reference, const model::ModelState& state, const std::vector<LayerSite>& sites,
                   const data::SampleSource& source, const LockstepOptions& options)
    : reference_(reference), state_(state), sites_(sites), source_(source), options_(options),
      stored_(static_cast<size_t>(source.size())) {
  plan_order();
}

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

int64_t Lockstep::frontier_bytes(const std::set<ValueId>& values) const {
  int64_t bytes = 0;
  for (const ValueId id : values) {
    const auto& type = reference_.value(id).type;
    if (!type) return options_.frontier_bytes + 1;  // unknown size: do not store
    const int64_t count = type->shape.element_count();
    bytes += count * (4 + code_bytes(encoding_of(id)));
  }
  return bytes * source_.size();
}

const quant::Encoding* Lockstep::encoding_of(ValueId id) const {
  return options_.prefix == Prefix::kQuantized ? model::find_encoding(state_.encodings, id) : nullptr;
}

model::EncodingTable Lockstep::prefix_encodings() const {
  if (options_.prefix == Prefix::kFloat) return {};
  model::EncodingTable table = state_.encodings;
  if (options_.prefix == Prefix::kWeights) std::erase_if(table, [&](const auto& entry) { return !state_.graph.is_constant(entry.first); });
  return table;
}

ImageState Lockstep::load(int64_t image) const {
  if (in_memory_) return unpack(stored_[static_cast<size_t>(image)]);
  ImageState state;
  const data::Sample sample = source_.load(image);
  for (const ValueId id : reference_.inputs) {
    const auto found = sample.find(reference_.value(id).name);
    if (found == sample.end()) {
      throw Error(ErrorCode::kInvalidData, "a sample has no tensor for this model input").with("tensor", reference_.value(id).name);
    }
    const quant::Encoding* encoding = encoding_of(id);
    state.real[id] = found->second;
    state.quantized[id] = encoding == nullptr ? found->second : quant::fake_quantize(found->second, *encoding);
  }
  return state;
}

Lockstep::Stored Lockstep::pack(const ImageState& image) const {
  Stored stored;
  for (const auto& [id, tensor] : image.real) stored.real[id] = {tensor, false};
  for (const auto& [id, tensor] : image.quantized) {
    const quant::Encoding* encoding = encoding_of(id);
    const int bytes = tensor.dtype() == DType::kFloat32 ? code_bytes(encoding) : 4;
    if (bytes == 1) stored.quantized[id] = {to_codes<uint8_t>(tensor, *encoding, DType::kUInt8), true};
    else if (bytes == 2) stored.quantized[id] = {to_codes<uint16_t>(tensor, *encoding, DType::kUInt16), true};
    else stored.quantized[id] = {tensor, false};
  }
  return stored;
}

ImageState Lockstep::unpack(const Stored& stored) const {
  ImageState image;
  for (const auto& [id, packed] : stored.real) image.real[id] = packed.tensor;
  for (const auto& [id, packed] : stored.quantized) {
    if (!packed.codes) image.quantized[id] = packed.tensor;
    else if (packed.tensor.dtype() == DType::kUInt8) image.quantized[id] = from_codes<uint8_t>(packed.tensor, *encoding_of(id));
    else image.quantized[id] = from_codes<uint16_t>(packed.tensor, *encoding_of(id));
  }
  return image;
}

void Lockstep::advance(size_t index, int64_t chunk, const std::function<void(int64_t, const ImageState&)>& visit,
                       const std::function<void(int64_t, int64_t)>& after) {
  const size_t to = positions_[index];
  const std::set<ValueId> alive = frontier(to);
  const bool keep = frontier_bytes(alive) <= options_.frontier_bytes;
  std::set<ValueId> made;
  for (const ValueId id : alive) {
    if (produced_at_.at(id) > stored_at_) made.insert(id);
  }
  const auto nodes = std::span(order_).subspan(stored_at_, to - stored_at_);
  Runner real(make_segment(reference_, {}, nodes, made), false, options_.threads);
  const ir::Graph& prefix_graph = options_.prefix == Prefix::kFloat ? reference_ : state_.graph;
  Runner quantized(make_segment(prefix_graph, prefix_encodings(), nodes, made), options_.prefix != Prefix::kFloat, options_.threads);
  for (int64_t first = 0; first < source_.size(); first += chunk) {
    const int64_t end = std::min(first + chunk, source_.size());
    parallel_for(end - first, options_.threads, [&](int64_t offset, int worker) {
      const int64_t image = first + offset;
      try {
        ImageState state = load(image);
        real.run(state.real, worker);
        quantized.run(state.quantized, worker);
        std::erase_if(state.real, [&](const auto& entry) { return !alive.contains(entry.first); });
        std::erase_if(state.quantized, [&](const auto& entry) { return !alive.contains(entry.first); });
        visit(image, state);
        if (keep) stored_[static_cast<size_t>(image)] = pack(state);
      } catch (Error& error) {
        error.with("sample", source_.name(image));
        throw;
      }
    });
    after(first, end);
  }
  if (!keep) return;
  stored_at_ = to;
  in_memory_ = true;
}

}  // namespace qtool::rounding
