// SPDX-License-Identifier: Apache-2.0
#include "accelerators/energy_ledger.h"

namespace nibble {
namespace {

/// count x entry; nothing was counted: 0 even when the entry is unknown.
std::optional<double> cost(const CostBook& book, const std::string& key, std::uint64_t count) {
  if (count == 0) return 0.0;
  const auto& value = book.at(key).value;
  return value ? std::optional<double>(*value * static_cast<double>(count)) : std::nullopt;
}

std::optional<double> sum(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional<double>(*a + *b) : std::nullopt;
}

constexpr double um2_per_mm2 = 1e6;

}  // namespace

EnergyLedger::EnergyLedger(const SystolicConfig& config, const CostBook& book)
    : config_(config),
      book_(book),
      weight_(buffer(config.buffers.weight_bytes)),
      activation_(buffer(config.buffers.activation_bytes)),
      output_(buffer(config.buffers.output_bytes)) {}

EnergyLedger::Buffer EnergyLedger::buffer(std::uint64_t bytes) const {
  Buffer buffer;
  const auto bits = static_cast<double>(config_.sram_access_bits);
  buffer.cost = book_.sram(static_cast<double>(bytes), bits);
  buffer.pj_per_read_byte = buffer.cost.read_pj * 8 / bits;
  buffer.pj_per_write_byte = buffer.cost.write_pj * 8 / bits;
  return buffer;
}

EnergyFigures EnergyLedger::energy(const CommandCounters& c) const {
  const auto bytes = [](const Buffer& buffer, std::uint64_t reads, std::uint64_t writes) {
    return static_cast<double>(reads) * buffer.pj_per_read_byte +
           static_cast<double>(writes) * buffer.pj_per_write_byte;
  };
  const double seconds = static_cast<double>(c.cycles) / (config_.clock_mhz * 1e6);
  const double leakage_mw = weight_.cost.leakage_mw + activation_.cost.leakage_mw + output_.cost.leakage_mw;
  const PeTiming& timing = config_.pe->timing();
  EnergyFigures energy;
  energy.pe = timing.foot_key.empty() ? 0.0 : cost(book_, timing.foot_key, c.group_results);
  for (std::size_t mode = 0; mode < timing.modes.size(); ++mode)
    energy.pe = sum(energy.pe, cost(book_, timing.modes[mode].energy_key, c.macs_by_mode.at(mode)));
  energy.quantizer = cost(book_, config_.quantizer.cost_key + ".element", c.quantized_elements);
  energy.vector = cost(book_, "vector.operation", c.vector_operations);
  energy.sram = bytes(weight_, c.weight_buffer_read, c.weight_buffer_write) +
                bytes(activation_, c.activation_buffer_read, c.activation_buffer_write) +
                bytes(output_, c.output_buffer_read, c.output_buffer_write);
  energy.dram = 0.0;
  // mW x s = mJ = 1e9 pJ.
  energy.static_power = leakage_mw * seconds * 1e9;
  return energy;
}

AreaFigures EnergyLedger::area() const {
  AreaFigures area;
  area.pe_um2 = cost(book_, config_.pe->timing().area_key, config_.array.rows * config_.array.columns);
  area.sram_um2 = (weight_.cost.area_mm2 + activation_.cost.area_mm2 + output_.cost.area_mm2) * um2_per_mm2;
  area.quantizer_um2 = cost(book_, config_.quantizer.cost_key + ".area", 1);
  area.vector_um2 = cost(book_, "vector.lane.area", config_.vector_unit.lanes);
  return area;
}

std::vector<std::pair<std::string, std::string>> EnergyLedger::sources() const {
  const PeTiming& timing = config_.pe->timing();
  const PeMode& mode = mode_of(*config_.pe, config_.formats.activation, config_.formats.weight);
  std::vector<std::pair<std::string, std::string>> out;
  const auto add = [&](const char* component, const std::string& key) {
    const CostEntry& entry = book_.at(key);
    out.emplace_back(component, entry.source + (entry.value ? "" : " [unknown]"));
  };
  add("pe", mode.energy_key);
  if (!timing.foot_key.empty()) add("column foot", timing.foot_key);
  add("quantizer", config_.quantizer.cost_key + ".element");
  add("vector unit", "vector.operation");
  add("PE area", timing.area_key);
  out.emplace_back("SRAM and its leakage (static)", book_.sram_source());
  out.emplace_back("not included", "PE leakage and idle energy, clock tree, control: no published number");
  return out;
}

}  // namespace nibble
