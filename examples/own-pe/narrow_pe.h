// SPDX-License-Identifier: Apache-2.0
/// A PE that nibble does not have: four INT8 x INT4 products a cycle, added to a register of 14 bits that saturates.
#pragma once

#include "pe/gemm.h"

// excerpt: step
inline constexpr unsigned narrow_lanes = 4;
inline constexpr std::int32_t narrow_most = 8191, narrow_least = -8192;  ///< 14 bits

/// sum + x0 * w0 + ... in one cycle, kept in 14 bits. `count`: lanes at work, fewer at a group's end.
std::int32_t narrow_step(std::int32_t sum, const std::int16_t* x, const std::int16_t* w, std::size_t count);

/// End of a group: acc + f32(f32(sum) * f32(sx * sw)).
float narrow_foot(float accumulator, std::int32_t sum, float activation_scale, float weight_scale);
// end excerpt

const nibble::PeUnit& narrow_unit();
