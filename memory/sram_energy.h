// SPDX-License-Identifier: Apache-2.0
/// SramEnergy: what an array of equal SRAM banks spent, from counters and a cost book, computed after the run.
#pragma once

#include <cstdint>
#include <string>

#include "core/cost_book.h"

namespace nibble {

/// An array of `banks` macros, each `capacity_bytes / banks` large and accessed `width_bytes` at a time.
struct SramArray {
  std::uint64_t capacity_bytes = 0;  ///< all banks
  unsigned banks = 1;
  unsigned width_bytes = 32;
};

struct SramEnergy {
  double read_pj = 0, write_pj = 0;  ///< dynamic, by direction
  double leakage_pj = 0;             ///< every bank, for the whole time, stalls included
  double area_mm2 = 0;
  std::string source;    ///< tool, cell type and temperature of the figures
  std::string left_out;  ///< parts of the array that the figures do not cover; empty when none
  double total_pj() const { return read_pj + write_pj + leakage_pj; }
};

/// `reads` and `writes` are accesses of one bank. Throws InputError when the book has no SRAM table or a bank lies
/// outside of its capacities: nothing is extrapolated.
SramEnergy sram_energy(const CostBook& book, const SramArray& array, std::uint64_t reads, std::uint64_t writes,
                       double seconds);

}  // namespace nibble
