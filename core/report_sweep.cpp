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

Table front_table(const SweepPage& page) {
  Table table;
  table.column("point");
  for (const std::string& key : page.keys)
    table.column(key, Table::Align::left);
  for (const SweepFigure& figure : page.figures)
    table.column(figure.name);
  for (const SweepPoint& point : page.points) {
    if (!point.on_front) continue;
    std::vector<std::string> row = {std::to_string(point.number)};
    row.insert(row.end(), point.settings.begin(), point.settings.end());
    for (std::size_t i = 0; i < page.figures.size(); ++i)
      row.push_back(cell(point.figures[i], page.figures[i].unit));
    table.row(std::move(row));
  }
  return table;
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
    data.field("front", point.on_front).end_object();
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
               "objectives; grey triangles violate a constraint.");
  }
  html.begin_fold("All " + std::to_string(page.points.size()) + " points as a table");
  html.place("points");
  html.end_fold();
  html.section("front", "Pareto front");
  if (std::any_of(page.points.begin(), page.points.end(), [](const SweepPoint& point) { return point.on_front; })) {
    html.table(front_table(page), "The points that no other point beats in every objective");
  } else {
    html.paragraph(page.objectives.empty() ? "No objectives were given." : "No point meets all constraints.");
  }
  if (!page.failures.empty()) {
    html.section("failures", "Failures");
    html.table(failure_table(page), "Points that gave no figures");
  }
  if (!page.figures.empty()) {
    html.section("meaning", "What the figures are");
    std::vector<std::pair<std::string, std::string>> meanings;
    for (const SweepFigure& figure : page.figures)
      meanings.emplace_back(figure.name + (figure.unit.empty() ? "" : ", " + figure.unit), figure.meaning);
    html.definitions(meanings);
  }
  return html.finish(sweep_data(page), page_assets::sweep_js);
}

}  // namespace nibble
