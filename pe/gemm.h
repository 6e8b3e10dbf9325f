// SPDX-License-Identifier: Apache-2.0
/// What the GEMM functions of the PEs share: C[M, N] = A[M, K] x W[N, K]^T, accumulators as binary32, the output as
/// FP16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/quantizer.h"

namespace nibble {

/// Rows [m0, m0 + m) of A against rows [n0, n0 + n) of W over [k0, k0 + k) of the reduction.
struct GemmRange {
  std::size_t m0 = 0, m = 0, k0 = 0, k = 0, n0 = 0, n = 0;
};

/// The whole product; throws InputError that names both tensors when their reduction extents differ.
GemmRange whole_gemm(const QuantizedTensor& activations, const QuantizedTensor& weights);

/// Throws InternalError unless `range` lies inside the product, starts at a multiple of `group` along k and ends at one
/// or at K.
void check_range(const GemmRange& range, const QuantizedTensor& activations, const QuantizedTensor& weights,
                 std::size_t group);

/// "mant PE: a.npy (int8-channel) with w.npy (mant4-g64) is not supported; supported pairs: ...".
[[noreturn]] void refuse_pair(const std::string& pe, const QuantizedTensor& activations, const QuantizedTensor& weights,
                              const std::string& supported);

/// C as binary16 bit patterns.
struct Fp16Output {
  std::vector<std::uint16_t> bits;
  std::uint64_t overflows = 0;  ///< outputs that became infinity
};
Fp16Output fp16_output(const std::vector<float>& accumulators);

}  // namespace nibble
