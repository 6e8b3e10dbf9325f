// SPDX-License-Identifier: Apache-2.0
/// State of the GEMM command that is running, shared by the fidelities of GemmEngine.
#pragma once

#include <cstdint>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"

namespace nibble {

struct GemmProgress {
  GemmProgress(const Descriptor& descriptor, CommandCounters& command_counters, const bool& abort_flag)
      : command(descriptor), counters(command_counters), abort(abort_flag) {}

  const Descriptor& command;
  CommandCounters& counters;
  const bool& abort;
  std::uint64_t output_tiles = 1;    ///< tiles of the output that its buffer holds
  std::uint64_t begin = 0;           ///< first edge of the command
  std::uint64_t end = 0;             ///< edge after the last activation row so far
  std::uint64_t next_start = 0;      ///< earliest start of the next pass (transaction fidelity)
  std::uint64_t result = 0;          ///< edge at which the last result so far is in the accumulators
  bool started = false;              ///< the first pass has started
  bool bad_operand = false;          ///< a tile holds what no encoder produces
  std::vector<float> accumulators;   ///< functional, transaction fidelity: the output tile, row-major
  std::uint64_t elements_done = 0;   ///< elements of C finished
  std::uint64_t elements_total = 0;  ///< elements of C, all instances
  std::uint64_t stream_written = 0;  ///< bytes of a stream output handed over
};

}  // namespace nibble
