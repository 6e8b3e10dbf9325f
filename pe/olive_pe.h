// SPDX-License-Identifier: Apache-2.0
/// The OliVe PE (ISCA 2023): a decoder sees both codes of an outlier-victim pair and hands integer and exponent of each
/// to the multiplier; products are shifted and accumulated as integers. INT8 layers take two or four PEs. Bit-exact
/// definition: docs/datapaths.md, section "ANT and OliVe".
#pragma once

#include <cstdint>

#include "pe/exponent_integer.h"
#include "pe/gemm.h"
#include "pe/integer_foot.h"
#include "pe/pe_timing.h"

namespace nibble {

/// A decoded pair.
struct OlivePair {
  ExponentInteger first, second;
};

/// The pair decoder: olive4 codes of the group's type (formats/adaptive_types.h); the victim becomes 0, its partner an
/// outlier. An element without a partner is decoded with 0 as the other code.
OlivePair olive_decode(std::uint8_t type, std::uint8_t first, std::uint8_t second);

/// sum + the product of the two; 32 bits hold integer_segment elements of every pair. The foot is integer_foot.
std::int32_t olive_step(std::int32_t sum, ExponentInteger x, ExponentInteger w);

/// Modes "w4a4" (one PE), "w4a8" and "w8a4" (two PEs fused), "w8a8" (four).
const PeTiming& olive_pe_timing();

/// Pairs of olive4-(channel|tensor) or int8-(channel|tensor), in any mix.
const PeUnit& olive_unit();

}  // namespace nibble
