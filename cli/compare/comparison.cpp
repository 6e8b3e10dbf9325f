// SPDX-License-Identifier: Apache-2.0
#include "cli/compare/comparison.h"

#include <algorithm>
#include <cmath>

#include "accelerators/platform.h"
#include "cli/machine_files.h"
#include "core/error.h"

namespace nibble {
namespace {

using Names = std::vector<std::string>;
using Variations = std::vector<const Variation*>;

constexpr std::size_t most_alternatives = 64;

bool holds(const Names& names, const std::string& name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

/// "pe.mac.w4a8" is of "pe".
std::string component_of(const std::string& activity) {
  return activity.substr(0, activity.find('.'));
}

void add_energy(Measured& out, const Report& report, const PriceList& prices, const ReportFigures& figures,
                double times) {
  const EnergyFigures energy = energy_of(report, prices, figures);
  for (const auto& [name, sum] : {std::pair<const char*, const KnownSum*>{"pe", &energy.pe},
                                  {"quantizer", &energy.quantizer},
                                  {"vector", &energy.vector},
                                  {"sram", &energy.sram},
                                  {"dram", &energy.dram},
                                  {"control", &energy.control},
                                  {"idle", &energy.idle},
                                  {"gated", &energy.gated},
                                  {"leakage", &energy.leakage}}) {
    out.energy_pj[name] += times * sum->known();
    out.unknown_energy[name].insert(sum->unknown().begin(), sum->unknown().end());
  }
}

/// The figures of a run that count, of the kinds that it is asked for.
void add_run(Measured& out, const Report& report, const PriceList& prices, const Counting& count, const Names& kinds,
             double times) {
  ReportFigures figures;
  for (const OperatorFigures& entry : report.operators) {
    if (holds(kinds, entry.kind) && holds(count.kinds, entry.kind) && holds(count.phases, entry.phase) &&
        holds(count.operators, entry.name))
      figures.add(entry.figures);
  }
  const auto cycles = static_cast<double>(figures.cycles);
  out.time_s += times * cycles / (report.clock_mhz * 1e6);
  out.cycles += times * cycles;
  out.macs += times * static_cast<double>(figures.macs);
  out.dram_bytes += times * static_cast<double>(figures.dram_read_bytes + figures.dram_write_bytes);
  out.exposed_quantizer_cycles += times * static_cast<double>(figures.exposed_quantizer_cycles);
  for (std::size_t i = 0; i < figures.activity.size(); ++i)
    out.counts[report.activities.at(i).path()] += times * static_cast<double>(figures.activity[i]);
  add_energy(out, report, prices, figures, times);
}

void add_area(Measured& out, const PriceList& prices, const Names& groups) {
  for (const AreaItem& item : prices.area) {
    if (!holds(groups, item.group)) continue;
    if (item.total()) {
      out.area_um2[item.group] += *item.total();
    } else {
      out.unknown_area.insert(item.group);
    }
  }
}

double sum_of(const std::map<std::string, double>& parts, const Names& names) {
  double sum = 0;
  for (const auto& [name, part] : parts) {
    if (holds(names, name)) sum += part;
  }
  return sum;
}

}  // namespace

double Measured::energy(const Names& components) const {
  return sum_of(energy_pj, components);
}

std::optional<Measured> measure(RunStore& store, const MachineSpec& machine, const Workload& workload,
                                const Counting& count) {
  Measured out;
  bool complete = true, first = true;
  for (const WorkPart& part : workload.parts) {
    const Report* main = store.find(machine.main, part);
    const Report* attention = machine.attention ? store.find(*machine.attention, part) : nullptr;
    if (main == nullptr || (machine.attention && attention == nullptr)) {
      complete = false;
      continue;
    }
    const PriceList& prices = store.prices(*main, machine.prices);
    add_run(out, *main, prices, count, attention == nullptr ? Names{} : Names{"linear", "vector"}, part.times);
    if (first) add_area(out, prices, {});
    if (attention != nullptr) {
      const PriceList& other = store.prices(*attention, machine.prices);
      add_run(out, *attention, other, count, {"attention"}, part.times);
      if (first && machine.attention_area) add_area(out, other, {"pe", "foot"});
    }
    const Report& cached = attention == nullptr ? *main : *attention;
    if (cached.kv_cache) out.bits_per_cached_value = cached.kv_cache->bits_per_value();
    first = false;
  }
  return complete ? std::optional<Measured>(std::move(out)) : std::nullopt;
}

namespace {

/// Energy or area of both sides of a figure; null and a reason where a part that decides is not known.
struct Sides {
  const FigureSpec& figure;
  const Measured& of;
  const Measured* over;
  std::string of_name, over_name;
  FigureValue& value;

