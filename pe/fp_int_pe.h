// SPDX-License-Identifier: Apache-2.0
/// PacQ's packed FP-INT multiplier (DAC 2025): one FP16 activation times the 4 INT4 or 8 INT2 weights of a 16-bit word,
/// exactly, as significand products; a DP-4 over four k; the offset of the weights leaves through the sum of the
/// activations. Bit-exact definition: docs/datapaths.md, section "FP-INT packed multiplier".
#pragma once

#include <cstdint>

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// Weights in one 16-bit word: 4 (bits = 4) or 8 (bits = 2).
unsigned fp_int_lanes(unsigned bits);

/// The unsigned weight u = q + 2^(bits - 1) of a lane; lane 0 stands in the low bits.
std::uint8_t fp_int_lane_weight(std::uint16_t word, unsigned lane, unsigned bits);

/// Significand of a lane's product, (Ma << 10) + Ma * u: 22 bits for Ma of 11 bits and u of 4. Worth 2^(e - 25) a unit,
/// e the activation's biased exponent (1 for subnormals); sign and exponent are shared by all lanes.
std::uint32_t fp_int_lane(std::uint16_t significand, std::uint8_t u);

/// The lane's value A * (1024 + u), exact. A: a finite FP16 value.
double fp_int_product(float activation, std::uint8_t u);

/// acc + f32(exact sum of 1..4 products). `product_fp16`: each product is rounded to FP16 first.
float fp_int_dp4(float accumulator, const float* activations, const std::uint8_t* u, unsigned count, bool product_fp16);

/// The DP-4 of n-packed words: words[i] holds the weights of `fp_int_lanes(bits)` outputs at k + i; accumulators[lane]
/// becomes fp_int_dp4 of its lane. The lanes share sign and exponent of the activations and the adder trees.
void fp_int_dp4_n_packed(float* accumulators, const float* activations, const std::uint16_t* words, unsigned count,
                         unsigned bits, bool product_fp16);

/// The DP-4 of a k-packed word: lanes first_lane .. first_lane + count - 1 are the weights of one output at the four k
/// of the activations. Equal bits, one lane of every multiplier used.
float fp_int_dp4_k_packed(float accumulator, const float* activations, std::uint16_t word, unsigned first_lane,
                          unsigned count, unsigned bits, bool product_fp16);

/// sA + f32(exact sum of 1..4 activations).
float fp_int_activation_sum(float sum, const float* activations, unsigned count);

/// End of a scale group: out + f32(s * f32(acc - f32(offset * sA))), offset = 1024 + 2^(bits - 1).
float fp_int_group_foot(float out, float scale, float accumulator, float activation_sum, unsigned bits);

/// Modes "int4", "int2" (n-packed words: p lanes take p / duplication cycles per k4 step, one at least) and "int4-k",
/// "int2-k" (k-packed words: one weight per multiplier and cycle). Foot: offset product, difference, scale, accumulate.
/// `duplication` of the adder tree: 1, 2, 4 or 8 (InputError). Cost book entries: pe.fp_int with two trees, else
/// fp_int.trees<n>.
PeTiming fp_int_pe_timing(unsigned duplication);
const PeTiming& fp_int_pe_timing();  ///< duplication 2

/// Pairs: fp16 with int4 or int2, g<k>[x<n>] with k a multiple of 4, or channel. Option: product_fp16.
const PeUnit& fp_int_unit();

/// Its twin on k-packed words, the conventional packing: the same pairs, options and bits; the timing has the modes
/// "int4-k" and "int2-k" alone.
const PeUnit& fp_int_k_unit();

}  // namespace nibble
