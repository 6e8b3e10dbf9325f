// SPDX-License-Identifier: Apache-2.0
/// What a machine counts, and what a cost book makes of it: energy by activity, area by instance.
///
/// A systolic machine, per command, with PEs = rows x columns and the clock's cycles T:
///   pe.mac.MODE        products in that mode                        x the mode's entry, pJ/MAC
///   pe.idle            PEs x T - PE cycles with a product            x PE.idle, pJ/cycle
///   pe.leakage         PEs x T                                      x PE.leakage, mW
///   foot.element       group sums scaled                            x the PE's foot entry, pJ/element
///   quantizer.element  elements encoded                             x QUANTIZER.element, pJ/element
///   vector.operation   elementary operations                        x vector.operation, pJ/operation
///   BUFFER.read .write bytes                                        x the SRAM table at the access width
///   BUFFER.leakage     T                                            x the SRAM table
///   control.cycle      T                                            x control.cycle, pJ/cycle
/// A SIMT machine: pe.* and foot.* for the tensor cores of each mode; vector.operation for everything that the lanes
/// compute, instructions of kernels 32 at a time; instructions that the warp schedulers issue x sm.instruction,
/// pJ/instruction; register_file, shared_memory and l2_cache as memories.
///
/// Feet, quantizer and vector unit idle and leak like PEs, per foot, unit and lane. PE stands for the PE's area entry
/// without ".area". What a book does not hold is unknown.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/machine_config.h"
#include "core/cost_book.h"
#include "core/price_list.h"

namespace nibble {

class EnergyLedger {
 public:
  struct Work {
    std::string name, unit;       ///< of the count
    std::string key, price_unit;  ///< cost book entry
  };
  /// A unit of equal instances that work, idle and leak.
  struct Unit {
    std::string component, group;
    std::string key;   ///< entries <key>.idle, <key>.gated, <key>.leakage, <key>.area
    std::string slot;  ///< an instance's cycle: "PE cycle"
    std::uint64_t instances = 0;
    IdlePolicy idle = IdlePolicy::clocked;
    std::vector<Work> work;
    std::size_t usual_work = 0;  ///< index; as_active charges it to idle slots
    double work_per_slot = 1;
    std::function<std::vector<std::uint64_t>(const CommandCounters&)> done;  ///< one count per work
    std::function<std::uint64_t(const CommandCounters&)> busy_slots;
    /// What a book without <key>.area prices instead: so many of another unit, with the same words behind its key.
    struct {
      std::string key;  ///< empty: none
      double count = 1;
    } stand_in;
    std::uint64_t owed_slots = 0;  ///< busy ones of hidden work that no command's cycles have had so far
  };
  /// Equal memories, priced by the book's SRAM table.
  struct Buffer {
    std::string component;
    std::uint64_t bytes = 0;      ///< of one
    std::uint64_t instances = 1;  ///< that work independently
    std::uint64_t access_bits = 0;
    std::function<std::uint64_t(const CommandCounters&)> read, written;  ///< bytes, of all
  };

  EnergyLedger(double clock_mhz, std::vector<Unit> units, std::vector<Buffer> buffers);
  /// What is counted, in order.
  const std::vector<ActivityKind>& activities() const { return activities_; }
  /// One count per activity, of commands in the order of their completion. Work that a command did beside older ones
  /// (CommandCounters::hidden_cycles) took slots of theirs: those that its own cycles do not have are missing among the
  /// idle ones of the commands behind it, so that the sums over a run are exact.
  std::vector<std::uint64_t> activity(const CommandCounters& counters);
  /// Of all memories on chip.
  std::uint64_t sram_read_bytes(const CommandCounters& counters) const;
  std::uint64_t sram_written_bytes(const CommandCounters& counters) const;
  /// Throws InputError where a book's entry has another unit, or a buffer is smaller than the book's smallest macro.
  PriceList price(const CostBook& book) const;

 private:
  void price_unit(const CostBook& book, const Unit& unit, PriceList& out) const;
  void price_buffer(const CostBook& book, const Buffer& buffer, PriceList& out) const;
  double pj_per_cycle(double milliwatt) const { return milliwatt / clock_mhz_ * 1e3; }

  double clock_mhz_;
  std::vector<Unit> units_;
  std::vector<Buffer> buffers_;
  std::vector<ActivityKind> activities_;
};

/// Units that machines of every kind have.
EnergyLedger::Unit quantizer_unit(const MachineConfig& config);
EnergyLedger::Unit vector_unit(const MachineConfig& config);
/// "foot.int8.element" without ".element".
std::string without_last_word(const std::string& key);

}  // namespace nibble
