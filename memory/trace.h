// SPDX-License-Identifier: Apache-2.0
/// Memory request traces as CSV files; memory/trace_patterns.h generates them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace nibble {

struct TraceRequest {
  std::uint64_t cycle = 0;  ///< memory clock cycle before which it is not issued; 0: as soon as possible
  bool write = false;
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;  ///< at least 1
  std::uint64_t line = 0;   ///< in its file, from 1; 0: generated
};

/// CSV with the header line `cycle,op,address,bytes`; op R or W (r, w); numbers decimal or with 0x; empty lines and
/// lines that begin with # are skipped; cycles must not decrease. Throws InputError "FILE:LINE: what, what was
/// expected", also for an empty trace and for a request of 0 bytes or more than 1 MiB.
std::vector<TraceRequest> read_trace(const std::filesystem::path& file);
std::vector<TraceRequest> parse_trace(const std::string& text, const std::string& origin);

/// Throws InputError "ORIGIN:LINE: ..." for the first request that reaches beyond `capacity_bytes`.
void check_addresses(const std::vector<TraceRequest>& trace, const std::string& origin, std::uint64_t capacity_bytes);

/// The trace as such a file.
std::string trace_csv(const std::vector<TraceRequest>& trace);

}  // namespace nibble
