// SPDX-License-Identifier: Apache-2.0
/// `nibble run`: a language model on a machine.
#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "accelerators/lowering.h"
#include "accelerators/platform.h"
#include "cli/commands.h"
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

/// The operators of a scenario, pulled one command at a time, lowered an operator ahead of the machine.
class CommandSource {
 public:
  CommandSource(ModelLowering& lowering, const LanguageModel& model, const Scenario& scenario) : lowering_(lowering) {
    for_each_operator(model, scenario, [this](const Operator& op) { operators_.push_back(op); });
  }
  std::uint64_t operators() const { return operators_.size(); }
  std::optional<LoweredCommand> next() {
    if (interrupt_requested()) throw Interrupted{};
    while (commands_.empty() && at_ < operators_.size())
      lowering_.lower(operators_[at_++], commands_);
    if (commands_.empty()) return std::nullopt;
    LoweredCommand command = std::move(commands_.front());
    commands_.pop_front();
    return command;
  }

 private:
  ModelLowering& lowering_;
  std::vector<Operator> operators_;
  std::size_t at_ = 0;
  std::deque<LoweredCommand> commands_;
};

void write_reports(OutputFiles& files, const std::string& directory, const Report& report) {
  files.write(directory + "/report.json", report_json(report));
  files.write(directory + "/operators.csv", operators_csv(report));
  files.write(directory + "/report.html", report_html(report));
  files.write(directory + "/trace.json", report_trace(report));
  files.commit();
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
  ConfigNode accelerator = ConfigNode::load(find_config("accelerators", options.accelerator));
  for (const auto& assignment : options.overrides)
    accelerator.apply_override(assignment);
  PlatformConfig config = PlatformConfig::from(accelerator);
  const LanguageModel model = LanguageModel::from(ConfigNode::load(find_config("models", options.model)));
  OutputFiles files;
  if (!options.out_directory.empty()) files.make_directory(options.out_directory);

  Platform platform(std::move(config));
  ModelLowering lowering(platform.config().machine, platform.memory_rate(), model, scenario,
                         platform.first_free_address(), platform.memory().capacity_bytes());
  CommandSource source(lowering, model, scenario);
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
    platform.run([&] { return source.next(); }, report,
                 [&](std::uint64_t done) {
                   line.show(std::to_string(done) + " of about " + std::to_string(source.operators()) + " operators");
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
