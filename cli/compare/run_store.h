// SPDX-License-Identifier: Apache-2.0
/// Runs by what they are asked: each one is simulated once, however many figures and experiments look at it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/compare/experiment.h"
#include "core/report.h"

namespace nibble {

/// The command that makes one run; runs of the same command are the same.
std::string run_command(const MachineSetup& machine, const WorkPart& work);

class RunStore {
 public:
  /// The report of a run, its operators summed up by phase, kind and name. Null: not simulated yet; it is wanted from
  /// now on.
  const Report* find(const MachineSetup& machine, const WorkPart& work);
  std::size_t wanted() const { return wanted_.size(); }
  std::size_t simulated() const { return reports_.size(); }
  /// Simulates what is wanted, `jobs` at a time. Throws InputError "COMMAND: why" when a run fails.
  void simulate(unsigned jobs, const std::function<void(std::size_t done, std::size_t all)>& progress);
  /// Prices of a run of the store by a book; empty: those of its own first one.
  const PriceList& prices(const Report& report, const std::string& book);

 private:
  struct Wanted {
    std::string command;
    MachineSetup machine;
    WorkPart work;
  };
  std::vector<Wanted> wanted_;
  std::map<std::string, Report> reports_;
  std::map<std::pair<std::string, std::string>, PriceList> prices_;  ///< by configuration and book
};

}  // namespace nibble
