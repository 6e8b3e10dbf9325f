// SPDX-License-Identifier: Apache-2.0
/// Long commands repeat themselves: one instance of an attention product is like the next, one row of output tiles like
/// the row below. EqualStretches measures a stretch of a running command and lets it stand for those like it.
#pragma once

#include <cstdint>

#include "accelerators/command_counters.h"
#include "accelerators/gemm_progress.h"
#include "dataflow/tile_schedule.h"

namespace nibble {

/// One GEMM command without data, at fidelity `transaction`.
///
/// The units of TileSchedule differ in their addresses only. The first one warms up; from the second on time is
/// measured in two halves of equally many units, each at least half_cycles long (some 250 refresh intervals of a DRAM
/// at 500 MHz: what happens a few times per half, or depends on the phase of a refresh, is below the tolerance). When
/// the halves differ by at most `tolerance`, the stretch of both stands for as many whole stretches of the units
/// behind it as there are; what is left, the last unit among it, is simulated. When they differ by more, they become
/// the first half of a measurement twice as long. Commands that are not several times as long are simulated whole.
///
/// All counters of the command are multiplied exactly; the simulation's own time does not advance, and what others
/// count (a memory its bytes and energy) is of what was simulated: CommandCounters tell the share.
class EqualStretches {
 public:
  static constexpr std::uint64_t half_cycles = 1 << 19;
  static constexpr double tolerance = 2e-4;

  /// Off: every tile is simulated.
  explicit EqualStretches(bool on) : ended_(!on) {}
  /// To be called with every job when its operands are on chip, before it is placed.
  void enter(const TileJob& job, GemmProgress& progress, TileSchedule& schedule);
  /// Nothing is measured any more.
  bool ended() const { return ended_; }
  /// Instead, while another command runs beside this one: nothing stands for this.
  void interrupt(const TileJob& job, const TileSchedule& schedule);

 private:
  struct Mark {
    CommandCounters counters;
    std::uint64_t end = 0, elements = 0;
  };
  void boundary(GemmProgress& progress, TileSchedule& schedule);
  void repeat(std::uint64_t times, double difference, GemmProgress& progress) const;

  std::uint64_t unit_ = 0;   ///< that the job before belongs to
  std::uint64_t units_ = 0;  ///< measured so far
  bool measuring_ = false, ended_;
  Mark begin_;
  std::uint64_t half_end_ = 0, half_units_ = 0;  ///< 0: not there yet
};

}  // namespace nibble
