#include "recipe_fields.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "qtool/calib/registry.h"
#include "qtool/quant/symmetry_name.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using Json = RecipeField::Json;
using C = QuantizeConfig;
using Kind = passes::PrecisionRule::Kind;

template <class T>
constexpr std::string_view kTypeName = "integer";
template <>
constexpr std::string_view kTypeName<std::string> = "string";
template <>
constexpr std::string_view kTypeName<bool> = "boolean";
template <>
constexpr std::string_view kTypeName<double> = "number";
template <>
constexpr std::string_view kTypeName<std::vector<std::string>> = "list of strings";

// A member, or what `member(config)` refers to.
template <class Member>
RecipeField value_of(std::string_view key, Member member, std::string_view summary) {
  using T = std::remove_cvref_t<std::invoke_result_t<Member, C&>>;
  return {key, kTypeName<T>, summary, [member](const C& c) { return Json(std::invoke(member, c)); },
          [member](C& c, const Json& value) { std::invoke(member, c) = value.get<T>(); }};
}

RecipeField bits_of(std::string_view key, std::optional<int> C::*member, std::string_view summary) {
  return {key, "integer", summary, [member](const C& c) { return c.*member ? Json(*(c.*member)) : Json(nullptr); },
          [member](C& c, const Json& value) { c.*member = value.get<int>(); }};
}

// Spellings of other tools are read too; what is written is ours.
RecipeField method_of(std::string_view key, std::string C::*member, std::string_view summary) {
  return {key, "string", summary, [member](const C& c) { return (c.*member).empty() ? Json(nullptr) : Json(c.*member); },
          [member](C& c, const Json& value) { c.*member = calib::builtin_registry().at(value.get<std::string>()).name; }};
}

RecipeField schema_of(std::string_view key, std::optional<quant::Symmetry> C::*member, std::string_view summary) {
  return {key, "string", summary, [member](const C& c) { return c.*member ? Json(quant::symmetry_name(*(c.*member))) : Json(nullptr); },
          [member](C& c, const Json& value) { c.*member = quant::parse_symmetry(value.get<std::string>()); }};
}

// The precision options in the order that lists of a recipe are applied in: a later one is stronger.
struct RuleKind {
  std::string_view key;
  Kind kind;
  int bits;
};
constexpr auto kRuleKinds = std::to_array<RuleKind>({{"float", Kind::kFloat, 0}, {"act16", Kind::kActivation, 16}, {"act8", Kind::kActivation, 8},
                                                     {"w16", Kind::kWeight, 16}, {"w8", Kind::kWeight, 8}, {"w4", Kind::kWeight, 4}});

const RuleKind& kind_of(const passes::PrecisionRule& rule) {
  return *std::ranges::find_if(kRuleKinds, [&](const RuleKind& known) { return known.kind == rule.kind && known.bits == rule.bits; });
}

const RuleKind& kind_named(std::string_view key) {
  const auto found = std::ranges::find(kRuleKinds, key, &RuleKind::key);
  if (found == kRuleKinds.end()) {
    throw Error(ErrorCode::kInvalidData, format("option 'precision': '{}' is none of float, act16, act8, w16, w8, w4; write a rule as \"act16 GLOB\"", key));
  }
  return *found;
}

passes::PrecisionRule make_rule(const RuleKind& kind, std::string pattern) {
  return {.kind = kind.kind, .bits = kind.bits, .pattern = std::move(pattern), .option = "--" + std::string(kind.key)};
}

// Whether lists by kind say the same as the rules in their order.
bool lists_suffice(const C& c) { return std::ranges::is_sorted(c.precision, {}, [](const auto& rule) { return &kind_of(rule); }); }

// --float, --act16 and their like. A list replaces what the same option said before.
RecipeField rules_of(std::string_view key, std::string_view summary) {
  const RuleKind& kind = kind_named(key);
  const auto is_ours = [&kind](const passes::PrecisionRule& rule) { return &kind_of(rule) == &kind; };
  return {key, "list of strings", summary,
          [is_ours](const C& c) {
            Json patterns = Json::array();
            for (const auto& rule : c.precision) {
              if (lists_suffice(c) && is_ours(rule)) patterns.push_back(rule.pattern);
            }
            return patterns.empty() ? Json(nullptr) : patterns;
          },
          [=](C& c, const Json& value) {
            std::erase_if(c.precision, is_ours);
            for (const Json& pattern : value) c.precision.push_back(make_rule(kind, pattern.get<std::string>()));
          }};
}

// "act16 GLOB": all rules in their order.
RecipeField ordered_rules() {
  return {"precision", "list of strings", "all of these in an order of one's own, as \"act16 GLOB\"; a later one is stronger",
          [](const C& c) {
            Json rules = Json::array();
            for (const auto& rule : c.precision) rules.push_back(format("{} {}", kind_of(rule).key, rule.pattern));
            return lists_suffice(c) ? Json(nullptr) : rules;
          },
          [](C& c, const Json& value) {
            c.precision.clear();
            for (const std::string text : value) {
              const size_t blank = std::min(text.find(' '), text.size());
              c.precision.push_back(make_rule(kind_named(text.substr(0, blank)), text.substr(std::min(blank + 1, text.size()))));
            }
          }};
}

