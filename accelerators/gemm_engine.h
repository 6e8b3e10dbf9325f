// SPDX-License-Identifier: Apache-2.0
/// Executes GEMM commands on a systolic array: tiles in, passes through the array, results through the quantizer and
/// out. At `transaction` fidelity time comes from ArrayTimeline, at `cycle` fidelity from the register-level arrays
/// behind CycleController.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <systemc>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/cycle_controller.h"
#include "accelerators/descriptor.h"
#include "accelerators/equal_stretches.h"
#include "accelerators/gemm_progress.h"
#include "accelerators/machine_clock.h"
#include "accelerators/matrix_engine.h"
#include "accelerators/result_writer.h"
#include "accelerators/systolic_config.h"
#include "accelerators/tile_loader.h"
#include "dataflow/array_passes.h"
#include "dataflow/array_timeline.h"
#include "memory/dma_engine.h"

namespace nibble {

class GemmEngine final : public MatrixEngine {
 public:
  GemmEngine(const SystolicConfig& config, DmaEngine& dma, ResultWriter& writer, const MachineClock& clock);

  CommandStatus check(const Descriptor& command) const override;
  CommandStatus run(const Descriptor& command, CommandCounters& counters, const bool& abort) override;
  void repeat_stretches(bool on) override { repeat_stretches_ = on; }
  BufferUse buffer_use(const Descriptor& command) const override;
  std::uint64_t held_output_bytes() const override { return (writer_.outstanding() + 1) * tile_bytes_; }
  void watch(const Neighbours& neighbours) override { neighbours_ = &neighbours; }
  void prefetch(const Descriptor& command, CommandCounters& counters) override { loader_.prefetch(command, counters); }
  void drop_prefetch() override { loader_.drop_prefetch(); }
  void feed_prefetch() override { loader_.feed_ahead(); }
  bool quiet() const override { return loader_.quiet(); }
  const sc_core::sc_event& changed() const override { return loader_.changed(); }

 private:
  CommandStatus check_formats(const Descriptor& command) const;
  CommandStatus check_shapes(const Descriptor& command) const;
  CommandStatus check_tiles(const Descriptor& command) const;
  SegmentPlan plan(const Descriptor& command, std::size_t segment) const;
  std::uint64_t output_tiles() const;
  std::uint64_t output_tile_bytes(const Descriptor& command) const;
  void run_transaction(GemmProgress& progress);
  void run_cycle(GemmProgress& progress);
  bool stopped(const GemmProgress& progress) const {
    return loader_.failed() || writer_.failed() || progress.abort || progress.bad_operand;
  }
  bool wait_for_operands(const GemmProgress& progress);
  bool lacks_room(const GemmProgress& progress, const TileJob& job, std::uint64_t own_stores) const;
  void output_stall(GemmProgress& progress);
  bool settle(std::uint64_t edge, const std::function<bool()>& done);
  void account_interval(GemmProgress& progress, const LoadedJob& job, const ArrayInterval& interval) const;
  void count_job(const GemmProgress& progress, const LoadedJob& job, const ArrayPasses& passes) const;
  void quantize(const GemmProgress& progress, const LoadedJob& job, const ArrayInterval& interval) const;
  static ArrayPasses passes_of(const GemmProgress& progress, const LoadedJob& job);
  void compute(GemmProgress& progress, const LoadedJob& job);
  void multiply(GemmProgress& progress, const QuantizedTensor& activation, const QuantizedTensor& weight);
  static std::vector<std::uint8_t> result_bytes(GemmProgress& progress, const TileJob& job,
                                                const std::vector<float>& accumulators);
  std::optional<std::uint64_t> announce(GemmProgress& progress, const TileJob& job);
  /// What a job hands over: runs in memory, or cycles of the port on chip.
  struct Store {
    std::vector<MemoryRun> runs;
    Stream stream = Stream::output;
    std::uint64_t port_cycles = 0;
  };
  std::optional<Store> store_of(GemmProgress& progress, const TileJob& job) const;
  void release(GemmProgress& progress, std::uint64_t store, const TileJob& job, const std::vector<float>* accumulators,
               std::uint64_t result_cycle);
  bool waits_for_quantizer(const Descriptor& command) const;
  void quantizer_tail(GemmProgress& progress);
  void drain(GemmProgress& progress);
  // gemm_repetition.cpp
  std::uint64_t units_alike(const GemmProgress& progress, const EqualStretches::Stretch& stretch) const;
  void leave_out(GemmProgress& progress, const EqualStretches::Stretch& stretch);
  std::uint64_t quantizer_latency(const Descriptor& command) const;

  const SystolicConfig& config_;
  ResultWriter& writer_;
  const MachineClock& clock_;
  TileLoader loader_;
  const Neighbours* neighbours_ = nullptr;
  std::uint64_t tile_bytes_ = 1;  ///< of the output, sums of the running command
  bool repeat_stretches_ = false;
};

}  // namespace nibble
