// SPDX-License-Identifier: Apache-2.0
/// Amove: the rules that an encoder, a scale decoder and a machine share. Definition: docs/formats.md, section "amove".
#pragma once

#include "formats/rounding.h"

namespace nibble {

/// The smallest integer p with f32(largest_magnitude / (2^(bits - 1) - 1)) * 2^-p <= 448: what an offline tensor takes,
/// and attention probabilities with 1.0 (bits = 4: -11, 3: -10, 2: -8). 0 for 0.
int amove_exponent(float largest_magnitude, unsigned bits);

/// The scale of a cluster: fp16(S - R * E); S and R are E4M3 values, E is 0..3.
inline float amove_cluster_scale(float base_scale, float residual, unsigned code) {
  return round_fp16(base_scale - residual * static_cast<float>(code));  // exact before the rounding: at most 18 bits
}

}  // namespace nibble
