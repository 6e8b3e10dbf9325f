// SPDX-License-Identifier: Apache-2.0
#include "core/cost_book.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "core/error.h"
#include "core/json.h"

namespace nibble {

namespace {

constexpr double node_min = 1, node_max = 1000;

std::string required_text(ConfigNode& node, const std::string& key, const std::string& what) {
  std::string text = node.string(key);
  if (text.empty()) node.fail(key, "is empty, expected " + what);
  return text;
}

/// `node_nm` and, for a number that was carried over from another node, `scaled_from_nm`.
void read_nodes(ConfigNode& node, double book_nm, double& node_nm, double& scaled_from_nm) {
  node_nm = node.number("node_nm", node_min, node_max);
  if (node.has("scaled_from_nm")) scaled_from_nm = node.number("scaled_from_nm", node_min, node_max);
  node.ignore("scaled_from_nm");
  if (scaled_from_nm == 0 && node_nm != book_nm) {
    node.fail("node_nm",
              "is " + to_text(node_nm) + " in a book of " + to_text(book_nm) +
                  " nm, expected the same node, or the value scaled to it and scaled_from_nm: " + to_text(node_nm));
  }
  if (scaled_from_nm != 0 && node_nm != book_nm && node_nm != scaled_from_nm) {
    node.fail("node_nm", "must be the book's " + to_text(book_nm) + " or scaled_from_nm, not " + to_text(node_nm));
  }
}

/// Between two points of a table: straight in log-log, or straight where a logarithm does not exist.
double interpolate(double x, double x0, double x1, double y0, double y1) {
  if (y0 <= 0 || y1 <= 0) return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
  return y0 * std::exp(std::log(x / x0) / std::log(x1 / x0) * std::log(y1 / y0));
}

}  // namespace

CostBook CostBook::load(ConfigNode node) {
  CostBook book;
  book.name_ = required_text(node, "name", "the name of the book");
  book.node_nm_ = node.number("node_nm", node_min, node_max);
  book.summary_ = node.string("summary", "");
  for (auto& [key, entry_node] : node.named_children("entries")) {
    CostEntry entry;
    if (entry_node.string("value") != "unknown") entry.value = entry_node.number("value", 0, 1e18);
    entry.unit = required_text(entry_node, "unit", "a unit such as pJ/MAC or um2");
    read_nodes(entry_node, book.node_nm_, entry.node_nm, entry.scaled_from_nm);
    entry.source = required_text(entry_node, "source", "where the value comes from, or why it is unknown");
    book.entries_.emplace(key, std::move(entry));
  }
  if (node.has("sram")) book.load_sram(node.child("sram"));
  node.ignore("sram");
  node.reject_unknown();
  return book;
}

std::vector<CostBook::SramRow> CostBook::load_sram_rows(ConfigNode node, bool energy_only) {
  const double most = 1e12;
  std::vector<SramRow> rows;
  for (ConfigNode& row : node.children("table")) {
    SramRow out{};
    out.capacity_kib = row.number("capacity_kib", 1.0 / 1024, 1e9);
    if (!rows.empty() && out.capacity_kib <= rows.back().capacity_kib) {
      row.fail("capacity_kib", "must be above the row before, " + to_text(rows.back().capacity_kib) + ", not " +
                                   to_text(out.capacity_kib));
    }
    out.read_pj = row.number("read_pj", 0, most);
    out.write_pj = row.number("write_pj", 0, most);
    if (!energy_only) {
      out.leakage_mw = row.number("leakage_mw", 0, most);
      out.area_mm2 = row.number("area_mm2", 0, most);
    }
    rows.push_back(out);
  }
  if (rows.empty()) node.fail("table", "is empty or missing, expected a list of rows with capacity_kib");
  return rows;
}

void CostBook::load_sram(ConfigNode node) {
  constexpr double widest = 65536;
  sram_cell_ = required_text(node, "cell", "the type of the cells");
  sram_temperature_k_ = node.number("temperature_k", 200, 500);
  double node_nm = 0, scaled_from_nm = 0;
  read_nodes(node, node_nm_, node_nm, scaled_from_nm);
  sram_width_bits_ = node.number("width_bits", 1, widest);
  sram_source_ = required_text(node, "source", "where the table comes from") + " (" + sram_cell_ + ", " +
                 to_text(sram_temperature_k_) + " K)";
  sram_rows_ = load_sram_rows(node, false);
  sram_energy_ = {{sram_width_bits_, sram_rows_}};
  for (ConfigNode& other : node.children("other_widths")) {
    const double width = other.number("width_bits", 1, widest);
    for (const auto& table : sram_energy_) {
      if (table.width_bits == width) other.fail("width_bits", "has a table already");
    }
    sram_energy_.push_back({width, load_sram_rows(other, true)});
  }
  std::sort(sram_energy_.begin(), sram_energy_.end(),
            [](const auto& a, const auto& b) { return a.width_bits < b.width_bits; });
}

const CostEntry& CostBook::at(const std::string& key) const {
  const auto found = entries_.find(key);
  if (found != entries_.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& entry : entries_)
    known.push_back(entry.first);
  throw InputError("technology '" + name_ + "': " + unknown_name("entry", key, known));
}

const CostEntry& CostBook::at(const std::string& key, const std::string& unit) const {
  const CostEntry& entry = at(key);
  if (entry.unit == unit) return entry;
  throw InputError("technology '" + name_ + "': entry '" + key + "' is in " + entry.unit + ", expected " + unit);
}

CostEntry CostBook::find(const std::string& key, const std::string& unit) const {
  if (contains(key)) {
    CostEntry entry = at(key, unit);
    if (entry.scaled_from_nm != 0) entry.source += " [scaled from " + to_text(entry.scaled_from_nm) + " nm]";
    return entry;
  }
  // A unit of which the book knows anything is spelt right.
  const std::string unit_of_it = key.substr(0, key.rfind('.') + 1);
  std::vector<std::string> known;
  bool spelt = false;
  for (const auto& entry : entries_) {
    known.push_back(entry.first);
    spelt = spelt || entry.first.compare(0, unit_of_it.size(), unit_of_it) == 0;
  }
  const std::string nearest = spelt ? "" : nearest_spelling(key, known);
  CostEntry none;
  none.unit = unit;
  none.node_nm = node_nm_;
  none.source = "no entry " + key + " in " + name_ + (nearest.empty() ? "" : "; did you mean " + nearest + "?");
  return none;
}

SramCost CostBook::sram(double capacity_bytes, double width_bits) const {
  const auto fail = [this](const std::string& why) { throw InputError("technology '" + name_ + "': " + why); };
  if (sram_rows_.empty()) fail("has no SRAM table, expected the section sram");
  if (!(width_bits > 0) || !std::isfinite(width_bits)) fail("an SRAM width of " + to_text(width_bits) + " bits");
  const double kib = capacity_bytes / 1024;
  const auto holds = [kib](const std::vector<SramRow>& rows) {
    return kib >= rows.front().capacity_kib && kib <= rows.back().capacity_kib;
  };
  if (!holds(sram_rows_)) {
    fail("no SRAM of " + to_text(kib) + " KiB, expected " + to_text(sram_rows_.front().capacity_kib) + " to " +
         to_text(sram_rows_.back().capacity_kib) + " KiB per macro (use several macros)");
  }
  const auto figure = [kib](const std::vector<SramRow>& rows, double SramRow::*member) {
    std::size_t above = 0;
    while (rows[above].capacity_kib < kib)
      ++above;
    const SramRow& high = rows[above];
    if (high.capacity_kib == kib) return high.*member;
    const SramRow& low = rows[above - 1];
    return interpolate(kib, low.capacity_kib, high.capacity_kib, low.*member, high.*member);
  };
  // The nearest tables from below and from above in width that hold the capacity; the main table always does.
  const SramEnergyTable *narrow = nullptr, *wide = nullptr;
  for (const SramEnergyTable& table : sram_energy_) {
    if (!holds(table.rows)) continue;
    if (table.width_bits <= width_bits) narrow = &table;
    if (table.width_bits >= width_bits && wide == nullptr) wide = &table;
  }
  const auto energy = [&](double SramRow::*member) {
    if (narrow == nullptr || wide == nullptr) {
      const SramEnergyTable& nearest = narrow != nullptr ? *narrow : *wide;
      return figure(nearest.rows, member) * (width_bits / nearest.width_bits);
    }
    if (narrow == wide) return figure(narrow->rows, member);
    return interpolate(width_bits, narrow->width_bits, wide->width_bits, figure(narrow->rows, member),
                       figure(wide->rows, member));
  };
  return {energy(&SramRow::read_pj), energy(&SramRow::write_pj), figure(sram_rows_, &SramRow::leakage_mw),
          figure(sram_rows_, &SramRow::area_mm2)};
}

}  // namespace nibble
