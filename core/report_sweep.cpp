// SPDX-License-Identifier: Apache-2.0
/// The page of a sweep.
#include <algorithm>

#include "core/error.h"
#include "core/html_page.h"
#include "core/report_page.h"
#include "core/table.h"

namespace nibble {

namespace {

void check(const SweepPage& page) {
  for (const SweepPoint& point : page.points) {
    if (point.settings.size() != page.keys.size() || point.figures.size() != page.figures.size())
      throw InternalError("sweep page: point " + std::to_string(point.number) + " does not fit the columns");
  }
  for (const SweepFailure& failure : page.failures) {
    if (failure.settings.size() != page.keys.size())
      throw InternalError("sweep page: failure " + std::to_string(failure.number) + " does not fit the keys");
  }
  for (const SweepObjective& objective : page.objectives) {
    if (std::none_of(page.figures.begin(), page.figures.end(),
                     [&](const SweepFigure& figure) { return figure.name == objective.figure; }))
      throw InternalError("sweep page: no figure '" + objective.figure + "'");
  }
}

std::string cell(const std::optional<double>& value, const std::string& unit) {
  return value ? with_prefix(*value, unit) : "unknown";
}

/// The sets that points are compared in, in the order of the points.
std::vector<std::string> sets_of(const SweepPage& page) {
  std::vector<std::string> sets;
  for (const SweepPoint& point : page.points) {
    if (std::find(sets.begin(), sets.end(), point.set) == sets.end()) sets.push_back(point.set);
  }
  return sets;
}

/// Of one set: settings and objectives; the other figures are in the table of all points.
Table front_table(const SweepPage& page, const std::string& set) {
  Table table;
  table.column("point");
  for (const std::string& key : page.keys)
    table.column(key, Table::Align::left);
  std::vector<std::size_t> shown;
  for (const SweepObjective& objective : page.objectives) {
    for (std::size_t i = 0; i < page.figures.size(); ++i) {
      if (page.figures[i].name != objective.figure) continue;
      shown.push_back(i);
      table.column(objective.figure);
    }
  }
  for (const SweepPoint& point : page.points) {
    if (!point.on_front || point.set != set) continue;
    std::vector<std::string> row = {std::to_string(point.number)};
    row.insert(row.end(), point.settings.begin(), point.settings.end());
    for (const std::size_t i : shown)
      row.push_back(cell(point.figures[i], page.figures[i].unit));
    table.row(std::move(row));
  }
  return table;
}

Table meaning_table(const SweepPage& page) {
  Table table;
  table.column("figure", Table::Align::left).column("unit", Table::Align::left).column("meaning", Table::Align::left);
  for (const SweepFigure& figure : page.figures)
    table.row({figure.name, figure.unit, figure.meaning});
  return table;
}

void write_fronts(const SweepPage& page, HtmlPage& html) {
  html.section("front", "Pareto front");
  if (std::none_of(page.points.begin(), page.points.end(), [](const SweepPoint& point) { return point.on_front; }))
    return html.paragraph(page.objectives.empty() ? "No objectives were given." : "No point meets all constraints.");
  const std::vector<std::string> sets = sets_of(page);
  for (const std::string& set : sets) {
    if (std::none_of(page.points.begin(), page.points.end(),
                     [&](const SweepPoint& point) { return point.on_front && point.set == set; }))
      continue;
    html.table(front_table(page, set), (sets.size() > 1 && !set.empty() ? set + ": the points" : "The points") +
                                           " that no other point beats in every objective");
  }
}

Table failure_table(const SweepPage& page) {
  Table table;
  table.column("point");
  for (const std::string& key : page.keys)
    table.column(key, Table::Align::left);
  table.column("message", Table::Align::left);
  for (const SweepFailure& failure : page.failures) {
    std::vector<std::string> row = {std::to_string(failure.number)};
    row.insert(row.end(), failure.settings.begin(), failure.settings.end());
    row.push_back(failure.message);
    table.row(std::move(row));
  }
  return table;
}

JsonWriter sweep_data(const SweepPage& page) {
  JsonWriter data(JsonWriter::Layout::compact);
  const auto texts = [&](const char* key, const std::vector<std::string>& items) {
    data.key(key).begin_array();
    for (const std::string& item : items)
      data.value(item);
    data.end_array();
  };
  data.begin_object();
  texts("keys", page.keys);
  const std::vector<std::string> sets = sets_of(page);
  texts("sets", sets);
  data.key("figures").begin_array();
  for (const SweepFigure& figure : page.figures)
    data.begin_object().field("name", figure.name).field("unit", figure.unit).end_object();
  data.end_array().key("objectives").begin_array();
  for (const SweepObjective& objective : page.objectives)
    data.begin_object().field("figure", objective.figure).field("less", objective.less_is_better).end_object();
  data.end_array().key("points").begin_array();
  for (const SweepPoint& point : page.points) {
    data.begin_object().field("number", point.number);
    texts("settings", point.settings);
    data.key("figures").begin_array();
    for (const auto& value : point.figures)
      data.value(value);
    data.end_array();
    texts("violated", point.violated);
    const auto set = std::find(sets.begin(), sets.end(), point.set);
    data.field("set", static_cast<std::uint64_t>(set - sets.begin())).field("front", point.on_front).end_object();
  }
  data.end_array().end_object();
  return data;
}

std::vector<PageTile> summary(const SweepPage& page) {
  const auto count = [&](const auto& select) {
    return std::to_string(std::count_if(page.points.begin(), page.points.end(), select));
  };
  std::vector<std::string> objectives;
  for (const SweepObjective& objective : page.objectives)
    objectives.push_back((objective.less_is_better ? "less " : "more ") + objective.figure);
  return {{"points", std::to_string(page.points.size() + page.failures.size()), join(page.keys)},
          {"on the Pareto front", count([](const SweepPoint& point) { return point.on_front; }), join(objectives)},
          {"violate a constraint", count([](const SweepPoint& point) { return !point.violated.empty(); }),
           page.constraints.empty() ? "no constraints" : join(page.constraints, "; ")},
          {"failed", std::to_string(page.failures.size()), page.failures.empty() ? "none" : "messages below"}};
}

}  // namespace

std::string sweep_html(const SweepPage& page) {
  check(page);
  HtmlPage html(page.frame);
  html.tiles(summary(page));
  html.section("figures", "Figures");
  if (!page.points.empty() && !page.figures.empty()) {
    html.chart("scatter",
               "Every point of the sweep by two of its figures or settings. Diamonds are the Pareto front of the "
               "objectives" +
                   std::string(sets_of(page).size() > 1 ? ", of each colour its own" : "") +
                   "; grey triangles violate a constraint.");
  }
  html.begin_fold("All " + std::to_string(page.points.size()) + " points as a table");
  html.place("points");
  html.end_fold();
  if (!page.figures.empty()) {
    html.begin_fold("What the figures are");
    html.table(meaning_table(page), "Figures and their units");
    html.end_fold();
  }
  write_fronts(page, html);
  if (!page.failures.empty()) {
    html.section("failures", "Failures");
    html.table(failure_table(page), "Points that gave no figures");
  }
  return html.finish(sweep_data(page), page_assets::sweep_js);
}

}  // namespace nibble
