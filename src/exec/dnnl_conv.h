// Convolutions on oneDNN: how a layer is described to it, which of its kernels is taken, weights in the form it wants.
#pragma once

#include <optional>
#include <string>

#include "dnnl_support.h"
#include "qtool/exec/kernel.h"

namespace qtool::exec::dnnl_conv {

using Dims = dnnl::memory::dims;

struct Geometry {
  bool transposed = false;
  Shape source, target;
  int64_t groups = 1;
  Dims weight_dims;      // [g,] out, in, kernel...
  Dims weight_strides;   // of the ONNX tensor seen as weight_dims
  Dims strides, dilations, pads_begin, pads_end;
  int64_t out_channels = 0;
};

// nullopt for ranks that oneDNN does not have and for empty results.
[[nodiscard]] std::optional<Geometry> geometry_of(const KernelRequest& request, bool transposed);

struct Primitive {
  dnnl::primitive primitive;
  dnnl::memory::desc source, weights, bias, target, scratchpad;
  std::string impl;
};

struct Chosen {
  Primitive primitive;
  Layout from, to;
};

enum class Accept { kFast, kAny };

// Blocked first; a few input channels stay plain; plain GEMM form where the blocked one has no fast kernel. Of activations
// ReLU and clip are applied inside. kAny also takes oneDNN's plain loops.
[[nodiscard]] std::optional<Chosen> choose_primitive(const KernelRequest& request, const Geometry& g, bool with_bias,
                                                     const FusedActivation& activation, Accept accept = Accept::kFast);

// Whether oneDNN has a kernel for these groups that keeps channel blocks: depthwise, or groups of whole blocks. Its 1x1
// kernel for groups and some depthwise ones are slower than ours.
[[nodiscard]] bool groups_suit(const KernelRequest& request, const Geometry& g);

// ONNX weights as the primitive wants them.
[[nodiscard]] Tensor pack_weights(const Geometry& g, const Primitive& p, const Tensor& weights);

// `bias` may be null. `scratch`: scratchpad.get_size() bytes.
void execute(const Primitive& p, const void* source, const Tensor& weights, const Tensor* bias, void* target, std::byte* scratch);

}  // namespace qtool::exec::dnnl_conv
