// Random image networks of the operators that have fast kernels, for comparing executors.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "exec_fixture.h"
#include "qtool/support/format.h"

namespace qtool::exec::testing {

struct RandomGraphOptions {
  bool exact_only = false;  // operators whose results do not depend on the instruction set
};

class RandomGraph {
 public:
  RandomGraph(unsigned seed, RandomGraphOptions options) : random_(seed), options_(options) {}

  ir::Graph make() {
    const int64_t batch = chance(70) ? 1 : 2;
    add(b_.input("in", {batch, pick<int64_t>({3, 8, 16, 20, 32}), pick<int64_t>({6, 8, 9}), pick<int64_t>({6, 7, 8})}));
    if (chance(80)) stem();
    const int steps = 3 + static_cast<int>(random_() % 8);
    for (int i = 0; i < steps; ++i) grow();
    for (const ir::ValueId id : values_) {
      if (b_.graph().producer(id) == ir::kNoNode) continue;
      if (b_.graph().value(id).uses.empty() || chance(15)) b_.output(id);
    }
    return b_.build().graph;
  }

 private:
  using Id = ir::ValueId;

  template <class T>
  T pick(std::initializer_list<T> options) { return *(options.begin() + random_() % options.size()); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  std::string fresh() { return format("v{}", ++count_); }

  // Types are settled as the graph grows, so that later choices know the shapes.
  Id add(Id id) {
    settle();
    values_.push_back(id);
    return id;
  }
  void settle() { ops::infer_shapes(b_.graph(), ops::builtin_registry(), {.fold_constants = false}); }
  const Shape& shape(Id id) { return b_.graph().type_of(id).shape; }
  Id any() { return chance(60) ? values_.back() : values_[random_() % values_.size()]; }
  Id any_image() {
    for (int tries = 0; tries < 20; ++tries) {
      const Id id = any();
      if (shape(id).rank() == 4 && shape(id)[2] >= 2 && shape(id)[3] >= 2 && shape(id).element_count() < 60000) return id;
    }
    return values_.front();
  }
  Id constant(Shape s, float low = -1.0f, float high = 1.0f) { return b_.random(fresh() + ".c", std::move(s), low, high); }

  void stem() { convolution(values_.front()); }

  void convolution(Id x) {
    const Shape s = shape(x);
    const int64_t channels = s[1];
    int64_t out = pick<int64_t>({5, 8, 16, 24, 32}), group = 1;
    if (chance(25)) out = group = channels;                       // depthwise
    else if (channels % 2 == 0 && out % 2 == 0 && chance(25)) group = 2;
    const int64_t k = pick<int64_t>({1, 3, 3}), dilation = s[2] >= 6 && s[3] >= 6 && chance(20) ? 2 : 1;
    const int64_t extent = (k - 1) * dilation + 1;
    Ints pads;
    for (int i = 0; i < 4; ++i) pads.push_back(static_cast<int64_t>(random_() % 2) * (extent / 2));
    if (s[2] + pads[0] + pads[2] < extent || s[3] + pads[1] + pads[3] < extent) pads.assign(4, extent / 2);
    const int64_t stride = pick<int64_t>({1, 1, 2});
    const auto bound = static_cast<float>(1.5 / std::sqrt(static_cast<double>(channels / group * k * k)));
    std::vector<Id> inputs = {x, constant({out, channels / group, k, k}, -bound, bound)};
    if (chance(75)) inputs.push_back(constant({out}, -0.5f, 0.5f));
    const Id y = add(b_.node("Conv", inputs, fresh(),
                             {{"pads", pads}, {"strides", Ints{stride, stride}}, {"dilations", Ints{dilation, dilation}},
                              {"group", group}, {"kernel_shape", Ints{k, k}}}));
    if (chance(60)) activation(y);
  }

  void activation(Id x) {
    const unsigned kind = random_() % (options_.exact_only ? 3 : 10);
    if (kind == 0 || kind == 1) add(b_.node("Relu", {x}, fresh()));
    else if (kind == 2) add(b_.node("Clip", {x, b_.scalar(chance(50) ? 0.0f : -0.5f), b_.scalar(1.5f)}, fresh()));
    else if (kind <= 5) silu(x);
    else if (kind == 6) add(b_.node("LeakyRelu", {x}, fresh(), {{"alpha", 0.1f}}));
    else if (kind == 7) add(b_.node("HardSigmoid", {x}, fresh(), {{"alpha", 0.3f}}));
    else if (kind == 8) add(b_.node("Tanh", {x}, fresh()));
    else add(b_.node(pick<const char*>({"Sigmoid", "Erf", "Exp"}), {b_tanh(x)}, fresh()));
  }
  Id b_tanh(Id x) { return add(b_.node("Tanh", {x}, fresh())); }  // bounded, so that exp stays small

  void silu(Id x) {
    const Id gate = add(b_.node("Sigmoid", {x}, fresh()));
    add(b_.node("Mul", chance(50) ? std::vector<Id>{x, gate} : std::vector<Id>{gate, x}, fresh()));
    if (chance(30)) add(b_.node("Add", {gate, x}, fresh()));
  }

  // A second operand that broadcasts against x.
  Id operand(Id x, float low, float high) {
    const Shape s = shape(x);
    Shape other = s;
    switch (random_() % 8) {
      case 0: other = Shape{}; break;
      case 1: other = Shape(std::vector<int64_t>(s.rank(), 1)); break;
      case 2: for (size_t i = 2; i < s.rank(); ++i) other[i] = 1; break;        // [N, C, 1, 1]
      case 3: for (size_t i = 0; i < s.rank(); ++i) if (i != 1) other[i] = 1; break;
      case 4: other = Shape{s[s.rank() - 1]}; break;
      case 5: if (s.rank() >= 2) other[1] = 1; break;                            // [N, 1, H, W]
      case 6: other[s.rank() - 1] = 1; break;
      default: break;
    }
    return constant(other, low, high);
  }

  void arithmetic() {
    const Id x = any();
    const std::string op = pick<const char*>({"Add", "Sub", "Mul", "Max", "Min", "Div", "Add"});
    if (op == "Div") return void(add(b_.node("Div", {x, operand(x, 0.5f, 2.0f)}, fresh())));
    Id other = operand(x, -1.0f, 1.0f);
    if (chance(50)) {
      for (const Id id : values_) if (shape(id) == shape(x) && chance(60)) other = id;
    }
    add(b_.node(op, chance(70) ? std::vector<Id>{x, other} : std::vector<Id>{other, x}, fresh()));
  }

  void squeeze_excite() {
    const Id x = any_image();
    const int64_t c = shape(x)[1];
    const Id mean = chance(50) ? add(b_.node("GlobalAveragePool", {x}, fresh()))
                               : add(b_.node("ReduceMean", {x}, fresh(), {{"axes", Ints{2, 3}}, {"keepdims", int64_t{1}}}));
    const Id gate = add(b_.node("Conv", {mean, constant({c, c, 1, 1}, -0.3f, 0.3f)}, fresh()));
    add(b_.node("Mul", chance(50) ? std::vector<Id>{x, gate} : std::vector<Id>{gate, x}, fresh()));
  }

  void pool() {
    const Id x = any_image();
    const Shape s = shape(x);
    const int64_t k = std::min({pick<int64_t>({2, 3}), s[2], s[3]});
    Attributes attributes{{"kernel_shape", Ints{k, k}}, {"strides", Ints{2, 2}}};
    if (k == 3 && chance(60)) attributes["pads"] = Ints{1, 1, 1, 1};
    if (k == 3 && chance(20)) attributes["pads"] = Ints{0, 1, 1, 0};
    if (chance(30)) attributes["ceil_mode"] = int64_t{1};
    const bool average = chance(50);
    if (average && chance(50)) attributes["count_include_pad"] = int64_t{1};
    add(b_.node(average ? "AveragePool" : "MaxPool", {x}, fresh(), attributes));
  }

  void concat() {
    const Id x = any();
    const Shape s = shape(x);
    if (s.rank() < 2) return;
    const size_t axis = chance(85) ? 1 : random_() % s.rank();
    std::vector<Id> parts = {x};
    for (const Id id : values_) {
      const Shape other = shape(id);
      bool fits = other.rank() == s.rank() && parts.size() < 4;
      for (size_t i = 0; fits && i < s.rank(); ++i) fits = i == axis || other[i] == s[i];
      if (fits && chance(50)) parts.push_back(id);
    }
    if (chance(30)) {
      Shape extra = s;
      extra[axis] = pick<int64_t>({1, 3, 8, 16});
      parts.insert(parts.begin() + static_cast<long>(random_() % (parts.size() + 1)), constant(extra));
    }
    std::shuffle(parts.begin(), parts.end(), random_);
    if (chance(30)) parts.push_back(convolved_for(s, axis));
    add(b_.node("Concat", parts, fresh(), {{"axis", static_cast<int64_t>(axis) - (chance(20) ? static_cast<int64_t>(s.rank()) : 0)}}));
  }

  // A value that fits a channel Concat with shape s, produced by a convolution of its own.
  Id convolved_for(const Shape& s, size_t axis) {
    if (s.rank() != 4 || axis != 1) {
      Shape same = s;
      same[axis] = 2;
      return constant(same);
    }
    const int64_t out = pick<int64_t>({4, 8, 16, 24});
    for (const Id id : values_) {
      const Shape from = shape(id);
      if (from.rank() == 4 && from[0] == s[0] && from[2] == s[2] && from[3] == s[3]) {
        return add(b_.node("Conv", {id, constant({out, from[1], 1, 1}, -0.3f, 0.3f)}, fresh()));
      }
    }
    return constant({s[0], out, s[2], s[3]});
  }

  void split() {
    const Id x = any();
    const Shape s = shape(x);
    if (s.rank() < 2) return;
    const size_t axis = chance(85) ? 1 : s.rank() - 1;
    if (s[axis] < 2) return;
    int64_t cut = 1 + static_cast<int64_t>(random_() % static_cast<unsigned>(s[axis] - 1));
    if (s[axis] % 2 == 0 && chance(60)) cut = s[axis] / 2;
    if (s[axis] > 16 && chance(30)) cut = 16;
    const auto parts = b_.nodes("Split", {x, b_.constant(fresh() + ".sizes", ints({cut, s[axis] - cut}))}, {fresh(), fresh()},
                                {{"axis", static_cast<int64_t>(axis)}});
    for (const Id part : parts) add(part);
    if (chance(40)) {
      std::vector<Id> again = {parts[1], parts[0]};
      if (chance(50)) again.push_back(parts[0]);
      add(b_.node("Concat", again, fresh(), {{"axis", static_cast<int64_t>(axis)}}));
    }
  }

  void slice() {
    const Id x = any();
    const Shape s = shape(x);
    if (s.rank() < 1) return;
    const size_t axis = s.rank() > 1 && chance(70) ? 1 : random_() % s.rank();
    const int64_t begin = s[axis] > 16 && chance(40) ? 16 : static_cast<int64_t>(random_() % static_cast<unsigned>(s[axis]));
    const int64_t end = chance(50) ? int64_t{1} << 40 : begin + 1 + static_cast<int64_t>(random_() % static_cast<unsigned>(s[axis] - begin));
    std::vector<Id> inputs = {x, b_.constant(fresh() + ".starts", ints({begin - (chance(30) ? s[axis] : 0)})),
                              b_.constant(fresh() + ".ends", ints({end})),
                              b_.constant(fresh() + ".axes", ints({static_cast<int64_t>(axis)}))};
    if (chance(30)) inputs.push_back(b_.constant(fresh() + ".steps", ints({chance(50) ? int64_t{1} : int64_t{2}})));
    add(b_.node("Slice", inputs, fresh()));
  }

  void blocks(Id x, const Shape& s) {
    const std::string mode = chance(50) ? "CRD" : "DCR";
    if (s[1] % 4 == 0) add(b_.node("DepthToSpace", {x}, fresh(), {{"blocksize", int64_t{2}}, {"mode", mode}}));
    else if (s[2] % 2 == 0 && s[3] % 2 == 0) add(b_.node("SpaceToDepth", {x}, fresh(), {{"blocksize", int64_t{2}}}));
  }

  void move() {
    const Id x = any();
    const Shape s = shape(x);
    if (s.rank() == 4 && chance(40)) {
      blocks(x, s);
    } else if (chance(50)) {
      Ints perm(s.rank());
      for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
      std::shuffle(perm.begin(), perm.end(), random_);
      add(b_.node("Transpose", {x}, fresh(), {{"perm", perm}}));
    } else if (chance(40)) {
      add(b_.node("Identity", {x}, fresh()));
    } else if (s.rank() == 4) {
      const Id flat = add(b_.node("Reshape", {x, b_.constant(fresh() + ".shape", ints({s[0], s[1], s[2] * s[3]}))}, fresh()));
      if (chance(50)) add(b_.node("Relu", {flat}, fresh()));
      if (chance(60)) add(b_.node("Reshape", {values_.back(), b_.constant(fresh() + ".shape", ints(s.dims()))}, fresh()));
    } else {
      add(b_.node("Flatten", {x}, fresh()));
    }
  }

  void resize() {
    const Id x = any_image();
    const Shape s = shape(x);
    if (s.element_count() > 20000) return;
    const bool linear = !options_.exact_only && chance(50);
    Attributes attributes{{"mode", std::string(linear ? "linear" : "nearest")},
                          {"coordinate_transformation_mode",
                           std::string(pick<const char*>({"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"}))}};
    if (!linear) attributes["nearest_mode"] = std::string(pick<const char*>({"floor", "round_prefer_floor", "ceil"}));
    const Id none = b_.constant(fresh() + ".none", Tensor(DType::kFloat32, {0}));
    add(b_.node("Resize", {x, none, none, b_.constant(fresh() + ".sizes", ints({s[0], s[1], s[2] * 2, s[3] + 3}))}, fresh(), attributes));
  }

  void normalise() {
    const Id x = any();
    const Shape s = shape(x);
    if (s.rank() == 0) return;
    if (chance(50)) {
      add(b_.node("Softmax", {x}, fresh(), {{"axis", static_cast<int64_t>(random_() % s.rank())}}));
      return;
    }
    const int64_t n = s[s.rank() - 1];
    if (n < 4) return;
    std::vector<Id> inputs = {x, constant({n})};
    if (chance(60)) inputs.push_back(constant({n}));
    add(b_.node("LayerNormalization", inputs, fresh(), {{"axis", int64_t{-1}}, {"epsilon", 1e-2f}}));
  }

  void product() {
    const Id x = any();
    const Shape s = shape(x);
    if (s.rank() < 2) return;
    const int64_t k = s[s.rank() - 1], n = pick<int64_t>({1, 5, 16, 19});
    const auto bound = static_cast<float>(1.5 / std::sqrt(static_cast<double>(k)));
    if (s.rank() == 2) {
      const bool transposed = chance(50);
      std::vector<Id> inputs = {x, constant(transposed ? Shape{n, k} : Shape{k, n}, -bound, bound)};
      if (chance(70)) inputs.push_back(constant(pick<int>({0, 1}) ? Shape{n} : Shape{1, n}));
      const Id y = add(b_.node("Gemm", inputs, fresh(), {{"transB", int64_t{transposed}}, {"alpha", chance(70) ? 1.0f : 0.5f},
                                                          {"beta", chance(70) ? 1.0f : 0.25f}}));
      if (chance(50)) activation(y);
      return;
    }
    add(b_.node("MatMul", {x, constant({k, n}, -bound, bound)}, fresh()));
  }

  void transposed_convolution() {
    const Id x = any_image();
    const Shape s = shape(x);
    if (s.element_count() > 10000) return;
    const int64_t group = s[1] % 2 == 0 && chance(30) ? 2 : 1, out = pick<int64_t>({3, 8, 16});
    const auto bound = static_cast<float>(1.5 / std::sqrt(static_cast<double>(s[1] * 4)));
    std::vector<Id> inputs = {x, constant({s[1], out, 3, 3}, -bound, bound)};
    if (chance(60)) inputs.push_back(constant({out * group}));
    add(b_.node("ConvTranspose", inputs, fresh(), {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"group", group},
                                                    {"output_padding", Ints{1, 1}}}));
  }

  void grow() {
    switch (random_() % 14) {
      case 0: case 1: case 2: return convolution(any_image());
      case 3: return activation(any());
      case 4: case 5: return arithmetic();
      case 6: return chance(40) ? squeeze_excite() : pool();
      case 7: case 8: return concat();
      case 9: return split();
      case 10: return slice();
      case 11: return move();
      case 12: return chance(40) ? resize() : chance(50) ? transposed_convolution() : pool();
      default: return options_.exact_only || chance(50) ? product() : normalise();
    }
  }

  std::mt19937 random_;
  RandomGraphOptions options_;
  GraphBuilder b_{17};
  std::vector<Id> values_;
  int count_ = 0;
};

inline ir::Graph random_graph(unsigned seed, RandomGraphOptions options = {}) { return RandomGraph(seed, options).make(); }

}  // namespace qtool::exec::testing
