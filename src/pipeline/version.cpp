#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {
std::string tool_version() { return QTOOL_VERSION; }
}  // namespace qtool::pipeline
