// SPDX-License-Identifier: Apache-2.0
#include "dataflow/candidate_tiles.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "core/units.h"

namespace nibble {
namespace {

/// The lists span this ratio from their largest extent downwards; smaller extents appear only as "the largest that
/// fits".
constexpr std::uint64_t list_span = 64;
constexpr std::uint64_t few_sizes = 12;
/// Under a mask the sums of a tile take time in the number of m tiles: lists then end where there are more than this
/// many.
constexpr std::uint64_t most_masked_tiles = 2048, least_masked_span = 4;

/// Size when `extent` is cut into `tiles` parts, multiples of `step`.
std::uint64_t balanced(std::uint64_t extent, std::uint64_t tiles, std::uint64_t step) {
  return std::min(extent, round_up(ceil_div(extent, tiles), step));
}

/// The balanced size of at most `cap`; 0 when not even one step is.
std::uint64_t fitting(std::uint64_t extent, std::uint64_t cap, std::uint64_t step) {
  if (cap >= extent) return extent;
  const std::uint64_t most = round_down(cap, step);
  return most == 0 ? 0 : balanced(extent, ceil_div(extent, most), step);
}

/// Balanced sizes from `top` down to `top` / `span`: `dense` successive tile counts, then counts that grow by
/// 1/`growth`.
std::vector<std::uint64_t> size_list(std::uint64_t extent, std::uint64_t top, std::uint64_t step, std::uint64_t span,
                                     std::uint64_t dense, std::uint64_t growth) {
  std::vector<std::uint64_t> sizes;
  if (ceil_div(extent, step) <= few_sizes) {
    for (std::uint64_t size = step; size <= top && size < extent; size += step)
      sizes.push_back(size);
    if (top >= extent) sizes.push_back(extent);
    return sizes;
  }
  const std::uint64_t first = ceil_div(extent, std::min(extent, std::max(top, step)));
  const std::uint64_t most = std::min(ceil_div(extent, step), first * span);
  for (std::uint64_t tiles = first;;) {
    const std::uint64_t size = balanced(extent, std::min(tiles, most), step);
    if (sizes.empty() || sizes.back() != size) sizes.push_back(size);
    if (tiles >= most) return sizes;
    tiles += tiles < first + dense ? 1 : std::max<std::uint64_t>(1, tiles / growth);
  }
}

/// Sizes around `size`: one step, one tile more or less, half and double; 0 where there is none.
std::array<std::uint64_t, 6> sizes_around(std::uint64_t size, std::uint64_t extent, std::uint64_t step) {
  const std::uint64_t tiles = ceil_div(extent, size), aligned = round_down(size, step);
  return {aligned == size ? size - std::min(size, step) : aligned,
          std::min(extent, aligned + step),
          balanced(extent, tiles + 1, step),
          tiles > 1 ? balanced(extent, tiles - 1, step) : 0,
          std::min(extent, 2 * size),
          round_down(size / 2, step)};
}

}  // namespace

CandidateTiles::CandidateTiles(const ScheduleModel& model)
    : model_(model),
      problem_(model.problem()),
      k_step_(model.k_step()),
      n_step_(model.n_step()),
      area_(problem_.buffers.output_bytes / problem_.buffers.accumulator_bytes) {
  // Whole passes, where several of them lie inside n; the whole n is always compared.
  const std::uint64_t columns = std::max<std::uint64_t>(1, problem_.array.pass_n());
  const std::uint64_t factor = n_step_ / std::gcd(n_step_, columns);
  if (factor >= ceil_div(problem_.shape.n, columns)) return;
  const std::uint64_t common = factor * columns;
  if (model.fits(1, one_pass(k_step_) ? problem_.shape.k : k_step_, common)) n_step_ = common;
}

std::vector<TileExtents> CandidateTiles::grid() const {
  std::vector<TileExtents> tiles;
  if (!model_.fits(1, k_step_, one_pass(k_step_) ? std::min(n_step_, problem_.array.pass_n()) : n_step_)) return tiles;
  const GemmShape& shape = problem_.shape;
  // The lists serve every k: where a cut of k limits tiles to one pass, the whole k does not.
  const std::uint64_t k_free = one_pass(k_step_) ? shape.k : k_step_;
  const std::uint64_t m_top = std::min({shape.m, std::max(m_cap(k_step_), m_cap(k_free)), area_ / n_step_});
  const std::uint64_t n_top = std::min({shape.n, std::max(n_cap(k_step_), n_cap(k_free)), area_});
  const std::vector<std::uint64_t> ms = m_list(m_top), ns = size_list(shape.n, n_top, n_step_, list_span, 6, 4);
  const std::vector<std::uint64_t> ks = size_list(shape.k, shape.k, k_step_, shape.k, 4, 2);
  for (const std::uint64_t k : ks) {
    for (const std::uint64_t m : ms)
      add_largest_n(tiles, m, k);
    for (const std::uint64_t n : ns)
      add_largest_m(tiles, k, n);
  }
  for (const std::uint64_t m : ms) {
    for (const std::uint64_t n : ns)
      add_largest_k(tiles, m, n);
  }
  add(tiles, 1, k_step_, n_step_);
  if (shape.window != 0) {
    for (const std::uint64_t k : ks) {
      for (const std::uint64_t m : ms) {
        for (const std::uint64_t n : ns)
          add(tiles, m, k, n);
      }
    }
  }
  const bool along_k = model_.masked_along_k();
  const auto key = [along_k](const TileExtents& e) {
    return std::make_tuple(e.m, along_k ? e.k : e.n, along_k ? e.n : e.k);
  };
  std::sort(tiles.begin(), tiles.end(), [&](const TileExtents& a, const TileExtents& b) { return key(a) < key(b); });
  const auto same = [&](const TileExtents& a, const TileExtents& b) { return key(a) == key(b); };
  tiles.erase(std::unique(tiles.begin(), tiles.end(), same), tiles.end());
  return tiles;
}

std::vector<TileExtents> CandidateTiles::neighbours(const TileExtents& tile) const {
  std::vector<TileExtents> tiles;
  const GemmShape& shape = problem_.shape;
  for (const std::uint64_t m : sizes_around(tile.m, shape.m, m_step(tile.m)))
    add(tiles, m, tile.k, tile.n);
  for (const std::uint64_t k : sizes_around(tile.k, shape.k, k_step_))
    add(tiles, tile.m, k, tile.n);
  for (const std::uint64_t n : sizes_around(tile.n, shape.n, n_step_))
    add(tiles, tile.m, tile.k, n);
  return tiles;
}

/// About an eighth, so that a list is short; whole passes where m is cut into them.
std::uint64_t CandidateTiles::m_step(std::uint64_t m) const {
  std::uint64_t step = 1;
  while (step < 64 && step * 16 <= m)
    step *= 2;
  const std::uint64_t pass = problem_.array.pass_m();
  return pass == 0 || m < pass ? step : round_up(step, pass);
}

/// Whether tiles of this k are limited to the outputs of one pass.
bool CandidateTiles::one_pass(std::uint64_t k) const {
  return !model_.keeps_sums(problem_.array.rows + 1, k, problem_.array.columns + 1);
}

std::uint64_t CandidateTiles::m_cap(std::uint64_t k) const {
  const std::uint64_t cap = problem_.buffers.activation_bytes / 2 / model_.activation_tile_bytes(1, k);
  return one_pass(k) ? std::min(cap, problem_.array.pass_m()) : cap;
}

std::uint64_t CandidateTiles::n_cap(std::uint64_t k) const {
  const std::uint64_t cap = problem_.buffers.weight_bytes / 2 / model_.weight_tile_bytes(1, k);
  return one_pass(k) ? std::min(cap, problem_.array.pass_n()) : cap;
}

std::vector<std::uint64_t> CandidateTiles::m_list(std::uint64_t top) const {
  std::vector<std::uint64_t> sizes;
  const std::uint64_t extent = problem_.shape.m, block = problem_.activation.block_rows;
  const bool masked = problem_.shape.causal != CausalMask::none;
  const std::uint64_t span =
      masked ? std::clamp(most_masked_tiles * top / extent, least_masked_span, list_span) : list_span;
  for (const std::uint64_t size : size_list(extent, top, 1, span, 6, 4)) {
    sizes.push_back(std::min(extent, round_up(size, m_step(size))));
    if (size >= block) sizes.push_back(std::min(extent, round_up(size, block)));
  }
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

void CandidateTiles::add(std::vector<TileExtents>& tiles, std::uint64_t m, std::uint64_t k, std::uint64_t n) const {
  if (m != 0 && k != 0 && n != 0 && model_.fits(m, k, n)) tiles.push_back({m, k, n});
}

void CandidateTiles::add_largest_n(std::vector<TileExtents>& tiles, std::uint64_t m_wish, std::uint64_t k) const {
  const std::uint64_t m = std::min(m_wish, m_cap(k));
  if (m == 0) return;
  const std::uint64_t extent = problem_.shape.n, cap = std::min(n_cap(k), area_ / m);
  add(tiles, m, k, fitting(extent, cap, n_step_));
  const std::uint64_t block = problem_.weight.block_rows;
  if (block > n_step_ && block % n_step_ == 0) add(tiles, m, k, fitting(extent, cap, block));
}

void CandidateTiles::add_largest_m(std::vector<TileExtents>& tiles, std::uint64_t k, std::uint64_t n_wish) const {
  const std::uint64_t n = fitting(problem_.shape.n, std::min(n_wish, n_cap(k)), n_step_);
  if (n == 0) return;
  const std::uint64_t extent = problem_.shape.m, cap = std::min(m_cap(k), area_ / n);
  add(tiles, fitting(extent, cap, m_step(cap)), k, n);
  add(tiles, fitting(extent, cap, problem_.activation.block_rows), k, n);
}

void CandidateTiles::add_largest_k(std::vector<TileExtents>& tiles, std::uint64_t m, std::uint64_t n) const {
  if (m * n > area_) return;
  const std::uint64_t extent = problem_.shape.k;
  if (model_.fits(m, extent, n)) return add(tiles, m, extent, n);
  const std::uint64_t steps = std::min(problem_.buffers.activation_bytes / 2 / model_.activation_tile_bytes(m, k_step_),
                                       problem_.buffers.weight_bytes / 2 / model_.weight_tile_bytes(n, k_step_));
  add(tiles, m, fitting(extent, std::min(extent - 1, steps * k_step_), k_step_), n);
}

}  // namespace nibble
