// SPDX-License-Identifier: Apache-2.0
#include "memory/dram_energy.h"

#include <algorithm>

namespace nibble {

MemoryEnergy dram_energy(const DramDevice& device, const DramCounters& n, double rank_cycles) {
  MemoryEnergy energy;
  energy.known = device.currents.has_value();
  if (!energy.known) return energy;
  const DramCurrents& c = *device.currents;
  const DramTiming& t = device.timing;
  const double pj_per_ma_cycle = c.vdd_v * device.tck_ns * c.devices;  // V x mA x ns = pJ
  const auto cycles = [](Cycle count) { return static_cast<double>(count); };
  const auto times = [](std::uint64_t count) { return static_cast<double>(count); };
  const double burst = cycles(device.geometry.burst_cycles());

  energy.activate_pj = times(n.activates) * pj_per_ma_cycle *
                       (c.idd0 * cycles(t.rc) - c.idd3n * cycles(t.ras) - c.idd2n * cycles(t.rc - t.ras));
  energy.read_pj = times(n.reads) * pj_per_ma_cycle * (c.idd4r - c.idd3n) * burst;
  energy.write_pj = times(n.writes) * pj_per_ma_cycle * (c.idd4w - c.idd3n) * burst;
  energy.refresh_pj = times(n.refreshes) * pj_per_ma_cycle * (c.idd5b - c.idd3n) * cycles(t.rfc);
  const double active = std::min(times(n.active_cycles), rank_cycles);
  energy.background_pj = pj_per_ma_cycle * (c.idd3n * active + c.idd2n * (rank_cycles - active));
  if (c.vpp_v && c.ipp0) {
    energy.activate_pj += times(n.activates) * *c.vpp_v * *c.ipp0 * cycles(t.rc) * device.tck_ns * c.devices;
  } else {
    energy.left_out = "pump supply";
  }
  if (c.io_pj_per_bit) {
    energy.io_pj =
        times(n.reads + n.writes) * static_cast<double>(device.geometry.burst_bytes()) * 8 * *c.io_pj_per_bit;
  } else {
    energy.left_out += energy.left_out.empty() ? "interface" : ", interface";
  }
  return energy;
}

}  // namespace nibble
