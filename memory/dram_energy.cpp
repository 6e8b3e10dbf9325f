// SPDX-License-Identifier: Apache-2.0
#include "memory/dram_energy.h"

#include <algorithm>

namespace nibble {

namespace {

/// Adds what one supply gives.
void add_supply(MemoryEnergy& energy, const DramSupply& s, const DramDevice& device, const RankCounters& n,
                double rank_cycles) {
  const DramTiming& t = device.timing;
  const double pj_per_ma_cycle = s.volts * device.tck_ns * device.currents->devices;  // V x mA x ns = pJ
  const auto cycles = [](Cycle count) { return static_cast<double>(count); };
  const auto times = [](std::uint64_t count) { return static_cast<double>(count); };
  const double burst = cycles(device.geometry.burst_cycles());
  const double refresh_share =
      device.queues.refresh == RefreshKind::all_bank
          ? 1
          : static_cast<double>(device.geometry.refresh_banks) / device.geometry.banks_per_rank();

  energy.activate_pj += times(n.activates) * pj_per_ma_cycle *
                        (s.idd0 * cycles(t.rc) - s.idd3n * cycles(t.ras) - s.idd2n * cycles(t.rc - t.ras));
  energy.read_pj += times(n.reads) * pj_per_ma_cycle * (s.idd4r - s.idd3n) * burst;
  energy.write_pj += times(n.writes) * pj_per_ma_cycle * (s.idd4w - s.idd3n) * burst;
  energy.refresh_pj += times(n.refreshes) * pj_per_ma_cycle * (s.idd5b - s.idd3n) * cycles(t.rfc) * refresh_share;
  const double active = std::min(times(n.active_cycles), rank_cycles);
  energy.active_standby_pj += pj_per_ma_cycle * s.idd3n * active;
  energy.precharge_standby_pj += pj_per_ma_cycle * s.idd2n * (rank_cycles - active);
}

}  // namespace

MemoryEnergy dram_energy(const DramDevice& device, const RankCounters& n, double rank_cycles) {
  MemoryEnergy energy;
  energy.known = device.currents.has_value();
  if (!energy.known) return energy;
  const DramCurrents& c = *device.currents;
  add_supply(energy, c.core, device, n, rank_cycles);
  if (c.second) add_supply(energy, *c.second, device, n, rank_cycles);
  energy.background_pj = energy.active_standby_pj + energy.precharge_standby_pj;
  if (c.vpp_v && c.ipp0) {
    energy.activate_pj += static_cast<double>(n.activates) * *c.vpp_v * *c.ipp0 *
                          static_cast<double>(device.timing.rc) * device.tck_ns * c.devices;
  } else if (c.pump) {
    energy.left_out = "pump supply";
  }
  if (c.io_read_pj_per_bit && c.io_write_pj_per_bit) {
    const double bits = static_cast<double>(device.geometry.burst_bytes()) * 8;
    energy.io_pj = bits * (static_cast<double>(n.reads) * *c.io_read_pj_per_bit +
                           static_cast<double>(n.writes) * *c.io_write_pj_per_bit);
  } else {
    energy.left_out += energy.left_out.empty() ? "interface" : ", interface";
  }
  return energy;
}

}  // namespace nibble
