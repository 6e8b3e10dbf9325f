// SPDX-License-Identifier: Apache-2.0
/// Tile extents that a schedule search compares.
#pragma once

#include <cstdint>
#include <vector>

#include "dataflow/schedule_model.h"

namespace nibble {

struct TileExtents {
  std::uint64_t m = 0, k = 0, n = 0;
};

/// The extents that fit the buffers of a problem and are worth comparing.
class CandidateTiles {
 public:
  explicit CandidateTiles(const ScheduleModel& model);

  /// The coarse grid, without repetition; extents with equal mask sums are neighbours. Empty when not even the smallest
  /// tile (one row, one step of k, one step of n) fits.
  ///
  /// With a loop order given, larger tiles never move more. The grid therefore lies on the surface of what the buffers
  /// hold: two extents are taken from a list (1, 2, ... tiles, then a geometric series) and the third is the largest
  /// that fits, for each choice of the third. Extents are balanced: as many tiles as the largest extent needs, but of
  /// about equal size, so that no sliver remains. n comes in multiples of what a pass takes of it, and of the weight's
  /// row blocks where they fit (a tile is then contiguous in memory); m likewise follows passes and the activation's
  /// row blocks. An output-stationary array that cuts k takes one pass's outputs per tile. Under a window, which
  /// a large tile overhangs, smaller tiles may move less: all three extents come from lists as well.
  std::vector<TileExtents> grid() const;

  /// What is one step away from `tile` along one axis: a step of the extent, one tile more or less, half and double.
  std::vector<TileExtents> neighbours(const TileExtents& tile) const;

 private:
  const ScheduleModel& model_;
  const ScheduleProblem& problem_;
  std::uint64_t k_step_, n_step_;
  std::uint64_t area_;  ///< elements of an output tile

  std::uint64_t m_step(std::uint64_t m) const;
  bool one_pass(std::uint64_t k) const;
  std::uint64_t m_cap(std::uint64_t k) const;
  std::uint64_t n_cap(std::uint64_t k) const;
  std::vector<std::uint64_t> m_list(std::uint64_t top) const;
  void add(std::vector<TileExtents>& tiles, std::uint64_t m, std::uint64_t k, std::uint64_t n) const;
  void add_largest_m(std::vector<TileExtents>& tiles, std::uint64_t k, std::uint64_t n_wish) const;
  void add_largest_n(std::vector<TileExtents>& tiles, std::uint64_t m_wish, std::uint64_t k) const;
  void add_largest_k(std::vector<TileExtents>& tiles, std::uint64_t m, std::uint64_t n) const;
};

}  // namespace nibble
