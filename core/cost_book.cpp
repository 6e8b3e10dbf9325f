// SPDX-License-Identifier: Apache-2.0
#include "core/cost_book.h"

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

void CostBook::load_sram(ConfigNode node) {
  const std::string cell = required_text(node, "cell", "the type of the cells");
  const double kelvin = node.number("temperature_k", 200, 500);
  double node_nm = 0, scaled_from_nm = 0;
  read_nodes(node, node_nm_, node_nm, scaled_from_nm);
  sram_width_bits_ = node.number("width_bits", 1, 65536);
  sram_source_ =
      required_text(node, "source", "where the table comes from") + " (" + cell + ", " + to_text(kelvin) + " K)";
  const double most = 1e12;
  for (ConfigNode& row : node.children("table")) {
    SramRow out{};
    out.capacity_kib = row.number("capacity_kib", 1.0 / 1024, 1e9);
    if (!sram_rows_.empty() && out.capacity_kib <= sram_rows_.back().capacity_kib) {
      row.fail("capacity_kib", "must be above the row before, " + to_text(sram_rows_.back().capacity_kib) + ", not " +
                                   to_text(out.capacity_kib));
    }
    out.read_pj = row.number("read_pj", 0, most);
    out.write_pj = row.number("write_pj", 0, most);
    out.leakage_mw = row.number("leakage_mw", 0, most);
    out.area_mm2 = row.number("area_mm2", 0, most);
    sram_rows_.push_back(out);
  }
  if (sram_rows_.empty()) node.fail("table", "is empty or missing, expected a list of rows with capacity_kib");
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

SramCost CostBook::sram(double capacity_bytes, double width_bits) const {
  const auto fail = [this](const std::string& why) { throw InputError("technology '" + name_ + "': " + why); };
  if (sram_rows_.empty()) fail("has no SRAM table, expected the section sram");
  if (!(width_bits > 0) || !std::isfinite(width_bits)) fail("an SRAM width of " + to_text(width_bits) + " bits");
  const double kib = capacity_bytes / 1024;
  const SramRow &first = sram_rows_.front(), &last = sram_rows_.back();
  if (!(kib >= first.capacity_kib && kib <= last.capacity_kib)) {
    fail("no SRAM of " + to_text(kib) + " KiB, expected " + to_text(first.capacity_kib) + " to " +
         to_text(last.capacity_kib) + " KiB per macro (use several macros)");
  }
  std::size_t above = 0;
  while (sram_rows_[above].capacity_kib < kib)
    ++above;
  const SramRow& high = sram_rows_[above];
  const SramRow& low = high.capacity_kib == kib ? high : sram_rows_[above - 1];
  const double scale = width_bits / sram_width_bits_;
  const auto figure = [&](double SramRow::*member) {
    if (&low == &high) return high.*member;
    return interpolate(kib, low.capacity_kib, high.capacity_kib, low.*member, high.*member);
  };
  return {figure(&SramRow::read_pj) * scale, figure(&SramRow::write_pj) * scale, figure(&SramRow::leakage_mw),
          figure(&SramRow::area_mm2)};
}

}  // namespace nibble
