// SPDX-License-Identifier: Apache-2.0
/// What one command cost, in the machine's own integers. Every cycle of a command belongs to exactly one cause.
///
/// Commands that run side by side share the machine's time: a cycle belongs to the oldest of them, and what a command
/// does beside an older one is hidden under that. So the cycles of all commands add up to the time they took together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "accelerators/descriptor.h"
#include "accelerators/simt/warp_program.h"
#include "transport/transfer_tag.h"

namespace nibble {

constexpr std::size_t most_modes = 16;

/// What multiprocessors did besides multiplying.
struct SimtWork {
  std::array<std::uint64_t, warp_operation_count> instructions{};  ///< of warps, by WarpOperation
  std::uint64_t register_reads = 0, register_writes = 0;           ///< lane registers (32 bits)
  std::uint64_t shared_read_bytes = 0, shared_written_bytes = 0;   ///< shared memory
  std::uint64_t l2_read_bytes = 0;                                 ///< from the L2 cache to the multiprocessors
  std::uint64_t decoded_scales = 0;                                ///< by decoders beside the dot-product units
  std::uint64_t l2_filled_bytes = 0;                               ///< from memory to the L2 cache
  std::uint64_t of(WarpOperation operation) const { return instructions[static_cast<std::size_t>(operation)]; }
  std::uint64_t all_instructions() const {
    return std::accumulate(instructions.begin(), instructions.end(), std::uint64_t{0});
  }
};

/// Why a cycle was spent; `weight_load` is a part of fill and drain.
enum class Cause : std::uint8_t { compute, fill_drain, weight_load, memory, output, quantizer };

constexpr std::size_t cause_count = 6;

/// Is told how a unit spends its time on a command, in the order of time; edges of the machine's clock.
class SpendObserver {
 public:
  virtual ~SpendObserver() = default;
  virtual void spent(Cause cause, std::uint64_t edge, std::uint64_t cycles) = 0;
  /// The quantizer encodes `elements` from edge `begin` to `end`.
  virtual void quantized(std::uint64_t elements, std::uint64_t begin, std::uint64_t end) = 0;
};

/// The time of a command that began beside older ones, in cycles from its begin.
struct TimeBeside {
  struct Spent {
    std::uint64_t cycles;
    Cause cause;
    Stream stream;
  };
  bool older = false;           ///< one of them has not completed
  std::uint64_t begin = 0;      ///< edge
  std::uint64_t position = 0;   ///< up to which spend() has been told
  std::uint64_t hidden_to = 0;  ///< up to which it is hidden; valid when `older` is false
  std::vector<Spent> open;      ///< the last ones before `position`: not known yet to be hidden or not
};

struct CommandCounters {
  /// Products in all modes.
  std::uint64_t macs() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t in_mode : macs_by_mode)
      sum += in_mode;
    return sum;
  }

  /// Bytes asked of the memory, all streams.
  std::uint64_t total_read_bytes() const { return std::accumulate(read_bytes.begin(), read_bytes.end(), zero); }
  std::uint64_t total_write_bytes() const { return std::accumulate(write_bytes.begin(), write_bytes.end(), zero); }

  /// Operands of `stream` were waited for, or results of `stream` had to leave.
  void memory_stall(Stream stream, std::uint64_t waited) { spend(Cause::memory, waited, stream); }
  void output_stall(Stream stream, std::uint64_t waited) { spend(Cause::output, waited, stream); }
  /// The next `spent` cycles of the command, in the order of time; `stream`: of a stall.
  void spend(Cause cause, std::uint64_t spent, Stream stream = Stream::command);

  /// `elements`, which are counted, are encoded while they leave the unit, from edge `begin` to `end`.
  void quantizing(std::uint64_t elements, std::uint64_t begin, std::uint64_t end) {
    if (observer_ != nullptr) observer_->quantized(elements, begin, end);
  }
  /// From edge `edge` on, `observer` (nullptr: nobody) is told what is spent and encoded.
  void watch(SpendObserver* observer, std::uint64_t edge) {
    observer_ = observer;
    edge_ = edge;
  }

  // A command that begins before an older one has completed.
  /// It begins at edge `begin`; `time` must live until come_first() and the command's last cycle.
  void begin_beside(TimeBeside& time, std::uint64_t begin);
  /// No older command completes before edge `now`: what was spent by then is hidden.
  void still_beside(std::uint64_t now);
  /// All older commands have completed at edge `now`; `ended`: this one had nothing left to do but wait for that.
  void come_first(std::uint64_t now, bool ended);
  /// Its last cycle has been spent.
  void end_beside() { beside_ = nullptr; }

  // Cycles by cause; their sum is `cycles`.
  std::uint64_t cycles = 0;
  std::uint64_t compute_cycles = 0;  ///< activation rows stream through the array, or elements through the vector unit
  std::uint64_t fill_drain_cycles = 0;         ///< weight loads that nothing hides, skew in and out, pipeline latencies
  std::uint64_t memory_stall_cycles = 0;       ///< operands have not arrived
  std::uint64_t output_stall_cycles = 0;       ///< results have not been accepted by memory
  std::uint64_t exposed_quantizer_cycles = 0;  ///< quantizer latency that nothing hides
  std::uint64_t weight_load_cycles = 0;        ///< part of fill_drain_cycles: passes shorter than a weight load
  std::uint64_t hidden_cycles = 0;             ///< beside older commands: in none of the above
  std::uint64_t ahead_cycles = 0;              ///< from its begin to that of its own cycles

  // Stall cycles by the stream that arrived last, and by the stream of the store that was accepted last; their sums
  // are memory_stall_cycles and output_stall_cycles.
  std::array<std::uint64_t, stream_count> stall_by_stream{}, output_stall_by_stream{};

  // Work.
  std::array<std::uint64_t, most_modes> macs_by_mode{};  ///< products, padding excluded; by index in PeTiming::modes
  std::uint64_t pe_cycles = 0;                           ///< PEs times cycles in which they multiply
  std::uint64_t passes = 0;
  std::uint64_t jobs = 0;
  std::uint64_t group_results = 0;  ///< group sums scaled at the column foot
  std::uint64_t quantized_elements = 0;
  std::uint64_t vector_operations = 0;

  // Bytes asked of the memory by tensor, metadata included (stream `metadata` is 0), and on-chip accesses.
  std::array<std::uint64_t, stream_count> read_bytes{}, write_bytes{};
  std::uint64_t weight_buffer_read = 0, weight_buffer_write = 0;
  std::uint64_t activation_buffer_read = 0, activation_buffer_write = 0;
  std::uint64_t output_buffer_read = 0, output_buffer_write = 0;
  SimtWork simt;

  /// Of the bytes read: asked for before the command began.
  std::uint64_t prefetched_bytes = 0;

  std::uint64_t overflows = 0;         ///< results that became infinite in FP16
  std::uint64_t saturated_groups = 0;  ///< groups of quantized results that their scale does not hold (amove)
  CommandStatus status = CommandStatus::pending;

  // Of the above, what was not simulated because it repeats what was (equal_stretches.h).
  std::uint64_t repeated_cycles = 0, repeated_read_bytes = 0, repeated_write_bytes = 0;
  double repeat_difference = 0;  ///< between the two halves of what stands for it, relative

  /// What was counted since `before` counts `times` more: everything.
  void repeat_since(const CommandCounters& before, std::uint64_t times);
  /// The cycles alone stand for `more`, of which `compute` are of that cause and the others in proportion.
  void repeat_cycles_since(const CommandCounters& before, std::uint64_t more, std::uint64_t compute);

 private:
  static constexpr std::uint64_t zero = 0;
  void book(Cause cause, std::uint64_t spent, Stream stream);
  void hide_to(std::uint64_t position);

  SpendObserver* observer_ = nullptr;
  std::uint64_t edge_ = 0;        ///< up to which the observer has been told
  TimeBeside* beside_ = nullptr;  ///< nullptr: the command came first when it began
};

}  // namespace nibble
