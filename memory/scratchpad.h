// SPDX-License-Identifier: Apache-2.0
/// Scratchpad: an on-chip buffer of banks and ports; how many cycles an access pattern takes, and how many bank
/// accesses it makes. A plain class: the owner keeps the data and the time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config_node.h"
#include "core/cost_book.h"
#include "core/statistics.h"
#include "memory/sram_energy.h"

namespace nibble {

struct ScratchpadConfig {
  std::uint64_t capacity_bytes = 0;
  unsigned banks = 1;         ///< consecutive words lie in consecutive banks
  unsigned width_bytes = 16;  ///< one access of one bank: a word
  unsigned read_ports = 1;    ///< reads of one bank per cycle
  unsigned write_ports = 1;   ///< writes of one bank per cycle
  unsigned shared_ports = 0;  ///< further accesses of one bank per cycle, each a read or a write
  /// Keys capacity_kib, banks, width_bits, read_ports, write_ports, shared_ports. A single-ported memory has
  /// read_ports: 0, write_ports: 0, shared_ports: 1. The caller rejects unknown keys.
  static ScratchpadConfig from(ConfigNode node);
  unsigned ports(bool write) const { return (write ? write_ports : read_ports) + shared_ports; }
};

/// `count` elements of `bytes` each, the first at `address`, each `stride` bytes after the one before, `lanes` of them
/// asked for in the same cycle. Lanes that touch the same word share one access.
struct ScratchpadPattern {
  bool write = false;
  std::uint64_t address = 0;
  std::uint64_t count = 1;
  std::uint64_t bytes = 1;
  std::uint64_t stride = 1;
  unsigned lanes = 1;
};

/// Dynamic energy of so many accesses of single banks, and leakage and area of all banks, with the book's figures for a
/// macro of one bank; `seconds` is the time for which the scratchpad was powered. Names in `left_out` what ports beyond
/// two would cost more: the table is of macros with one read and one write port.
SramEnergy scratchpad_energy(const CostBook& book, const ScratchpadConfig& config, std::uint64_t reads,
                             std::uint64_t writes, double seconds);

class Scratchpad {
 public:
  /// Throws InternalError for a configuration without banks or words, or without a port for reads or for writes.
  explicit Scratchpad(const ScratchpadConfig& config);

  struct Use {
    std::uint64_t cycles = 0;     ///< until the last lane is served
    std::uint64_t accesses = 0;   ///< of single banks
    std::uint64_t conflicts = 0;  ///< cycles beyond one per group of lanes
  };
  /// What a pattern costs when nothing else uses the banks; counts nothing. Cost of the call: one period of the banks,
  /// whatever the count.
  Use examine(const ScratchpadPattern& pattern) const;
  /// The same, counted.
  Use access(const ScratchpadPattern& pattern);

  /// What patterns cost that begin in the same cycle and meet at the banks, such as the fill of one half of a double
  /// buffer and the drain of the other; one result per pattern. Every pattern asks for one group of lanes at a time and
  /// for the next one in the cycle after the last word of the group was served. In cycle c the ports are offered to
  /// pattern c mod n first, then to the next ones (round robin). Cost of the call: every cycle is stepped.
  std::vector<Use> examine_together(const std::vector<ScratchpadPattern>& patterns) const;
  /// The same, counted.
  std::vector<Use> access_together(const std::vector<ScratchpadPattern>& patterns);

  std::uint64_t reads() const { return reads_; }  ///< bank accesses
  std::uint64_t writes() const { return writes_; }
  std::uint64_t conflict_cycles() const { return conflicts_; }
  /// Dynamic energy of the counted accesses; `cost` is that of one bank, width_bytes wide.
  double energy_pj(const SramCost& cost) const;
  /// scratchpad_energy() of the counted accesses.
  SramEnergy energy(const CostBook& book, double seconds) const;
  const ScratchpadConfig& config() const { return config_; }
  /// The group must not outlive this object.
  void register_statistics(Statistics& group, const std::string& name);

 private:
  class Walk;
  void count(const ScratchpadPattern& pattern, const Use& use);
  const ScratchpadConfig config_;
  std::uint64_t reads_ = 0, writes_ = 0, conflicts_ = 0;
};

}  // namespace nibble
