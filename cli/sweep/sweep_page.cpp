// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/sweep_page.h"

#include <set>
#include <string>
#include <utility>

#include "cli/sweep/sweep_output.h"
#include "core/report_page.h"

namespace nibble {
namespace {

/// The columns: objectives that are expressions, then what the points have.
struct Columns {
  std::vector<std::size_t> composed;  ///< indices of objectives
  std::vector<std::size_t> kinds;     ///< of figures
};

/// Whether fronts differ in what their objectives leave out, beside the workload.
enum class Sets { one, by_workload, by_front };

Sets sets_of(const SweepRun& run) {
  std::set<std::string> fronts, workloads;
  for (const SweepRow& row : run.rows()) {
    if (row.status != PointStatus::done) continue;
    fronts.insert(row.front);
    workloads.insert(run.workload(row));
  }
  if (fronts.size() < 2) return Sets::one;
  return fronts.size() == workloads.size() ? Sets::by_workload : Sets::by_front;
}

SweepPoint page_point(const SweepRun& run, const SweepRow& row, const Columns& columns, Sets sets) {
  SweepPoint point;
  point.number = run.number(row);
  point.settings = row.point.values;
  point.violated = row.violated;
  if (sets != Sets::one) point.set = sets == Sets::by_front && !row.front.empty() ? row.front : run.workload(row);
  point.on_front = row.on_front;
  for (const std::size_t i : columns.composed)
    point.figures.push_back(i < row.objectives.size() ? row.objectives[i] : std::nullopt);
  for (const std::size_t kind : columns.kinds)
    point.figures.push_back(run.value(row, figure_kinds()[kind].name));
  if (row.status == PointStatus::excluded) {
    for (std::string& constraint : point.violated)
      constraint += " (not simulated)";
  }
  return point;
}

}  // namespace

std::string sweep_page(const SweepRun& run, const std::string& command) {
  const SweepFile& sweep = run.sweep();
  SweepPage page;
  page.frame.title = "Sweep " + sweep.name;
  if (!sweep.summary.empty()) page.frame.lead.push_back(sweep.summary);
  page.frame.lead.push_back(counts_line(run));
  page.frame.command = command;
  page.frame.notes = run.notes();
  page.frame.texts = {{"The sweep", sweep.node.resolved_yaml()}};
  page.keys = sweep.keys;
  const Columns columns{composed_objectives(run), figure_columns(run)};
  for (const std::size_t i : columns.composed)
    page.figures.push_back({sweep.objectives[i].expression.text(), "", "an objective of this sweep"});
  for (const std::size_t kind : columns.kinds)
    page.figures.push_back({figure_kinds()[kind].name, figure_kinds()[kind].unit, figure_kinds()[kind].meaning});
  if (run.count(PointStatus::done) > 0) {
    for (const Objective& objective : sweep.objectives)
      page.objectives.push_back({objective.expression.text(), !objective.maximize});
  }
  for (const Constraint& constraint : sweep.constraints)
    page.constraints.push_back(constraint.text());
  const Sets sets = sets_of(run);
  for (const SweepRow& row : run.rows()) {
    if (row.status == PointStatus::failed) {
      page.failures.push_back({run.number(row), row.point.values, row.result.message});
    } else {
      page.points.push_back(page_point(run, row, columns, sets));
    }
  }
  return sweep_html(page);
}

}  // namespace nibble
