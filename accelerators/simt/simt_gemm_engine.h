// SPDX-License-Identifier: Apache-2.0
/// Executes GEMM commands on the multiprocessors of a SIMT machine: a grid of thread blocks, their slices through the
/// L2 cache, results by the PE's own function.
///
/// A command's tiling names the thread block's tile; it must be one of the machine's kernels. Tiles at the edges run
/// the whole kernel, as real kernels do: lanes beyond the edge load nothing and their products are not counted as work.
/// Under a causal mask thread blocks that nobody sees are not launched, and reductions end with the last visible token.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"
#include "accelerators/machine_clock.h"
#include "accelerators/matrix_engine.h"
#include "accelerators/result_writer.h"
#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/l2_cache.h"
#include "accelerators/simt/simt_config.h"
#include "accelerators/simt/streaming_multiprocessor.h"
#include "accelerators/simt/thread_block_grid.h"
#include "accelerators/tile_buffers.h"

namespace nibble {

class SimtGemmEngine final : public MatrixEngine, private ThreadBlockGrid {
 public:
  SimtGemmEngine(const SimtConfig& config, DmaEngine& dma, ResultWriter& writer, const MachineClock& clock);

  CommandStatus check(const Descriptor& command) const override;
  CommandStatus run(const Descriptor& command, CommandCounters& counters, const bool& abort) override;
  const sc_core::sc_event& changed() const override { return l2_.changed(); }
  /// Accesses of the last command.
  const L2Counters& l2_counters() const { return last_l2_; }

 private:
  /// Segments that a thread block has received: bytes by the first column of their groups.
  struct Operands {
    std::map<std::uint64_t, std::vector<std::uint8_t>> a, w;
  };

  const GemmKernel& program(const GemmKernelConfig& kernel, std::uint64_t slices);
  std::uint64_t segment_extent_of(const OperandLayout& layout) const;
  TileRange range_of(const ThreadBlock& block, GlobalOperand operand, std::uint64_t k0, std::uint64_t k) const;
  QuantizedTensor operand(const ThreadBlock& block, GlobalOperand which,
                          const std::map<std::uint64_t, std::vector<std::uint8_t>>& parts) const;
  std::vector<std::uint8_t> results(const ThreadBlock& block);
  std::vector<MemoryRun> result_place(const ThreadBlock& block);
  void begin(const Descriptor& command, CommandCounters& counters);
  void count_results(const ThreadBlock& block, std::uint64_t k);
  void account(CommandCounters& counters, std::uint64_t cycles) const;
  void account_work(CommandCounters& counters, const L2Counters& before);
  Stream stream_of(GlobalOperand operand) const;

  // ThreadBlockGrid
  std::optional<ThreadBlock> next_thread_block() override;
  L2Segment segment(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const override;
  std::uint64_t slice_bytes(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const override;
  void deliver(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice,
               const std::vector<std::uint8_t>& bytes) override;
  void finished(const ThreadBlock& block) override;

  const SimtConfig& config_;
  ResultWriter& writer_;
  const MachineClock& clock_;
  L2Cache l2_;
  std::vector<std::unique_ptr<StreamingMultiprocessor>> multiprocessors_;

  // The running command.
  Descriptor command_;
  CommandCounters* counters_ = nullptr;
  const TensorCoreMode* mode_ = nullptr;
  GemmKernelConfig kernel_;
  std::unique_ptr<TensorCoreSteps> steps_;
  GemmShape shape_;
  std::map<std::uint64_t, GemmKernel> programs_;          ///< by slices
  std::uint64_t elements_done_ = 0, stream_written_ = 0;  ///< results in a stream: elements, bytes
  std::uint64_t band_rows_ = 0;                           ///< of a band of C (choose_band)
  std::uint64_t instance_ = 0, band0_ = 0, m0_ = 0, n0_ = 0, next_id_ = 0;
  bool exhausted_ = false, bad_operand_ = false;
  std::map<std::uint64_t, Operands> operands_;  ///< functional commands, by thread block
  L2Counters last_l2_;
};

}  // namespace nibble
