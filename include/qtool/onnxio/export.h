// ir::Graph -> the bytes of an ONNX file.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "qtool/ir/graph.h"
#include "qtool/support/files.h"

namespace qtool::onnxio {

struct ExportOptions {
  int64_t ir_version = 8;
  // Written as the model's producer; no time, path or host goes into the file.
  std::string producer_name = "qtool";
  std::string producer_version;
  std::map<std::string, std::string> metadata;
  // Versions of operator sets by domain ("" is ai.onnx). A domain that is not given gets the highest version that one of
  // its nodes was written for. Nodes of ai.onnx that were written for an older one are brought to it (opset_upgrade.h).
  std::map<std::string, int64_t> opsets;
  // Known types of inner tensors are written as value_info.
  bool write_inner_types = true;
};

// The same graph and options give the same bytes. Nodes are in topological order; int4 and uint4 tensors are packed.
// The IR version is raised where the operator set needs it; 4-bit tensors raise both (IR 10, opset 21).
//
// Throws Error(kUnsupported) for what a protobuf file cannot hold (2 GiB and more; a string tensor) or the operator set
// cannot say, and Error(kInvalidModel) for a cycle.
[[nodiscard]] Bytes export_model(const ir::Graph& graph, const ExportOptions& options = {});

}  // namespace qtool::onnxio
