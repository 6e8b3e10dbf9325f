// SPDX-License-Identifier: Apache-2.0
/// The FP16 baseline PE: FP16 x FP16, accumulated in binary32; and the same PE behind a dequantizer of integer weights.
/// Bit-exact definition: docs/datapaths.md, section "Baselines".
#pragma once

#include "pe/gemm.h"
#include "pe/pe_timing.h"

namespace nibble {

/// acc + f32(a * w) for FP16 values; the product is exact.
float fp16_step(float accumulator, float a, float w);

/// fp16(f32(q * s)): what the dequantizer hands to the PE; infinity where it overflows.
float fp16_dequantized(std::int16_t q, float scale);

/// Mode "fp16".
const PeTiming& fp16_pe_timing();

/// Pair: fp16 with fp16.
const PeUnit& fp16_unit();
/// Pairs: fp16 with int<2..8> of any grouping. A weight whose dequantized value overflows FP16 is an InputError that
/// names the tensor and the flat index.
const PeUnit& fp16_dequant_unit();

}  // namespace nibble
