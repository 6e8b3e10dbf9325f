// SPDX-License-Identifier: Apache-2.0
/// The inner loop shared by the PEs that form exact integer sums per group and scale them in binary32: private to
/// pe/*_gemm.cpp.
///
/// For every row r and column c, over the groups g in ascending order:
///   acc[r][c] = f32(acc[r][c] + f32(f32(G) * f32(sx[r][g] * sw[g][c]))),  G = sum over the group of x[r][k] * w[k][c].
/// Wide: f32(G * f32(...)), rounded once.
/// Nested scales (nest > 0): `nest` groups share one weight scale, inner starts at +0 with each such run,
///   inner = f32(inner + f32(f32(G) * sx[r][g])), and at the end of the run acc[r][c] = f32(acc[r][c] + f32(inner *
///   sw[g][c])).
/// Integer sums are exact, so their order is free and every variant below gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble {

inline constexpr std::size_t group_panel_columns = 16;

/// `panels` panels of 16 columns over `groups` groups of `extent` elements. Every group is stored in pairs along k; the
/// second half of an odd group's last pair meets a zero weight, but x must be readable there.
struct GroupBlock {
  const std::int16_t* x = nullptr;  ///< [rows][x_stride], first element of the first group
  std::size_t x_stride = 0;
  const float* x_scales = nullptr;  ///< [rows][x_scale_stride], one per group
  std::size_t x_scale_stride = 0;
  const std::int16_t* w = nullptr;  ///< [panels][groups][pairs][16][2]
  const float* w_scales = nullptr;  ///< [panels][groups][16]
  float* accumulators = nullptr;    ///< [rows][panels * 16]
  std::size_t rows = 0, panels = 0, groups = 0;
  std::size_t extent = 0;      ///< elements of a full group
  std::size_t pairs = 0;       ///< pairs of a full group; the distance between groups in w
  std::size_t last_pairs = 0;  ///< pairs of the last group
  std::size_t nest = 0;        ///< groups under one weight scale; the first group begins a run, the last ends one
  bool wide = false;  ///< f32(G * t) in place of f32(f32(G) * t), which differs where |G| exceeds 2^24; never with nest
};

using GroupKernel = void (*)(const GroupBlock&);

void group_kernel_portable(const GroupBlock& block);
#if defined(__x86_64__)
void group_kernel_sse2(const GroupBlock& block);
/// Needs a processor with AVX2.
void group_kernel_avx2(const GroupBlock& block);
#endif

/// The variant of instruction_set().
GroupKernel chosen_group_kernel();

}  // namespace nibble
