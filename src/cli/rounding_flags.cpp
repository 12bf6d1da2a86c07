#include "rounding_flags.h"

namespace qtool::cli {

void add_rounding(CLI::App& app, QuantizationFlags& flags, pipeline::QuantizeConfig& c) {
  const char* group = "Rounding (--optimizations adaround)";
  rounding::ClassicOptions& classic = c.adaround.classic;
  const auto at_least_zero = CLI::NonNegativeNumber.description("");
  app.add_option("--adaround-method", c.adaround_method, "descent (default), classic (as published), nearest")->group(group);
  app.add_option("--seed", c.adaround.seed, "of sampled pixels and of images kept aside (0)")->group(group);
  app.add_flag("--resume", c.adaround.resume, "go on with the layers that an interrupted run has finished")->group(group);
  app.add_option("--adaround-8bit-share", c.adaround.wide_share, "descent: layers that cannot bear 4 bits get 8, up to this share of the weights; 0: none (0.1)")->check(CLI::Range(0.0, 1.0).description(""))->group(group);
  app.add_option("--adaround-blocks", flags.adaround_blocks, "descent: on: layers are also rounded against the end of their residual or attention block (off)")->check(CLI::IsMember({"on", "off"}).description("on|off"))->group(group);
  app.add_option("--adaround-tabu", flags.adaround_tabu, "descent: on: a tabu search behind the coordinate descent (off)")->check(CLI::IsMember({"on", "off"}).description("on|off"))->group(group);
  app.add_option("--adaround-iterations", classic.iterations, "classic: steps a layer (10000, below 8 bits 15000)")->check(CLI::PositiveNumber.description(""))->group(group);
  app.add_option("--adaround-lambda", classic.regularization, "classic: weight of the rounding loss (0.01)")->check(at_least_zero)->group(group);
  app.add_option("--adaround-beta-range", flags.adaround_beta, "classic: exponent of the rounding loss, start and end (20 2)")->expected(2)->group(group);
  app.add_option("--adaround-warm-start", classic.warm_start, "classic: share of the steps without rounding loss (0.2)")->check(CLI::Range(0.0, 1.0).description(""))->group(group);
  app.add_option("--adaround-learning-rate", classic.learning_rate, "classic: of Adam (0.001)")->check(CLI::PositiveNumber.description(""))->group(group);
  app.add_option("--adaround-batch", classic.batch_rows, "classic: sampled output pixels a step (1024)")->check(CLI::PositiveNumber.description(""))->group(group);
}

void settle_rounding(const QuantizationFlags& flags, pipeline::QuantizeConfig& c) {
  if (!flags.adaround_blocks.empty()) c.adaround.blocks = flags.adaround_blocks == "on";
  if (!flags.adaround_tabu.empty()) c.adaround.tabu = flags.adaround_tabu == "on";
  if (flags.adaround_beta.size() != 2) return;
  c.adaround.classic.beta_start = flags.adaround_beta[0];
  c.adaround.classic.beta_end = flags.adaround_beta[1];
}

}  // namespace qtool::cli
