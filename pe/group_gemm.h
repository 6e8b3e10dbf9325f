// SPDX-License-Identifier: Apache-2.0
/// Blocks and packs a GEMM for the group kernel (group_kernel.h): private to pe/*_gemm.cpp and their tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pe/gemm.h"
#include "pe/group_kernel.h"

namespace nibble {

/// A coded operand [rows][columns] with a scale per row and group.
struct GroupOperand {
  const std::int16_t* codes = nullptr;
  const float* scales = nullptr;
  std::size_t scales_per_row = 0;
  bool one_scale = false;  ///< one scale per row counts for all groups (weights only)
  /// Weights only: code c of a group stands for grids[types[group]][c]; null: the code is the integer itself.
  const std::uint8_t* types = nullptr;
  const std::array<std::int16_t, 16>* grids = nullptr;
};

struct GroupShape {
  std::size_t columns = 0;  ///< of both operands
  std::size_t extent = 0;   ///< elements of a group
  bool wide = false;        ///< sums are scaled with one rounding (group_kernel.h)
  std::size_t nest = 0;     ///< groups under one weight scale (group_kernel.h), 0: every group has its own
};

/// accumulators[r][c] of the range, rows `stride` apart, continued over its groups in ascending k. A group's sum must
/// fit 31 bits.
void group_gemm(const GroupOperand& x, const GroupOperand& w, const GroupShape& shape, const GemmRange& range,
                float* accumulators, std::size_t stride, GroupKernel kernel = chosen_group_kernel());

}  // namespace nibble
