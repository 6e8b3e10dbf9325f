// SPDX-License-Identifier: Apache-2.0
/// MemoryEnergy: what a memory spent, by cause, in picojoule.
#pragma once

#include <string>

namespace nibble {

/// Energy by cause.
struct MemoryEnergy {
  bool known = false;  ///< false: the configuration has no energy figures, all values are 0
  std::string
      left_out;  ///< parts that the configuration does not know ("interface"), not in the sum; empty when complete
  double activate_pj = 0, read_pj = 0, write_pj = 0, refresh_pj = 0, background_pj = 0, io_pj = 0;
  /// What background_pj consists of where the memory tells them apart: a row open, no row open.
  double active_standby_pj = 0, precharge_standby_pj = 0;
  double total_pj() const { return activate_pj + read_pj + write_pj + refresh_pj + background_pj + io_pj; }
};

}  // namespace nibble
