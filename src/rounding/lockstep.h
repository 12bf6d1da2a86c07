// Carries calibration images through the float model and the prefix whose weights are rounded side by side, layer by layer.
//
// Only the frontier is kept: values made before a layer and read at it or later. How many images are kept at each layer
// is planned before the walk (walk_plan.h).
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "layer_site.h"
#include "qtool/data/sample_source.h"
#include "walk_plan.h"

namespace qtool::rounding {

// Values alive at a layer, of one image.
struct ImageState {
  std::map<ir::ValueId, Tensor> real, quantized;
};

struct LockstepOptions {
  int threads = 1;
  int64_t frontier_bytes = int64_t{384} << 20;
  std::vector<int64_t> image_order;   // samples in the order in which they join; every sample once
  std::vector<WalkStop> stops;        // of each layer; `values` is filled in here
  int64_t most_images = std::numeric_limits<int64_t>::max();  // of the order that are carried
  bool simulate_activations = false;  // on every grid of `state`, not on those of weights alone
};

// Grids that the quantized prefix runs on: those of constants, but for biases of 16 bits and more, whose rounding nothing notices
// and whose scales follow those of activations.
[[nodiscard]] model::EncodingTable grids_of_prefix(const model::ModelState& state);

class Lockstep {
 public:
  // `reference` is the model before rounding; `state` the one whose weights are being rounded: its graph and encodings are
  // read anew at each layer. Both have the same nodes and values. All references must outlive this object.
  Lockstep(const ir::Graph& reference, const model::ModelState& state, const std::vector<LayerSite>& sites,
           const data::SampleSource& source, LockstepOptions options);
  ~Lockstep();

  // Images that advance() visits at layer `index`: [0, visited) of the image order.
  [[nodiscard]] int64_t visited(size_t index) const { return plan_.steps[index].visited; }

  // Brings the images to the input of layer `index` (ascending from call to call), `chunk` images at a time: `visit` is
  // called for each on any thread, `after` once a chunk is through, on the calling thread. Throws what loading a sample
  // throws, with the sample's name.
  void advance(size_t index, int64_t chunk, const std::function<void(int64_t place, const ImageState&)>& visit,
               const std::function<void(int64_t first, int64_t end)>& after);
  // Bytes of the values of one image that are alive at the layer, in both models.
  [[nodiscard]] int64_t alive_bytes(size_t index) const { return options_.stops[index].values * kWideBytes; }
  // Nodes from layer `index` to the producer of `end` in the order of the walk; empty when the walk does not reach it.
  [[nodiscard]] std::span<const ir::NodeId> nodes_until(size_t index, ir::ValueId end) const;

  // The same without looking at them.
  void pass(size_t index);

 private:
  struct Packed {
    Tensor wide;                              // unless compact
    std::shared_ptr<const std::vector<uint16_t>> compact;
  };
  struct Stored {
    std::map<ir::ValueId, Packed> real, difference;  // difference: quantized - real when compact, else quantized
  };
  struct Stretch;

  void plan_order();
  [[nodiscard]] std::set<ir::ValueId> frontier(size_t position) const;
  [[nodiscard]] int64_t count_values(const std::set<ir::ValueId>& values) const;
  [[nodiscard]] Stretch make_stretch(size_t from, size_t to, const std::set<ir::ValueId>& alive) const;
  [[nodiscard]] ImageState load(int64_t place) const;
  [[nodiscard]] Stored pack(const ImageState& state) const;
  [[nodiscard]] ImageState unpack(const Stored& stored) const;
  void run(size_t index, int64_t images, int64_t chunk, const std::function<void(int64_t, const ImageState&)>& visit,
           const std::function<void(int64_t, int64_t)>& after);

  const ir::Graph& reference_;
  const model::ModelState& state_;
  const std::vector<LayerSite>& sites_;
  const data::SampleSource& source_;
  LockstepOptions options_;
  WalkPlan plan_;
  std::vector<ir::NodeId> order_;             // ancestors of the layers, topological
  std::vector<size_t> positions_;             // of each site in order_
  std::map<ir::ValueId, size_t> produced_at_, last_use_;
  size_t stored_at_ = 0;                      // position in order_ of what is stored
  std::vector<Stored> stored_;                // of the first images of the order
};

}  // namespace qtool::rounding
