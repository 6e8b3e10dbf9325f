// SPDX-License-Identifier: Apache-2.0
/// Long commands repeat themselves: one instance of an attention product is like the next, one row of output tiles like
/// the row below, one chunk of a vector command like the one behind it. EqualStretches measures a stretch of a running
/// command, so that it can stand for those like it.
#pragma once

#include <cstdint>

#include "accelerators/command_counters.h"
#include "accelerators/gemm_progress.h"
#include "dataflow/tile_schedule.h"

namespace nibble {

/// One command without data, at fidelity `transaction`.
///
/// Its units differ in their addresses only. The first one warms up; from the second on time is measured in two halves
/// of equally many units, each at least half_cycles long (some 250 refresh intervals of a DRAM at 500 MHz: what happens
/// a few times per half, or depends on the phase of a refresh, is below the tolerance). When the halves differ by at
/// most `tolerance`, the stretch of both stands for as many whole stretches of the units behind it as there are; what
/// is left, the last unit among it, is simulated. When they differ by more, they become the first half of a measurement
/// twice as long. Commands that are not several times as long are simulated whole.
///
/// The simulation's own time does not advance, and what others count (a memory its bytes and energy) is of what was
/// simulated: CommandCounters tell the share.
class EqualStretches {
 public:
  static constexpr std::uint64_t half_cycles = 1 << 19;
  static constexpr double tolerance = 2e-4;

  /// Off: everything is simulated.
  explicit EqualStretches(bool on) : ended_(!on) {}

  /// What the measured stretch stands for; `times` is 0 while it stands for nothing.
  struct Repeat {
    std::uint64_t times = 0;
    std::uint64_t units = 0;     ///< of all times, which the command is to leave out
    std::uint64_t elements = 0;  ///< that these would have finished
    CommandCounters before;      ///< where the stretch began
  };
  /// `unit` of the command begins or continues at edge `end`, `elements` are finished; `ahead`: units behind it that
  /// may be left out. The caller counts what the stretch stands for; repeated_cycles and repeat_difference are set.
  Repeat enter(std::uint64_t unit, std::uint64_t ahead, std::uint64_t end, std::uint64_t elements,
               CommandCounters& counters);
  /// The same of a GEMM command: to be called with every job when its operands are on chip, before it is placed. Counts
  /// what the stretch stands for, and takes it out of the schedule.
  void enter(const TileJob& job, GemmProgress& progress, TileSchedule& schedule);
  /// Nothing is measured any more.
  bool ended() const { return ended_; }
  /// Instead, while another command runs beside this one: nothing stands for this.
  void interrupt(std::uint64_t unit);

 private:
  struct Mark {
    CommandCounters counters;
    std::uint64_t end = 0, elements = 0;
  };
  bool halves_agree(std::uint64_t end, CommandCounters& counters);

  std::uint64_t unit_ = 0;   ///< that was there last
  std::uint64_t units_ = 0;  ///< measured so far
  bool measuring_ = false, ended_;
  Mark begin_;
  std::uint64_t half_end_ = 0, half_units_ = 0;  ///< 0: not there yet
};

}  // namespace nibble
