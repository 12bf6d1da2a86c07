#include "qtool/cli/app.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

#include "command.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/interrupt.h"
#include "qtool/support/nearest_name.h"
#include "qtool/support/parallel.h"
#include "qtool/tensor/simd.h"
#include "terminal_reporter.h"

namespace qtool::cli {

namespace {

constexpr int kExitUsage = 2, kExitModelOrData = 3, kExitIo = 4, kExitInternal = 70, kExitInterrupted = 130;

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage: return kExitUsage;
    case ErrorCode::kInvalidModel: case ErrorCode::kUnsupported: case ErrorCode::kInvalidData: return kExitModelOrData;
    case ErrorCode::kIo: return kExitIo;
    case ErrorCode::kInternal: return kExitInternal;
  }
  return kExitInternal;
}

const char* code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage: return "usage";
    case ErrorCode::kInvalidModel: return "invalid_model";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kInvalidData: return "invalid_data";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

struct Command {
  CLI::App* app;
  Action action;
};

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// Says what is wrong with the command line.
struct UsageReporter {
  bool log_json = false;
  int operator()(const CLI::App& app, const std::string& message) const {
    const std::string command = app.get_parent() == nullptr ? "qtool" : "qtool " + app.get_name();
    TerminalReporter(Verbosity::kNormal, log_json).error("usage", format("{}\nrun `{} --help` for usage", message, command));
    return kExitUsage;
  }
};

// CLI11 lists leftovers; the nearest known option or command is what the user needs.
int unknown_arguments(const CLI::App& root, const CLI::App* used, const UsageReporter& usage_error) {
  if (used == nullptr) {
    std::vector<std::string> commands;
    for (const CLI::App* sub : root.get_subcommands(nullptr)) commands.push_back(sub->get_name());
    const auto rest = root.remaining();
    if (rest.empty()) return usage_error(root, format("a command is needed: {}", join(commands, ", ")));
    const std::string& wrong = rest.front();
    const bool option = wrong.starts_with("-");
    const auto known = option ? option_names(root) : commands;
    return usage_error(root, format("unknown {} '{}'{}", option ? "option" : "command", wrong, did_you_mean(wrong, known)));
  }
  const auto rest = used->remaining();
  const std::string wrong = rest.empty() ? "" : rest.front().substr(0, rest.front().find('='));
  return usage_error(*used, wrong.starts_with("-") ? format("unknown option '{}'{}", wrong, did_you_mean(wrong, option_names(*used)))
                                                   : format("unexpected argument '{}'", wrong));
}

void add_common(CLI::App& app, CommonOptions& common) {
  const char* group = "General";
  app.add_flag("-q,--quiet", common.quiet, "errors and warnings only")->group(group);
  app.add_flag("-v,--verbose", common.verbose, "say more")->group(group);
  app.add_flag("--log-json", common.log_json, "one JSON object a line on stderr instead of text")->group(group);
  app.add_flag("--json", common.json, "the result as JSON on stdout")->group(group);
  app.add_option("--threads", common.threads, "worker threads (default: all)")->check(CLI::Range(1, 1024).description(""))->group(group);
  app.add_option("--isa", common.isa, "pin the instruction set: auto, generic, avx2, avx512")->group(group);
}

int run_action(const CommonOptions& common, const Action& action) {
  TerminalReporter reporter(common.quiet ? Verbosity::kQuiet : common.verbose ? Verbosity::kVerbose : Verbosity::kNormal, common.log_json);
  try {
    simd::pin_isa(common.isa);
    return action(reporter);
  } catch (const Interrupted& interrupted) {
    reporter.error("interrupted", interrupted.what());
    return kExitInterrupted;
  } catch (const Error& error) {
    reporter.error(code_name(error.code()), error.what());
    return exit_code(error.code());
  } catch (const std::bad_alloc&) {
    reporter.error("internal", "out of memory; try fewer --threads");
    return kExitInternal;
  } catch (const std::exception& error) {
    reporter.error("internal", format("{}; please report this", error.what()));
    return kExitInternal;
  }
}

}  // namespace

int CommonOptions::resolved_threads() const { return threads > 0 ? threads : available_threads(); }

