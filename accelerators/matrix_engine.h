// SPDX-License-Identifier: Apache-2.0
/// What executes GEMM commands inside a machine: a systolic array (GemmEngine), multiprocessors (SimtGemmEngine).
#pragma once

#include <systemc>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"

namespace nibble {

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
