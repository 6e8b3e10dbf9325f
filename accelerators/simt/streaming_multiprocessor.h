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
#pragma once

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
  std::uint64_t multiply = 0;  ///< the tensor cores work
  std::uint64_t memory = 0;    ///< data of global memory are awaited
};

class StreamingMultiprocessor : public sc_core::sc_module, public L2Client {
 public:
  /// Begins the thread blocks of `grid`, at most `resident` at a time. `timing`: of the grid's kernel.
  void start(ThreadBlockGrid& grid, unsigned resident, const KernelTiming& timing);
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
  /// When `bytes` that the L2 cache delivers at `cycle` have passed the multiprocessor's port.
  std::uint64_t through_port(std::uint64_t cycle, std::uint64_t bytes);

  const MachineClock& clock_;
  L2Cache& l2_;
  ThreadBlockGrid* grid_ = nullptr;
  const KernelTiming* timing_ = nullptr;
  unsigned resident_ = 1;
  bool cancelled_ = false;

 private:
  SC_HAS_PROCESS(StreamingMultiprocessor);
  void process();

  const std::uint64_t port_bytes_per_cycle_;
  std::uint64_t port_free_ = 0;
  bool idle_ = true;
  sc_core::sc_event begin_, changed_;
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
