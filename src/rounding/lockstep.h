// Carries all calibration images through the float model and the quantized prefix side by side, layer by layer.
//
// Only the frontier is kept: values made before a layer and read at it or later. Quantized values of at most 8 (16) bits
// are kept as codes of one (two) bytes. Where the frontier of all images would exceed the memory budget, the images stay
// at the last layer where it fitted (at first: in their files) and are run again from there.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "layer_site.h"
#include "qtool/data/sample_source.h"
#include "qtool/rounding/adaround.h"

namespace qtool::rounding {

// Values alive at a layer, of one image.
struct ImageState {
  std::map<ir::ValueId, Tensor> real, quantized;
};

struct LockstepOptions {
  int threads = 1;
  Prefix prefix = Prefix::kQuantized;
  int64_t frontier_bytes = int64_t{384} << 20;
};

class Lockstep {
 public:
  // `reference` is the model before rounding; `state` the one whose weights are being rounded: its graph and encodings are
  // read anew at each layer. Both have the same nodes and values. All references must outlive this object.
  Lockstep(const ir::Graph& reference, const model::ModelState& state, const std::vector<LayerSite>& sites,
           const data::SampleSource& source, const LockstepOptions& options);

  // Brings the images to the input of layer `index` (ascending from call to call), `chunk` images at a time: `visit` is
  // called for each on any thread, `after` once a chunk is through, on the calling thread. Throws what loading a sample
  // throws, with the sample's name.
  void advance(size_t index, int64_t chunk, const std::function<void(int64_t image, const ImageState&)>& visit,
               const std::function<void(int64_t first, int64_t end)>& after);

 private:
  struct Packed {
    Tensor tensor;
    bool codes = false;
  };
  struct Stored {
    std::map<ir::ValueId, Packed> real, quantized;
  };

  void plan_order();
  [[nodiscard]] std::set<ir::ValueId> frontier(size_t position) const;
  [[nodiscard]] int64_t frontier_bytes(const std::set<ir::ValueId>& values) const;
  [[nodiscard]] const quant::Encoding* encoding_of(ir::ValueId id) const;  // in the quantized prefix
  [[nodiscard]] model::EncodingTable prefix_encodings() const;
  [[nodiscard]] ImageState load(int64_t image) const;
  [[nodiscard]] Stored pack(const ImageState& state) const;
  [[nodiscard]] ImageState unpack(const Stored& stored) const;

  const ir::Graph& reference_;
  const model::ModelState& state_;
  const std::vector<LayerSite>& sites_;
  const data::SampleSource& source_;
  LockstepOptions options_;
  std::vector<ir::NodeId> order_;             // ancestors of the layers, topological
  std::vector<size_t> positions_;             // of each site in order_
  std::map<ir::ValueId, size_t> produced_at_, last_use_;
  size_t stored_at_ = 0;                      // position in order_
  bool in_memory_ = false;
  std::vector<Stored> stored_;                // by image
};

}  // namespace qtool::rounding
