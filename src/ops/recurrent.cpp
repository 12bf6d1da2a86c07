#include "qtool/ops/recurrent.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

struct ActivationInfo {
  RecurrentActivation defaults;
  int parameters;  // how many of alpha and beta it consumes from the attribute lists
};

const ActivationInfo kActivations[] = {
    {{"Relu", 0, 0, [](double x, double, double) { return std::max(x, 0.0); }}, 0},
    {{"Tanh", 0, 0, [](double x, double, double) { return std::tanh(x); }}, 0},
    {{"Sigmoid", 0, 0, [](double x, double, double) { return 1.0 / (1.0 + std::exp(-x)); }}, 0},
    {{"Softsign", 0, 0, [](double x, double, double) { return x / (1.0 + std::abs(x)); }}, 0},
    {{"Softplus", 0, 0, [](double x, double, double) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }}, 0},
    {{"LeakyRelu", 0.01, 0, [](double x, double a, double) { return x >= 0.0 ? x : a * x; }}, 1},
    {{"ThresholdedRelu", 1.0, 0, [](double x, double a, double) { return x >= a ? x : 0.0; }}, 1},
    {{"Elu", 1.0, 0, [](double x, double a, double) { return x >= 0.0 ? x : a * std::expm1(x); }}, 1},
    {{"Affine", 1.0, 0, [](double x, double a, double b) { return a * x + b; }}, 2},
    {{"ScaledTanh", 1.0, 1.0, [](double x, double a, double b) { return a * std::tanh(b * x); }}, 2},
    {{"HardSigmoid", 0.2, 0.5, [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }}, 2},
};

struct CellKind {
  std::string_view type;
  RecurrentCell cell;
  int64_t gates;
  std::vector<std::string> activations;
  std::string_view flag;
};

// nullptr for other operators.
const CellKind* find_cell_kind(const ir::Node& node) {
  static const CellKind kinds[] = {
      {"RNN", RecurrentCell::kRnn, 1, {"Tanh"}, ""},
      {"GRU", RecurrentCell::kGru, 3, {"Sigmoid", "Tanh"}, "linear_before_reset"},
      {"LSTM", RecurrentCell::kLstm, 4, {"Sigmoid", "Tanh", "Tanh"}, "input_forget"},
  };
  const auto* kind = std::ranges::find(kinds, node.op_type, &CellKind::type);
  return kind == std::end(kinds) || !node.domain.empty() ? nullptr : kind;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// The attribute lists hold values only for functions that take them, in the order of the functions.
std::vector<RecurrentActivation> read_activations(const ir::Node& node, const std::vector<std::string>& fallback, int64_t directions) {
  std::vector<std::string> names;
  if (const auto at = node.attributes.find("activations"); at != node.attributes.end()) {
    if (const auto* list = std::get_if<std::vector<std::string>>(&at->second)) names = *list;
  }
  const size_t wanted = fallback.size() * static_cast<size_t>(directions);
  for (int64_t d = 0; names.size() < wanted && d < directions; ++d) names.insert(names.end(), fallback.begin(), fallback.end());
  const std::vector<float> alphas = node.attr_floats("activation_alpha"), betas = node.attr_floats("activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  std::vector<RecurrentActivation> result;
  for (const std::string& name : names) {
    const auto* info = std::ranges::find_if(kActivations, [&](const ActivationInfo& entry) { return same_name(entry.defaults.name, name); });
    if (info == std::end(kActivations)) throw Error(ErrorCode::kUnsupported, format("activation '{}'", name));
    RecurrentActivation activation = info->defaults;
    if (info->parameters >= 1 && next_alpha < alphas.size()) activation.alpha = static_cast<double>(alphas[next_alpha++]);
    if (info->parameters >= 2 && next_beta < betas.size()) activation.beta = static_cast<double>(betas[next_beta++]);
    result.push_back(activation);
  }
  return result;
}

}  // namespace

Recurrent read_recurrent(const ir::Node& node, const Shape& x, const Shape& w, const Shape& r) {
  const CellKind* found = find_cell_kind(node);
  if (found == nullptr) throw Error(ErrorCode::kInternal, format("{} is no recurrent operator", node.op_type));
  const CellKind& kind = *found;
  const std::string direction = node.attr_string("direction", "forward");
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  const bool batch_first = node.attr_int("layout", 0) != 0;
  const bool fits = x.rank() == 3 && w.rank() == 3 && r.rank() == 3 && w[0] == directions && r[0] == directions && w[2] == x[2] &&
                    r[1] == kind.gates * r[2] && w[1] == r[1];
  if (!fits) {
    throw Error(ErrorCode::kInvalidModel, format("weights {} and {} do not fit an input {} in direction '{}'", w.text(),
                                                 r.text(), x.text(), direction));
  }
  return {.cell = kind.cell,
          .gates = kind.gates,
          .sequence = x[batch_first ? 1 : 0],
          .batch = x[batch_first ? 0 : 1],
          .inputs = x[2],
          .directions = directions,
          .hidden = r[2],
          .batch_first = batch_first,
          .reverse = direction == "reverse",
          .flag = !kind.flag.empty() && node.attr_int(kind.flag, 0) != 0,
          .clip = node.has_attribute("clip") ? static_cast<double>(node.attr_float("clip", 0.0f)) : HUGE_VAL,
          .activations = read_activations(node, kind.activations, directions)};
}

bool is_recurrent(const ir::Node& node) { return find_cell_kind(node) != nullptr; }

std::span<const size_t> whole_weights(const ir::Node& node) {
  static constexpr size_t kSlots[] = {kInputWeights, kRecurrentWeights};
  return is_recurrent(node) ? std::span<const size_t>(kSlots) : std::span<const size_t>();
}

Shape Recurrent::sequence_shape() const {
  return batch_first ? Shape{batch, sequence, directions, hidden} : Shape{sequence, directions, batch, hidden};
}

Shape Recurrent::state_shape() const { return batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden}; }

int64_t Recurrent::sequence_row(int64_t t, int64_t direction, int64_t b) const {
  return (batch_first ? (b * sequence + t) * directions + direction : (t * directions + direction) * batch + b) * hidden;
}

int64_t Recurrent::state_row(int64_t direction, int64_t b) const {
  return (batch_first ? b * directions + direction : direction * batch + b) * hidden;
}

size_t Recurrent::activations_per_direction() const { return activations.size() / static_cast<size_t>(directions); }

}  // namespace qtool::ops
