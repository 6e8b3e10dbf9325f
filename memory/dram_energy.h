// SPDX-License-Identifier: Apache-2.0
/// Energy of a DRAM from its command counts and the currents of its data sheet.
#pragma once

#include "memory/dram_channel.h"
#include "memory/dram_device.h"
#include "memory/memory_energy.h"

namespace nibble {

/// By command: pJ = V x mA x ns, times the devices of a rank, summed over the supplies. `rank_cycles`: elapsed memory
/// cycles, summed over all ranks and channels that `counters` is the sum of.
///   activate    IDD0 over tRC less IDD3N over tRAS and IDD2N over the rest; plus VPP x IPP0 over tRC when known
///   read, write IDD4R or IDD4W less IDD3N over the burst
///   refresh     IDD5B less IDD3N over tRFC; a per-bank refresh its share of that, as it covers as many rows less
///   background  IDD3N while a bank of the rank is open, else IDD2N
///   interface   bits x pJ per bit
MemoryEnergy dram_energy(const DramDevice& device, const RankCounters& counters, double rank_cycles);

}  // namespace nibble
