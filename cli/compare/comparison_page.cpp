// SPDX-License-Identifier: Apache-2.0
/// Comparisons as pages.
#include <cmath>

#include "cli/compare/comparison_report.h"
#include "core/report_page.h"

namespace nibble {
namespace {

/// What the page draws: a share is a percentage there.
std::optional<double> shown(Metric metric, const std::optional<double>& value) {
  if (!value) return std::nullopt;
  return is_share(metric) ? 100 * *value : *value;
}

/// Shares of the published figure that the steps take away: what stands in our figure because of each.
std::vector<DifferencePart> parts_of(const FigureResult& figure) {
  std::vector<DifferencePart> parts;
  std::optional<double> before = figure.value.value;
  for (const StepResult& step : figure.steps) {
    if (!step.value.value || !before) continue;
    parts.push_back({step.step->cause + ": " + step.step->name, (*before - *step.value.value) / *figure.spec->published,
                     step.step->why});
    before = step.value.value;
  }
  return parts;
}

std::string note_of(const FigureResult& figure) {
  std::string note = figure.value.why_not;
  if (figure.alternatives.size() > 1) note = "quoted at " + figure.alternatives.front().name;
  if (figure.value.geometric)
    note += (note.empty() ? "" : "; ") + std::string("means over ") + std::to_string(figure.value.by_workload.size()) +
            " workloads: geometric " + figure_text(figure.spec->metric, *figure.value.geometric) + ", arithmetic " +
            figure_text(figure.spec->metric, *figure.value.arithmetic);
  return note;
}

ComparedFigure compared(const ExperimentResult& result, const FigureResult& figure) {
  const FigureSpec& spec = *figure.spec;
  ComparedFigure out;
  out.group = result.experiment->title;
  out.label = spec.name;
  out.unit = is_share(spec.metric) ? "%" : "x";
  out.ours = shown(spec.metric, figure.value.value);
  if (figure.alternatives.size() > 1) {
    out.ours_low = shown(spec.metric, figure.low);
    out.ours_high = shown(spec.metric, figure.high);
  }
  out.published = shown(spec.metric, spec.published);
  out.source = spec.source;
  out.parts = parts_of(figure);
  out.note = note_of(figure);
  return out;
}

}  // namespace

std::string comparison_page(const std::vector<ExperimentResult>& results, const std::string& command) {
  ComparisonPage page;
  page.frame.title = results.size() == 1 ? results.front().experiment->title : "Published figures and ours";
  page.frame.command = command;
  page.frame.notes.push_back(
      "A difference above 15 % is taken apart by runs, step by step, each on top of those before it.");
  for (const ExperimentResult& result : results) {
    const std::string& summary = result.experiment->summary;
    if (!summary.empty() && results.size() == 1) page.frame.lead.push_back(summary);
    if (results.size() > 1) page.groups.push_back({result.experiment->title, result.experiment->name, summary});
    for (const FigureResult& figure : result.figures)
      page.figures.push_back(compared(result, figure));
    page.frame.texts.emplace_back(result.experiment->name, comparison_text({result}));
  }
  return comparison_html(page);
}

std::string contest_page(const ExperimentResult& result, const std::string& command) {
  SweepPage page;
  page.frame.title = result.experiment->title;
  page.frame.command = command;
  page.frame.lead.push_back(result.experiment->summary);
  page.frame.texts.emplace_back(result.experiment->name, comparison_text({result}));
  page.frame.notes.push_back(
      "The front is that of each workload by itself; energies and areas are sums of what is known.");
  page.keys = {"workload", "machine"};
  page.figures = {{"time", "s", "time of the workload"},
                  {"energy", "pJ", "what is known of it"},
                  {"area", "um2", "what is known of it, buffers included"},
                  {"error", "", "largest relative error of the three products on the stated tensors"},
                  {"dram_bytes", "B", "moved on the bus"}};
  for (const std::string& objective : result.experiment->contest->objectives)
    page.objectives.push_back({objective, true});
  for (const MachineRow& row : result.rows) {
    double area = 0;
    for (const auto& part : row.measured.area_um2)
      area += part.second;
    const auto errors = result.errors.find(row.machine);
    SweepPoint point;
    point.number = page.points.size();
    point.settings = {row.workload, row.machine};
    point.figures = {row.measured.time_s, row.measured.energy(), area,
                     errors == result.errors.end() ? std::optional<double>() : errors->second.worst(),
                     row.measured.dram_bytes};
    point.set = row.workload;
    point.on_front = row.best;
    page.points.push_back(point);
  }
  return sweep_html(page);
}

}  // namespace nibble
