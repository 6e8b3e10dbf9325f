// SPDX-License-Identifier: Apache-2.0
#include "cli/compare/comparison_report.h"

#include <cmath>

#include "core/error.h"
#include "core/table.h"

namespace nibble {
namespace {

std::string value_text(const FigureResult& figure) {
  if (!figure.value.value) return "unknown";
  return figure_text(figure.spec->metric, *figure.value.value);
}

std::string range_text(const FigureResult& figure) {
  if (figure.alternatives.size() < 2 || !figure.low) return "-";
  const Metric metric = figure.spec->metric;
  return figure_text(metric, *figure.low) + " to " + figure_text(metric, *figure.high);
}

std::string optional_text(const FigureResult& figure, const std::optional<double>& value) {
  return value ? figure_text(figure.spec->metric, *value) : "-";
}

std::string published_text(const FigureResult& figure) {
  return figure.spec->published ? figure_text(figure.spec->metric, *figure.spec->published) : "-";
}

void add_figures(std::string& out, const ExperimentResult& result) {
  if (result.figures.empty()) return;
  Table table;
  table.column("figure", Table::Align::left)
      .column("ours")
      .column("open: range")
      .column("geometric")
      .column("arithmetic");
  table.column("published").column("difference").column("source", Table::Align::left);
  for (const FigureResult& figure : result.figures) {
    table.row({figure.spec->name, value_text(figure), range_text(figure), optional_text(figure, figure.value.geometric),
               optional_text(figure, figure.value.arithmetic), published_text(figure),
               figure.difference ? percent_text(*figure.difference) : "-",
               figure.spec->source.empty() ? "-" : figure.spec->source});
  }
  out += table.text() + '\n';
}

void add_by_workload(std::string& out, const ExperimentResult& result) {
  if (result.experiment->workloads.size() < 2) return;
  std::vector<const FigureResult*> shown;
  for (const FigureResult& figure : result.figures) {
    if (figure.value.by_workload.size() > 1) shown.push_back(&figure);
  }
  if (shown.empty()) return;
  Table table;
  table.column("by workload", Table::Align::left);
  for (const Workload& workload : result.experiment->workloads)
    table.column(workload.name);
  for (const FigureResult* figure : shown) {
    std::vector<std::string> cells = {figure->spec->name};
    for (const Workload& workload : result.experiment->workloads) {
      std::string cell = "-";
      for (const auto& [name, value] : figure->value.by_workload) {
        if (name == workload.name && std::isfinite(value)) cell = figure_text(figure->spec->metric, value);
      }
      cells.push_back(cell);
    }
    table.row(cells);
  }
  out += table.text() + '\n';
}

void add_open(std::string& out, const ExperimentResult& result) {
  Table table;
  table.column("open parameters", Table::Align::left)
      .column("values", Table::Align::left)
      .column("ours")
      .column("against published");
  bool any = false;
  for (const FigureResult& figure : result.figures) {
    if (figure.alternatives.size() < 2) continue;
    if (any) table.rule();
    any = true;
    for (const Alternative& alternative : figure.alternatives) {
      const auto& value = alternative.value.value;
      const bool both = value && figure.spec->published;
      table.row({figure.spec->name, alternative.name, value ? figure_text(figure.spec->metric, *value) : "unknown",
                 both ? percent_text(*value / *figure.spec->published - 1) : "-"});
    }
  }
  if (any) out += table.text() + '\n';
}

void add_steps(std::string& out, const ExperimentResult& result) {
  for (const FigureResult& figure : result.figures) {
    if (!figure.difference || std::fabs(*figure.difference) <= large_difference) continue;
    Table table;
    table.column(figure.spec->name, Table::Align::left)
        .column("cause", Table::Align::left)
        .column("figure")
        .column("factor");
    table.row({"ours", "", value_text(figure), ""});
    for (const StepResult& step : figure.steps) {
      table.row({step.step->name, step.step->cause, optional_text(figure, step.value.value),
                 step.factor ? "x " + fixed(step.factor, 3) : "-"});
    }
    table.row({"not explained", "", "", figure.remainder ? "x " + fixed(figure.remainder, 3) : "-"});
    table.row({"published", "", published_text(figure), ""});
    out += table.text() + '\n';
  }
}

void add_left_out(std::string& out, const ExperimentResult& result) {
  std::set<std::string> names, reasons;
  for (const FigureResult& figure : result.figures) {
    names.insert(figure.value.left_out.begin(), figure.value.left_out.end());
    if (!figure.value.why_not.empty()) reasons.insert(figure.spec->name + ": " + figure.value.why_not);
  }
  for (const std::string& reason : reasons)
    out += "not computed: " + reason + '\n';
  if (!names.empty()) out += "not known, and in no sum: " + join({names.begin(), names.end()}) + '\n';
  if (!names.empty() || !reasons.empty()) out += '\n';
}

std::string db(const std::optional<double>& value) {
  return value ? fixed(value, 1) : "exact";
}

void add_errors(std::string& out, const ExperimentResult& result) {
  if (result.errors.empty()) return;
  Table table;
  table.column("errors of operands", Table::Align::left)
      .column("weights dB")
      .column("activations dB")
      .column("keys dB");
  table.column("values dB").column("A W^T %").column("Q K^T %").column("P V %");
  for (const auto& machine : result.experiment->machines) {
    const OperandErrors& errors = result.errors.at(machine.first);
    table.row({machine.first, db(errors.weight_db), db(errors.activation_db), db(errors.key_db), db(errors.value_db),
               fixed(100 * errors.linear, 2), fixed(100 * errors.scores, 2), fixed(100 * errors.context, 2)});
  }
  out += table.text() + '\n';
}

double area_of(const Measured& measured) {
  double sum = 0;
  for (const auto& part : measured.area_um2)
    sum += part.second;
  return sum;
}

const Measured* baseline_of(const ExperimentResult& result, const std::string& workload) {
  for (const MachineRow& row : result.rows) {
    if (row.workload == workload && row.machine == result.experiment->baseline) return &row.measured;
  }
  throw InternalError("no baseline for " + workload);
}

bool lacks_energy(const Measured& measured) {
  for (const auto& part : measured.unknown_energy) {
    if (!part.second.empty()) return true;
  }
  return false;
}

void add_machines(std::string& out, const ExperimentResult& result) {
  if (result.rows.empty()) return;
  const bool contest = result.experiment->contest.has_value();
  Table table;
  table.column("workload", Table::Align::left).column("machine", Table::Align::left).column("time").column("speedup");
  table.column("energy").column("less energy").column("EDP ratio").column("area").column("DRAM");
  if (contest) table.column("Pareto");
  std::string last;
  for (const MachineRow& row : result.rows) {
    if (!last.empty() && last != row.workload) table.rule();
    last = row.workload;
    const Measured &base = *baseline_of(result, row.workload), &mine = row.measured;
    const double speedup = base.time_s / mine.time_s, energy = base.energy() / mine.energy();
    std::vector<std::string> cells = {row.workload,
                                      row.machine,
                                      with_prefix(mine.time_s, "s"),
                                      fixed(speedup, 2) + "x",
                                      (lacks_energy(mine) ? ">= " : "") + with_prefix(mine.energy() * 1e-12, "J"),
                                      fixed(energy, 2) + "x",
                                      fixed(speedup * energy, 2) + "x",
                                      (mine.unknown_area.empty() ? "" : ">= ") + with_prefix(area_of(mine), "um2"),
                                      with_prefix(mine.dram_bytes, "B")};
    if (contest) cells.push_back(row.best ? "*" : "");
    table.row(cells);
  }
  out += table.text() + '\n';
  if (contest) out += "* Pareto front in " + join(result.experiment->contest->objectives) + "\n\n";
}

}  // namespace

bool is_share(Metric metric) {
  return metric == Metric::edp_reduction || metric == Metric::count_reduction || metric == Metric::quantizer_overhead;
}

std::string figure_text(Metric metric, double value) {
  if (is_share(metric)) return fixed(100 * value, std::fabs(value) < 1e-4 ? 6 : std::fabs(value) < 0.01 ? 3 : 1) + " %";
  return fixed(value, 2) + "x";
}

std::string percent_text(double fraction) {
  return (fraction >= 0 ? "+" : "") + fixed(100 * fraction, 1) + " %";
}

std::string comparison_text(const std::vector<ExperimentResult>& results) {
  std::string out;
  for (const ExperimentResult& result : results) {
    const Experiment& experiment = *result.experiment;
    out += experiment.name + ": " + experiment.title + "\n\n";
    add_figures(out, result);
    add_by_workload(out, result);
    add_open(out, result);
    add_steps(out, result);
    add_left_out(out, result);
    add_errors(out, result);
    add_machines(out, result);
  }
  return out;
}

}  // namespace nibble
