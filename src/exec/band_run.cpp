#include "band_run.h"

#include <algorithm>
#include <array>
#include <utility>

#include "threads.h"

namespace qtool::exec {

namespace {

// Rows of one phase, see BandGeometry.
struct Band {
  int64_t first_out, outs;   // output rows j
  int64_t first_new, end;    // input rows u that no band before has computed, [first_new, end)
};

// Wide channel blocks.
struct Chunk {
  int64_t first, blocks;
};

// One phase of one image, or a segment of it, on one thread.
class BandWorker {
 public:
  BandWorker(const BandPlan& plan, int64_t phase, const float* source, float* target, float* scratch)
      : plan_(plan), g_(plan.geometry), phase_(phase), source_(source), target_(target), zeros_(scratch),
        kept_(zeros_ + plan.row_floats()), new_(kept_ + plan.wide_blocks * plan.kept_block()),
        depthwise_(new_ + plan.chunk_blocks * plan.new_block()) {}

  void run(int64_t first, int64_t end) {
    clear_margins();
    int64_t done = first * g_.step;
    for (int64_t j = first; j < end; j += plan_.band_rows) {
      const int64_t outs = std::min(plan_.band_rows, end - j);
      const Band band{j, outs, std::max(done, j * g_.step), (j * g_.step) + g_.reach(outs)};
      for (int64_t b = 0; b < plan_.wide_blocks; b += plan_.chunk_blocks) {
        run_chunk(band, Chunk{b, std::min(plan_.chunk_blocks, plan_.wide_blocks - b)});
      }
      done = band.end;
    }
  }

 private:
  // Channel blocks that are multiplied together, one group after another or each on some thread.
  template <class Fn>
  void for_each_group(int64_t blocks, Fn fn) const {
    const auto group = [&](int64_t i, int) { fn(i * kOutGroup, std::min(kOutGroup, blocks - i * kOutGroup)); };
    const int64_t groups = (blocks + kOutGroup - 1) / kOutGroup;
    if (plan_.shared) return intra_for(groups, group);
    for (int64_t i = 0; i < groups; ++i) group(i, 0);
  }

  void run_chunk(const Band& band, const Chunk& chunk) const {
    for_each_group(chunk.blocks, [&](int64_t first, int64_t blocks) {
      expand(band, chunk, first, blocks);
      for (int64_t b = first; b < first + blocks; ++b) {
        for (int64_t r = 0; r < band.outs; ++r) depthwise_row(band, chunk, b, r);
        keep_rows(band, chunk, b);
      }
    });
    for_each_group(plan_.out_blocks, [&](int64_t first, int64_t blocks) { project(band, chunk, first, blocks); });
  }

  // Zeros left and right of the rows; what lies between is written before it is read.
  void clear_margins() {
    std::fill_n(zeros_, plan_.row_floats(), 0.0f);
    const int64_t left = g_.pad_left * plan_.block, right = left + g_.in_w * plan_.block;
    for (int64_t b = 0; b < plan_.chunk_blocks; ++b) {
      for (int64_t r = 0; r < g_.reach(plan_.band_rows); ++r) {
        float* row = new_ + b * plan_.new_block() + r * plan_.row_floats();
        std::fill_n(row, left, 0.0f);
        std::fill(row + right, row + plan_.row_floats(), 0.0f);
      }
    }
  }

  // The new rows of a band that lie in the image.
  std::pair<int64_t, int64_t> new_rows(const Band& band) const {
    int64_t first = band.first_new, end = band.end;
    while (first < end && !g_.inside(g_.image_row(phase_, first))) ++first;
    while (first < end && !g_.inside(g_.image_row(phase_, end - 1))) --end;
    return {first, end};
  }

  float* new_row(const Band& band, int64_t block, int64_t u) const {
    return new_ + block * plan_.new_block() + (u - band.first_new) * plan_.row_floats();
  }
  float* kept_row(int64_t wide_block, int64_t u) const {
    return kept_ + wide_block * plan_.kept_block() + u % g_.kept * plan_.row_floats();
  }
  const float* source_row(int64_t u) const { return source_ + g_.image_row(phase_, u) * g_.in_w * plan_.block; }

  // `block`: in the chunk.
  void expand(const Band& band, const Chunk& chunk, int64_t block, int64_t blocks) const {
    const auto [first, end] = new_rows(band);
    if (first == end) return;
    const int64_t channel = (chunk.first + block) * plan_.block;
    PointwiseJob job = plan_.expand;
    job.source = source_row(first);
    job.weights = plan_.expand_weights.data<float>().data() + channel * plan_.in_channels;
    job.bias = plan_.expand_bias.empty() ? nullptr : plan_.expand_bias.data() + channel;
    job.target = new_row(band, block, first) + g_.pad_left * plan_.block;
    job.out_blocks = blocks;
    job.rows = end - first;
    plan_.kernels->pointwise(job);
  }

