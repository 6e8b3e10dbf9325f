// SPDX-License-Identifier: Apache-2.0
/// Timing descriptor of a PE: what an array needs to know of it besides its arithmetic.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

/// One operating mode of a PE.
struct PeMode {
  std::string name;                  ///< "w4a8", "w8a8", "m8w4", ...
  unsigned lanes = 1;                ///< products per PE and initiation
  unsigned initiation_interval = 1;  ///< cycles between operands
  unsigned latency = 1;              ///< cycles from operands to the registered partial sum
  unsigned pes_fused = 1;            ///< neighbouring PEs that work as one in this mode
  std::string energy_key;            ///< cost book entry, pJ per MAC
  unsigned outputs = 1;              ///< outputs that the lanes' products belong to
};

struct PeTiming {
  std::string name;               ///< "mant"
  std::string area_key;           ///< cost book entry, um2 per PE
  unsigned foot_latency = 0;      ///< cycles of the scaling unit at the column foot
  std::string foot_key;           ///< cost book entry, pJ per group result scaled; empty: part of the PE's figure
  std::uint64_t longest_sum = 0;  ///< products that one partial sum in the array holds; 0: no limit
  /// Cycles between sums that one PE may hand to a scaling unit which it shares; 0: it has its own.
  std::uint64_t group_interval = 0;
  std::vector<PeMode> modes;
  const PeMode& mode(const std::string& mode_name) const;
};

}  // namespace nibble
