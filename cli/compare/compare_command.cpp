// SPDX-License-Identifier: Apache-2.0
/// `nibble compare`: experiments beside their publications.
#include <algorithm>

#include "cli/commands.h"
#include "cli/compare/comparison.h"
#include "cli/compare/comparison_report.h"
#include "cli/isolated_run.h"
#include "core/error.h"
#include "core/file.h"

namespace nibble {
namespace {

std::vector<Experiment> load_experiments(const CompareOptions& options) {
  if (options.experiments.empty() != options.all)
    throw InputError(options.all ? "--all stands for every experiment: leave the names out"
                                 : "no experiment; name one (nibble list experiments) or give --all");
  std::vector<Experiment> experiments;
  for (const std::string& name : options.all ? list_configs("experiments") : options.experiments) {
    experiments.push_back(Experiment::from(ConfigNode::load("experiments", name)));
    experiments.back().check_configurations();
  }
  if (experiments.empty()) throw InputError("there are no experiments");
  return experiments;
}

/// Runs what the figures ask for, and then what the differences that they show ask for.
std::vector<ExperimentResult> evaluate_all(const std::vector<Experiment>& experiments, unsigned jobs) {
  RunStore store;
  ProgressLine line;
  for (;;) {
    std::vector<ExperimentResult> results;
    for (const Experiment& experiment : experiments)
      results.push_back(evaluate(experiment, store));
    if (store.wanted() == 0) return results;
    store.simulate(jobs, [&](std::size_t done, std::size_t all) {
      line.show(std::to_string(done) + " of " + std::to_string(all) + " runs");
    });
  }
}

}  // namespace

void run_compare(const CompareOptions& options, std::ostream& out) {
  if (options.jobs < 0 || options.jobs > 1024)
    throw InputError("--jobs must be 1 to 1024, or 0 for as many as there are processors, not " +
                     std::to_string(options.jobs));
  const std::vector<Experiment> experiments = load_experiments(options);
  OutputFiles files;
  if (!options.out_directory.empty()) files.make_directory(options.out_directory);
  const unsigned jobs = options.jobs == 0 ? available_processors() : static_cast<unsigned>(options.jobs);
  const std::vector<ExperimentResult> results = evaluate_all(experiments, jobs);
  const std::string document = comparison_json(results, options.command_line);
  if (!options.out_directory.empty()) {
    files.write(options.out_directory + "/compare.json", document);
    files.write(options.out_directory + "/compare.csv", comparison_csv(results));
    files.write(options.out_directory + "/report.html", comparison_page(results, options.command_line));
    for (const ExperimentResult& result : results) {
      if (result.experiment->contest)
        files.write(options.out_directory + "/" + result.experiment->name + ".html",
                    contest_page(result, options.command_line));
    }
    files.commit();
  }
  out << (options.json ? document : comparison_text(results));
}

}  // namespace nibble
