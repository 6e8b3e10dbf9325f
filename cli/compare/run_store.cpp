// SPDX-License-Identifier: Apache-2.0
#include "cli/compare/run_store.h"

#include <algorithm>

#include "accelerators/energy_ledger.h"
#include "accelerators/platform.h"
#include "cli/isolated_run.h"
#include "cli/simulate.h"
#include "core/error.h"

namespace nibble {
namespace {

/// One record per phase, kind and name, of all layers.
void sum_up_operators(Report& report) {
  std::vector<OperatorFigures> sums;
  for (const OperatorFigures& entry : report.operators) {
    auto sum = std::find_if(sums.begin(), sums.end(), [&](const OperatorFigures& known) {
      return known.phase == entry.phase && known.kind == entry.kind && known.name == entry.name;
    });
    if (sum == sums.end()) {
      sums.emplace_back();
      sum = sums.end() - 1;
      sum->name = entry.name;
      sum->kind = entry.kind;
      sum->phase = entry.phase;
    }
    sum->figures.add(entry.figures);
  }
  report.operators = std::move(sums);
  report.statistics.clear();
}

Report simulate_part(const MachineSetup& machine, const WorkPart& work, const std::string& command) {
  if (work.model.empty()) {
    GemmCommandOptions options;
    options.accelerator = machine.accelerator;
    options.overrides = machine.overrides;
    options.m = work.m;
    options.k = work.k;
    options.n = work.n;
    options.command_line = command;
    return simulate_gemm(options).report;
  }
  RunOptions options;
  options.accelerator = machine.accelerator;
  options.overrides = machine.overrides;
  options.model = work.model;
  options.prefill = work.prefill;
  options.decode = work.decode;
  options.batch = work.batch;
  options.context = work.context;
  options.command_line = command;
  return simulate_model(options).report;
}

/// Long runs first, so that the last ones to end are short. A guess from what is asked.
double expected_work(const WorkPart& work) {
  if (work.model.empty()) return static_cast<double>(work.m) * 1e-3;
  const auto tokens = static_cast<double>(std::max(work.prefill, work.decode));
  return tokens * static_cast<double>(work.batch) *
         (4096.0 + static_cast<double>(std::max(work.prefill, work.context)));
}

}  // namespace

std::string run_command(const MachineSetup& machine, const WorkPart& work) {
  std::string command =
      "nibble " + std::string(work.model.empty() ? "gemm" : "run") + " --accelerator " + machine.accelerator;
  const auto add = [&](const char* option, std::int64_t value) {
    command += " --" + std::string(option) + " " + std::to_string(value);
  };
  if (work.model.empty()) {
    add("m", work.m);
    add("k", work.k);
    add("n", work.n);
  } else {
    command += " --model " + work.model;
    if (work.prefill != 0) add("prefill", work.prefill);
    if (work.context != 0) add("context", work.context);
    if (work.decode != 0) add("decode", work.decode);
    if (work.batch != 1) add("batch", work.batch);
  }
  for (const auto& assignment : machine.overrides) {
    const bool plain = assignment.find_first_of(" '\"[]{}") == std::string::npos;
    command += " --set " + (plain ? assignment : "'" + assignment + "'");
  }
  return command;
}

const Report* RunStore::find(const MachineSetup& machine, const WorkPart& work) {
  const std::string command = run_command(machine, work);
  const auto known = reports_.find(command);
  if (known != reports_.end()) return &known->second;
  const bool asked =
      std::any_of(wanted_.begin(), wanted_.end(), [&](const Wanted& item) { return item.command == command; });
  if (!asked) wanted_.push_back({command, machine, work});
  return nullptr;
}

void RunStore::simulate(unsigned jobs, const std::function<void(std::size_t, std::size_t)>& progress) {
  const std::vector<Wanted> runs = [&] {
    std::vector<Wanted> sorted = std::move(wanted_);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Wanted& a, const Wanted& b) { return expected_work(a.work) > expected_work(b.work); });
    return sorted;
  }();
  wanted_.clear();
  std::size_t done = 0;
  simulate_isolated(
      runs.size(), {jobs, 0},
      [&](std::size_t i) {
        Report report = simulate_part(runs[i].machine, runs[i].work, runs[i].command);
        sum_up_operators(report);
        return report;
      },
      [&](std::size_t i, IsolatedReport outcome) {
        if (outcome.failure == FailureKind::input) throw InputError(runs[i].command + ": " + outcome.message);
        if (!outcome.report) throw InternalError(runs[i].command + ": " + outcome.message);
        reports_.emplace(runs[i].command, std::move(*outcome.report));
        progress(++done, runs.size());
      });
}

const PriceList& RunStore::prices(const Report& report, const std::string& book) {
  if (book.empty()) return report.prices.front();
  const auto key = std::make_pair(report.configuration, book);
  const auto known = prices_.find(key);
  if (known != prices_.end()) return known->second;
  const auto machine = MachineConfig::from(ConfigNode::parse(report.configuration, report.command + ": configuration"));
  return prices_.emplace(key, machine->ledger().price(CostBook::load(ConfigNode::load("technologies", book))))
      .first->second;
}

}  // namespace nibble
