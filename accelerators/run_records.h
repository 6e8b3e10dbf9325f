// SPDX-License-Identifier: Apache-2.0
/// Turns the figures of commands, as they end, into the operators of a report.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/lowering.h"
#include "core/report.h"
#include "core/timeline.h"

namespace nibble {

/// One record per operator, layer and phase; decode steps of one operator are summed up, and rounds of an attention. A
/// command with repeated_layers is recorded for those layers too, one after the other, one with repeated_rounds as
/// often as these have it; everything later moves back by the time that they would have taken. Of a warm-up nothing is
/// recorded; in the timeline it stands, and everything later in the report moves forward by its time.
class RunRecords {
 public:
  /// `timeline`: gets the commands, and what was not simulated; nullptr: nobody does. `period`: of a cycle.
  explicit RunRecords(Report& report, Timeline* timeline = nullptr, Ticks period = 0)
      : report_(report), timeline_(timeline), period_(period) {}
  /// In the order in which commands end. `begin_cycle`: of the simulation, `counters`: of the command, `figures`: of
  /// all rounds that it stands for.
  void add(const LoweredCommand& command, std::uint64_t begin_cycle, const CommandCounters& counters,
           const ReportFigures& figures);
  /// After the last command: says in the report's notes what was repeated, and how far the two simulated layers of a
  /// run of equal ones, and the two halves of a stretch of rounds or of a command, lie apart.
  void finish();

 private:
  struct Entry {
    LoweredCommand command;
    std::uint64_t begin_cycle = 0;  ///< of the report
    ReportFigures figures;          ///< of repeated rounds, too
    std::vector<std::string> hidden_under;
  };
  void record(const Entry& entry, int layer, std::uint64_t begin_cycle);
  void leave_out(const Entry& entry);
  void skip(std::uint64_t cycles, const std::string& reason);
  void count_round(const LoweredCommand& command, std::uint64_t cycles);
  void end_stretch();
  std::vector<std::string> hidden_under(std::uint64_t begin_cycle, const CommandCounters& counters);
  void repeat();
  void draw(const Entry& entry, int layer, std::uint64_t begin_cycle);
  void note_layers();
  void note_rounds();
  void note_stretches();

  Report& report_;
  Timeline* timeline_;
  const Ticks period_;
  std::map<std::tuple<std::string, int, Phase>, std::size_t> index_;
  std::vector<Entry> repeated_;  ///< the layer that is being collected
  struct Interval {
    std::string name;
    std::uint64_t end = 0;
  };
  std::deque<Interval> last_;        ///< own cycles of the last commands, of the simulation
  std::uint64_t layer_cycles_ = 0;   ///< of the layer that commands belong to
  std::uint64_t cycles_before_ = 0;  ///< of the layer before
  int layer_ = -1;
  std::uint64_t shift_ = 0;                     ///< from a cycle of the simulation to that of the report, modulo 2^64
  std::uint64_t warm_up_cycles_ = 0;            ///< by which the timeline is ahead of the report
  bool compared_ = false;                       ///< layers
  std::uint64_t end_ = 0;                       ///< of the last command, in the report
  std::uint64_t simulated_ = 0, copied_ = 0;    ///< commands
  double difference_ = 0;                       ///< largest of two layers, relative
  std::uint64_t in_rounds_ = 0, left_out_ = 0;  ///< commands of attentions in rounds
  /// By operator, of the halves of the stretch of rounds that is being collected.
  std::map<std::string, std::array<std::uint64_t, 2>> halves_;
  bool in_second_half_ = false;
  double round_difference_ = 0,
         round_shift_ = 0;     ///< largest of two halves, of all and of one operator in them, relative
  std::uint64_t in_part_ = 0;  ///< commands of which stretches were repeated
  std::uint64_t in_part_cycles_ = 0, repeated_cycles_ = 0;
  double stretch_difference_ = 0;
};

}  // namespace nibble
