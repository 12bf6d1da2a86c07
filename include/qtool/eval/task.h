// What a model is measured on.
#pragma once

#include <cstdint>
#include <string_view>

namespace qtool::eval {

enum class Task : uint8_t {
  kAuto,      // decided by the kind of labels
  kClassify,  // top-1 and top-5
  kDetect,    // COCO box mAP
  kSegment,   // mean intersection over union
};

[[nodiscard]] std::string_view task_name(Task task);
// "auto", "classify", "detect", "segment"; throws Error(kUsage) with the nearest known word.
[[nodiscard]] Task parse_task(std::string_view text);

}  // namespace qtool::eval
