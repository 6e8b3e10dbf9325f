// SPDX-License-Identifier: Apache-2.0
/// TileSchedule: the order in which a weight-stationary machine walks the tiles of a GEMM, as a generator of TileJobs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dataflow/gemm_shape.h"

namespace nibble {

/// Tile loops from the outermost to the innermost.
enum class LoopOrder { mnk, nmk, mkn, kmn, nkm, knm };
const char* to_string(LoopOrder order);

struct Tiling {
  std::uint64_t m = 0, k = 0, n = 0;  ///< tile extents; k a multiple of the group except for the whole K
  LoopOrder order = LoopOrder::mnk;
};

/// One step of a schedule: rows [m0, m0 + m) of A against rows [n0, n0 + n) of W over [k0, k0 + k).
struct TileJob {
  std::uint64_t instance = 0;                   ///< of GemmShape::count
  std::uint64_t m0 = 0, m = 0, k0 = 0, k = 0, n0 = 0, n = 0;
  bool load_activation = true;                  ///< the activation tile is not the one of the job before
  bool load_weight = true;                      ///< the weight tile is not the one of the job before
  bool first_k = true;                          ///< accumulators start at zero
  bool last_k = true;                           ///< results are complete after this job
  bool refill = false;                          ///< partial sums are read back from memory first
  bool spill = false;                           ///< partial sums are written to memory afterwards
  bool last = false;                            ///< nothing follows
};

/// Bytes that a schedule moves, by tensor; the compulsory bytes move every operand once.
struct Traffic {
  std::uint64_t activation = 0, weight = 0, output = 0, partial_write = 0, partial_read = 0;
  std::uint64_t total() const { return activation + weight + output + partial_write + partial_read; }
};

/// Walks the tiles of one GEMM. Jobs that a causal mask leaves empty are skipped; a `context` mask shortens k.
class TileSchedule {
 public:
  TileSchedule(const GemmShape& shape, const Tiling& tiling);
  /// nullopt: no more.
  std::optional<TileJob> next();
  void restart();
  const GemmShape& shape() const { return shape_; }
  const Tiling& tiling() const { return tiling_; }

 private:
  GemmShape shape_;
  Tiling tiling_;
  std::uint64_t instance_ = 0, outer_ = 0, middle_ = 0, inner_ = 0;
  std::optional<TileJob> previous_, ahead_;
  std::optional<TileJob> produce();
};

}  // namespace nibble
