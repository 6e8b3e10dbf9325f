// SPDX-License-Identifier: Apache-2.0
/// `nibble memory`: replays a request trace against a memory and prints time, bandwidth, latency, rows and energy.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace nibble {

struct MemoryOptions {
  std::string memory;                  ///< name or file (configs/memories)
  std::string trace;                   ///< CSV file, see memory/trace.h
  std::string pattern;                 ///< instead of a trace: see standard_trace()
  std::string write_trace;             ///< file for the pattern as a trace; nothing is replayed then
  std::string timeline;                ///< "FIRST:LAST": draws these cycles of channel 0 instead of the report
  std::string commands;                ///< file for the command log
  bool explain = false;                ///< where the lost bandwidth went, and the ranks, below the table
  std::vector<std::string> overrides;  ///< "path.to.key=value" for the memory's configuration
  std::vector<std::string> probes;     ///< on the link trace.memory
  std::vector<std::string> verbosity;  ///< which messages the memory reports
  bool json = false;                   ///< one JSON document instead of a table
};

/// Runs the kernel, once per process. Throws InputError on bad input, Interrupted when the user interrupts.
void run_memory(const MemoryOptions& options, std::ostream& out);

}  // namespace nibble
