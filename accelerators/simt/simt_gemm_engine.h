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
#include "accelerators/machine_config.h"
#include "accelerators/result_writer.h"
#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/l2_cache.h"
#include "accelerators/simt/streaming_multiprocessor.h"
#include "accelerators/simt/thread_block_grid.h"
#include "accelerators/tile_buffers.h"

namespace nibble {

/// What the tensor cores do with one kind of operands.
struct TensorCoreMode {
  const PeUnit* pe = nullptr;
  TensorCoreGeometry geometry;
  std::vector<GemmKernelConfig> kernels;  ///< by preference; bits of the operands are set by the command's formats
};

struct SimtConfig {
  std::string name;
  double clock_mhz = 0;
  unsigned multiprocessors = 1;
  MultiprocessorConfig multiprocessor;
  L2Config l2;
  std::vector<TensorCoreMode> modes;  ///< the first that supports a pair of formats computes it
  Fidelity fidelity = Fidelity::transaction;

  /// nullptr: no mode multiplies these formats.
  const TensorCoreMode* mode_for(const Format& activations, const Format& weights) const;
};

/// Counted beside CommandCounters: what the multiprocessors did during one command, all together.
struct SimtCounters {
  SmCounters work;
  L2Counters l2;
  std::uint64_t multiply_cycles = 0, memory_cycles = 0, multiprocessor_cycles = 0;
};

class SimtGemmEngine final : private ThreadBlockGrid {
 public:
  SimtGemmEngine(const SimtConfig& config, DmaEngine& dma, ResultWriter& writer, const MachineClock& clock);

  /// Checks shapes, formats and the kernel; pending when the command may run.
  CommandStatus check(const Descriptor& command) const;
  /// Runs a checked command from the calling SC_THREAD until its last result is in memory.
  CommandStatus run(const Descriptor& command, CommandCounters& counters, const bool& abort);
  /// Of the last command.
  const SimtCounters& simt_counters() const { return simt_; }
  /// Memory may have changed by other hands: what the L2 cache holds is forgotten.
  void host_wrote_memory() { l2_.clear(); }

 private:
  /// Segments that a thread block has received: bytes by the first column of their groups.
  struct Operands {
    std::map<std::uint64_t, std::vector<std::uint8_t>> a, w;
  };
  using TimingKey = std::pair<const TensorCoreMode*, std::array<std::uint64_t, 6>>;
  struct MeasuredKernel {
    KernelTiming timing;
    unsigned resident = 1;
  };

  const GemmKernelConfig* kernel_for(const Descriptor& command) const;
  const MeasuredKernel& measured(const Descriptor& command, const GemmKernelConfig& kernel);
  const GemmKernel& program(const GemmKernelConfig& kernel, std::uint64_t slices);
  bool advance_grid();
  std::uint64_t segment_extent_of(const OperandLayout& layout) const;
  TileRange range_of(const ThreadBlock& block, GlobalOperand operand, std::uint64_t k0, std::uint64_t k) const;
  QuantizedTensor operand(const ThreadBlock& block, GlobalOperand which,
                          const std::map<std::uint64_t, std::vector<std::uint8_t>>& parts) const;
  std::vector<std::uint8_t> results(const ThreadBlock& block);
  void account(CommandCounters& counters, std::uint64_t cycles) const;

  // ThreadBlockGrid
  std::optional<ThreadBlock> next_thread_block() override;
  L2Segment segment(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const override;
  std::uint64_t slice_bytes(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const override;
  void deliver(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice,
               const std::vector<std::uint8_t>& bytes) override;
  void finished(const ThreadBlock& block) override;

  const SimtConfig config_;
  ResultWriter& writer_;
  const MachineClock& clock_;
  L2Cache l2_;
  std::vector<std::unique_ptr<StreamingMultiprocessor>> multiprocessors_;
  std::map<TimingKey, MeasuredKernel> measured_;

  // The running command.
  Descriptor command_;
  CommandCounters* counters_ = nullptr;
  const TensorCoreMode* mode_ = nullptr;
  GemmKernelConfig kernel_;
  std::unique_ptr<TensorCoreSteps> steps_;
  GemmShape shape_;
  std::map<std::uint64_t, GemmKernel> programs_;  ///< by slices
  std::uint64_t instance_ = 0, m0_ = 0, n0_ = 0, next_id_ = 0;
  bool exhausted_ = false, bad_operand_ = false;
  std::map<std::uint64_t, Operands> operands_;  ///< functional commands, by thread block
  SimtCounters simt_;
};

}  // namespace nibble
