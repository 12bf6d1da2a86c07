#include "qtool/exporters/dlc_exporter.h"

#include <algorithm>
#include <set>

#include "dlc/effective_encodings.h"
#include "dlc/lowering_context.h"
#include "dlc/lowering_table.h"
#include "qtool/container/dlc_verify.h"
#include "qtool/ops/recurrent.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters {
namespace {

using dlc::GraphWriter;
using dlc::Lowering;
using dlc::LoweringContext;
using dlc::NodeLowering;

std::string hint_for(const ir::Graph& graph, const ir::Node& node) {
  if (ops::is_recurrent(node)) {
    const std::string obstacle = ops::obstacle_to_steps(graph, node);
    return obstacle.empty() ? "this backend computes it step by step; use --unroll-recurrent auto or on" : "it cannot be written step by step: " + obstacle;
  }
  if (node.op_type == "Erf") return "a lone Erf has no counterpart; the Gelu pattern around it was not recognised";
  if (node.op_type == "NonMaxSuppression") return "its result size depends on the data; leave it to the application";
  if (node.op_type == "If" || node.op_type == "Loop" || node.op_type == "Scan") return "control flow is not supported; make its condition a constant";
  return "the operator has no lowering for this backend";
}

// Lowers the nodes one after another; what cannot be lowered is collected, and what depends on it skipped.
class GraphLowering {
 public:
  GraphLowering(LoweringContext& context, const std::set<ir::NodeId>& float_nodes) : context_(context), float_nodes_(float_nodes) {}

  void run() {
    for (const ir::NodeId id : context_.graph().topological_order()) lower(context_.graph().node(id));
    if (problems_.empty()) return;
    throw Error(ErrorCode::kUnsupported,
                format("{} node(s) cannot be written as DLC: {}. Cut the graph before them, replace them, or export another format",
                       problems_.size(), join(problems_, "; ")));
  }

 private:
  bool depends_on_problem(const ir::Node& node) const {
    return std::ranges::any_of(node.inputs, [&](ir::ValueId value) {
      return value != ir::kNoValue && !context_.graph().is_constant(value) && !context_.is_placed(value);
    });
  }

  void lower(const ir::Node& node) {
    if (depends_on_problem(node)) return;
    const Lowering* lowering = dlc::builtin_lowerings().find(node);
    if (lowering == nullptr) {
      problems_.push_back(format("{}: {}", node.text(), hint_for(context_.graph(), node)));
      return;
    }
    try {
      const bool float_only = float_nodes_.contains(node.id) || (lowering->float_only != nullptr && lowering->float_only(node));
      NodeLowering n(context_, node, float_only);
      lowering->lower(n);
    } catch (Error& error) {
      if (error.code() != ErrorCode::kUnsupported) {
        error.with("node", node.name).with("op", node.op_type);
        throw;
      }
      problems_.push_back(format("{}: {}", node.text(), error.message()));
    }
  }

  LoweringContext& context_;
  const std::set<ir::NodeId>& float_nodes_;
  std::vector<std::string> problems_;
};

// A line of dlc.metadata ends at the line break.
std::string one_line(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

std::vector<std::pair<std::string, std::string>> metadata(const DlcExportOptions& options) {
  std::string command = "qtool";
  for (const auto& [name, value] : options.recorded_options) command += format(" {}={}", name, value);
  return {{"converter-command", one_line(command)},
          {"converter-version", one_line(options.tool_version)},
          {"model-copyright", "N/A"},
          {"model-version", "N/A"},
          {"quantizer-command", options.quantized ? one_line(command) : "N/A"}};
}

void note_float_islands(const ir::Graph& graph, const model::EncodingTable& encodings, std::vector<std::string>& notes) {
  for (const ir::ValueId value : graph.value_ids()) {
    if (graph.is_constant(value) || encodings.contains(value) || !is_floating(graph.type_of(value).dtype)) continue;
    notes.push_back(format("tensor '{}' has no encoding and stays float", graph.value(value).name));
  }
}

void count(const container::DlcGraph& graph, DlcExportReport& report) {
  report.ops = graph.ops.size();
  for (const char* type : {"Convert", "Quantize", "Dequantize", "Cast"}) {
    report.ops_of_type[type] = static_cast<size_t>(std::ranges::count(graph.ops, type, &container::DlcOp::type));
  }
  for (const container::DlcTensor& tensor : graph.tensors) {
    report.static_bytes += tensor.data.size();
    report.encodings += tensor.encoding.entries.empty() ? 0 : 1;
  }
}

}  // namespace

container::DlcFile build_dlc(const model::ModelState& state, const DlcExportOptions& options, DlcExportReport* report) {
  DlcExportReport result;
  model::EncodingTable encodings;
  if (options.quantized) {
    encodings = dlc::effective_encodings(state, result.notes);
    note_float_islands(state.graph, encodings, result.notes);
  }
  GraphWriter writer(options.model_name);
  LoweringContext context(state.graph, encodings, options, writer, result.notes);
  context.add_inputs();
  GraphLowering(context, state.plan.float_nodes).run();
  const std::vector<std::string> outputs = context.finish_outputs();
  result.convert_ops = writer.convert_op_count();

  container::DlcFile file;
  file.metadata = metadata(options);
  file.graphs.push_back(writer.finish(outputs));
  container::verify_dlc(file);
  count(file.graphs.front(), result);
  if (report != nullptr) *report = std::move(result);
  return file;
}

}  // namespace qtool::exporters