void add_input_shape(CLI::App& app, std::vector<std::string>& shapes) {
  app.add_option("--input-shape", shapes, "fix dynamic dimensions: name:1,3,640,640 (repeatable)")->group("Model")->allow_extra_args(false);
}

void add_split_output(CLI::App& app, std::vector<std::string>& outputs) {
  app.add_option("--split-output", outputs, "give out the parts of this output, which a Concat joins, one by one, each with its own encoding; or 'all' (repeatable)")
      ->group("Model")
      ->allow_extra_args(false);
}

void add_unroll_recurrent(CLI::App& app, std::string& mode) {
  app.add_option("--unroll-recurrent", mode, "write RNN, GRU and LSTM as the operators of their steps: on, off, or auto (for a DLC, and where given encodings name steps)")
      ->group("Model");
}

int main(int argc, char** argv) {
  CLI::App app("qtool quantizes trained FP32 ONNX vision models to 8 bits and less.");
  app.name("qtool");
  app.set_version_flag("--version", "qtool " + pipeline::tool_version());
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  qtool quantize model.onnx --calib imgs/ -o out/\n"
      "  qtool quantize model.onnx --calib imgs/ --profile htp --bias_bitwidth 32 -o out/\n"
      "  qtool run model.onnx --inputs x.npz --outputs y.npz\n"
      "  qtool inspect out/model.dlc --layers\n"
      "Exit codes: 0 done, 1 quality gate not met, 2 usage, 3 model or data, 4 file system, 70 internal error.");
  CommonOptions common;
  std::vector<Command> commands;
  const auto add = [&](const char* name, const char* summary, Action (*make)(CLI::App&, const CommonOptions&)) {
    CLI::App* sub = app.add_subcommand(name, summary);
    sub->allow_extras();
    add_common(*sub, common);
    commands.push_back({sub, make(*sub, common)});
  };
  app.allow_extras();
  add("quantize", "model + calibration images -> encodings JSON, quantized DLC, report", add_quantize);
  add("calibrate", "calibration images -> statistics file, whole or by shards", add_calibrate);
  add("merge-stats", "joins the statistics of shards", add_merge_stats);
  add("evaluate", "metric on labelled images, float or simulated", add_evaluate);
  add("analyze", "which layers lose accuracy when quantized, and why", add_analyze);
  add("advise", "which precision suits: FP16 down to W4A8, the first that fails, why, what to try", add_advise);
  add("convert", "ONNX -> unquantized DLC in FP32 or FP16", add_convert);
  add("run", "one forward pass over given tensors, float or simulated", add_run);
  add("bench", "speed on this machine: images/s, latency, memory, float or simulated", add_bench);
  add("inspect", "what is in an ONNX, encodings JSON or DLC file", add_inspect);
  add("encodings", "convert, check and compare encodings files", add_encodings);
  add("compare", "FP32 and several recipes on the same images, with a gate for CI", add_compare);
  add("recipe", "show, validate and list recipes", add_recipe);
  add("list", "operators, calibration methods, exporters, profiles, presets", add_list);
  // Needed before parsing has succeeded.
  const UsageReporter usage_error{std::find(argv, argv + argc, std::string_view("--log-json")) != argv + argc};
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);  // that of the subcommand, if there is one
    return 0;
  } catch (const CLI::CallForVersion&) {
    std::printf("qtool %s\n", pipeline::tool_version().c_str());
    return 0;
  } catch (const CLI::RequiredError& error) {
    const auto subs = app.get_subcommands();
    if (subs.empty()) return unknown_arguments(app, nullptr, usage_error);
    if (!subs.empty() && !subs.front()->remaining().empty()) return unknown_arguments(app, subs.front(), usage_error);
    return usage_error(*subs.front(), error.what());
  } catch (const CLI::ParseError& error) {
    const auto subs = app.get_subcommands();
    return usage_error(subs.empty() ? app : *subs.front(), error.what());
  }
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    if (!command.app->remaining().empty()) return unknown_arguments(app, command.app, usage_error);
    return run_action(common, command.action);
  }
  return unknown_arguments(app, nullptr, usage_error);
}

}  // namespace qtool::cli
