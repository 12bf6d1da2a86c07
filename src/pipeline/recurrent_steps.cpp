#include "recurrent_steps.h"

#include <algorithm>

#include "qtool/exporters/encodings_document.h"
#include "qtool/ops/recurrent.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

// The file was made for the unrolled graph.
bool names_steps(const std::filesystem::path& file, const std::vector<std::string>& recurrent) {
  if (file.empty()) return false;
  const exporters::EncodingsDocument document = exporters::parse_encodings(read_text_file(file), file.filename().string());
  return std::ranges::any_of(document.entries, [&](const exporters::DocumentEntry& entry) {
    return std::ranges::any_of(recurrent, [&](const std::string& node) { return passes::is_step_tensor(entry.name, node); });
  });
}

std::vector<std::string> recurrent_nodes(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::NodeId id : graph.node_ids()) {
    if (ops::is_recurrent(graph.node(id))) names.push_back(graph.node(id).name);
  }
  return names;
}

bool is_wanted(const ModelOptions& options, const std::vector<std::string>& recurrent) {
  switch (parse_unroll_recurrent(options.unroll_recurrent)) {
    case UnrollRecurrent::kOn: return true;
    case UnrollRecurrent::kOff: return false;
    case UnrollRecurrent::kAuto: return options.for_container || names_steps(options.encodings, recurrent);
  }
  return false;
}

}  // namespace

UnrollRecurrent parse_unroll_recurrent(const std::string& text) {
  if (text == "auto") return UnrollRecurrent::kAuto;
  if (text == "on") return UnrollRecurrent::kOn;
  if (text == "off") return UnrollRecurrent::kOff;
  throw Error(ErrorCode::kUsage, format("--unroll-recurrent {}: use auto, on or off", text));
}

ModelOptions with_encodings(ModelOptions options, const std::filesystem::path& file) {
  options.encodings = file;
  return options;
}

passes::UnrollOutcome unroll_where_wanted(LoadedModel& loaded, const ModelOptions& options, Reporter& reporter) {
  const std::vector<std::string> recurrent = recurrent_nodes(loaded.state.graph);
  if (recurrent.empty() || !is_wanted(options, recurrent)) return {};
  if (loaded.quantized) {
    reporter.warning(format("{} recurrent nodes stay as they are: the model is quantized already and says nothing of their steps", recurrent.size()));
    return {};
  }
  passes::UnrollOutcome outcome = passes::unroll_recurrent(loaded.state);
  int64_t operators = 0;
  std::vector<std::string> lines;
  for (const passes::UnrolledNode& node : outcome.nodes) {
    operators += node.operators;
    lines.push_back(format("{} ({} steps{})", node.node, node.steps, node.directions == 2 ? ", two directions" : ""));
  }
  if (!lines.empty()) {
    reporter.info(format("unrolled {} recurrent node{} into {} operators: {} (--unroll-recurrent off keeps them)", lines.size(), lines.size() == 1 ? "" : "s",
                         operators, join(lines, ", ")));
  }
  for (const std::string& left : outcome.left) reporter.warning("not unrolled: " + left);
  return outcome;
}

}  // namespace qtool::pipeline
