// SPDX-License-Identifier: Apache-2.0
/// Standard access patterns: by default the formulas and seeds that the reference figures were measured with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "memory/trace.h"

namespace nibble {

/// What the patterns need to know of a device.
struct TraceShape {
  std::uint64_t burst_bytes = 64;
  std::uint64_t row_bytes = 8192;
  std::uint64_t banks = 16;  ///< of all channels
};

/// `spec` is a name and parameters: "seq_read", "strided_read,stride=4096,requests=1000". The names, with the formulas
/// in docs/memory.md: seq_read, seq_write, strided_read, strided_write, bank_conflict, random_read, random_write,
/// mix_seq, mix_random, gemm_tiled, spaced_read; sequential, strided, random, mixed and tiled_gemm are other words for
/// some. The parameters, decimal or with 0x:
///   requests  20000 (spaced_read 2000), at most 2^26
///   bytes     of a request; the burst
///   span      bytes over which the pattern walks, 2^28
///   base      added to every address, 0
///   interval  cycles between two requests, 0 (spaced_read 200)
///   stride    of the strided patterns, 4096
///   turn      bytes of one stream in turn, gemm_tiled, 256
///   seed      of the random ones, 42 (mix_random 43, spaced_read 44)
/// Throws InputError for another name or parameter, with the known ones, and for values that have no sense together.
std::vector<TraceRequest> standard_trace(const std::string& spec, const TraceShape& shape);
/// Without the other words.
const std::vector<std::string>& standard_trace_names();

}  // namespace nibble
