#include "qtool/eval/task.h"

#include <array>
#include <string>
#include <vector>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::eval {

namespace {

constexpr std::array kTasks{Task::kAuto, Task::kClassify, Task::kDetect, Task::kSegment};

}  // namespace

std::string_view task_name(Task task) {
  switch (task) {
    case Task::kAuto:
      return "auto";
    case Task::kClassify:
      return "classify";
    case Task::kDetect:
      return "detect";
    case Task::kSegment:
      return "segment";
  }
  return "?";
}

Task parse_task(std::string_view text) {
  std::vector<std::string> known;
  for (const Task task : kTasks) {
    if (task_name(task) == text) return task;
    known.emplace_back(task_name(task));
  }
  throw Error(ErrorCode::kUsage, format("unknown task '{}'{} (known: {})", text,
                                        did_you_mean(text, known), join(known, ", ")));
}

}  // namespace qtool::eval
