// SPDX-License-Identifier: Apache-2.0
/// Walks the jobs of one GEMM command and brings their operand tiles on chip ahead of the array, as far as the double
/// buffers allow; behind the last of them, the first weight tiles of the next command.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <systemc>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"
#include "accelerators/machine_clock.h"
#include "accelerators/result_writer.h"
#include "accelerators/tile_buffers.h"
#include "dataflow/tile_schedule.h"
#include "memory/dma_engine.h"

namespace nibble {

/// Where a tile of spilled partial sums lies: tiles follow one another in the command's scratch memory.
MemoryRun partial_sum_run(const Descriptor& command, const TileJob& job);

/// One job with its operands on the way into the buffers, or there.
struct LoadedJob {
  TileJob job;
  std::size_t segment = 0;      ///< part of W: 0 is the operand itself, then its continuations
  std::uint64_t weight_k0 = 0;  ///< first reduction index inside that part
  unsigned activation_slot = 0, weight_slot = 0, refill_slot = 0;
};

/// The jobs of a command in order: those of its schedule, each output tile's continuations of W behind its own
/// reduction.
class JobWalk {
 public:
  explicit JobWalk(const Descriptor& command);
  /// nullopt: no more. Segment, weight_k0 and job are filled in.
  std::optional<LoadedJob> next();
  TileSchedule& schedule() { return schedule_; }
  const TileSchedule& schedule() const { return schedule_; }

 private:
  LoadedJob next_continuation();
  std::uint64_t visible_reduction(const TileJob& tile) const;

  Descriptor command_;
  TileSchedule schedule_;
  std::optional<TileJob> behind_;  ///< the tile whose continuations come next, from its k0 on
};

class TileLoader final : public DmaListener {
 public:
  TileLoader(DmaEngine& dma, const ResultWriter& writer, const MachineClock& clock);

  /// Starts a command; `counters` receives the bytes asked for and must outlive it. `output_tiles`: tiles of partial
  /// sums that the output buffer holds. After prefetch() it must be the command that was announced there.
  void start(const Descriptor& command, std::uint64_t output_tiles, CommandCounters& counters);
  /// Announces the command that starts next: the weight tiles of its first two jobs are loaded when the running command
  /// has issued its own last load and a slot is free, in the background: in small pieces behind every other transfer;
  /// what is then left comes with their jobs.
  /// An error of theirs is that command's. `counters` must outlive start() or drop_prefetch().
  void prefetch(const Descriptor& command, CommandCounters& counters);
  /// Forgets it; what is in flight keeps the loader from being quiet().
  void drop_prefetch();
  /// Goes on with the loads of the next command; they wait while stores are on their way.
  void feed_ahead();
  /// Every job has been finished.
  bool finished() const { return jobs_.empty() && !queued_; }
  /// Issues what had to wait: spilled partial sums are read back only when they are in memory and have room on chip.
  void retry() { issue(); }
  /// The oldest job that was not finished, or nullptr while none could be issued.
  const LoadedJob* front() const { return jobs_.empty() ? nullptr : &jobs_.front(); }
  /// The job after front(), when its loads have been issued already.
  const LoadedJob* second() const { return jobs_.size() < 2 ? nullptr : &jobs_[1]; }
  /// All operands of the job are on chip.
  bool ready(const LoadedJob& job) const;
  /// Cycle at which the last operand arrived, and its stream; valid when ready().
  std::uint64_t ready_cycle(const LoadedJob& job) const;
  Stream last_stream(const LoadedJob& job) const;
  /// Notified whenever a slot has become ready, or the command failed.
  const sc_core::sc_event& changed() const { return changed_; }
  /// The array is done with front(): its slots may be reused; further loads are issued.
  void finish_front();
  /// The walk that jobs come from; only while a command runs.
  TileSchedule& schedule() { return walk_->schedule(); }
  const JobWalk& walk() const { return *walk_; }
  /// Leaves out the next `units` of the schedule: counts the bytes that they would have asked for, and gives their jobs
  /// to `job`.
  void leave_out(std::uint64_t units, const std::function<void(const LoadedJob&)>& job);
  bool failed() const { return current_.failed; }
  /// No DMA of this loader is in flight, that of the next command apart.
  bool quiet() const { return current_.in_flight == 0 && dropped_in_flight_ == 0; }
  /// Drops everything that is not in flight.
  void cancel();

