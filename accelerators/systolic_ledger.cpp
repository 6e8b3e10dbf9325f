// SPDX-License-Identifier: Apache-2.0
/// The part of SystolicConfig that says what the machine counts (accelerators/energy_ledger.h).
#include "accelerators/energy_ledger.h"
#include "accelerators/systolic_config.h"

namespace nibble {
namespace {

EnergyLedger::Unit pe_unit(const SystolicConfig& config) {
  const PeTiming& timing = config.pe->timing();
  EnergyLedger::Unit unit;
  unit.component = unit.group = "pe";
  unit.key = without_last_word(timing.area_key);
  unit.slot = "PE cycle";
  unit.instances = config.array.rows * config.array.columns;
  unit.idle = config.idle.pe;
  for (const PeMode& mode : timing.modes)
    unit.work.push_back({"mac." + mode.name, "MAC", mode.energy_key, "pJ/MAC"});
  unit.usual_work = mode_index(*config.pe, config.formats.activation, config.formats.weight);
  const PeMode& usual = timing.modes[unit.usual_work];
  unit.work_per_slot = static_cast<double>(usual.lanes) / (usual.pes_fused * usual.initiation_interval);
  const std::size_t modes = timing.modes.size();
  unit.done = [modes](const CommandCounters& c) {
    return std::vector<std::uint64_t>(c.macs_by_mode.begin(),
                                      c.macs_by_mode.begin() + static_cast<std::ptrdiff_t>(modes));
  };
  unit.busy_slots = [](const CommandCounters& c) { return c.pe_cycles; };
  return unit;
}

EnergyLedger::Unit foot_unit(const SystolicConfig& config) {
  EnergyLedger::Unit unit;
  unit.component = "foot";
  unit.group = "foot";
  unit.key = without_last_word(config.pe->timing().foot_key);
  unit.slot = "foot cycle";
  unit.instances = config.array.columns * config.array.result_ports;
  unit.idle = config.idle.foot;
  unit.work = {{"element", "element", config.pe->timing().foot_key, "pJ/element"}};
  unit.done = [](const CommandCounters& c) { return std::vector<std::uint64_t>{c.group_results}; };
  unit.busy_slots = [](const CommandCounters& c) { return c.group_results; };
  return unit;
}

EnergyLedger::Buffer buffer(const SystolicConfig& config, const char* component, std::uint64_t bytes,
                            std::uint64_t CommandCounters::*read, std::uint64_t CommandCounters::*written) {
  const auto count = [](std::uint64_t CommandCounters::*counter) {
    return [counter](const CommandCounters& c) { return c.*counter; };
  };
  return {component, bytes, 1, config.sram_access_bits, count(read), count(written)};
}

}  // namespace

EnergyLedger SystolicConfig::ledger() const {
  std::vector<EnergyLedger::Unit> units = {pe_unit(*this)};
  if (!pe->timing().foot_key.empty()) units.push_back(foot_unit(*this));
  if (quantizer.present) units.push_back(quantizer_unit(*this));
  units.push_back(nibble::vector_unit(*this));
  return {clock_mhz,
          std::move(units),
          {buffer(*this, "weight_buffer", buffers.weight_bytes, &CommandCounters::weight_buffer_read,
                  &CommandCounters::weight_buffer_write),
           buffer(*this, "activation_buffer", buffers.activation_bytes, &CommandCounters::activation_buffer_read,
                  &CommandCounters::activation_buffer_write),
           buffer(*this, "output_buffer", buffers.output_bytes, &CommandCounters::output_buffer_read,
                  &CommandCounters::output_buffer_write)}};
}

}  // namespace nibble
