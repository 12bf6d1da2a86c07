#include "qtool/onnxio/import.h"

#include <onnx/onnx_pb.h>


#include "function_inliner.h"
#include "graph_builder.h"
#include "input_shapes.h"
#include "protobuf_file.h"
#include "qtool/ir/subgraph.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "tensor_reader.h"

namespace qtool::onnxio {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kExpected = "an ONNX model";

void check_opset(const Opsets& opsets, const ImportOptions& options, Reporter& reporter) {
  const auto at = opsets.find("");
  if (at == opsets.end()) return;
  if (at->second < options.oldest_opset) {
    throw Error(ErrorCode::kUnsupported, format("the model uses operator set {}, the oldest supported is {}; export it again "
                                                "with a newer one, or convert it with onnx.version_converter",
                                                at->second, options.oldest_opset));
  }
  if (at->second > kNewestKnownOpset) {
    reporter.warning(format("the model uses operator set {}; the newest known is {}, operators that changed since may be "
                            "misread", at->second, kNewestKnownOpset));
  }
}

ImportedModel convert(const onnx::ModelProto& proto, const fs::path& path, const ImportOptions& options, Reporter& reporter) {
  ImportedModel model;
  model.ir_version = proto.ir_version();
  model.opsets = read_opsets(proto.opset_import());
  // Before IR version 3 there was a single operator set and no field for it.
  if (model.opsets.empty() && model.ir_version < 3) model.opsets.emplace("", 1);
  model.producer_name = proto.producer_name();
  model.producer_version = proto.producer_version();
  for (const auto& entry : proto.metadata_props()) model.metadata[entry.key()] = entry.value();
  if (proto.graph().node_size() == 0) throw Error(ErrorCode::kInvalidModel, "the graph has no nodes");
  if (proto.graph().output_size() == 0) throw Error(ErrorCode::kInvalidModel, "the graph has no outputs");
  check_opset(model.opsets, options, reporter);

  const auto input_types = settle_input_types(true_inputs(proto.graph()), options, reporter);
  const TensorReader tensors(path.parent_path());
  FunctionInliner functions(proto);
  model.graph = GraphBuilder(tensors, functions).build(proto.graph(), model.opsets, input_types);
  if (functions.expanded_calls() > 0) {
    reporter.info(format("{} calls of local functions were inlined", functions.expanded_calls()));
  }
  if (options.inline_constant_ifs) ir::inline_constant_ifs(model.graph);
  const auto problems = model.graph.verify();
  if (!problems.empty()) throw Error(ErrorCode::kInvalidModel, problems.front());
  return model;
}

}  // namespace

ImportedModel import_model_bytes(std::span<const std::byte> content, const fs::path& path, const ImportOptions& options,
                                 Reporter& reporter) {
  return with_file_context(path, [&] {
    onnx::ModelProto proto;
    parse_message(content, kExpected, proto, [](const onnx::ModelProto& m) { return m.has_graph(); });
    ImportedModel model = convert(proto, path, options, reporter);
    model.file_bytes = content.size();
    model.sha256 = sha256_hex(content);
    return model;
  });
}

ImportedModel import_model(const fs::path& path, const ImportOptions& options, Reporter& reporter) {
  const Bytes content = with_file_context(path, [&] { return read_protobuf_file(path, kExpected); });
  return import_model_bytes(content, path, options, reporter);
}

}  // namespace qtool::onnxio
