// SPDX-License-Identifier: Apache-2.0
/// A language model on a machine.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "accelerators/functional_lowering.h"
#include "accelerators/functional_model.h"
#include "accelerators/lowering.h"
#include "accelerators/model_commands.h"
#include "accelerators/platform.h"
#include "cli/machine_files.h"
#include "cli/simulate.h"
#include "core/error.h"
#include "core/table.h"
#include "workloads/language_model.h"

namespace nibble {
namespace {

std::uint64_t count_option(const char* name, std::int64_t value, std::int64_t min) {
  if (value < min)
    throw InputError("--" + std::string(name) + " must be " + std::to_string(min) + " or more, not " +
                     std::to_string(value));
  return static_cast<std::uint64_t>(value);
}

/// Weights beyond this are not made up: they would take minutes and a machine's memory.
constexpr std::uint64_t most_parameters = std::uint64_t{1} << 26;

/// Lowering, and for a run with data the host's part.
struct ModelRun {
  std::unique_ptr<ModelLowering> lowering;
  FunctionalLowering* functional = nullptr;  ///< the same
  std::optional<FunctionalModel> model;
};

ModelRun prepare(const RunOptions& options, Platform& platform, const LanguageModel& model, const Scenario& scenario) {
  ModelRun run;
  const MachineConfig& machine = *platform.config().machine;
  const std::uint64_t first = platform.first_free_address(), capacity = platform.memory().capacity_bytes();
  if (!options.functional) {
    run.lowering = std::make_unique<ModelLowering>(machine, platform.memory_rate(), model, scenario, first, capacity);
    return run;
  }
  if (model.parameters() > most_parameters)
    throw InputError(model.name + " has " + std::to_string(model.parameters()) +
                     " parameters; --functional makes up and multiplies all of them and takes at most " +
                     std::to_string(most_parameters) + " (toy-2layer has 0.2 million)");
  auto lowering =
      std::make_unique<FunctionalLowering>(machine, platform.memory_rate(), model, scenario, first, capacity);
  run.functional = lowering.get();
  run.lowering = std::move(lowering);
  run.model.emplace(model, scenario, count_option("seed", options.seed, 0));
  return run;
}

/// All passes and sequences: [sequence][pass][vocabulary].
Tensor logits_of(const ModelRun& run, Host& host) {
  Tensor tensor;
  tensor.name = "logits";
  const std::size_t passes = run.functional->passes().size();
  std::vector<std::vector<std::vector<float>>> all;
  for (std::size_t pass = 0; pass < passes; ++pass)
    all.push_back(run.model->logits(host, *run.functional, pass));
  tensor.shape = {all.front().size(), passes, all.front().front().size()};
  for (std::size_t sequence = 0; sequence < tensor.shape[0]; ++sequence) {
    for (const auto& pass : all)
      tensor.values.insert(tensor.values.end(), pass[sequence].begin(), pass[sequence].end());
  }
  return tensor;
}

LogitFigures figures_of(const RunOptions& options, const LogitError& error, const Tensor& logits) {
  LogitFigures figures;
  figures.seed = static_cast<std::uint64_t>(options.seed);
  figures.rows = error.rows;
  figures.columns = logits.columns();
  figures.relative_error = error.relative;
  figures.cosine = error.cosine;
  figures.same_top = error.same_top;
  return figures;
}

}  // namespace

ModelResult simulate_model(const RunOptions& options, ProgressLine* progress, Timeline* timeline) {
  const auto begin = std::chrono::steady_clock::now();
  Scenario scenario;
  scenario.prefill = count_option("prefill", options.prefill, 0);
  scenario.decode = count_option("decode", options.decode, 0);
  scenario.batch = count_option("batch", options.batch, 1);
  scenario.context = count_option("context", options.context, 0);
  scenario.check();
  ConfigNode accelerator = load_accelerator(options.accelerator, options.overrides, options.technologies);
  PlatformConfig config = PlatformConfig::from(accelerator);
  config.add_probes(options.probes);
  config.add_verbosity(options.verbosity);
  const LanguageModel model = LanguageModel::from(ConfigNode::load("models", options.model));

  Platform platform(std::move(config), timeline);
  platform.watch(stop_if_interrupted);
  platform.repeat_stretches(!options.every_tile);
  ModelRun run = prepare(options, platform, model, scenario);
  const ModelLowering& lowering = *run.lowering;
  const Repetition repetition{!options.every_layer && !options.functional, !options.every_tile && !options.functional};
  ModelCommands commands(*run.lowering, model, scenario, repetition);
  ModelResult result;
  Report& report = result.report;
  report.command = options.command_line;
  report.model = model.name;
  report.scenario = {{"batch", scenario.batch},
                     {"prefill", scenario.prefill},
                     {"decode", scenario.decode},
                     {"context", scenario.context}};
  platform.describe(report);
  platform.run(
      [&] {
        stop_if_interrupted();
        auto command = commands.next();
        if (command && run.model) run.model->prepare(platform.host(), *run.functional, command->descriptor);
        return command;
      },
      report,
      [&](std::uint64_t done) {
        if (progress == nullptr) return;
        progress->show(std::to_string(done) + " of about " + std::to_string(commands.operators()) + " operators");
      },
      [&](Host& host) {
        if (!run.model) return;
        result.logits = logits_of(run, host);
        report.logits = figures_of(options, run.model->error(host, *run.functional), result.logits);
      });
  report.footprint_bytes = lowering.placement().footprint();
  report.kv_cache = lowering.cache_figures();
  if (lowering.placement().wrapped()) {
    report.notes.push_back(
        "the operands need " + with_prefix(static_cast<double>(report.footprint_bytes), "B") + ", the memory holds " +
        with_prefix(static_cast<double>(report.capacity_bytes), "B") +
        ": addresses were handed out again, time and traffic are those of a memory that is large enough");
  }
  report.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.peak_rss_bytes = peak_rss_bytes();
  return result;
}

}  // namespace nibble
