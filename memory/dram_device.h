// SPDX-License-Identifier: Apache-2.0
/// DramDevice: what a data sheet and a controller's manual say about one DRAM channel - geometry, timing, queues,
/// currents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/config_node.h"

namespace nibble {

/// Number of DRAM clock cycles, or a point in time counted in them.
using Cycle = std::int64_t;

/// Geometry of one channel (HBM: one pseudo-channel). Every count is a power of two.
struct DramGeometry {
  unsigned channels = 1;  ///< identical, independent
  unsigned ranks = 1, bank_groups = 1, banks_per_group = 1;
  std::uint64_t rows = 0;        ///< per bank
  std::uint64_t row_bytes = 0;   ///< per bank, over all devices of the rank
  unsigned bus_width_bits = 0;   ///< data bus of the channel
  unsigned burst_length = 0;     ///< beats
  unsigned beats_per_clock = 2;  ///< data beats per command clock
  unsigned refresh_banks = 1;    ///< banks that one per-bank refresh command covers, equally far apart

  std::uint64_t burst_bytes() const { return std::uint64_t{bus_width_bits} / 8 * burst_length; }
  Cycle burst_cycles() const { return burst_length / beats_per_clock; }
  unsigned banks_per_rank() const { return bank_groups * banks_per_group; }
  unsigned banks() const { return ranks * banks_per_rank(); }
  std::uint64_t channel_bytes() const { return banks() * rows * row_bytes; }
  std::uint64_t capacity_bytes() const { return channels * channel_bytes(); }
};

/// Minimum distances between commands in cycles, named as in the JEDEC standards. _S: other bank group, _L: same bank
/// group.
struct DramTiming {
  Cycle cl = 0;   ///< read command to first data
  Cycle cwl = 0;  ///< write command to first data
  Cycle rcd_read = 0, rcd_write = 0;
  Cycle rp = 0, rp_all = 0;  ///< precharge of one bank, of all banks
  Cycle ras = 0, rc = 0;
  Cycle ccd_s = 0, ccd_l = 0;
  Cycle ccd_l_write = 0;  ///< write to write, same bank group (DDR5)
  Cycle rrd_s = 0, rrd_l = 0;
  Cycle faw = 0;               ///< window of four activates in a rank
  Cycle wr = 0;                ///< end of write data to precharge
  Cycle wtr_s = 0, wtr_l = 0;  ///< end of write data to read command
  Cycle rtp = 0;               ///< read command to precharge
  Cycle rtw = 0;               ///< read command to write command
  Cycle rfc = 0, refi = 0;
  Cycle rfc_bank = 0;  ///< of a per-bank refresh; 0: the device has none
  Cycle rrefd = 0;     ///< per-bank refresh to the activate of another bank
  Cycle ppd = 0;       ///< precharge to precharge, 0 where the standard has none
  Cycle rtrs = 0;      ///< gap on the data bus when the rank changes
};

enum class PagePolicy : std::uint8_t { open, closed };
enum class QueueKind : std::uint8_t { shared, per_bank };
enum class RefreshKind : std::uint8_t { all_bank, per_bank };

/// The controller of one channel.
struct DramQueues {
  unsigned transactions = 128;  ///< TLM transactions admitted at a time, over all channels; default 128 of each
  QueueKind queue = QueueKind::shared;
  unsigned reads = 32;  ///< bursts that the scheduler sees and may reorder; of each bank with QueueKind::per_bank
  unsigned writes = 32;
  unsigned write_high = 32;    ///< waiting writes (of all banks) at which reads are interrupted ...
  unsigned write_low = 0;      ///< ... until no more than this many are left, or a read would be quicker
  unsigned row_hit_cap = 64;   ///< bursts that may overtake an older one of another row in the same bank
  unsigned streak_cap = 1024;  ///< bursts in one direction while the other direction waits
  PagePolicy page_policy = PagePolicy::open;
  RefreshKind refresh = RefreshKind::all_bank;
};

/// A voltage in V and the currents of one device from it in mA.
struct DramSupply {
  double volts = 0;
  double idd0 = 0, idd2n = 0, idd3n = 0, idd4r = 0, idd4w = 0, idd5b = 0;
};

/// What a rank draws. Empty optional: unknown.
struct DramCurrents {
  double devices = 1;  ///< devices of a rank that switch together
  DramSupply core;
  std::optional<DramSupply> second;   ///< LPDDR: VDD1
  std::optional<double> vpp_v, ipp0;  ///< pump supply and its current during activate-precharge cycles
  bool pump = true;                   ///< false: the device has no pump supply
  std::optional<double> io_read_pj_per_bit, io_write_pj_per_bit;  ///< interface and termination
};

struct DramDevice {
  std::string standard, source;
  double tck_ns = 0;
  DramGeometry geometry;
  DramTiming timing;
  DramQueues queues;
  std::string mapping;
  std::optional<DramCurrents> currents;

  /// Reads the keys described in docs/memory.md (not `kind`) and rejects sets that no device can have; the message
  /// names the rule that is broken.
  static DramDevice from(ConfigNode node);
};

}  // namespace nibble
