// SPDX-License-Identifier: Apache-2.0
/// Long commands repeat themselves: one instance of an attention product is like the next, one row of output tiles like
/// the row below, one chunk of a vector command like the one behind it. EqualStretches measures a stretch of a running
/// command, so that it can stand for those like it.
#pragma once

#include <cstdint>
#include <optional>

#include "accelerators/command_counters.h"
#include "accelerators/gemm_progress.h"
#include "dataflow/tile_schedule.h"

namespace nibble {

/// One command without data, at fidelity `transaction`.
///
/// Its units differ in their addresses only, or a little in their work. The first one warms up; from the second on time
/// is measured in two halves of equally many units, each at least half_cycles long (some 250 refresh intervals of a
/// DRAM at 500 MHz: what happens a few times per half, or depends on the phase of a refresh, is below the tolerance).
/// When the halves differ by at most `tolerance`, the stretch of both stands for as many whole stretches of the
/// units behind it as there are; what is left, the last unit among it, is simulated. When they differ by more, they
/// become the first half of a measurement twice as long. Commands that are not several times as long are simulated
/// whole.
///
/// Where a causal mask gives units more or less work from one to the next, the stretch stands for those whose work is
/// within `alike` of its own, and behind them another one is measured. Time goes with work, or with units alone where
/// something else binds (the loads of a tile that a mask has cut): whichever makes the halves agree.
///
/// The simulation's own time does not advance, and what others count (a memory its bytes and energy) is of what was
/// simulated: CommandCounters tell the share.
class EqualStretches {
 public:
  static constexpr std::uint64_t half_cycles = 1 << 19;
  static constexpr double tolerance = 2e-4;
  /// [D] of a unit's work. Where time ceases to go with units and begins to go with work inside of it, or the other
  /// way, the time of those units is off by half as much.
  static constexpr double alike = 0.005;

  /// Off: everything is simulated.
  explicit EqualStretches(bool on) : ended_(!on) {}

  /// A measured one, whose halves agree.
  struct Stretch {
    std::uint64_t units = 0, work = 0, cycles = 0;
    bool by_work = false;        ///< time goes with work, else with units
    std::uint64_t elements = 0;  ///< finished in it
    CommandCounters before;      ///< where it began
  };
  /// Where a command is when one of its units begins.
  struct Place {
    std::uint64_t end = 0;       ///< edge
    std::uint64_t work = 0;      ///< done so far, in any measure; 0 where units are equal
    std::uint64_t elements = 0;  ///< finished so far
  };
  /// `unit` of the command begins or continues at `place`. The caller counts what the stretch stands for.
  std::optional<Stretch> enter(std::uint64_t unit, const Place& place, CommandCounters& counters);
  /// The same of a GEMM command: to be called with every job when its operands are on chip, before it is placed. Where
  /// units are equal it counts what the stretch stands for, and takes it out of the schedule; else it gives the stretch
  /// to the caller. Its work is in cycles of compute.
  std::optional<Stretch> enter(const TileJob& job, GemmProgress& progress, TileSchedule& schedule);
  /// Nothing is measured any more.
  bool ended() const { return ended_; }
  /// Behind what a stretch stood for, another one is measured.
  void again();
  /// Instead, while another command runs beside this one: nothing stands for this.
  void interrupt(std::uint64_t unit);

 private:
  bool halves_agree(const Place& place, CommandCounters& counters);

  std::uint64_t unit_ = 0;   ///< that was there last
  std::uint64_t units_ = 0;  ///< measured so far
  bool measuring_ = false, ended_;
  Place begin_, half_;
  bool by_work_ = false;
  CommandCounters before_;
  std::uint64_t half_units_ = 0;  ///< 0: not there yet
};

}  // namespace nibble
