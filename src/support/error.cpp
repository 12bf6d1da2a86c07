#include "qtool/support/error.h"

#include <algorithm>

#include "qtool/support/format.h"

namespace qtool {

Error& Error::with(std::string_view key, std::string_view value) {
  const bool known = std::any_of(context_.begin(), context_.end(),
                                 [&](const auto& pair) { return pair.first == key; });
  if (!known) {
    context_.emplace_back(key, value);
    render();
  }
  return *this;
}

void Error::render() {
  rendered_ = message_;
  for (size_t i = 0; i < context_.size(); ++i) {
    rendered_ += format("{}{}: {}", i == 0 ? " (" : ", ", context_[i].first, context_[i].second);
  }
  if (!context_.empty()) rendered_ += ")";
}

void fail_check(const char* expression, const char* file, int line) {
  const std::string_view path(file);
  const size_t slash = path.rfind('/');
  throw Error(ErrorCode::kInternal,
              format("internal check failed: {} at {}:{}; please report this", expression,
                     slash == std::string_view::npos ? path : path.substr(slash + 1), line));
}

}  // namespace qtool
