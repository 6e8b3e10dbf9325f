// SPDX-License-Identifier: Apache-2.0
/// Timing descriptor of a PE: what an array needs to know of it besides its arithmetic.
#pragma once

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
};

struct PeTiming {
  std::string name;           ///< "mant"
  std::string area_key;       ///< cost book entry, um2 per PE
  unsigned foot_latency = 0;  ///< cycles of the scaling unit at the column foot
  std::vector<PeMode> modes;
  const PeMode& mode(const std::string& mode_name) const;
};

}  // namespace nibble
