// SPDX-License-Identifier: Apache-2.0
/// `nibble run`: a language model on a machine.
#include <chrono>
#include <string>
#include <utility>

#include "accelerators/lowering.h"
#include "accelerators/model_commands.h"
#include "accelerators/platform.h"
#include "cli/commands.h"
#include "cli/machine_files.h"
#include "core/error.h"
#include "core/file.h"
#include "core/report.h"
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

}  // namespace

void run_model(const RunOptions& options, std::ostream& out) {
  const auto begin = std::chrono::steady_clock::now();
  Scenario scenario;
  scenario.prefill = count_option("prefill", options.prefill, 0);
  scenario.decode = count_option("decode", options.decode, 0);
  scenario.batch = count_option("batch", options.batch, 1);
  scenario.context = count_option("context", options.context, 0);
  scenario.check();
  ConfigNode accelerator = load_accelerator(options.accelerator, options.overrides, options.technologies);
  PlatformConfig config = PlatformConfig::from(accelerator);
  const LanguageModel model = LanguageModel::from(ConfigNode::load("models", options.model));
  OutputFiles files;
  if (!options.out_directory.empty()) files.make_directory(options.out_directory);

  Platform platform(std::move(config));
  platform.watch(stop_if_interrupted);
  platform.repeat_stretches(!options.every_tile);
  ModelLowering lowering(platform.config().machine, platform.memory_rate(), model, scenario,
                         platform.first_free_address(), platform.memory().capacity_bytes());
  ModelCommands commands(lowering, model, scenario, options.every_layer);
  Report report;
  report.command = options.command_line;
  report.model = model.name;
  report.scenario = {{"batch", scenario.batch},
                     {"prefill", scenario.prefill},
                     {"decode", scenario.decode},
                     {"context", scenario.context}};
  platform.describe(report);
  {
    ProgressLine line;
    platform.run(
        [&] {
          stop_if_interrupted();
          return commands.next();
        },
        report,
        [&](std::uint64_t done) {
          line.show(std::to_string(done) + " of about " + std::to_string(commands.operators()) + " operators");
        });
  }
  report.footprint_bytes = lowering.placement().footprint();
  if (lowering.placement().wrapped()) {
    report.notes.push_back(
        "the operands need " + with_prefix(static_cast<double>(report.footprint_bytes), "B") + ", the memory holds " +
        with_prefix(static_cast<double>(report.capacity_bytes), "B") +
        ": addresses were handed out again, time and traffic are those of a memory that is large enough");
  }
  report.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.peak_rss_bytes = peak_rss_bytes();
  if (!options.out_directory.empty()) write_reports(files, options.out_directory, report);
  out << (options.json ? report_json(report) : report_text(report));
}

}  // namespace nibble
