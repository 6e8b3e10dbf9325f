// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/sweep_output.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/table.h"

namespace nibble {
namespace {

constexpr std::size_t most_shown = 30;  ///< lines of a front on a terminal; the files have all

std::string plural(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// "13.2 ms" for figures with a unit, the number otherwise.
std::string objective_text(const Objective& objective, const std::optional<double>& value) {
  if (!value) return "-";
  const int figure = figure_index(objective.expression.text());
  if (figure < 0) return to_text(*value);
  const FigureKind& kind = figure_kinds()[static_cast<std::size_t>(figure)];
  if (kind.whole && kind.unit == "cycle") return with_separators(static_cast<std::uint64_t>(*value));
  return kind.unit.empty() || kind.unit == "J s" ? to_text(*value) : with_prefix(*value, kind.unit);
}

std::string front_table(const SweepRun& run, const std::vector<const SweepRow*>& front) {
  Table table;
  table.column("point");
  for (const std::string& key : run.sweep().keys)
    table.column(key);
  for (const Objective& objective : run.sweep().objectives)
    table.column(objective.text);
  for (std::size_t i = 0; i < std::min(front.size(), most_shown); ++i) {
    std::vector<std::string> cells = {std::to_string(run.number(*front[i]))};
    for (const std::string& value : front[i]->point.values)
      cells.push_back(value.empty() ? "-" : value);
    for (std::size_t j = 0; j < run.sweep().objectives.size(); ++j)
      cells.push_back(objective_text(run.sweep().objectives[j], front[i]->objectives[j]));
    table.row(std::move(cells));
  }
  std::string out = table.text();
  if (front.size() > most_shown)
    out += "... and " + plural(front.size() - most_shown, "point") + " more (pareto.csv)\n";
  return out;
}

std::vector<std::string> objective_texts(const SweepRun& run) {
  std::vector<std::string> texts;
  for (const Objective& objective : run.sweep().objectives)
    texts.push_back(objective.text);
  return texts;
}

std::string fronts_text(const SweepRun& run) {
  std::vector<std::vector<const SweepRow*>> fronts;  // in the order of the points
  for (const SweepRow& row : run.rows()) {
    if (!row.on_front) continue;
    auto front =
        std::find_if(fronts.begin(), fronts.end(), [&](const auto& rows) { return rows.front()->front == row.front; });
    if (front == fronts.end()) front = fronts.insert(front, std::vector<const SweepRow*>{});
    front->push_back(&row);
  }
  std::set<std::string> workloads;
  for (const auto& rows : fronts)
    workloads.insert(run.workload(*rows.front()));
  std::string out;
  for (auto& rows : fronts) {
    const std::string workload = run.workload(*rows.front());
    std::string heading = "Pareto front " + (workload.empty() ? "" : "of " + workload + " ") + "by " +
                          join(objective_texts(run)) + ": " + plural(rows.size(), "point");
    if (fronts.size() > workloads.size()) heading += ", without " + join(run.left_out_of_objectives(*rows.front()));
    std::stable_sort(rows.begin(), rows.end(), [&](const SweepRow* a, const SweepRow* b) {
      const double sign = run.sweep().objectives.front().maximize ? -1 : 1;
      return *a->objectives.front() * sign < *b->objectives.front() * sign;
    });
    out += "\n" + heading + "\n" + front_table(run, rows);
  }
  return out;
}

std::string failures_text(const SweepRun& run) {
  std::map<std::string, std::vector<std::size_t>> by_message;
  for (std::size_t i = 0; i < run.rows().size(); ++i) {
    if (run.rows()[i].status == PointStatus::failed) by_message[run.rows()[i].result.message].push_back(i);
  }
  std::string out = by_message.empty() ? "" : "\nfailed\n";
  for (const auto& [message, points] : by_message)
    out += "  " + plural(points.size(), "point") + ", the first is " + std::to_string(points.front()) + ": " + message +
           "\n";
  return out;
}

/// Of a point that was not simulated the area is known.
std::string cell(const SweepRun& run, const SweepRow& row, std::size_t kind) {
  const FigureKind& figure = figure_kinds()[kind];
  return row.status == PointStatus::failed ? "" : figure_text(kind, run.value(row, figure.name));
}

void write_names(JsonWriter& json, const char* key, const std::vector<std::string>& names) {
  json.key(key).begin_array();
  for (const std::string& name : names)
    json.value(name);
  json.end_array();
}

void write_settings(JsonWriter& json, const char* key, const Settings& settings) {
  json.key(key).begin_object();
  for (const auto& [name, value] : settings)
    json.field(name, value);
  json.end_object();
}

void write_point(JsonWriter& json, const SweepRun& run, std::size_t index) {
  const SweepRow& row = run.rows()[index];
  json.begin_object().field("point", static_cast<std::uint64_t>(index));
  Settings own;
  for (std::size_t i = 0; i < row.point.values.size(); ++i) {
    if (!row.point.values[i].empty()) own.emplace_back(run.sweep().keys[i], row.point.values[i]);
  }
  write_settings(json, "settings", own);
  json.field("status", to_string(row.status)).field("front", row.front).field("on_front", row.on_front);
  write_names(json, "violated", row.violated);
  if (row.status == PointStatus::done) {
    json.key("objectives").begin_array();
    for (const auto& value : row.objectives)
      json.value(value);
    json.end_array();
    write_figures(json, row.result.figures);
  } else if (row.status == PointStatus::excluded) {
    json.field("area_um2", run.value(row, "area_um2"));
  } else if (row.status == PointStatus::failed) {
    json.field("failure", row.result.failure).field("message", row.result.message);
  }
  json.end_object();
}

}  // namespace

std::string counts_line(const SweepRun& run) {
  std::string out = plural(run.rows().size(), "point") + ": " + std::to_string(run.count(PointStatus::done)) + " done";
  for (const PointStatus status : {PointStatus::failed, PointStatus::excluded, PointStatus::pending}) {
    const std::size_t count = run.count(status);
    if (count == 0) continue;
    out += ", " + std::to_string(count) + " " + to_string(status);
    if (status == PointStatus::excluded) out += " by constraints before they were simulated";
  }
  const auto violating = std::count_if(run.rows().begin(), run.rows().end(), [](const SweepRow& row) {
    return row.status == PointStatus::done && !row.violated.empty();
  });
  if (violating > 0) out += "; " + std::to_string(violating) + " of those done violate a constraint";
  return out;
}

std::vector<std::size_t> figure_columns(const SweepRun& run) {
  std::vector<std::size_t> out;
  for (std::size_t kind = 0; kind < figure_kinds().size(); ++kind) {
    const auto& objectives = run.sweep().objectives;
    const bool wanted = std::any_of(objectives.begin(), objectives.end(), [&](const Objective& objective) {
      return objective.expression.text() == figure_kinds()[kind].name;
    });
    const bool used = std::any_of(run.rows().begin(), run.rows().end(), [&](const SweepRow& row) {
      return row.status == PointStatus::done && row.result.figures.values[kind];
    });
    if (wanted || used) out.push_back(kind);
  }
  return out;
}

std::vector<std::size_t> composed_objectives(const SweepRun& run) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < run.sweep().objectives.size(); ++i) {
    if (figure_index(run.sweep().objectives[i].expression.text()) < 0) out.push_back(i);
  }
  return out;
}

