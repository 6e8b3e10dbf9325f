// SPDX-License-Identifier: Apache-2.0
#include "memory/sram_energy.h"

namespace nibble {

SramEnergy sram_energy(const CostBook& book, const SramArray& array, std::uint64_t reads, std::uint64_t writes,
                       double seconds) {
  const double banks = array.banks;
  const SramCost bank = book.sram(static_cast<double>(array.capacity_bytes) / banks, 8.0 * array.width_bytes);
  SramEnergy energy;
  energy.read_pj = static_cast<double>(reads) * bank.read_pj;
  energy.write_pj = static_cast<double>(writes) * bank.write_pj;
  energy.leakage_pj = banks * bank.leakage_mw * seconds * 1e9;  // mW x s = 1e9 pJ
  energy.area_mm2 = banks * bank.area_mm2;
  energy.source = book.sram_source();
  return energy;
}

}  // namespace nibble
