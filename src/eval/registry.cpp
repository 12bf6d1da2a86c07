#include "qtool/eval/registry.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::eval {

namespace {

std::string outputs_text(const DetectorSignature& signature) {
  std::string text;
  for (const DetectorOutput& output : signature.outputs) {
    text += format("{}{} {}", text.empty() ? "" : ", ", output.name, output.shape.text());
  }
  return text;
}

}  // namespace

void Registry::add(DetectionDecoder decoder) {
  const std::string name = decoder.name;
  if (!decoders_.emplace(name, std::move(decoder)).second) {
    throw Error(ErrorCode::kInternal, format("detection decoder '{}' is registered twice", name));
  }
}

const DetectionDecoder& Registry::at(std::string_view name) const {
  const auto found = decoders_.find(name);
  if (found == decoders_.end()) {
    throw Error(ErrorCode::kUsage, format("unknown detection decoder '{}'{} (known: auto, {})",
                                          name, did_you_mean(name, names()), join(names(), ", ")));
  }
  return found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> list;
  for (const auto& [name, decoder] : decoders_) list.push_back(name);
  return list;
}

const DetectionDecoder& Registry::choose(std::string_view name,
                                         const DetectorSignature& signature) const {
  if (!name.empty() && name != "auto") {
    const DetectionDecoder& decoder = at(name);
    if (decoder.class_count(signature) > 0) return decoder;
    throw Error(ErrorCode::kUsage, format("decoder '{}' ({}) cannot read the model's outputs: {}",
                                          decoder.name, decoder.summary, outputs_text(signature)));
  }
  std::vector<std::string> matching;
  for (const auto& [key, decoder] : decoders_) {
    if (decoder.matches(signature)) matching.push_back(key);
  }
  if (matching.size() == 1) return at(matching.front());
  if (matching.empty()) {
    throw Error(ErrorCode::kUnsupported,
                format("no detection decoder recognises the outputs {}; name one of: {}",
                       outputs_text(signature), join(names(), ", ")));
  }
  throw Error(ErrorCode::kUnsupported,
              format("the outputs {} fit several detection decoders; name the right one of: {}",
                     outputs_text(signature), join(matching, ", ")));
}

const Registry& builtin_registry() {
  static const Registry registry = [] {
    Registry table;
    register_builtin(table);
    return table;
  }();
  return registry;
}

}  // namespace qtool::eval
