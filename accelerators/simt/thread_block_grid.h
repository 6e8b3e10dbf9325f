// SPDX-License-Identifier: Apache-2.0
/// The thread blocks of one GEMM command and what they load: between the engine that knows the command and the
/// multiprocessors that know time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "accelerators/simt/gemm_kernel.h"
#include "accelerators/simt/l2_cache.h"

namespace nibble {

/// One tile of C: rows [m0, m0 + m), columns [n0, n0 + n) of an instance, over `slices` slices of the reduction.
struct ThreadBlock {
  std::uint64_t id = 0, instance = 0;
  std::uint64_t m0 = 0, m = 0, n0 = 0, n = 0;
  std::uint64_t slices = 0;
  const GemmKernel* kernel = nullptr;
};

class ThreadBlockGrid {
 public:
  virtual ~ThreadBlockGrid() = default;
  /// The next thread block for a multiprocessor that has room; nullopt: none is left.
  virtual std::optional<ThreadBlock> next_thread_block() = 0;
  /// Where a slice's operand lies; scales lie in the segments of W.
  virtual L2Segment segment(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const = 0;
  /// Bytes of a slice's operand.
  virtual std::uint64_t slice_bytes(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice) const = 0;
  /// Contents of the segment that holds a slice's operand (functional commands); may come several times.
  virtual void deliver(const ThreadBlock& block, GlobalOperand operand, std::uint64_t slice,
                       const std::vector<std::uint8_t>& bytes) = 0;
  /// The thread block's results leave now.
  virtual void finished(const ThreadBlock& block) = 0;
};

}  // namespace nibble
