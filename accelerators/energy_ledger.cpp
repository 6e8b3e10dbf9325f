// SPDX-License-Identifier: Apache-2.0
#include "accelerators/energy_ledger.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/json.h"
#include "core/units.h"

namespace nibble {
namespace {

EnergyPrice price_of(const CostBook& book, const std::string& key, const std::string& unit) {
  const CostEntry entry = book.find(key, unit);
  return {entry.value, entry.source};
}

/// Of `count` units: pJ, mW or um2.
EnergyPrice several(double count, EnergyPrice one) {
  if (count == 1.0) return one;
  if (one.pj) *one.pj *= count;
  char text[32];
  std::snprintf(text, sizeof text, "%g x ", count);
  one.source = text + one.source;
  return one;
}

constexpr double um2_per_mm2 = 1e6;

}  // namespace

std::string without_last_word(const std::string& key) {
  return key.substr(0, key.rfind('.'));
}

EnergyLedger::EnergyLedger(double clock_mhz, std::vector<Unit> units, std::vector<Buffer> buffers)
    : clock_mhz_(clock_mhz), units_(std::move(units)), buffers_(std::move(buffers)) {
  for (const Unit& unit : units_) {
    for (const Work& work : unit.work)
      activities_.push_back({unit.component, work.name, unit.group, Activity::active, work.unit});
    const bool gated = unit.idle == IdlePolicy::gated;
    activities_.push_back(
        {unit.component, gated ? "gated" : "idle", unit.group, gated ? Activity::gated : Activity::idle, unit.slot});
    activities_.push_back({unit.component, "leakage", unit.group, Activity::leakage, unit.slot});
  }
  for (const Buffer& buffer : buffers_) {
    activities_.push_back({buffer.component, "read", "sram", Activity::active, "byte"});
    activities_.push_back({buffer.component, "write", "sram", Activity::active, "byte"});
    activities_.push_back({buffer.component, "leakage", "sram", Activity::leakage, "cycle"});
  }
  activities_.push_back({"control", "cycle", "control", Activity::active, "cycle"});
}

EnergyLedger::Unit quantizer_unit(const MachineConfig& config) {
  EnergyLedger::Unit unit;
  unit.component = unit.group = "quantizer";
  unit.key = config.quantizer.cost_key;
  unit.slot = "cycle";
  unit.instances = 1;
  unit.idle = config.idle.quantizer;
  unit.work = {{"element", "element", unit.key + ".element", "pJ/element"}};
  unit.work_per_slot = static_cast<double>(config.quantizer.elements_per_cycle);
  unit.done = [](const CommandCounters& c) { return std::vector<std::uint64_t>{c.quantized_elements}; };
  unit.busy_slots = [per_cycle = config.quantizer.elements_per_cycle](const CommandCounters& c) {
    return ceil_div(c.quantized_elements, per_cycle);
  };
  return unit;
}

EnergyLedger::Unit vector_unit(const MachineConfig& config) {
  EnergyLedger::Unit unit;
  unit.component = unit.group = "vector";
  unit.key = "vector.lane";
  unit.slot = "lane cycle";
  unit.instances = config.vector_unit.lanes;
  unit.idle = config.idle.vector_unit;
  unit.work = {{"operation", "operation", "vector.operation", "pJ/operation"}};
  unit.done = [](const CommandCounters& c) { return std::vector<std::uint64_t>{c.vector_operations}; };
  unit.busy_slots = [](const CommandCounters& c) { return c.vector_operations; };
  return unit;
}

std::vector<std::uint64_t> EnergyLedger::activity(const CommandCounters& c) {
  std::vector<std::uint64_t> counts;
  counts.reserve(activities_.size());
  for (Unit& unit : units_) {
    for (const std::uint64_t count : unit.done(c))
      counts.push_back(count);
    const std::uint64_t slots = unit.instances * c.cycles, hidden = unit.instances * c.hidden_cycles;
    unit.owed_slots += std::min(unit.busy_slots(c), slots + hidden);
    const std::uint64_t busy = std::min(slots, unit.owed_slots);
    unit.owed_slots -= busy;
    counts.push_back(slots - busy);
    counts.push_back(slots);
  }
  for (const Buffer& buffer : buffers_) {
    counts.push_back(buffer.read(c));
    counts.push_back(buffer.written(c));
    counts.push_back(c.cycles);
  }
  counts.push_back(c.cycles);
  return counts;
}

std::uint64_t EnergyLedger::sram_read_bytes(const CommandCounters& counters) const {
  std::uint64_t bytes = 0;
  for (const Buffer& buffer : buffers_)
    bytes += buffer.read(counters);
  return bytes;
}

std::uint64_t EnergyLedger::sram_written_bytes(const CommandCounters& counters) const {
  std::uint64_t bytes = 0;
  for (const Buffer& buffer : buffers_)
    bytes += buffer.written(counters);
  return bytes;
}

void EnergyLedger::price_unit(const CostBook& book, const Unit& unit, PriceList& out) const {
  const bool stands_in = !unit.stand_in.key.empty() && !book.contains(unit.key + ".area");
  const std::string& owner = stands_in ? unit.stand_in.key : unit.key;
  const double count = stands_in ? unit.stand_in.count : 1.0;
  const std::size_t first = out.energy.size();
  for (const Work& work : unit.work)
    out.energy.push_back(
        price_of(book, stands_in ? owner + work.key.substr(unit.key.size()) : work.key, work.price_unit));
  switch (unit.idle) {
    case IdlePolicy::clocked:
      out.energy.push_back(several(count, price_of(book, owner + ".idle", "pJ/cycle")));
      break;
    case IdlePolicy::gated:
      out.energy.push_back(book.contains(owner + ".gated")
                               ? several(count, price_of(book, owner + ".gated", "pJ/cycle"))
                               : EnergyPrice{0.0, "a stopped clock switches nothing; its gates are not counted"});
      break;
    case IdlePolicy::as_active: {
      EnergyPrice price = out.energy[first + unit.usual_work];
      if (price.pj) *price.pj *= unit.work_per_slot;
      price.source = "as with work (idle." + unit.component + ": as_active): " + price.source;
      out.energy.push_back(std::move(price));
      break;
    }
  }
  EnergyPrice leakage = several(count, price_of(book, owner + ".leakage", "mW"));
  if (leakage.pj) *leakage.pj = pj_per_cycle(*leakage.pj);
  out.energy.push_back(std::move(leakage));
  const EnergyPrice area = several(count, price_of(book, owner + ".area", "um2"));
  out.area.push_back({unit.component, unit.group, unit.instances, area.pj, area.source});
}

void EnergyLedger::price_buffer(const CostBook& book, const Buffer& buffer, PriceList& out) const {
  if (!book.has_sram()) {
    const std::string why = "no SRAM table in " + book.name();
    out.energy.insert(out.energy.end(), 3, EnergyPrice{std::nullopt, why});
    out.area.push_back({buffer.component, "sram", buffer.instances, std::nullopt, why});
    return;
  }
  // What no macro of the table holds is made of equal ones.
  const auto bytes = static_cast<double>(buffer.bytes);
  const auto macros = static_cast<std::uint64_t>(std::ceil(bytes / book.largest_sram_bytes()));
  const auto bits = static_cast<double>(buffer.access_bits);
  const SramCost macro = book.sram(bytes / static_cast<double>(macros), bits);
  const std::uint64_t all = macros * buffer.instances;
  const std::string source = book.sram_source() + ", " + std::to_string(buffer.access_bits) + " bits wide" +
                             (macros > 1 ? ", " + std::to_string(macros) + " equal macros" : "");
  out.energy.push_back({macro.read_pj * 8 / bits, source});
  out.energy.push_back({macro.write_pj * 8 / bits, source});
  out.energy.push_back({pj_per_cycle(macro.leakage_mw) * static_cast<double>(all), source});
  out.area.push_back({buffer.component, "sram", all, macro.area_mm2 * um2_per_mm2, source});
}

PriceList EnergyLedger::price(const CostBook& book) const {
  PriceList out;
  out.technology = book.name();
  out.node_nm = book.node_nm();
  for (const Unit& unit : units_)
    price_unit(book, unit, out);
  for (const Buffer& buffer : buffers_)
    price_buffer(book, buffer, out);
  out.energy.push_back(price_of(book, "control.cycle", "pJ/cycle"));
  const CostEntry control = book.find("control.area", "um2");
  out.area.push_back({"control", "control", 1, control.value, control.source});
  return out;
}

}  // namespace nibble
