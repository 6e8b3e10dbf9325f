// SPDX-License-Identifier: Apache-2.0
/// The Tender PE (ISCA 2024): the columns of the activations form groups whose scales lie a factor of two apart; the
/// array runs from the largest scale to the smallest and shifts its accumulators left by one between groups, so that no
/// group needs a scaling of its own. Bit-exact definition: docs/datapaths.md, section "Tender".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/integer_foot.h"
#include "pe/pe_timing.h"

namespace nibble {

/// sum + x * w for integers of 8 or 4 bits; 38 bits hold integer_segment elements in 8 groups.
std::int64_t tender_step(std::int64_t sum, std::int8_t x, std::int8_t w);

/// Between two groups of columns: sum * 2.
std::int64_t tender_rescale(std::int64_t sum);

/// After the last group: acc + f32(f32(sum) * f32(s * 2^-(groups - 1) * sw)); s: the largest scale of the rows.
float tender_foot(float accumulator, std::int64_t sum, float activation_scale, unsigned groups, float weight_scale);

/// Modes "w4a4" (one PE) and "w8a8" (four PEs fused). A rescale takes one cycle.
const PeTiming& tender_pe_timing();

/// Pairs: tender<b>-d<groups> with int<b>-channel of the same b, 8 or 4.
const PeUnit& tender_unit();

}  // namespace nibble
