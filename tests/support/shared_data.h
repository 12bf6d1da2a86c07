// Where the optional real models and images are; tests that need them skip with a message.
#pragma once

#include <filesystem>
#include <string>

namespace qtool::testing {

inline std::filesystem::path shared_data() { return std::filesystem::path(QTOOL_SOURCE_DIR) / ".." / "shared" / "data"; }

}  // namespace qtool::testing

#define QTOOL_NEEDS_SHARED_DATA()                                                            \
  if (!std::filesystem::exists(::qtool::testing::shared_data() / "models")) {                \
    GTEST_SKIP() << "the real models are not here (expected beside the repository in shared/data)"; \
  }
