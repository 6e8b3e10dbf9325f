// SPDX-License-Identifier: Apache-2.0
/// A streaming multiprocessor in a platform: takes thread blocks from a grid, loads their slices through the L2 cache,
/// and says when their results leave.
///
/// Two fidelities of the same module:
/// - cycle: SmPipeline, warp by warp; while data are on the way it advances `quantum_cycles` at a time, so that an
///   answer is seen at most so much later.
/// - transaction: a slice takes the steady-state time of KernelTiming; a thread block's next slice is requested when
/// the
///   current one starts; resident thread blocks take turns.
///
/// A multiprocessor may stand for several (start(): `copies`): with each thread block it takes one for each of the
/// others, moves their data as its own at the same time, and ends them together.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <systemc>
#include <vector>

#include "accelerators/machine_clock.h"
#include "accelerators/machine_config.h"
#include "accelerators/simt/kernel_timing.h"
#include "accelerators/simt/l2_cache.h"
#include "accelerators/simt/sm_pipeline.h"
#include "accelerators/simt/thread_block_grid.h"

namespace nibble {

/// Cycles of one multiprocessor during a command; `total` of them.
struct MultiprocessorCycles {
  std::uint64_t total = 0;
  std::uint64_t multiply = 0;              ///< the tensor cores work
  std::array<std::uint64_t, 2> awaited{};  ///< data of global memory: by the operand that came last, A and W
  std::uint64_t memory() const { return awaited[0] + awaited[1]; }
};

class StreamingMultiprocessor : public sc_core::sc_module, public L2Client {
 public:
  /// Begins the thread blocks of `grid`, at most `resident` at a time. `timing`: of the grid's kernel.
  void start(ThreadBlockGrid& grid, unsigned resident, unsigned copies, const KernelTiming& timing);
  /// Ends after the thread blocks that have begun; data that are missing are not waited for.
  void cancel();
  /// No thread block is left.
  bool idle() const { return idle_; }
  const sc_core::sc_event& changed() const { return changed_; }
  /// Since start().
  virtual MultiprocessorCycles cycles() const = 0;
  virtual SmCounters work() const = 0;

 protected:
  StreamingMultiprocessor(sc_core::sc_module_name name, const MachineClock& clock, L2Cache& l2,
                          std::uint64_t port_bytes_per_cycle);
  /// Works on grid_ from the module's own process until nothing is left.
  virtual void run_grid() = 0;
  /// A thread block to simulate and those of the other copies; empty: none is left.
  std::vector<ThreadBlock> take_thread_blocks();
  /// Moves a slice's operand for the copies of `bundle`.
  void read_for_copies(const std::vector<ThreadBlock>& bundle, GlobalOperand operand, std::uint64_t slice,
                       std::uint64_t bytes, std::uint64_t cycle);
  /// All that was moved for the copies of `bundle` has arrived.
  bool copies_served(const std::vector<ThreadBlock>& bundle) const {
    return copies_pending_.count(bundle.front().id) == 0;
  }
  void finish_all(const std::vector<ThreadBlock>& bundle);
  /// Something has arrived for a copy.
  const sc_core::sc_event& copy_answered() const { return copy_answered_; }
  /// When `bytes` have passed the multiprocessor's port. They were asked for over `spread` cycles, and the L2 cache
  /// delivers the first of them at `cycle`; an answer to a single access is there undisturbed.
  std::uint64_t through_port(std::uint64_t cycle, std::uint64_t bytes, std::uint64_t spread);

  const MachineClock& clock_;
  L2Cache& l2_;
  ThreadBlockGrid* grid_ = nullptr;
  const KernelTiming* timing_ = nullptr;
  unsigned resident_ = 1, copies_ = 1;
  bool cancelled_ = false;

 private:
  SC_HAS_PROCESS(StreamingMultiprocessor);
  void process();
  /// Receives what the copies ask for.
  class Copies final : public L2Client {
   public:
    explicit Copies(StreamingMultiprocessor& owner) : owner_(owner) {}
    void l2_answer(std::uint64_t token, std::uint64_t cycle, const std::vector<std::uint8_t>* data) override;

   private:
    StreamingMultiprocessor& owner_;
  };
  struct CopyRead {
    ThreadBlock block;
    std::uint64_t bundle = 0;  ///< id of its first thread block
    GlobalOperand operand = GlobalOperand::a;
    std::uint64_t slice = 0;
  };

  const std::uint64_t port_bytes_per_cycle_;
  std::uint64_t port_free_ = 0;
  bool idle_ = true;
  sc_core::sc_event begin_, changed_, copy_answered_;
  Copies copies_client_{*this};
  std::map<std::uint64_t, CopyRead> copy_reads_;           ///< by token
  std::map<std::uint64_t, std::uint64_t> copies_pending_;  ///< reads on the way, by bundle
  std::uint64_t next_copy_read_ = 0;
};

/// Numbers of a machine's multiprocessors beyond SmConfig.
struct MultiprocessorConfig {
  SmConfig pipeline;
  std::uint64_t port_bytes_per_cycle = 64;  ///< from the L2 cache [D]: two sectors
  std::uint64_t quantum_cycles = 8;         ///< fidelity cycle [D]: 4 % of the shortest answer, an L2 hit
};

std::unique_ptr<StreamingMultiprocessor> make_multiprocessor(const char* name, Fidelity fidelity,
                                                             const MultiprocessorConfig& config,
                                                             const MachineClock& clock, L2Cache& l2);

}  // namespace nibble
