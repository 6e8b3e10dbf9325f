// SPDX-License-Identifier: Apache-2.0
/// Energy by activity and area by instance for people: the same counts and instances, every cost book beside the
/// others.
#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/report.h"
#include "core/report_tables.h"
#include "core/table.h"

namespace nibble {
namespace {

std::string joules(std::optional<double> picojoules) {
  return picojoules ? with_prefix(*picojoules * 1e-12, "J") : std::string("unknown");
}

/// Four significant digits: prices lie between fJ and nJ, and are to be recognized.
std::string price(std::optional<double> pj) {
  if (!pj) return "unknown";
  const std::string exact = to_text(*pj);
  return exact.size() <= 7 ? exact : fixed(*pj, *pj < 1 ? 5 : *pj < 100 ? 3 : 1);
}

std::string square(std::optional<double> um2) {
  return um2 ? with_prefix(*um2, "um2") : std::string("unknown");
}

std::string at_least(const KnownSum& sum, const std::string& known) {
  return (sum.unknown().empty() ? "" : ">= ") + known;
}

/// Sources in order of appearance, each with the names of what comes from it.
class Origins {
 public:
  void add(const std::string& name, const std::string& source) {
    const auto found =
        std::find_if(lines_.begin(), lines_.end(), [&](const auto& line) { return line.first == source; });
    if (found == lines_.end()) {
      lines_.emplace_back(source, name);
    } else if ((", " + found->second + ",").find(", " + name + ",") == std::string::npos) {
      found->second += ", " + name;
    }
  }
  std::string text() const {
    std::string out;
    for (const auto& [source, names] : lines_)
      out += "  " + names + ": " + source + "\n";
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

}  // namespace

Table activity_table(const Report& report, const ReportFigures& figures) {
  Table table;
  table.column("energy by activity", Table::Align::left).column("").column("count").column("unit", Table::Align::left);
  std::vector<EnergyFigures> energies;
  for (const PriceList& prices : report.prices) {
    table.column(report.prices.size() > 1 ? prices.technology + ": pJ each" : "pJ each").column("energy");
    energies.push_back(energy_of(report, prices, figures));
  }
  const auto memory_row = [&](const std::string& name, const char* activity, std::optional<double> pj) {
    std::vector<std::string> row = {name, activity, "-", ""};
    for (std::size_t b = 0; b < energies.size(); ++b)
      row.insert(row.end(), {"-", joules(pj)});
    table.row(std::move(row));
  };
  for (std::size_t i = 0; i < report.activities.size() && i < figures.activity.size(); ++i) {
    const ActivityKind& kind = report.activities[i];
    if (figures.activity[i] == 0) continue;
    std::vector<std::string> row = {kind.path(), to_string(kind.activity), with_separators(figures.activity[i]),
                                    kind.unit};
    for (std::size_t b = 0; b < energies.size(); ++b)
      row.insert(row.end(), {price(report.prices[b].energy[i].pj), joules(energies[b].lines[i])});
    table.row(std::move(row));
  }
  for_each_cause(figures.dram, figures.dram, [&](const std::string& name, const auto& pj, const auto&) {
    if (!pj || *pj != 0) memory_row("dram." + name, name == "background" ? "background" : "active", pj);
  });
  for (const std::string& name : report.dram_left_out)
    memory_row("dram." + name, "active", std::nullopt);
  table.rule();
  std::vector<std::string> row = {"total", "", "", ""};
  for (const EnergyFigures& energy : energies)
    row.insert(row.end(), {"", at_least(energy.total, joules(energy.total.known()))});
  table.row(std::move(row));
  return table;
}

Table area_table(const std::vector<PriceList>& prices) {
  Table table;
  table.column("area", Table::Align::left).column("instances");
  for (const PriceList& list : prices)
    table.column(prices.size() > 1 ? list.technology + ": each" : "each").column("area");
  for (std::size_t i = 0; i < prices.front().area.size(); ++i) {
    const AreaItem& item = prices.front().area[i];
    std::vector<std::string> row = {item.component, with_separators(item.instances)};
    for (const PriceList& list : prices)
      row.insert(row.end(), {square(list.area[i].um2), square(list.area[i].total())});
    table.row(std::move(row));
  }
  table.rule();
  std::vector<std::string> row = {"total", ""};
  for (const PriceList& list : prices) {
    const KnownSum total = area_sum(list);
    row.insert(row.end(), {"", at_least(total, square(total.known()))});
  }
  table.row(std::move(row));
  return table;
}

std::string activity_text(const Report& report, const ReportFigures& figures) {
  return activity_table(report, figures).text();
}

std::string area_cell(const KnownSum& sum) {
  return at_least(sum, square(sum.value()));
}

std::string area_text(const std::vector<PriceList>& prices) {
  return prices.empty() ? "" : area_table(prices).text();
}

std::string sources_text(const Report& report, const ReportFigures& totals) {
  std::string text;
  for (const PriceList& prices : report.prices) {
    Origins known;
    std::vector<std::string> unknown;
    const auto add = [&](const std::string& name, bool is_known, const std::string& source) {
      if (is_known) {
        known.add(name, source);
      } else {
        unknown.push_back(name);
      }
    };
    // Everything about an SRAM comes from one table.
    for (std::size_t i = 0; i < report.activities.size() && i < totals.activity.size(); ++i) {
      const ActivityKind& kind = report.activities[i];
      if (totals.activity[i] != 0)
        add(kind.group == "sram" ? kind.component : kind.path(), prices.energy[i].pj.has_value(),
            prices.energy[i].source);
    }
    for (const AreaItem& item : prices.area)
      add(item.group == "sram" ? item.component : "area of " + item.component, item.um2.has_value(), item.source);
    text += "sources, " + prices.technology + "\n" + known.text();
    if (!unknown.empty()) text += "  unknown, and in no sum (why: --json, prices): " + join(unknown) + "\n";
  }
  if (!report.sources.empty()) text += "other sources\n";
  for (const auto& [component, source] : report.sources)
    text += "  " + component + ": " + source + "\n";
  return text;
}

}  // namespace nibble