  // Functional contents; the job must be ready. Unpacked on first use.
  const QuantizedTensor& activation(const LoadedJob& job);
  const QuantizedTensor& weight(const LoadedJob& job);
  const std::vector<std::uint8_t>& refill_bytes(const LoadedJob& job) const { return slots_[job.refill_slot].bytes; }

  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override;

 private:
  struct Slot {
    std::vector<std::uint8_t> bytes;
    unsigned pending = 0;  ///< DMA transfers on the way
    unsigned users = 0;    ///< issued jobs that are not finished
    std::uint64_t ready_cycle = 0;
    Stream last_stream = Stream::command;
    bool unpacked = false;
    QuantizedTensor tile;
  };
  /// Whose loads they are.
  struct Command {
    Descriptor descriptor;
    CommandCounters* counters = nullptr;
    std::uint64_t number = 0;
    std::uint64_t in_flight = 0;  ///< DMA transfers
    bool failed = false;
  };
  struct Ahead : Command {
    Ahead();
    std::vector<LoadedJob> tiles;  ///< the jobs whose weight tiles are to be loaded
    std::size_t issued = 0;        ///< of them: have a slot
  };
  /// Part of a tile on its way into a slot.
  struct Piece {
    unsigned slot = 0;
    MemoryRun run;
    Stream stream = Stream::weight;  ///< its tensor
    std::uint64_t at = 0;            ///< offset in the slot
  };
  void issue();
  void issue_ahead();
  bool issue_one(LoadedJob next);
  bool may_refill(const TileJob& job) const;
  static const QuantizedTensor& unpacked(Slot& slot, const OperandDescriptor& operand, const TileRange& range,
                                         std::uint64_t instance);
  void complete(unsigned slot);
  static bool continues(const Piece& first, const Piece& second);
  void drop_pieces();
  static std::vector<Piece> pieces_of(unsigned slot, const std::vector<MemoryRun>& runs, Stream stream);
  void load(unsigned slot, const std::vector<MemoryRun>& runs, Stream stream);
  void occupy(unsigned slot, const std::vector<Piece>& pieces, const Command& command);
  static void count(unsigned slot, std::uint64_t bytes, Stream stream, CommandCounters& counters);
  void submit(const Piece& piece, Command& command, std::uint8_t priority = DmaTransfer::by_stream);
  static std::vector<MemoryRun> activation_runs(const Descriptor& command, const TileJob& job);
  static std::vector<MemoryRun> weight_runs(const Descriptor& command, const LoadedJob& job);
  static Stream weight_stream(const Descriptor& command);

  DmaEngine& dma_;
  const ResultWriter& writer_;
  const MachineClock& clock_;
  sc_core::sc_event changed_;
  Command current_;
  std::optional<Ahead> ahead_;
  std::deque<Piece> pieces_;       ///< of weight tiles that have a slot before their job: not yet asked for
  std::size_t weights_ahead_ = 0;  ///< weight tiles of the running command that were asked for before it began
  std::optional<JobWalk> walk_;
  std::optional<LoadedJob> queued_;  ///< produced, but no slot was free
  std::deque<LoadedJob> jobs_;
  std::array<Slot, 6> slots_;  ///< activation 0, 1; weight 2, 3; refilled partial sums 4, 5
  unsigned activation_slot_ = 0, weight_slot_ = 2, refill_slot_ = 4;
  std::uint64_t output_tiles_ = 1;
  std::uint64_t last_number_ = 0;
  std::uint64_t dropped_in_flight_ = 0;
  bool after_continuation_ = false;
  bool exhausted_ = true;  ///< every job of the running command has been issued
};

}  // namespace nibble
