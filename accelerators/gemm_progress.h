// SPDX-License-Identifier: Apache-2.0
/// State of the GEMM command that is running, shared by the fidelities of GemmEngine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "accelerators/command_counters.h"
#include "accelerators/descriptor.h"
#include "dataflow/gemm_shape.h"
#include "formats/quantizer.h"

namespace nibble {

/// How the array works on one part of W.
struct SegmentPlan {
  std::size_t mode = 0;  ///< index in PeTiming::modes
  ArrayGeometry array;
  std::uint64_t sum_extent = 0;    ///< sum_extent() of the formats
  bool scaled_at_the_end = false;  ///< the PE scales once, behind the whole reduction: tiles of k wait for the last
};

struct GemmProgress {
  GemmProgress(const Descriptor& descriptor, CommandCounters& command_counters, const bool& abort_flag)
      : command(descriptor), counters(command_counters), abort(abort_flag) {}

  const Descriptor& command;
  CommandCounters& counters;
  const bool& abort;
  std::uint64_t begin = 0;   ///< first edge of the command
  std::uint64_t end = 0;     ///< edge after the last activation row so far
  std::uint64_t result = 0;  ///< edge at which the last result so far is in the accumulators
  bool started = false;      ///< the first pass has started
  bool bad_operand = false;  ///< a tile holds what no encoder produces
  std::array<SegmentPlan, continuation_count + 1> segments;
  /// Functional, scaled_at_the_end: the operand tiles of the output tile so far.
  std::vector<QuantizedTensor> activation_parts, weight_parts;
  std::vector<float> accumulators;   ///< functional, transaction fidelity: the output tile, row-major
  std::uint64_t elements_done = 0;   ///< elements of C finished
  std::uint64_t elements_total = 0;  ///< elements of C, all instances
  std::uint64_t stream_written = 0;  ///< bytes of a stream output handed over

  Stream result_stream() const { return command.c.cache ? Stream::key_value : Stream::output; }
  /// Bytes of a stream output that the finished elements make; each tile writes what it adds, so the sum is exact.
  std::uint64_t stream_share() const {
    return static_cast<std::uint64_t>(static_cast<double>(command.stream_bytes) * static_cast<double>(elements_done) /
                                      static_cast<double>(elements_total));
  }
};

}  // namespace nibble