std::string sweep_text(const SweepRun& run) {
  const SweepFile& sweep = run.sweep();
  std::string out =
      "sweep " + sweep.name + (sweep.summary.empty() ? "" : ": " + sweep.summary) + "\n" + counts_line(run) + "\n";
  out += fronts_text(run) + failures_text(run);
  for (const std::string& note : run.notes())
    out += "note: " + note + "\n";
  return out;
}

std::string sweep_csv(const SweepRun& run, bool front_only) {
  Table table;
  table.column("point");
  for (const std::string& key : run.sweep().keys)
    table.column(key);
  for (const char* name : {"status", "front", "on_front", "violated"})
    table.column(name);
  const auto figures = figure_columns(run), composed = composed_objectives(run);
  for (const std::size_t i : composed)
    table.column(run.sweep().objectives[i].text);
  for (const std::size_t kind : figures)
    table.column(figure_kinds()[kind].name);
  for (const char* name : {"unknown", "failure", "message"})
    table.column(name);
  for (const SweepRow& row : run.rows()) {
    if (front_only && !row.on_front) continue;
    std::vector<std::string> cells = {std::to_string(run.number(row))};
    cells.insert(cells.end(), row.point.values.begin(), row.point.values.end());
    cells.emplace_back(to_string(row.status));
    cells.push_back(row.front);
    cells.emplace_back(row.on_front ? "1" : "0");
    cells.push_back(join(row.violated, "; "));
    for (const std::size_t i : composed)
      cells.push_back(i < row.objectives.size() && row.objectives[i] ? to_text(*row.objectives[i]) : "");
    for (const std::size_t kind : figures)
      cells.push_back(cell(run, row, kind));
    cells.push_back(join(row.result.figures.unknown, "; "));
    cells.push_back(row.result.failure);
    cells.push_back(row.result.message);
    table.row(std::move(cells));
  }
  return table.csv();
}

std::string sweep_json(const SweepRun& run) {
  const SweepFile& sweep = run.sweep();
  JsonWriter json;
  json.begin_object().field("schema", "nibble.sweep/1").field("version", nibble_version).field("name", sweep.name);
  json.field("summary", sweep.summary);
  write_settings(json, "settings", sweep.base);
  write_names(json, "keys", sweep.keys);
  write_names(json, "objectives", objective_texts(run));
  std::vector<std::string> constraints;
  for (const Constraint& constraint : sweep.constraints)
    constraints.push_back(constraint.text());
  write_names(json, "constraints", constraints);
  json.key("counts").begin_object().field("points", static_cast<std::uint64_t>(run.rows().size()));
  for (const PointStatus status : {PointStatus::done, PointStatus::failed, PointStatus::excluded, PointStatus::pending})
    json.field(to_string(status), static_cast<std::uint64_t>(run.count(status)));
  json.end_object().key("units").begin_object();
  for (const FigureKind& kind : figure_kinds())
    json.field(kind.name, kind.unit);
  json.end_object();
  write_names(json, "notes", run.notes());
  json.key("points").begin_array();
  for (std::size_t i = 0; i < run.rows().size(); ++i)
    write_point(json, run, i);
  return json.end_array().end_object().str();
}

std::string points_text(const SweepRun& run) {
  Table table;
  table.column("point");
  for (const std::string& key : run.sweep().keys)
    table.column(key);
  table.column("area_um2").column("status").column("why", Table::Align::left);
  for (const SweepRow& row : run.rows()) {
    std::vector<std::string> cells = {std::to_string(run.number(row))};
    for (const std::string& value : row.point.values)
      cells.push_back(value.empty() ? "-" : value);
    const auto area = run.value(row, "area_um2");
    cells.push_back(area ? to_text(*area) : "-");
    cells.emplace_back(to_string(row.status));
    cells.push_back(row.status == PointStatus::failed ? row.result.message : join(row.violated, "; "));
    table.row(std::move(cells));
  }
  return counts_line(run) + "\n" + table.text();
}

}  // namespace nibble
