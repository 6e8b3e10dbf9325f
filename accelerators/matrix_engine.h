// SPDX-License-Identifier: Apache-2.0
/// What executes GEMM commands inside a machine: a systolic array (GemmEngine), multiprocessors (SimtGemmEngine).
#pragma once

#include <cstdint>
#include <functional>
#include <systemc>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"

namespace nibble {

/// What a command takes of the buffers that the matrix engine and the vector unit share.
struct BufferUse {
  std::uint64_t activation_bytes = 0, output_bytes = 0;
  bool scores = false;  ///< and the part of the activation buffer for scores on chip
};

/// What a running command sees of those beside it.
struct Neighbours {
  std::function<bool()> alone;     ///< no command runs beside it, and none will before it has ended
  std::uint64_t output_bytes = 0;  ///< of the output buffer: taken by the vector command that runs; for GEMMs
};

class MatrixEngine {
 public:
  virtual ~MatrixEngine() = default;

  /// Checks shapes, formats and tile sizes; pending when the command may run.
  virtual CommandStatus check(const Descriptor& command) const = 0;
  /// Runs a checked command from the calling SC_THREAD until its last result is in memory. `abort` is polled between
  /// jobs.
  virtual CommandStatus run(const Descriptor& command, CommandCounters& counters, const bool& abort) = 0;
  /// Of commands without data, stretches that repeat themselves are simulated once (equal_stretches.h). Off unless
  /// asked for; what has no such stretches ignores it.
  virtual void repeat_stretches(bool /*on*/) {}

  /// The least that a checked command takes while it runs; of an engine that shares nothing, nothing.
  virtual BufferUse buffer_use(const Descriptor& /*command*/) const { return {}; }
  /// What the running command holds of the output buffer at the moment.
  virtual std::uint64_t held_output_bytes() const { return 0; }
  /// `neighbours` must outlive the engine.
  virtual void watch(const Neighbours& /*neighbours*/) {}

  /// Announces the checked command that run() gets next, so that operands which do not depend on the running one may be
  /// read; `counters`: of the announced command. An engine that reads nothing ahead ignores it.
  virtual void prefetch(const Descriptor& /*command*/, CommandCounters& /*counters*/) {}
  /// Forgets it; quiet() tells when nothing of it is on its way any more, changed() when to ask.
  virtual void drop_prefetch() {}
  /// Room for more of it may have come.
  virtual void feed_prefetch() {}
  virtual bool quiet() const { return true; }
  virtual const sc_core::sc_event& changed() const = 0;
};

}  // namespace nibble
