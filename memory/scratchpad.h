// SPDX-License-Identifier: Apache-2.0
/// Scratchpad: an on-chip buffer of banks and ports; how many cycles an access pattern takes, and how many bank
/// accesses it makes. A plain class: the owner keeps the data and the time.
#pragma once

#include <cstdint>
#include <string>

#include "core/config_node.h"
#include "core/cost_book.h"
#include "core/statistics.h"

namespace nibble {

struct ScratchpadConfig {
  std::uint64_t capacity_bytes = 0;
  unsigned banks = 1;         ///< consecutive words lie in consecutive banks
  unsigned width_bytes = 16;  ///< one access of one bank: a word
  unsigned read_ports = 1;    ///< reads of one bank per cycle
  unsigned write_ports = 1;   ///< writes of one bank per cycle
  /// Keys capacity_kib, banks, width_bits, read_ports, write_ports. The caller rejects unknown keys.
  static ScratchpadConfig from(ConfigNode node);
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

class Scratchpad {
 public:
  /// Throws InternalError for a configuration without banks, ports or words.
  explicit Scratchpad(const ScratchpadConfig& config);

  struct Use {
    std::uint64_t cycles = 0;     ///< until the last lane is served
    std::uint64_t accesses = 0;   ///< of single banks
    std::uint64_t conflicts = 0;  ///< cycles beyond one per group of lanes
  };
  /// What a pattern costs; counts nothing. Cost of the call: one period of the banks, whatever the count.
  Use examine(const ScratchpadPattern& pattern) const;
  /// The same, counted.
  Use access(const ScratchpadPattern& pattern);

  std::uint64_t reads() const { return reads_; }  ///< bank accesses
  std::uint64_t writes() const { return writes_; }
  std::uint64_t conflict_cycles() const { return conflicts_; }
  /// Dynamic energy of the counted accesses; `cost` is that of one bank, width_bytes wide.
  double energy_pj(const SramCost& cost) const;
  const ScratchpadConfig& config() const { return config_; }
  /// The group must not outlive this object.
  void register_statistics(Statistics& group, const std::string& name);

 private:
  struct Load;
  const ScratchpadConfig config_;
  std::uint64_t reads_ = 0, writes_ = 0, conflicts_ = 0;
};

}  // namespace nibble
