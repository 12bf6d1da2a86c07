// dlc_dump FILE: everything in a DLC as JSON, with a hash in place of static bytes; for tools/judges/check_dlc.py.
#include <iostream>
#include <nlohmann/json.hpp>

#include "qtool/container/dlc_reader.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"

namespace {

using nlohmann::json;
using namespace qtool::container;

json dump_encoding(const DlcEncoding& encoding) {
  json entries = json::array();
  for (const DlcEncodingEntry& entry : encoding.entries) {
    entries.push_back({{"bitwidth", entry.bitwidth}, {"scale", entry.scale}, {"offset", entry.offset}});
  }
  return {{"type", static_cast<uint32_t>(encoding.type)}, {"axis", encoding.axis}, {"entries", entries}};
}

json dump_tensor(const DlcTensor& tensor) {
  json result = {{"name", tensor.name}, {"location", static_cast<int>(tensor.location)}, {"dims", tensor.dims},
                 {"dtype", dlc_dtype_name(tensor.dtype)}, {"encoding", dump_encoding(tensor.encoding)}};
  if (tensor.location == DlcLocation::kStatic) {
    result["bytes"] = tensor.data.size();
    result["sha16"] = qtool::sha256_hex(tensor.data).substr(0, 16);
  }
  return result;
}

json dump_graph(const DlcGraph& graph) {
  json tensors = json::array(), ops = json::array();
  for (const DlcTensor& tensor : graph.tensors) tensors.push_back(dump_tensor(tensor));
  for (const DlcOp& op : graph.ops) {
    ops.push_back({{"name", op.name}, {"type", op.type}, {"inputs", op.inputs}, {"outputs", op.outputs}});
  }
  return {{"name", graph.name}, {"tensors", tensors}, {"ops", ops}};
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::cerr << "usage: dlc_dump FILE\n";
    return 2;
  }
  json graphs = json::array();
  for (const DlcGraph& graph : read_dlc(argv[1]).graphs) graphs.push_back(dump_graph(graph));
  std::cout << json{{"graphs", graphs}}.dump() << "\n";
  return 0;
} catch (const qtool::Error& error) {
  std::cerr << error.what() << "\n";
  return 3;
}
