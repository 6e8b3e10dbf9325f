// SPDX-License-Identifier: Apache-2.0
/// The arithmetic of the vector unit: elementwise and row-wise functions of FP16 values with binary32 inside. Only
/// additions, multiplications, divisions and integer operations of one rounding, no library functions: the same bits at
/// every optimization level, with every compiler. Bit-exact definition and error bounds: docs/datapaths.md, section
/// "Vector unit".
///
/// Values are binary32; operands hold FP16 values, and every function that ends a command rounds its results to FP16
/// once (infinity beyond 65504).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nibble {

// Elementary functions, binary32 to binary32.

/// e^x: 0 below -87, infinity above 88.7. Relative error below 2^-22.
float vector_exp(float x);
/// 1 / (1 + e^-x). Relative error below 2^-21.
float vector_sigmoid(float x);
/// Correctly rounded; x at least 0.
float vector_sqrt(float x);
/// The normal distribution function, (1 + erf(x / sqrt(2))) / 2; relative error below 2^-18; 0 below -6.2.
float vector_normal_cdf(float x);

// Functions of the activations, not rounded to FP16 yet.

float silu(float x);  ///< x * sigmoid(x)
enum class GeluForm { tanh, erf };
float gelu(float x, GeluForm form);

/// `lanes` partial sums, lane l takes the elements l, l + lanes, ... in order; neighbouring lanes are then added
/// pairwise until one is left. lanes at least 1.
float lane_sum(const float* x, std::size_t count, std::size_t lanes);

// Row-wise functions: `out` takes `count` FP16 values and may be `x`.

void rms_norm(const float* x, std::size_t count, const float* gain, float epsilon, std::size_t lanes, float* out);
void layer_norm(const float* x, std::size_t count, const float* gain, const float* shift, float epsilon,
                std::size_t lanes, float* out);
/// Softmax of scale * x over the columns [first, end); zero elsewhere.
void softmax(const float* x, std::size_t count, std::size_t first, std::size_t end, float scale, std::size_t lanes,
             float* out);

/// Which channels turn together: i and i + rotated / 2 (Llama), or 2i and 2i + 1 (GPT-J).
enum class RotaryForm { half_split, interleaved };
/// Turns the pairs of the first `rotated` channels by the angles of `table` (a row of rotary_table); copies the others.
void rotate(const float* x, std::size_t count, const float* table, std::size_t rotated, RotaryForm form, float* out);
/// What a host puts into memory for `rotate`: for each position [0, positions) `rotated` / 2 cosines, then as many
/// sines of position * theta^(-2i / rotated), in FP16. In binary64, by series; rotated even, theta above 1.
std::vector<float> rotary_table(std::size_t positions, std::size_t rotated, double theta);

}  // namespace nibble
