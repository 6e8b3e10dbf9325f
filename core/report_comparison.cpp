// SPDX-License-Identifier: Apache-2.0
/// The page of a comparison.
#include <algorithm>
#include <cmath>

#include "core/html_page.h"
#include "core/report_page.h"
#include "core/table.h"

namespace nibble {

namespace {

using Figures = std::vector<const ComparedFigure*>;

std::string signed_percent(const std::optional<double>& share) {
  return share ? (*share > 0 ? "+" : "") + fixed(100 * *share, 1) + " %" : "unknown";
}

std::string figure(const std::optional<double>& value) {
  if (!value) return "unknown";
  const double size = std::fabs(*value);
  if (size == 0 || size >= 0.01) return fixed(value, size < 100 ? 2 : 1);
  return fixed(value, std::min(12, 2 + static_cast<int>(-std::floor(std::log10(size)))));
}

std::string range(const std::optional<double>& value, const std::optional<double>& low,
                  const std::optional<double>& high) {
  if (!low && !high) return "-";
  return figure(low ? low : value) + " to " + figure(high ? high : value);
}

Table figure_table(const Figures& figures) {
  const auto any = [&](const auto& has) {
    return std::any_of(figures.begin(), figures.end(), [&](const ComparedFigure* one) { return has(*one); });
  };
  const bool our_range = any([](const ComparedFigure& one) { return one.ours_low || one.ours_high; });
  const bool their_range = any([](const ComparedFigure& one) { return one.published_low || one.published_high; });
  Table table;
  table.column("figure", Table::Align::left).column("unit", Table::Align::left).column("ours");
  if (our_range) table.column("our range");
  table.column("published");
  if (their_range) table.column("published range");
  table.column("difference").column("not explained");
  table.column("source of the published figure", Table::Align::left).column("note", Table::Align::left);
  for (const ComparedFigure* one : figures) {
    std::vector<std::string> row = {one->label, one->unit, figure(one->ours)};
    if (our_range) row.push_back(range(one->ours, one->ours_low, one->ours_high));
    row.push_back(figure(one->published));
    if (their_range) row.push_back(range(one->published, one->published_low, one->published_high));
    row.push_back(signed_percent(one->relative_difference()));
    row.push_back(one->parts.empty() ? "-" : signed_percent(one->unexplained()));
    row.insert(row.end(), {one->source, one->note});
    table.row(std::move(row));
  }
  return table;
}

Table part_table(const Figures& figures) {
  Table table;
  table.column("figure", Table::Align::left).column("part", Table::Align::left).column("amount");
  table.column("how it was found", Table::Align::left);
  for (const ComparedFigure* one : figures) {
    for (const DifferencePart& part : one->parts)
      table.row({one->label, part.name, signed_percent(part.amount), part.reason});
    if (!one->parts.empty()) table.row({one->label, "not explained", signed_percent(one->unexplained()), ""});
  }
  return table;
}

void write_figure(JsonWriter& json, const ComparedFigure& one) {
  json.begin_object().field("label", one.label);
  json.field("ours", one.ours).field("ours_low", one.ours_low).field("ours_high", one.ours_high);
  json.field("published", one.published).field("published_low", one.published_low);
  json.field("published_high", one.published_high);
  json.field("difference", one.relative_difference()).field("unexplained", one.unexplained());
  json.key("parts").begin_array();
  for (const DifferencePart& part : one.parts)
    json.begin_object().field("name", part.name).field("amount", part.amount).end_object();
  json.end_array().end_object();
}

/// How many figures there are, and how far they are from the published ones.
std::vector<PageTile> summary(const std::vector<ComparedFigure>& figures) {
  std::vector<double> distances;
  std::size_t near = 0;
  double largest = 0;
  for (const ComparedFigure& one : figures) {
    const auto difference = one.relative_difference();
    if (!difference) continue;
    distances.push_back(std::fabs(*difference));
    near += distances.back() <= 0.15 ? 1 : 0;
    largest = std::max(largest, distances.back());
  }
  std::sort(distances.begin(), distances.end());
  std::vector<PageTile> tiles = {{"published figures", std::to_string(figures.size()),
                                  distances.size() == figures.size()
                                      ? std::string()
                                      : std::to_string(figures.size() - distances.size()) + " without a difference"}};
  if (distances.empty()) return tiles;
  tiles.push_back(
      {"within 15 %", std::to_string(near) + " of " + std::to_string(distances.size()), "of the published figure"});
  tiles.push_back(
      {"median distance", fixed(100 * distances[distances.size() / 2], 1) + " %", "of the published figure"});
  tiles.push_back({"largest distance", fixed(100 * largest, 1) + " %", "of the published figure"});
  return tiles;
}

}  // namespace

std::optional<double> ComparedFigure::relative_difference() const {
  if (!ours || !published || *published == 0) return std::nullopt;
  return *ours / *published - 1;
}

std::optional<double> ComparedFigure::unexplained() const {
  auto rest = relative_difference();
  if (!rest || parts.empty()) return std::nullopt;
  for (const DifferencePart& part : parts)
    *rest -= part.amount;
  return rest;
}

namespace {

using Groups = std::vector<std::pair<std::pair<std::string, std::string>, Figures>>;  ///< by name and unit

/// Of a group of figures in two units, which has two sections; else empty.
std::string unit_in_heading(const Groups& groups, const std::pair<std::string, std::string>& key) {
  const auto of_name = [&](const auto& group) { return group.first.first == key.first; };
  if (std::count_if(groups.begin(), groups.end(), of_name) == 1) return "";
  return key.second == "x" ? ": ratios" : key.second == "%" ? ": shares" : ": " + key.second;
}

void begin_group(const ComparisonPage& page, const Groups& groups, std::size_t i, HtmlPage& html) {
  const auto& key = groups[i].first;
  const std::string unit = unit_in_heading(groups, key), id = "figures-" + std::to_string(i);
  const auto known = std::find_if(page.groups.begin(), page.groups.end(),
                                  [&](const ComparedGroup& group) { return group.name == key.first; });
  if (known == page.groups.end()) return html.section(id, key.first + unit);
  html.section(id, key.first + unit, known->short_name.empty() ? "" : known->short_name + unit);
  const bool first = i == 0 || groups[i - 1].first.first != key.first;
  if (first && !known->summary.empty()) html.paragraph(known->summary);
}

}  // namespace

std::string comparison_html(const ComparisonPage& page) {
  Groups groups;
  for (const ComparedFigure& one : page.figures) {
    const std::pair<std::string, std::string> key{one.group, one.unit};
    auto place = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == key; });
    if (place == groups.end()) place = groups.insert(groups.end(), {key, {}});
    place->second.push_back(&one);
  }
  HtmlPage html(page.frame);
  html.tiles(summary(page.figures));
  JsonWriter data(JsonWriter::Layout::compact);
  data.begin_object().key("groups").begin_array();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto& [key, figures] = groups[i];
    begin_group(page, groups, i, html);
    html.chart(
        "group-" + std::to_string(i),
        key.first + (key.second.empty() ? "" : " (" + key.second + ")") +
            ": our figure beside the published one; a thin line spans the range over what the paper leaves open.");
    html.table(figure_table(figures), key.first);
    if (std::any_of(figures.begin(), figures.end(), [](const ComparedFigure* one) { return !one->parts.empty(); })) {
      html.chart("parts-" + std::to_string(i),
                 "What the relative differences are made of; the diamond is the whole difference, grey what nothing "
                 "explains.");
      html.begin_fold("The parts as a table");
      html.table(part_table(figures), "Parts of the relative difference, " + key.first);
      html.end_fold();
    }
    data.begin_object().field("name", key.first).field("unit", key.second).key("figures").begin_array();
    for (const ComparedFigure* one : figures)
      write_figure(data, *one);
    data.end_array().end_object();
  }
  data.end_array().end_object();
  return html.finish(data, page_assets::comparison_js);
}

}  // namespace nibble