std::vector<RecipeField> make_fields() {
  return {
      value_of("profile", &C::profile, "target profile: name or file"),
      bits_of("bias_bitwidth", &C::bias_bitwidth, "8 or 32"),
      bits_of("act_bitwidth", &C::act_bitwidth, "8 or 16"),
      bits_of("weights_bitwidth", &C::weights_bitwidth, "4, 8 or 16"),
      value_of("use_per_channel_quantization", &C::per_channel, "symmetric per-channel convolution weights"),
      value_of("use_symmetric_quantize_weights", &C::symmetric_weights, "symmetric weights"),
      method_of("act_quantizer_calibration", &C::activation_method, "calibration method of activations"),
      method_of("param_quantizer_calibration", &C::weight_method, "calibration method of weights"),
      value_of("percentile_calibration_value", &C::percentile, "share kept by the percentile method"),
      schema_of("act_quantizer_schema", &C::activation_schema, "asymmetric, symmetric, strictsymmetric, unsignedsymmetric"),
      schema_of("param_quantizer_schema", &C::weight_schema, "the same for weights"),
      rules_of("float", "operators left in float: globs on node or tensor names, or operator types"),
      rules_of("act16", "16-bit outputs; stronger than float"),
      rules_of("act8", "8-bit outputs; stronger than float and act16"),
      rules_of("w16", "16-bit weights, by operator or weight name"),
      rules_of("w8", "8-bit weights; stronger than w16"),
      rules_of("w4", "4-bit weights; stronger than w16 and w8"),
      ordered_rules(),
      value_of("weight_block_size", [](auto& c) -> auto& { return c.blocks.block_size; }, "a scale for every N input channels, for weights of 4 bits and less"),
      {"lpbq", "boolean", "block scales as integers times a scale a channel", [](const C& c) { return Json(c.blocks.decompressed_bits > 0); },
       [](C& c, const Json& value) { c.blocks.decompressed_bits = value.get<bool>() ? 8 : 0; }},
      {"quantization_overrides", "path", "encodings to keep; relative to the recipe",
       [](const C& c) { return c.overrides.file.empty() ? Json(nullptr) : Json(c.overrides.file.filename().string()); },
       [](C& c, const Json& value) { c.overrides.file = value.get<std::string>(); }},
      value_of("ignore-encodings", [](auto& c) -> auto& { return c.overrides.ignore; }, "do not use these encodings"),
      value_of("allow-unknown-encodings", [](auto& c) -> auto& { return c.overrides.allow_unknown; }, "entries for tensors that the model does not have are warnings"),
      value_of("min-range", &C::min_range, "smallest range: a name or a number"),
      value_of("concat_policy", &C::concat_policy, "own, tie or auto"),
      {"no-bias-overflow-guard", "boolean", "weight scales are not enlarged for int32 biases that do not fit", [](const C& c) { return Json(!c.bias_overflow_guard); },
       [](C& c, const Json& value) { c.bias_overflow_guard = !value.get<bool>(); }},
      value_of("optimizations", &C::optimizations, "stages, see `qtool list stages`"),
      value_of("wide-activations", &C::wide_activations, "tensors whose quantizers get 16 bits, as a search found them"),
      value_of("wide-weights", &C::wide_weights, "weights with 16 bits, as a search found them"),
      value_of("outputs-min-max", &C::outputs_min_max, "last layers, outputs and 16-bit tensors keep min-max under any calibration method"),
      bits_of("keep-aside", &C::keep_aside, "calibration samples that ranges do not see"),
      value_of("accept", &C::accept, "auto: a stage is kept only if it measures better; always"),
      value_of("cle-relu6", &C::relu6, "equalization across ReLU6: auto, keep, replace"),
      value_of("adaround-method", &C::adaround_method, "descent, classic or nearest"),
      value_of("seed", [](auto& c) -> auto& { return c.adaround.seed; }, "of what is drawn in rounding"),
      value_of("adaround-8bit-share", [](auto& c) -> auto& { return c.adaround.wide_share; }, "descent: share of the weights that may get 8 bits where 4 cannot be borne"),
      value_of("adaround-blocks", [](auto& c) -> auto& { return c.adaround.blocks; }, "descent: layers are also rounded against the end of their block"),
      value_of("adaround-tabu", [](auto& c) -> auto& { return c.adaround.tabu; }, "descent: a tabu search behind the coordinate descent"),
      value_of("adaround-iterations", [](auto& c) -> auto& { return c.adaround.classic.iterations; }, "classic: steps a layer; 0: as published"),
      value_of("adaround-lambda", [](auto& c) -> auto& { return c.adaround.classic.regularization; }, "classic: weight of the rounding loss"),
      {"adaround-beta-range", "list of numbers", "classic: exponent of the rounding loss, start and end",
       [](const C& c) { return Json{c.adaround.classic.beta_start, c.adaround.classic.beta_end}; },
       [](C& c, const Json& value) { c.adaround.classic.beta_start = value.at(0), c.adaround.classic.beta_end = value.at(1); }},
      value_of("adaround-warm-start", [](auto& c) -> auto& { return c.adaround.classic.warm_start; }, "classic: share of the steps without rounding loss"),
      value_of("adaround-learning-rate", [](auto& c) -> auto& { return c.adaround.classic.learning_rate; }, "classic: of Adam"),
      value_of("adaround-batch", [](auto& c) -> auto& { return c.adaround.classic.batch_rows; }, "classic: sampled output pixels a step"),
  };
}

bool all_of(const Json& value, bool (Json::*is)() const noexcept) {
  return value.is_array() && std::ranges::all_of(value, [is](const Json& item) { return (item.*is)(); });
}

}  // namespace

std::span<const RecipeField> recipe_fields() {
  static const std::vector<RecipeField> fields = make_fields();
  return fields;
}

bool fits(const RecipeField& field, const Json& value) {
  if (field.type == "string" || field.type == "path") return value.is_string();
  if (field.type == "boolean") return value.is_boolean();
  if (field.type == "number") return value.is_number();
  if (field.type == "integer") return value.is_number_integer();
  if (field.type == "list of numbers") return value.size() == 2 && all_of(value, &Json::is_number);
  return all_of(value, &Json::is_string);
}

}  // namespace qtool::pipeline
