// SPDX-License-Identifier: Apache-2.0
/// The INT8 baseline PE: one scale per row on both sides, an exact integer sum over the whole reduction, one scaling at
/// its end. Bit-exact definition: docs/datapaths.md, section "Baselines".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// sum + x * w; 32 bits hold reductions of up to 131071 elements, longer ones need the 64 bits given here.
std::int64_t int8_step(std::int64_t sum, std::int8_t x, std::int8_t w);

/// f32(f32(sum) * f32(sx * sw)); +0 for a zero sum.
float int8_foot(std::int64_t sum, float activation_scale, float weight_scale);

/// Mode "int8".
const PeTiming& int8_pe_timing();

/// Pair: int8-channel with int8-channel. A tile spans the whole reduction.
const PeUnit& int8_unit();

}  // namespace nibble
