// SPDX-License-Identifier: Apache-2.0
/// The part of SimtConfig that says what the machine counts (accelerators/energy_ledger.h).
#include <algorithm>
#include <numeric>

#include "accelerators/energy_ledger.h"
#include "accelerators/simt/simt_config.h"
#include "core/units.h"

namespace nibble {
namespace {

constexpr std::uint64_t register_bytes = 4;
constexpr std::uint64_t warp_lanes = 32;
constexpr std::uint64_t macro_bits = 256;  ///< [D] wide memories are rows of macros of the width of the SRAM tables

/// Modes on PEs with one timing descriptor run on the same hardware.
bool same_hardware(const TensorCoreMode& left, const TensorCoreMode& right) {
  return &left.pe->timing() == &right.pe->timing();
}

/// The descriptor of the PE with the mode's adder trees, where there is one.
const PeTiming& built_timing(const TensorCoreMode& mode) {
  const PeTiming* built = nullptr;
  if (mode.pe->timing_with_trees != nullptr) built = mode.pe->timing_with_trees(mode.geometry.adder_trees);
  return built == nullptr ? mode.pe->timing() : *built;
}

double products_per_slot(const PeMode& mode) {
  return static_cast<double>(mode.lanes) / (mode.pes_fused * mode.initiation_interval);
}

/// PEs, as their timing descriptor has them, in all tensor cores, with the work of every mode that runs on them.
EnergyLedger::Unit tensor_core_unit(const SimtConfig& config, const TensorCoreMode& mode) {
  const PeTiming& timing = built_timing(mode);
  std::vector<std::size_t> firsts;
  for (const TensorCoreMode& other : config.modes) {
    if (same_hardware(mode, other)) firsts.push_back(config.first_pe_mode(other));
  }
  const FormatsConfig& formats = config.formats;
  const bool linear = &mode == config.modes.data();
  EnergyLedger::Unit unit;
  unit.component = firsts.size() == config.modes.size() ? "tensor_core" : "tensor_core_" + mode.name;
  unit.group = "pe";
  unit.key = without_last_word(timing.area_key);
  unit.slot = "PE cycle";
  unit.idle = config.idle.pe;
  for (const PeMode& pe_mode : timing.modes)
    unit.work.push_back({"mac." + pe_mode.name, "MAC", pe_mode.energy_key, "pJ/MAC"});
  unit.usual_work =
      mode_index(*mode.pe, linear ? formats.activation : formats.query, linear ? formats.weight : formats.key);
  unit.work_per_slot = products_per_slot(timing.modes[unit.usual_work]);
  const PeTiming& usual = mode.pe->timing();
  if (usual.area_key != timing.area_key)
    unit.stand_in = {without_last_word(usual.area_key),
                     unit.work_per_slot / products_per_slot(usual.modes[unit.usual_work])};
  const TensorCoreGeometry& g = mode.geometry;
  const std::uint64_t per_block = std::uint64_t{g.thread_groups} * g.dp_units * g.dp_width * g.adder_trees;
  unit.instances = std::uint64_t{config.multiprocessors} * config.multiprocessor.pipeline.blocks *
                   static_cast<std::uint64_t>(static_cast<double>(per_block) / unit.work_per_slot);
  const auto macs = [firsts, count = timing.modes.size()](const CommandCounters& c) {
    std::vector<std::uint64_t> done(count);
    for (const std::size_t first : firsts) {
      for (std::size_t i = 0; i < count; ++i)
        done[i] += c.macs_by_mode[first + i];
    }
    return done;
  };
  unit.done = macs;
  unit.busy_slots = [macs, per_slot = unit.work_per_slot](const CommandCounters& c) {
    const std::vector<std::uint64_t> done = macs(c);
    const std::uint64_t sum = std::accumulate(done.begin(), done.end(), std::uint64_t{0});
    return static_cast<std::uint64_t>(static_cast<double>(sum) / per_slot);
  };
  return unit;
}

/// Scale-factor decoders: one per dot-product unit, so that as many scales are ready as a step has rows and columns.
EnergyLedger::Unit decoder_unit(const SimtConfig& config, const TensorCoreMode& mode) {
  const TensorCoreGeometry& g = mode.geometry;
  EnergyLedger::Unit unit;
  unit.component = unit.group = "scale_decoder";
  unit.key = "scale_decoder." + mode.pe->name;
  unit.slot = "decoder cycle";
  unit.instances =
      std::uint64_t{config.multiprocessors} * config.multiprocessor.pipeline.blocks * g.thread_groups * g.dp_units;
  unit.idle = config.idle.foot;
  unit.work = {{"scale", "scale", unit.key + ".scale", "pJ/scale"}};
  unit.done = [](const CommandCounters& c) { return std::vector<std::uint64_t>{c.simt.decoded_scales}; };
  unit.busy_slots = [](const CommandCounters& c) { return c.simt.decoded_scales; };
  return unit;
}

EnergyLedger::Unit foot_unit(const SimtConfig& config, const TensorCoreMode& mode) {
  const TensorCoreGeometry& g = mode.geometry;
  EnergyLedger::Unit unit;
  unit.component = unit.group = "foot";
  unit.key = without_last_word(mode.pe->timing().foot_key);
  unit.slot = "foot cycle";
  unit.instances = std::uint64_t{config.multiprocessors} * config.multiprocessor.pipeline.blocks * g.thread_groups *
                   g.dp_units * g.adder_trees;
  unit.idle = config.idle.foot;
  unit.work = {{"element", "element", mode.pe->timing().foot_key, "pJ/element"}};
  unit.done = [](const CommandCounters& c) { return std::vector<std::uint64_t>{c.group_results}; };
  unit.busy_slots = [](const CommandCounters& c) { return c.group_results; };
  return unit;
}

/// Instructions issued, whatever they are: fetch, decode, scoreboard, operand collectors.
EnergyLedger::Unit scheduler_unit(const SimtConfig& config) {
  EnergyLedger::Unit unit;
  unit.component = "warp_scheduler";
  unit.group = "control";
  unit.key = "sm.scheduler";
  unit.slot = "cycle";
  unit.instances = std::uint64_t{config.multiprocessors} * config.multiprocessor.pipeline.blocks;
  unit.idle = IdlePolicy::clocked;
  for (std::size_t i = 0; i < warp_operation_count; ++i)
    unit.work.push_back({to_string(static_cast<WarpOperation>(i)), "instruction", "sm.instruction", "pJ/instruction"});
  unit.done = [](const CommandCounters& c) {
    return std::vector<std::uint64_t>(c.simt.instructions.begin(), c.simt.instructions.end());
  };
  unit.busy_slots = [](const CommandCounters& c) { return c.simt.all_instructions(); };
  return unit;
}

/// The lanes compute vector functions and whatever the kernels ask of them.
EnergyLedger::Unit lane_unit(const SimtConfig& config) {
  EnergyLedger::Unit unit = vector_unit(config);
  const auto operations = [](const CommandCounters& c) {
    return c.vector_operations + warp_lanes * (c.simt.of(WarpOperation::unpack) + c.simt.of(WarpOperation::integer) +
                                               c.simt.of(WarpOperation::convert));
  };
  unit.done = [operations](const CommandCounters& c) { return std::vector<std::uint64_t>{operations(c)}; };
  unit.busy_slots = operations;
  return unit;
}

/// A memory of `bytes` that moves `width` bytes at a time: macros side by side.
EnergyLedger::Buffer wide_memory(const char* component, std::uint64_t bytes, std::uint64_t width,
                                 std::uint64_t instances) {
  const std::uint64_t across = ceil_div(width * 8, macro_bits);
  EnergyLedger::Buffer buffer;
  buffer.component = component;
  buffer.bytes = bytes / across;
  buffer.instances = instances * across;
  buffer.access_bits = macro_bits;
  return buffer;
}

}  // namespace

EnergyLedger SimtConfig::ledger() const {
  std::vector<EnergyLedger::Unit> units;
  for (const TensorCoreMode& mode : modes) {
    const auto first = std::find_if(modes.begin(), modes.end(),
                                    [&mode](const TensorCoreMode& other) { return same_hardware(mode, other); });
    if (&*first == &mode) units.push_back(tensor_core_unit(*this, mode));
  }
  // Sums are counted together: one unit scales them.
  const auto scaled = std::find_if(modes.begin(), modes.end(),
                                   [](const TensorCoreMode& mode) { return !mode.pe->timing().foot_key.empty(); });
  if (scaled != modes.end()) units.push_back(foot_unit(*this, *scaled));
  const auto decoding =
      std::find_if(modes.begin(), modes.end(), [](const TensorCoreMode& mode) { return mode.geometry.decodes_scales; });
  if (decoding != modes.end()) units.push_back(decoder_unit(*this, *decoding));
  units.push_back(lane_unit(*this));
  units.push_back(scheduler_unit(*this));
  const SmConfig& sm = multiprocessor.pipeline;
  constexpr std::uint64_t banks = 2;
  EnergyLedger::Buffer registers =
      wide_memory("register_file", sm.registers_kib * kib / sm.blocks / banks,
                  sm.registers_per_bank_cycle * register_bytes, std::uint64_t{multiprocessors} * sm.blocks * banks);
  registers.read = [](const CommandCounters& c) { return register_bytes * c.simt.register_reads; };
  registers.written = [](const CommandCounters& c) { return register_bytes * c.simt.register_writes; };
  EnergyLedger::Buffer shared =
      wide_memory("shared_memory", sm.shared_kib * kib, sm.shared_bytes_per_cycle, multiprocessors);
  shared.read = [](const CommandCounters& c) { return c.simt.shared_read_bytes; };
  shared.written = [](const CommandCounters& c) { return c.simt.shared_written_bytes; };
  EnergyLedger::Buffer cache = wide_memory("l2_cache", l2.capacity_bytes, l2.bytes_per_cycle, 1);
  cache.read = [](const CommandCounters& c) { return c.simt.l2_read_bytes; };
  cache.written = [](const CommandCounters& c) { return c.simt.l2_filled_bytes; };
  return {clock_mhz, std::move(units), {registers, shared, cache}};
}

}  // namespace nibble
