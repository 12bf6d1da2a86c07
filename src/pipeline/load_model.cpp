#include "qtool/pipeline/load_model.h"

#include "qtool/onnxio/import.h"
#include "qtool/onnxio/quantized_kind.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/passes/cleanup.h"
#include "qtool/passes/read_quantized.h"
#include "qtool/passes/split_outputs.h"
#include "recurrent_steps.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

void refuse_unsupported(const ir::Graph& graph) {
  const std::vector<std::string> nodes = ops::unsupported_nodes(graph, ops::builtin_registry());
  if (nodes.empty()) return;
  constexpr size_t kShown = 20;
  const std::vector<std::string> shown(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, nodes.size())));
  throw Error(ErrorCode::kUnsupported,
              format("{} node{} this build has no operator for: {}{}; `qtool list ops` shows the supported ones", nodes.size(),
                     nodes.size() == 1 ? "" : "s", join(shown, ", "), nodes.size() > kShown ? ", ..." : ""));
}

void clean_up(LoadedModel& loaded, Reporter& reporter) {
  for (const passes::PassLogEntry& entry : passes::run_cleanup(loaded.state, {}, reporter)) {
    if (entry.changes > 0) loaded.clean_up.push_back(format("{}: {}", entry.pass, entry.changes));
  }
  loaded.state.graph.remove_unused();
}

void absorb(LoadedModel& loaded, Reporter& reporter) {
  const passes::AbsorbedQuantization absorbed = passes::absorb_quantization(loaded.state);
  for (const std::string& node : absorbed.left) reporter.debug("computed as it stands: " + node);
  reporter.info(format("the model is quantized, {}: {} activation and {} parameter encodings read", *loaded.quantized,
                       absorbed.activations, absorbed.constants));
}

}  // namespace

LoadedModel load_model(const ModelOptions& options, Reporter& reporter) {
  try {
    onnxio::ImportOptions import;
    for (const std::string& text : options.input_shapes) import.input_shapes.insert(onnxio::parse_input_shape(text));
    LoadedModel loaded;
    onnxio::ImportedModel imported = onnxio::import_model(options.path, import, reporter);
    loaded.file_bytes = imported.file_bytes;
    loaded.sha256 = imported.sha256;
    if (const auto at = imported.opsets.find(""); at != imported.opsets.end()) loaded.opset = at->second;
    loaded.state.graph = std::move(imported.graph);
    loaded.quantized = onnxio::quantized_kind(loaded.state.graph);
    for (const ir::ValueId id : loaded.state.graph.value_ids()) loaded.original_tensors.insert(loaded.state.graph.value(id).name);
    passes::expand_integer_operators(loaded.state.graph);
    refuse_unsupported(loaded.state.graph);
    ops::infer_shapes(loaded.state.graph, ops::builtin_registry());
    loaded.state.graph.remove_unused();
    if (!options.split_outputs.empty()) {
      for (const passes::SplitOutput& split : passes::split_outputs(loaded.state.graph, options.split_outputs)) {
        reporter.info(format("output '{}' is given out as {}", split.output, join(split.parts, ", ")));
      }
    }
    if (options.clean_up) clean_up(loaded, reporter);
    loaded.unrolled = unroll_where_wanted(loaded, options, reporter);
    if (options.clean_up && !loaded.unrolled.nodes.empty()) clean_up(loaded, reporter);
    if (loaded.quantized) absorb(loaded, reporter);
    return loaded;
  } catch (Error& error) {
    error.with("file", options.path.string());
    throw;
  }
}

std::vector<data::InputSpec> input_specs(const ir::Graph& graph) {
  std::vector<data::InputSpec> specs;
  for (const ir::ValueId id : graph.inputs) specs.push_back({graph.value(id).name, graph.type_of(id)});
  return specs;
}

}  // namespace qtool::pipeline
