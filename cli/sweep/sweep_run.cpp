// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/sweep_run.h"

#include <algorithm>
#include <map>
#include <set>

#include "cli/isolated_run.h"
#include "cli/sweep/pareto.h"
#include "core/error.h"

namespace nibble {
namespace {

bool may_pass_next_time(const std::string& failure) {
  return failure == to_string(FailureKind::crash) || failure == to_string(FailureKind::time_limit) ||
         failure == to_string(FailureKind::internal);
}

}  // namespace

const char* to_string(PointStatus status) {
  switch (status) {
    case PointStatus::pending:
      return "pending";
    case PointStatus::done:
      return "done";
    case PointStatus::failed:
      return "failed";
    case PointStatus::excluded:
      return "excluded";
  }
  return "";
}

SweepRun::SweepRun(SweepFile sweep, PointResults known)
    : sweep_(std::move(sweep)), known_(std::move(known)), preparer_(sweep_, used_names()) {
  check_names();
  for (PlannedPoint& point : sweep_.points()) {
    rows_.emplace_back();
    rows_.back().point = std::move(point);
  }
}

std::vector<std::string> SweepRun::used_names() const {
  std::vector<std::string> names;
  for (const Objective& objective : sweep_.objectives)
    names.insert(names.end(), objective.expression.names().begin(), objective.expression.names().end());
  for (const Constraint& constraint : sweep_.constraints) {
    const std::vector<std::string> more = constraint.names();
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

void SweepRun::check_names() const {
  const std::vector<std::string> keys = configuration_names(sweep_);
  const auto check = [&](const std::string& list, std::size_t item, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (figure_index(name) >= 0 || std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
      std::vector<std::string> all;
      for (const FigureKind& kind : figure_kinds())
        all.push_back(kind.name);
      const std::string figures = join(all);
      all.insert(all.end(), keys.begin(), keys.end());
      const std::string nearest = nearest_spelling(name, all);
      sweep_.node.fail(list, item,
                       "'" + name + "' is no figure, and no numeric key of the machines; " +
                           (nearest.empty() ? "" : "did you mean '" + nearest + "'? ") + "figures: " + figures);
    }
  };
  for (std::size_t i = 0; i < sweep_.objectives.size(); ++i)
    check("objectives", i, sweep_.objectives[i].expression.names());
  for (std::size_t i = 0; i < sweep_.constraints.size(); ++i)
    check("constraints", i, sweep_.constraints[i].names());
}

std::optional<double> SweepRun::value(const SweepRow& row, const std::string& name) const {
  const int figure = figure_index(name);
  if (figure >= 0 && row.status == PointStatus::done)
    return row.result.figures.values[static_cast<std::size_t>(figure)];
  const auto found = row.prepared.known.find(name);
  return found == row.prepared.known.end() ? std::nullopt : std::optional<double>(found->second);
}

bool SweepRun::settle(SweepRow& row) {
  row.prepared = preparer_.prepare(row.point);
  if (!row.prepared.failure.empty()) {
    row.status = PointStatus::failed;
    row.result = {to_string(FailureKind::input), row.prepared.failure, {}};
    return false;
  }
  for (const Constraint& constraint : sweep_.constraints) {
    const auto holds = constraint.holds([&](const std::string& name) { return value(row, name); });
    if (holds && !*holds) row.status = PointStatus::excluded;
  }
  if (row.status == PointStatus::excluded) return false;
  const auto found = known_.find(row.prepared.key);
  if (found == known_.end() || may_pass_next_time(found->second.failure)) return true;
  row.result = std::move(found->second);
  known_.erase(found);
  row.status = row.result.failure.empty() ? PointStatus::done : PointStatus::failed;
  return false;
}

void SweepRun::collect() {
  for (SweepRow& row : rows_) {
    if (!settle(row)) continue;
    const auto found = known_.find(row.prepared.key);
    if (found == known_.end()) continue;  // pending
    row.result = found->second;
    row.status = PointStatus::failed;
  }
}

void SweepRun::run(const SweepRunOptions& options, const std::function<void(const SweepProgress&)>& progress) {
  std::optional<JournalWriter> journal;
  if (!options.journal.empty()) journal.emplace(options.journal);
  SweepProgress state;
  for (std::size_t i = options.shard; i < rows_.size(); i += options.shards)
    ++state.of;
  const auto finish = [&](const SweepRow& row) {
    ++state.finished;
    if (row.status == PointStatus::failed) ++state.failed;
    progress(state);
  };
  std::size_t at = options.shard;
  const auto next = [&]() -> std::optional<std::size_t> {
    for (; at < rows_.size(); at += options.shards) {
      if (!settle(rows_[at])) {
        finish(rows_[at]);
        continue;
      }
      const std::size_t index = at;
      at += options.shards;
      return index;
    }
    return std::nullopt;
  };
  const auto work = [&](std::size_t index) {
    JsonWriter json(JsonWriter::Layout::compact);
    json.begin_object();
    write_figures(json, figures_of(simulate_point(sweep_.settings(rows_[index].point))));
    return json.end_object().str();
  };
  const auto done = [&](std::size_t index, const Outcome& outcome) {
    SweepRow& row = rows_[index];
    row.status = outcome.ok() ? PointStatus::done : PointStatus::failed;
    row.result = {to_string(outcome.failure), outcome.message, {}};
    if (outcome.ok()) row.result.figures = read_figures(parse_json(outcome.result, "point"), "point");
    if (journal) journal->append(journal_line(row.prepared.key, sweep_.settings(row.point), row.result));
    ++state.simulated;
    finish(row);
  };
  run_isolated(next, {options.jobs, options.time_limit_s}, work, done);
}

std::size_t SweepRun::count(PointStatus status) const {
  return static_cast<std::size_t>(
      std::count_if(rows_.begin(), rows_.end(), [&](const SweepRow& row) { return row.status == status; }));
}

std::string SweepRun::workload(const SweepRow& row) const {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < sweep_.keys.size(); ++i) {
    if (is_workload_setting(sweep_.keys[i]) && !row.point.values[i].empty())
      parts.push_back(sweep_.keys[i] + ": " + row.point.values[i]);
  }
  return join(parts);
}

std::vector<std::string> SweepRun::left_out_of_objectives(const SweepRow& row) const {
  std::set<std::string> parts;
  for (const Objective& objective : sweep_.objectives) {
    for (const std::string& name : objective.expression.names()) {
      const int figure = figure_index(name);
      if (figure < 0) continue;
      const auto more = left_out(row.result.figures, figure_kinds()[static_cast<std::size_t>(figure)].parts());
      parts.insert(more.begin(), more.end());
    }
  }
  return {parts.begin(), parts.end()};
}

void SweepRun::judge() {
  std::map<std::string, std::vector<std::size_t>> eligible;  // by front
  std::vector<std::vector<double>> values(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    SweepRow& row = rows_[i];
    const auto lookup = [&](const std::string& name) { return value(row, name); };
    row.on_front = false;
    row.front.clear();
    row.violated.clear();
    row.objectives.clear();
    if (row.status == PointStatus::failed || row.status == PointStatus::pending) continue;
    for (const Constraint& constraint : sweep_.constraints) {
      const auto holds = constraint.holds(lookup);
      if (!holds && row.status == PointStatus::done) row.violated.push_back("undecided: " + constraint.text());
      if (holds && !*holds) row.violated.push_back(constraint.text());
    }
    if (row.status != PointStatus::done) continue;
    for (const Objective& objective : sweep_.objectives) {
      row.objectives.push_back(objective.expression.value(lookup));
      if (row.objectives.back()) values[i].push_back(*row.objectives.back() * (objective.maximize ? -1 : 1));
    }
    row.front = workload(row);
    const std::vector<std::string> missing = left_out_of_objectives(row);
    if (!missing.empty()) row.front += (row.front.empty() ? "" : "; ") + ("without " + join(missing));
    if (row.violated.empty() && values[i].size() == sweep_.objectives.size()) eligible[row.front].push_back(i);
  }
  for (const auto& [name, members] : eligible) {
    std::vector<std::vector<double>> points;
    for (const std::size_t i : members)
      points.push_back(values[i]);
    const std::vector<bool> front = pareto_front(points);
    for (std::size_t i = 0; i < members.size(); ++i)
      rows_[members[i]].on_front = front[i];
  }
}

std::vector<std::string> SweepRun::notes() const {
  std::map<std::vector<std::string>, std::size_t> left_out;
  std::set<std::vector<std::string>> compared;
  for (const SweepRow& row : rows_) {
    if (row.status != PointStatus::done) continue;
    ++left_out[row.result.figures.unknown];
    compared.insert(left_out_of_objectives(row));
  }
  std::vector<std::string> notes;
  for (const auto& [parts, points] : left_out) {
    if (parts.empty()) continue;
    notes.push_back("energy and area of " + std::to_string(points) +
                    " points leave out what nobody knows: " + join(parts));
  }
  if (compared.size() > 1) {
    notes.emplace_back(
        "the objectives leave out other parts in some points than in others; each of these sets of points has a front "
        "of its own");
  }
  return notes;
}

}  // namespace nibble
