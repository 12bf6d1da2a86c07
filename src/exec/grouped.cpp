#include "grouped.h"

#include <algorithm>
#include <memory>

#include "dense_layer.h"
#include "grouped_planes.h"
#include "qtool/ops/window.h"
#include "threads.h"

namespace qtool::exec {

namespace {

// A patch is written, then read once a tap: it stays in the second-level cache.
constexpr int64_t kPatchBytes = 256 * 1024;

struct GroupedPlan {
  GroupedJob job{};  // all but the unit, the addresses and the box
  int64_t images = 1, in_blocks = 1;
  int64_t rows = 1, columns = 1;              // output of a box
  std::vector<GroupedUnit> units;
  std::vector<int64_t> patch_taps, direct_taps;
  Tensor weights;
  std::vector<float> bias;

  [[nodiscard]] int64_t bands() const { return (job.out[1] + rows - 1) / rows; }
  [[nodiscard]] int64_t segments() const { return (job.out[2] + columns - 1) / columns; }
  [[nodiscard]] int64_t boxes() const { return job.out[0] * bands() * segments(); }
  [[nodiscard]] int64_t planes() const {
    size_t most = 0;
    for (const GroupedUnit& unit : units) most = std::max(most, unit.planes.size());
    return static_cast<int64_t>(most);
  }
  [[nodiscard]] int64_t patch_floats(int64_t block) const { return planes() * job.patch[0] * job.patch[1] * job.patch[2] * block; }
};

void set_geometry(GroupedJob& job, const ops::Window3d& window) {
  for (size_t axis = 0; axis < 3; ++axis) {
    job.in[axis] = window.input[axis];
    job.out[axis] = window.output[axis];
    job.strides[axis] = window.strides[axis];
    job.dilations[axis] = window.dilations[axis];
    job.pads[axis] = window.pads_begin[axis];
  }
  job.tap_count = window.kernel_count();
  job.adjacent_taps = window.strides[2] == 1 && window.dilations[2] == 1 ? window.kernel[2] : 0;
}

// Multiply-adds, and moves of vectors counted alike, for one vector of results. Moving a vector into a patch costs about
// as much as two multiply-adds, arranging lanes two more for each source.
double cost_of(const std::vector<GroupedUnit>& units, const ops::Window3d& window) {
  const auto taps = static_cast<double>(window.kernel_count());
  const double inputs = static_cast<double>(window.input_count()) / static_cast<double>(window.output_count());
  double cost = 0.0;
  for (const GroupedUnit& unit : units) {
    for (const GroupedPlane& plane : unit.planes) {
      const double fill = plane.straight ? 2.0 : 2.0 + 2.0 * static_cast<double>(plane.source_count);
      cost += static_cast<double>(unit.blocks * plane.lanes) * taps + fill * inputs;
    }
  }
  return cost;
}

void choose_form(GroupedPlan& plan, const GroupedChannels& channels, const ops::Window3d& window) {
  auto lanes = grouped_units(GroupedJob::kLanes, channels, window.kernel_count());
  auto broadcast = grouped_units(GroupedJob::kBroadcast, channels, window.kernel_count());
  const bool by_lanes = cost_of(lanes, window) <= cost_of(broadcast, window);
  plan.job.form = by_lanes ? GroupedJob::kLanes : GroupedJob::kBroadcast;
  plan.units = std::move(by_lanes ? lanes : broadcast);
}

// Whole rows as far as the patch allows, pieces of rows where not; at least one box for each thread.
void divide(GroupedPlan& plan, const ops::Window3d& window, int64_t block) {
  const auto reach = [&](size_t axis, int64_t outputs) {
    return (outputs - 1) * window.strides[axis] + (window.kernel[axis] - 1) * window.dilations[axis] + 1;
  };
  GroupedJob& job = plan.job;
  const int64_t floats = std::max<int64_t>(1, kPatchBytes / static_cast<int64_t>(sizeof(float)) / (plan.planes() * window.kernel[0] * block));
  const auto most = [&](size_t axis, int64_t extent) {  // outputs whose inputs are at most `extent` long
    return std::clamp<int64_t>((extent - reach(axis, 1)) / window.strides[axis] + 1, 1, job.out[axis]);
  };
  plan.columns = most(2, std::max<int64_t>(floats / reach(1, 1), 1));
  plan.rows = most(1, std::max<int64_t>(floats / reach(2, plan.columns), 1));
  const auto even = [](int64_t extent, int64_t largest) {
    const int64_t parts = (extent + largest - 1) / largest;
    return (extent + parts - 1) / parts;
  };
  const int64_t jobs = plan.images * static_cast<int64_t>(plan.units.size()) * job.out[0] * plan.segments();
  const int64_t wanted = (intra_threads() + jobs - 1) / jobs;
  plan.rows = even(job.out[1], std::min(plan.rows, std::max<int64_t>(1, job.out[1] / wanted)));
  plan.columns = even(job.out[2], plan.columns);
  job.patch[0] = window.kernel[0];
  job.patch[1] = reach(1, plan.rows);
  job.patch[2] = reach(2, plan.columns);
}

// Offsets of all taps; depths of a patch lie one behind the other whatever the dilation.
std::vector<int64_t> tap_offsets(const ops::Window3d& window, int64_t depth_stride, int64_t row_stride, int64_t block) {
  std::vector<int64_t> offsets;
  for (int64_t d = 0; d < window.kernel[0]; ++d) {
    for (int64_t r = 0; r < window.kernel[1]; ++r) {
      for (int64_t c = 0; c < window.kernel[2]; ++c) {
        offsets.push_back(d * depth_stride + r * window.dilations[1] * row_stride + c * window.dilations[2] * block);
      }
    }
  }
  return offsets;
}

std::shared_ptr<GroupedPlan> make_plan(const KernelRequest& request, const Tensor& weights, const ops::Window3d& window,
                                       const GroupedChannels& channels) {
  auto plan = std::make_shared<GroupedPlan>();
  const int64_t block = channels.block;
  plan->images = request.input_shape(0)[0];
  plan->in_blocks = (channels.in + block - 1) / block;
  set_geometry(plan->job, window);
  choose_form(*plan, channels, window);
  divide(*plan, window, block);
  const int64_t patch_row = plan->job.patch[2] * block, row = window.input[2] * block;
  plan->patch_taps = tap_offsets(window, plan->job.patch[1] * patch_row, patch_row, block);
  plan->direct_taps = tap_offsets(window, window.dilations[0] * window.input[1] * row, row, block);
  plan->weights = pack_grouped_weights(plan->job.form, channels, plan->units, weights, window.kernel_count());
  return plan;
}

// Whether every tap of the box lies in the image and every plane is a block as it lies.
bool is_direct(const GroupedJob& job, const ops::Window3d::Axes& kernel) {
  if (job.form == GroupedJob::kLanes && (job.plane_count > 1 || !job.planes->straight)) return false;
  for (size_t axis = 0; axis < 3; ++axis) {
    const int64_t begin = job.first[axis] * job.strides[axis] - job.pads[axis];
    const int64_t end = begin + (job.count[axis] - 1) * job.strides[axis] + (kernel[axis] - 1) * job.dilations[axis];
    if (begin < 0 || end >= job.in[axis]) return false;
  }
  return true;
}

void run(const GroupedPlan& plan, const FloatKernels& kernels, const ops::Window3d& window, const KernelArgs& args) {
  const auto units = static_cast<int64_t>(plan.units.size());
  const int64_t in_image = plan.in_blocks * window.input_count() * kernels.block;
  const GroupedUnit& last = plan.units.back();
  const int64_t out_image = (last.first_block + last.blocks) * window.output_count() * kernels.block;
  intra_for(plan.images * units * plan.boxes(), [&](int64_t part, int thread) {
    const int64_t box = part % plan.boxes(), image = part / plan.boxes() / units;
    const GroupedUnit& unit = plan.units[static_cast<size_t>(part / plan.boxes() % units)];
    GroupedJob job = plan.job;
    job.source = static_cast<const float*>(args.in[0]) + image * in_image;
    job.target = static_cast<float*>(args.out[0]) + image * out_image + unit.first_block * window.output_count() * kernels.block;
    job.weights = plan.weights.data<float>().data() + unit.weights_at;
    job.bias = plan.bias.empty() ? nullptr : plan.bias.data() + unit.first_block * kernels.block;
    job.scratch = reinterpret_cast<float*>(args.scratch) + thread * plan.patch_floats(kernels.block);
    job.planes = unit.planes.data();
    job.plane_count = static_cast<int64_t>(unit.planes.size());
    job.block_count = unit.blocks;
    job.block_weights = unit.block_weights;
    job.patch_taps = plan.patch_taps.data();
    job.direct_taps = plan.direct_taps.data();
    const int64_t band = box / plan.segments() % plan.bands(), segment = box % plan.segments();
    job.first[0] = box / plan.segments() / plan.bands();
    job.first[1] = band * plan.rows;
    job.first[2] = segment * plan.columns;
    job.count[0] = 1;
    job.count[1] = std::min(plan.rows, job.out[1] - job.first[1]);
    job.count[2] = std::min(plan.columns, job.out[2] - job.first[2]);
    job.direct = is_direct(job, window.kernel);
    kernels.grouped(job);
  });
}

struct Parts {
  GroupedChannels channels;
  ops::Window3d window;
};

std::optional<Parts> parts_of(const KernelRequest& request) {
  const Shape& source = request.input_shape(0);
  const int64_t block = float_kernels().block;
  if (source.rank() < 3 || source.rank() > 5 || request.block != block || request.output_shape().element_count() == 0) {
    return std::nullopt;
  }
  return Parts{{request.node.attr_int("group", 1), source[1], request.output_shape()[1], block},
               ops::as_window_3d(ops::conv_window(request.node, source, request.input_shape(1)), source)};
}

KernelChoice choice_of(const KernelRequest& request, std::shared_ptr<const GroupedPlan> plan, const ops::Window3d& window) {
  const FloatKernels& kernels = float_kernels();
  KernelChoice choice;
  choice.input_layouts = {Layout{request.block}, Layout{}, Layout{}};
  choice.output_layouts = {Layout{request.block}};
  choice.input_absorbed = {false, true, request.has_input(2)};
  choice.scratch_bytes = static_cast<size_t>(plan->patch_floats(kernels.block)) * sizeof(float) * static_cast<size_t>(intra_threads());
  choice.kernel = make_kernel([plan = std::move(plan), &kernels, window](const KernelArgs& args) { run(*plan, kernels, window, args); });
  return choice;
}

}  // namespace

std::optional<KernelChoice> grouped_conv(const KernelRequest& request) {
  const auto parts = parts_of(request);
  if (!parts) return std::nullopt;
  auto plan = make_plan(request, *request.constant(1), parts->window, parts->channels);
  plan->job.finish = finish_of(request.activation);
  plan->bias = padded_bias(request.constant(2), parts->channels.out_blocks() * parts->channels.block);
  return choice_of(request, std::move(plan), parts->window);
}

std::optional<KernelChoice> grouped_sums(const KernelRequest& request, const Tensor& weights) {
  const auto parts = parts_of(request);
  if (!parts) return std::nullopt;
  return choice_of(request, make_plan(request, weights, parts->window, parts->channels), parts->window);
}

}  // namespace qtool::exec
