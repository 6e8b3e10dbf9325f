// SPDX-License-Identifier: Apache-2.0
/// The INT4 baseline PE: INT4 x INT4 added up exactly over a scale group, or over the row where the scale is the
/// row's. Bit-exact definition: docs/datapaths.md, section "Integer baselines".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/integer_foot.h"
#include "pe/pe_timing.h"

namespace nibble {

/// sum + x * w for 4-bit integers (-8 is legal on the wire): a product of 8 bits, a sum of 23 bits after
/// integer_segment elements. The foot is integer_foot.
std::int32_t int4_step(std::int32_t sum, std::int8_t x, std::int8_t w);

/// Mode "w4a4".
const PeTiming& int4_pe_timing();

/// Pairs: int4-g<k> with int4-g<k>[x<n>] of the same k (at most 32768); int4-(channel|tensor) with
/// int4-(channel|tensor).
const PeUnit& int4_unit();

}  // namespace nibble
