// Brings nodes that were written for different versions of the standard operator set to one version.
//
// A file imports one version of ai.onnx for all its nodes. A graph that was cleaned up holds several: a Gelu (20) beside
// a ReduceMean whose axes are an attribute (before 18). Source of the rules: the change log of the ONNX operators.
#pragma once

#include <cstdint>

#include "qtool/ir/graph.h"

namespace qtool::onnxio {

// Every ai.onnx node of `graph` and its subgraphs that was written for an operator set from 7 to `opset` gets the form
// it has in `opset`, with the same values; node.opset says so afterwards. Nodes of newer sets, of other domains and
// without a version stay.
//
// Throws Error(kUnsupported) naming the node when the later version cannot say the same.
void upgrade_opset(ir::Graph& graph, int64_t opset);

// The highest version of ai.onnx that a node of the graph or of its subgraphs was written for; 0 when none says.
[[nodiscard]] int64_t newest_opset(const ir::Graph& graph);

// The first version of the file format that may import this version of ai.onnx.
[[nodiscard]] int64_t ir_version_for_opset(int64_t opset);

}  // namespace qtool::onnxio
