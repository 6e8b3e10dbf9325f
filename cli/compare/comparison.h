// SPDX-License-Identifier: Apache-2.0
/// What the runs of an experiment mean: its figures beside the published ones, and what a difference is made of.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/compare/experiment.h"
#include "cli/compare/run_store.h"

namespace nibble {

/// A workload on a machine. Energy and area are sums of what is known.
struct Measured {
  double time_s = 0, cycles = 0, macs = 0, dram_bytes = 0, exposed_quantizer_cycles = 0;
  std::map<std::string, double> energy_pj;  ///< by component
  std::map<std::string, double> area_um2;   ///< by component, of main machine and the one for attention
  std::map<std::string, double> counts;     ///< by activity
  std::map<std::string, std::set<std::string>> unknown_energy;  ///< component: activities without a price
  std::set<std::string> unknown_area;                           ///< components
  std::optional<double> bits_per_cached_value;                  ///< of the last part
  double energy(const std::vector<std::string>& components = {}) const;
};

/// Empty: runs are missing, and wanted from now on.
std::optional<Measured> measure(RunStore& store, const MachineSpec& machine, const Workload& workload,
                                const Counting& count);

/// A figure under some variations.
struct FigureValue {
  std::optional<double> value;  ///< empty: cannot be computed, `why_not` says why
  std::vector<std::pair<std::string, double>> by_workload;
  std::optional<double> geometric, arithmetic;  ///< of several workloads
  std::set<std::string> left_out;               ///< energies and areas that nobody knows, "MACHINE: NAME"
  std::string why_not;
};

struct Alternative {
  std::string name;  ///< "PARAMETER: VALUE, ..."
  FigureValue value;
};

struct StepResult {
  const Variation* step = nullptr;
  FigureValue value;
  std::optional<double> factor;  ///< over the value before it
};

struct FigureResult {
  const FigureSpec* spec = nullptr;
  FigureValue value;                      ///< at the first value of every open parameter
  std::vector<Alternative> alternatives;  ///< all of them, the first one is `value`
  std::optional<double> low, high;        ///< over the alternatives
  std::optional<double> difference;       ///< value / published - 1
  std::vector<StepResult> steps;          ///< where the difference is large
  std::optional<double> remainder;        ///< published / what the last step gives: what no step explains
};

/// A difference beyond this is taken apart.
inline constexpr double large_difference = 0.15;

struct MachineRow {
  std::string workload, machine;
  Measured measured;
  bool best = false;  ///< contest: no other machine is as good in all objectives and better in one
};

struct ExperimentResult {
  const Experiment* experiment = nullptr;
  std::vector<FigureResult> figures;
  std::vector<MachineRow> rows;                 ///< with a baseline: every machine on every workload
  std::map<std::string, OperandErrors> errors;  ///< contest with tensors: by machine
};

/// Everything that `store` has runs for; complete when nothing is wanted behind it.
ExperimentResult evaluate(const Experiment& experiment, RunStore& store);

}  // namespace nibble
