// The detection decoders. Files in src/eval/builtin each add one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/eval/decoder.h"

namespace qtool::eval {

class Registry {
 public:
  void add(DetectionDecoder decoder);
  // Throws Error(kUsage) with the nearest known name.
  [[nodiscard]] const DetectionDecoder& at(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;

  // The decoder called `name`, or with "" or "auto" the only one that recognises the outputs.
  // Throws Error(kUsage) when the named one cannot read these shapes, Error(kUnsupported) when none
  // or several recognise them.
  [[nodiscard]] const DetectionDecoder& choose(std::string_view name,
                                               const DetectorSignature& signature) const;

 private:
  std::map<std::string, DetectionDecoder, std::less<>> decoders_;
};

void register_builtin(Registry& registry);
[[nodiscard]] const Registry& builtin_registry();

}  // namespace qtool::eval
