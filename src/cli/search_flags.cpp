#include "search_flags.h"

#include "qtool/support/duration.h"

namespace qtool::cli {

void add_search(CLI::App& app, SearchFlags& flags, pipeline::QuantizeConfig& c) {
  const char* group = "Search (--optimizations auto)";
  pipeline::EvaluationRequest& request = c.search.evaluation;
  app.add_option("--target-drop", flags.target_drop, "points of mAP, top-1 or mIoU that may be lost; more costly precisions are tried for it (0.5, without those)")->group(group);
  app.add_option("--target-cost", flags.target_cost, "most relative cost, 1 being 8 bits everywhere; also of selective")->group(group);
  app.add_option("--time-budget", flags.time_budget, "time to search: 300s, 5m, 1h30m; steps that do not fit are skipped")->group(group);
  app.add_option("--images", request.images, "folder of images given for choosing, with --labels")->group(group);
  app.add_option("--labels", request.labels, "their labels: the drop is measured instead of estimated")->group(group);
  app.add_option("--images-limit", request.limit, "use N of these images only")->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""))->group(group);
  add_task(app, flags.evaluation, request);
}

void settle_search(const CLI::App& app, const SearchFlags& flags, pipeline::QuantizeConfig& c) {
  if (app.count("--target-drop") > 0) c.search.target_drop = flags.target_drop;
  if (app.count("--target-cost") > 0) c.search.target_cost = flags.target_cost;
  if (app.count("--time-budget") > 0) c.search.time_budget = parse_duration("--time-budget", flags.time_budget);
  settle_evaluation(flags.evaluation, c.search.evaluation);
  c.search.evaluation.threads = c.threads;
  c.search.evaluation.preprocessing = c.data.preprocessing;
  c.search.evaluation.preprocess_file = c.data.preprocess_file;
}

}  // namespace qtool::cli
