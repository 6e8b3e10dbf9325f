// SPDX-License-Identifier: Apache-2.0
/// An experiment, as `configs/experiments/*.yaml` describes it: machines on workloads, figures derived from their runs,
/// what was published for them, parameters that the publication leaves open, and the steps that a difference is taken
/// apart in. The keys with an example: docs/experiments.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/compare/operand_error.h"
#include "core/config_node.h"

namespace nibble {

/// A configuration and what `--set` changes in it.
struct MachineSetup {
  std::string accelerator;
  std::vector<std::string> overrides;
};

/// A machine of an experiment. With `attention`, operators of that kind run on another one: baselines that leave
/// attention to other units, whose PEs and feet count with the area; buffers and the rest are shared.
struct MachineSpec {
  MachineSetup main;
  std::optional<MachineSetup> attention;
  bool attention_area = true;  ///< those PEs and feet count
  std::string prices;          ///< cost book that prices its runs; empty: the configuration's
};

/// One `nibble run` or `nibble gemm`, and how often it stands in its workload.
struct WorkPart {
  std::string model;  ///< empty: a GEMM
  std::int64_t prefill = 0, decode = 0, batch = 1, context = 0;
  std::int64_t m = 0, k = 0, n = 0;
  double times = 1;
};

/// Its figures are those of its parts, each as often as it stands there.
struct Workload {
  std::string name;
  std::vector<WorkPart> parts;
};

/// Kinds and names of operators, and phases, that count; empty: all.
struct Counting {
  std::vector<std::string> kinds, phases, operators;
};

/// What a variation changes in one machine.
struct MachineChange {
  std::string accelerator;  ///< empty: the same
  std::vector<std::string> overrides;
  bool replace = false;  ///< overrides stand in place of those that are there, not behind them
  std::optional<MachineSetup> attention;
  bool attention_area = true;  ///< of `attention`
  std::string prices;          ///< empty: the same
};

/// A value of an open parameter, or a step of a decomposition.
struct Variation {
  std::string name;
  std::string cause;  ///< of a step: one of step_causes
  std::string why;
  std::map<std::string, MachineChange> machines;  ///< "all" stands for every machine
  std::map<std::string, Workload> workloads;      ///< in place of those of the same name
  std::optional<Counting> count;
  std::vector<std::string> figures;  ///< those that it belongs to; empty: all that it touches
};

extern const std::vector<std::string> step_causes;

/// What the publication does not say. The first value is the one that figures are quoted at.
struct OpenParameter {
  std::string name, why;
  std::vector<Variation> values;
};

enum class Metric {
  speedup,             ///< time of `over` / time of `of`
  energy_ratio,        ///< energy of `over` / energy of `of`
  area_efficiency,     ///< work per time and area of `of` / that of `over`
  edp_reduction,       ///< 1 - energy x time of `of` / energy x time of `over`
  byte_ratio,          ///< bytes on the DRAM's bus, of `over` / `of`
  count_reduction,     ///< 1 - counts of `of` / counts of `over`, of the figure's `activities`
  quantizer_overhead,  ///< exposed cycles of the quantizer / cycles, of `of`
  kv_compression       ///< 16 / bits per cached value, of `of`
};
const char* to_string(Metric metric);
/// Whether a metric compares with another machine.
bool compares(Metric metric);

enum class Mean { geometric, arithmetic, minimum, maximum };
const char* to_string(Mean mean);

struct FigureSpec {
  std::string name;
  Metric metric = Metric::speedup;
  std::string of;
  std::vector<std::string> over;        ///< several: the publication does not say which; the first is quoted
  bool over_each = false;               ///< several in `over`: all count, each on each workload; each alone is open
  std::vector<std::string> at;          ///< workloads; never empty
  Mean mean = Mean::geometric;          ///< of the figures of several workloads
  std::vector<std::string> components;  ///< of energy or area that count; empty: all of energy, pe and foot of area
  std::vector<std::string> activities;  ///< of count_reduction: "COMPONENT.NAME", or "COMPONENT" for all of it
  std::optional<double> published;
  std::string source;
};

/// Machines side by side without a publication: who is not beaten in all objectives by another one.
struct Contest {
  std::vector<std::string> objectives;  ///< time, energy, area, error: smaller is better
  std::optional<OperandTensors> tensors;
};

struct Experiment {
  std::string name, title, summary;
  std::string baseline;  ///< of the table of machines; empty: no table
  std::vector<std::pair<std::string, MachineSpec>> machines;
  std::vector<Workload> workloads;
  Counting count;
  std::vector<OpenParameter> open;
  std::vector<Variation> steps;
  std::vector<FigureSpec> figures;
  std::optional<Contest> contest;

  /// Reads and checks `node`, names that figures and variations refer to included. InputError with the place.
  static Experiment from(ConfigNode node);
  /// Reads every accelerator, model and cost book that a run of it would need; InputError names the experiment, the
  /// machine and the variation.
  void check_configurations() const;

  const MachineSpec& machine(const std::string& machine_name) const;
  const Workload& workload(const std::string& workload_name) const;
};

/// The machine of that name under variations, in their order. What changes in all machines changes in the one for
/// attention, too.
MachineSpec varied(const Experiment& experiment, const std::string& machine,
                   const std::vector<const Variation*>& variations);

}  // namespace nibble