  const float* input_row(const Band& band, const Chunk& chunk, int64_t block, int64_t u) const {
    if (!g_.inside(g_.image_row(phase_, u))) return zeros_;
    return u >= band.first_new ? new_row(band, block, u) : kept_row(chunk.first + block, u);
  }

  void depthwise_row(const Band& band, const Chunk& chunk, int64_t block, int64_t r) const {
    std::array<const float*, 8> rows{};
    for (int64_t k = 0; k < g_.kernel_h; ++k) {
      rows[static_cast<size_t>(k)] = input_row(band, chunk, block, (band.first_out + r) * g_.step + k);
    }
    const int64_t wide_block = chunk.first + block;
    DepthwiseRowJob job = plan_.depthwise;
    job.rows = rows.data();
    job.weights = plan_.depthwise_weights.data<float>().data() + wide_block * g_.kernel_h * g_.kernel_w * plan_.block;
    job.bias = plan_.depthwise_bias.empty() ? nullptr : plan_.depthwise_bias.data() + wide_block * plan_.block;
    job.target = depthwise_ + block * plan_.depthwise_block() + r * g_.out_w * plan_.block;
    plan_.kernels->depthwise_row(job);
  }

  void keep_rows(const Band& band, const Chunk& chunk, int64_t block) const {
    for (int64_t u = std::max(band.first_new, band.end - g_.kept); u < band.end; ++u) {
      if (!g_.inside(g_.image_row(phase_, u))) continue;
      std::copy_n(new_row(band, block, u), plan_.row_floats(), kept_row(chunk.first + block, u));
    }
  }

  // Blocks of the output, from the sums of this chunk and those before.
  void project(const Band& band, const Chunk& chunk, int64_t block, int64_t blocks) const {
    const int64_t first_channel = chunk.first * plan_.block;
    const int64_t offset = block * plan_.project.target_block + (phase_ + band.first_out * g_.phases) * g_.out_w * plan_.block;
    const bool last = chunk.first + chunk.blocks == plan_.wide_blocks;
    PointwiseJob job = plan_.project;
    job.in_channels = std::min(chunk.blocks * plan_.block, plan_.wide_channels - first_channel);
    job.source = depthwise_;
    job.weights = plan_.project_weights.data<float>().data() + first_channel * plan_.out_blocks * plan_.block +
                  block * plan_.block * job.in_channels;
    job.target = target_ + offset;
    if (chunk.first > 0) job.addend = job.target;
    else if (plan_.residual) job.addend = source_ + offset;
    if (!last) job.finish = {};
    else if (!plan_.project_bias.empty()) job.bias = plan_.project_bias.data() + block * plan_.block;
    job.out_blocks = blocks;
    job.rows = band.outs;
    if (g_.phases == 1) {  // rows lie behind each other
      job.count *= job.rows;
      job.rows = 1;
    }
    plan_.kernels->pointwise(job);
  }

  const BandPlan& plan_;
  const BandGeometry& g_;
  int64_t phase_;
  const float* source_;  // of the image
  float* target_;
  float *zeros_, *kept_, *new_, *depthwise_;  // see BandPlan
};

}  // namespace

void run_bands(const BandPlan& plan, const KernelArgs& args) {
  const BandGeometry& g = plan.geometry;
  const int64_t in_image = plan.in_blocks * g.in_h * g.in_w * plan.block, out_image = plan.out_blocks * g.out_h * g.out_w * plan.block;
  const auto run = [&](int64_t part, int thread) {
    const int64_t segment = part % plan.segments, phase = part / plan.segments % g.phases, image = part / plan.segments / g.phases;
    BandWorker worker(plan, phase, static_cast<const float*>(args.in[0]) + image * in_image,
                      static_cast<float*>(args.out[0]) + image * out_image,
                      reinterpret_cast<float*>(args.scratch) + thread * plan.scratch_floats());
    const int64_t rows = g.rows_of(phase);
    worker.run(rows * segment / plan.segments, rows * (segment + 1) / plan.segments);
  };
  const int64_t parts = plan.images * g.phases * plan.segments;
  if (!plan.shared) return intra_for(parts, run);
  for (int64_t part = 0; part < parts; ++part) run(part, 0);
}

}  // namespace qtool::exec
