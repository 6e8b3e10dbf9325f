// SPDX-License-Identifier: Apache-2.0
/// The Amove PE (MICRO 2025): INT4 x INT4 summed exactly per cluster, the scale decoder beside it, and the GIPU that
/// scales and accumulates in FP16. Bit-exact definition: docs/datapaths.md, section "Amove PE and GIPU".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// The scale decoder: fp16(S - R * E). S, R: E4M3 values; E: 0..3.
float amove_scale(float base, float residual, std::uint8_t code);

/// One PE step: sum + x * w for 4-bit integers (-8 is legal on the wire). `cluster`: elements per cluster; the sum has
/// 8 + ceil(log2 cluster) bits: 10 for 4, 12 for 16.
std::int32_t amove_step(std::int32_t sum, std::int8_t x, std::int8_t w, std::size_t cluster);

/// The GIPU, once per cluster: t = fp16(sA * sW * 2^p), v = fp16(t * sum), fp16(acc + v); p = pA + pW.
/// `accumulate_fp32`: each of the three rounded to binary32 instead. Overflow gives infinity; an invalid operation
/// (infinity times 0, infinities of both signs) gives the quiet NaN. Scale products below 2^-25 become 0 in FP16.
float amove_foot(float accumulator, std::int32_t sum, float activation_scale, float weight_scale, int exponent,
                 bool accumulate_fp32);

/// Modes named after the cluster, which decides their cost: "c1", "c2" (2 and 3), "c4" (4 to 15), "c16" (from 16 on);
/// one product per PE and cycle. The foot is the GIPU: convert, multiply scales, multiply, add. Four PEs share one that
/// takes one sum per cycle: clusters below 4 wait for it.
const PeTiming& amove_pe_timing();

/// Pairs: amove<b>-g<k>c<c> with amove<b>-g<k>c<c> of the same k and c. Option: accumulate_fp32.
const PeUnit& amove_unit();

}  // namespace nibble
