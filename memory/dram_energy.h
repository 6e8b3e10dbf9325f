// SPDX-License-Identifier: Apache-2.0
/// Energy of a DRAM from its command counts and the currents of its data sheet.
#pragma once

#include "memory/dram_channel.h"
#include "memory/dram_device.h"
#include "memory/memory_energy.h"

namespace nibble {

/// By command: pJ = V x mA x ns, times the devices of a rank. `rank_cycles`: elapsed memory cycles, summed over all
/// ranks and channels that `counters` is the sum of.
///   activate    IDD0 over tRC less IDD3N over tRAS and IDD2N over the rest; plus VPP x IPP0 over tRC when both are
///   known read/write  IDD4R/W - IDD3N over the burst refresh     IDD5B - IDD3N over tRFC background  IDD3N while a
///   bank of the rank is open, else IDD2N interface   bits x io_pj_per_bit
MemoryEnergy dram_energy(const DramDevice& device, const DramCounters& counters, double rank_cycles);

}  // namespace nibble
