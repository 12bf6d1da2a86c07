// The JSON sidecar of preprocessing. Text values go through the option parsers, so both accept the
// same words.
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "preprocess_names.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::data {

namespace {

using nlohmann::json;

// A value as the text that the option parser of the same name takes: 0.5 -> "0.5", [1, 2] -> "1,2".
std::string option_text(const std::string& key, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const json& item : value) items.push_back(item.dump());
    return format("{}", join(items, ","));
  }
  throw Error(
      ErrorCode::kUsage,
      format("'{}' is {}; expected a text, a number or a list of numbers", key, value.dump()));
}

Size parse_input_size(const json& value) {
  if (value.is_array() && value.size() == 2) {
    return parse_crop(format("{}x{}", value[0].dump(), value[1].dump()));
  }
  return parse_crop(option_text("input_size", value));
}

using Setter = std::function<void(PreprocessingRequest&, const json&)>;

template <class T, class Parse>
Setter field(std::optional<T> PreprocessingRequest::*member, const char* key, Parse parse) {
  return [=](PreprocessingRequest& request, const json& value) {
    request.*member = parse(option_text(key, value));
  };
}

const std::map<std::string, Setter>& setters() {
  using R = PreprocessingRequest;
  static const std::map<std::string, Setter> table{
      {"preset", field(&R::preset, "preset", parse_preset)},
      {"resize", field(&R::resize, "resize", parse_resize)},
      {"interp", field(&R::interpolation, "interp", parse_interpolation)},
      {"resampler", field(&R::resampler, "resampler", parse_resampler)},
      {"crop", field(&R::crop, "crop", parse_crop)},
      {"color", field(&R::color, "color", parse_color)},
      {"scale", field(&R::scale, "scale", parse_scale)},
      {"mean", field(&R::mean, "mean", parse_mean)},
      {"std", field(&R::std, "std", parse_std)},
      {"pad", field(&R::pad, "pad", parse_pad)},
      {"pad_at", field(&R::pad_at, "pad_at", parse_pad_at)},
      {"size_rounding", field(&R::size_rounding, "size_rounding", parse_size_rounding)},
      {"layout", field(&R::layout, "layout", parse_layout)},
      {"input_size",
       [](R& request, const json& value) { request.input_size = parse_input_size(value); }},
      {"resize_short",
       [](R& request, const json& value) {
         const std::string side = option_text("resize_short", value);
         if (side != "0") request.resize = parse_resize("short:" + side);
       }},
  };
  return table;
}

void set_key(PreprocessingRequest& request, const std::string& key, const json& value) {
  const auto found = setters().find(key);
  if (found != setters().end()) return found->second(request, value);
  std::vector<std::string> known;
  for (const auto& [name, setter] : setters()) known.push_back(name);
  throw Error(ErrorCode::kUsage, format("unknown preprocessing key '{}'{} (known: {})", key,
                                        did_you_mean(key, known), join(known, ", ")));
}

PreprocessingRequest parse(std::string_view text) {
  const json document = json::parse(text);
  if (!document.is_object())
    throw Error(ErrorCode::kUsage, "expected one JSON object of preprocessing keys");
  if (document.contains("resize") && document.contains("resize_short")) {
    throw Error(ErrorCode::kUsage, "both 'resize' and 'resize_short' are given; keep one");
  }
  PreprocessingRequest request;
  for (const auto& [key, value] : document.items()) set_key(request, key, value);
  return request;
}

}  // namespace

PreprocessingRequest parse_preprocessing_json(std::string_view text, const std::string& name) {
  try {
    return parse(text);
  } catch (const json::exception& error) {
    throw Error(ErrorCode::kUsage, format("not valid JSON: {}", error.what())).with("file", name);
  } catch (Error& error) {
    error.with("file", name);
    throw;
  }
}

std::string to_json(const Preprocessing& p) {
  nlohmann::ordered_json document;
  document["resize"] = resize_text(p.resize);
  document["interp"] = word_of(kInterpolationWords, p.interpolation);
  document["resampler"] = word_of(kResamplerWords, p.resampler);
  document["crop"] = p.crop ? format("{}x{}", p.crop->width, p.crop->height) : "none";
  document["color"] = word_of(kColorWords, p.color);
  document["scale"] = p.scale;
  if (!p.mean.empty()) document["mean"] = p.mean;
  if (!p.std.empty()) document["std"] = p.std;
  document["pad"] = p.pad;
  document["pad_at"] = word_of(kPadAtWords, p.pad_at);
  document["size_rounding"] = word_of(kSizeRoundingWords, p.size_rounding);
  document["layout"] = word_of(kLayoutWords, p.layout);
  return document.dump(2) + "\n";
}

}  // namespace qtool::data