  double energy(const Measured& side, const std::string& name) const {
    for (const auto& [component, unknown] : side.unknown_energy) {
      if (!holds(figure.components, component)) continue;
      for (const auto& activity : unknown)
        value.left_out.insert(name + ": " + activity);
      if (component == "pe" && !unknown.empty()) value.why_not = "the energy of " + name + "'s products is unknown";
    }
    return side.energy(figure.components);
  }
  double area(const Measured& side, const std::string& name) const {
    for (const auto& component : side.unknown_area) {
      if (!holds(figure.components, component)) continue;
      value.left_out.insert(name + ": area of " + component);
      if (component == "pe") value.why_not = "the area of " + name + "'s PEs is unknown";
    }
    return sum_of(side.area_um2, figure.components);
  }
  double counts(const Measured& side) const {
    double sum = 0;
    for (const auto& [activity, count] : side.counts) {
      for (const auto& wanted : figure.activities) {
        if (activity == wanted || component_of(activity) == wanted) sum += count;
      }
    }
    return sum;
  }
  double ratio() const;
};

double Sides::ratio() const {
  switch (figure.metric) {
    case Metric::speedup:
      return over->time_s / of.time_s;
    case Metric::energy_ratio:
      return energy(*over, over_name) / energy(of, of_name);
    case Metric::area_efficiency:
      return over->time_s / of.time_s * area(*over, over_name) / area(of, of_name);
    case Metric::edp_reduction:
      return 1 - energy(of, of_name) * of.time_s / (energy(*over, over_name) * over->time_s);
    case Metric::byte_ratio:
      return over->dram_bytes / of.dram_bytes;
    case Metric::count_reduction:
      return 1 - counts(of) / counts(*over);
    case Metric::quantizer_overhead:
      return of.exposed_quantizer_cycles / of.cycles;
    case Metric::kv_compression:
      return of.bits_per_cached_value ? 16 / *of.bits_per_cached_value : NAN;
  }
  throw InternalError("a metric that is none");
}

/// Both means and the one that is asked for.
void sum_up(const FigureSpec& figure, FigureValue& value) {
  double logs = 0, sum = 0, low = INFINITY, high = -INFINITY;
  for (const auto& entry : value.by_workload) {
    logs += std::log(entry.second);
    sum += entry.second;
    low = std::min(low, entry.second);
    high = std::max(high, entry.second);
  }
  const auto count = static_cast<double>(value.by_workload.size());
  if (value.by_workload.size() > 1 && low > 0) {
    value.geometric = std::exp(logs / count);
    value.arithmetic = sum / count;
  }
  switch (figure.mean) {
    case Mean::geometric:
      value.value = low > 0 ? std::exp(logs / count) : sum / count;
      break;
    case Mean::arithmetic:
      value.value = sum / count;
      break;
    case Mean::minimum:
      value.value = low;
      break;
    case Mean::maximum:
      value.value = high;
      break;
  }
}

/// Empty: runs are missing.
std::optional<FigureValue> value_of(const Experiment& experiment, const FigureSpec& figure, const Names& over,
                                    const Variations& variations, RunStore& store) {
  Counting count = experiment.count;
  for (const Variation* variation : variations) {
    if (variation->count) count = *variation->count;
  }
  FigureValue value;
  bool complete = true;
  for (const std::string& name : figure.at) {
    const Workload* workload = &experiment.workload(name);
    for (const Variation* variation : variations) {
      const auto other = variation->workloads.find(name);
      if (other != variation->workloads.end()) workload = &other->second;
    }
    const auto of = measure(store, varied(experiment, figure.of, variations), *workload, count);
    complete = complete && of;
    for (const std::string& baseline : over) {
      std::optional<Measured> other;
      if (!baseline.empty()) other = measure(store, varied(experiment, baseline, variations), *workload, count);
      complete = complete && (other || baseline.empty());
      if (!complete) continue;
      const Sides sides{figure, *of, other ? &*other : nullptr, figure.of, baseline, value};
      value.by_workload.emplace_back(over.size() > 1 ? name + " over " + baseline : name, sides.ratio());
    }
  }
  if (!complete) return std::nullopt;
  const bool numbers = std::all_of(value.by_workload.begin(), value.by_workload.end(),
                                   [](const auto& entry) { return std::isfinite(entry.second); });
  if (!numbers && value.why_not.empty()) value.why_not = "nothing to divide by";
  if (value.why_not.empty()) sum_up(figure, value);
  return value;
}

/// Whether a variation changes anything that the figure looks at.
bool touches(const FigureSpec& figure, const Variation& variation, const Names& over) {
  if (!variation.figures.empty()) return holds(variation.figures, figure.name);
  for (const auto& change : variation.machines) {
    if (change.first == "all" || change.first == figure.of || std::count(over.begin(), over.end(), change.first) != 0)
      return true;
  }
  for (const auto& workload : variation.workloads) {
    if (holds(figure.at, workload.first)) return true;
  }
  return variation.count.has_value();
}

struct Choice {
  std::string name;
  Names over;  ///< one, or all where all count
  Variations variations;
};

/// Every combination of the open parameters that the figure depends on, the quoted one first.
std::vector<Choice> choices(const Experiment& experiment, const FigureSpec& figure) {
  std::vector<Choice> all;
  const bool several = figure.over.size() > 1;
  if (figure.over_each && several) all.push_back({"over all", figure.over, {}});
  for (const std::string& over : figure.over.empty() ? Names{""} : figure.over)
    all.push_back({several ? "over " + over : "", {over}, {}});
  for (const OpenParameter& open : experiment.open) {
    std::vector<Choice> next;
    for (const Choice& choice : all) {
      const bool concerns = std::any_of(open.values.begin(), open.values.end(),
                                        [&](const Variation& value) { return touches(figure, value, choice.over); });
      if (!concerns) {
        next.push_back(choice);
        continue;
      }
      for (const Variation& value : open.values) {
        Choice more = choice;
        more.name += (more.name.empty() ? "" : ", ") + open.name + ": " + value.name;
        more.variations.push_back(&value);
        next.push_back(std::move(more));
      }
    }
    all = std::move(next);
  }
  if (all.size() > most_alternatives)
    throw InputError("experiment " + experiment.name + ", " + figure.name + ": " + std::to_string(all.size()) +
                     " combinations of open parameters, at most " + std::to_string(most_alternatives));
  return all;
}

/// The steps, each on top of those before it.
void take_apart(const Experiment& experiment, RunStore& store, const Choice& quoted, FigureResult& result) {
  Variations variations = quoted.variations;
  std::optional<double> before = result.value.value;
  for (const Variation& step : experiment.steps) {
    if (!touches(*result.spec, step, quoted.over)) continue;
    variations.push_back(&step);
    const auto value = value_of(experiment, *result.spec, quoted.over, variations, store);
    if (!value) continue;
    StepResult entry{&step, *value, std::nullopt};
    if (value->value && before && *before != 0) entry.factor = *value->value / *before;
    if (value->value) before = value->value;
    result.steps.push_back(std::move(entry));
  }
  if (before && *before != 0) result.remainder = *result.spec->published / *before;
}

FigureResult evaluate_figure(const Experiment& experiment, const FigureSpec& figure, RunStore& store) {
  FigureResult result;
  result.spec = &figure;
  const std::vector<Choice> all = choices(experiment, figure);
  for (const Choice& choice : all) {
    const auto value = value_of(experiment, figure, choice.over, choice.variations, store);
    if (!value) continue;
    result.alternatives.push_back({choice.name, *value});
    if (!value->value) continue;
    result.low = std::min(result.low.value_or(*value->value), *value->value);
    result.high = std::max(result.high.value_or(*value->value), *value->value);
  }
  if (result.alternatives.size() != all.size()) return result;
  result.value = result.alternatives.front().value;
  if (!figure.published || !result.value.value) return result;
  result.difference = *result.value.value / *figure.published - 1;
  if (std::fabs(*result.difference) > large_difference) take_apart(experiment, store, all.front(), result);
  return result;
}

double objective(const std::string& name, const MachineRow& row, const ExperimentResult& result) {
  if (name == "time") return row.measured.time_s;
  if (name == "energy") return row.measured.energy();
  if (name == "area") return sum_of(row.measured.area_um2, {});
  return result.errors.at(row.machine).worst();
}

void mark_best(const Experiment& experiment, ExperimentResult& result) {
  const Names& objectives = experiment.contest->objectives;
  for (MachineRow& row : result.rows) {
    row.best = std::none_of(result.rows.begin(), result.rows.end(), [&](const MachineRow& other) {
      if (other.workload != row.workload) return false;
      bool as_good = true, better = false;
      for (const std::string& name : objectives) {
        const double mine = objective(name, row, result), theirs = objective(name, other, result);
        as_good = as_good && theirs <= mine;
        better = better || theirs < mine;
      }
      return as_good && better;
    });
  }
}

void fill_table(const Experiment& experiment, RunStore& store, ExperimentResult& result) {
  bool complete = true;
  for (const Workload& workload : experiment.workloads) {
    for (const auto& machine : experiment.machines) {
      const auto measured = measure(store, machine.second, workload, experiment.count);
      complete = complete && measured;
      if (measured) result.rows.push_back({workload.name, machine.first, *measured, false});
    }
  }
  if (!complete || !experiment.contest) return;
  if (experiment.contest->tensors) {
    for (const auto& [name, spec] : experiment.machines) {
      const auto config = MachineConfig::from(load_accelerator(spec.main.accelerator, spec.main.overrides, {}));
      result.errors.emplace(name, operand_errors(*config, *experiment.contest->tensors));
    }
  }
  mark_best(experiment, result);
}

}  // namespace

ExperimentResult evaluate(const Experiment& experiment, RunStore& store) {
  ExperimentResult result;
  result.experiment = &experiment;
  for (const FigureSpec& figure : experiment.figures)
    result.figures.push_back(evaluate_figure(experiment, figure, store));
  if (!experiment.baseline.empty()) fill_table(experiment, store, result);
  return result;
}

}  // namespace nibble
