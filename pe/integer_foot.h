// SPDX-License-Identifier: Apache-2.0
/// The foot behind the PEs that add up whole integers, and how long their accumulators run before they drain into it.
/// Bit-exact definition: docs/datapaths.md, section "Integer baselines".
#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble {

/// Elements after which an integer accumulator drains into the foot although its scale group goes on. [D] decided by
/// nibble, so that every register has a width that no reduction overflows; longer than the reduction of every shipped
/// model.
inline constexpr std::size_t integer_segment = 32768;

/// acc + f32(f32(sum) * f32(sx * sw)). The scales are FP16 values or such values times a power of two; |sum| < 2^53.
inline float integer_foot(float accumulator, std::int64_t sum, float activation_scale, float weight_scale) {
  const float t = activation_scale * weight_scale;
  const float v = static_cast<float>(sum) * t;
  return accumulator + v;
}

}  // namespace nibble
