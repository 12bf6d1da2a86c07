// The two FlatBuffers of a version 4.0 DLC, with their prefixes.
#pragma once

#include "qtool/container/dlc_model.h"
#include "qtool/container/dlc_writer.h"
#include "qtool/support/files.h"

namespace qtool::container {

[[nodiscard]] Bytes build_model_record(const DlcFile& file, const DlcWriteLimits& limits);
[[nodiscard]] Bytes build_params_record(const DlcFile& file, const DlcWriteLimits& limits);

}  // namespace qtool::container
