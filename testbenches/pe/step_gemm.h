// SPDX-License-Identifier: Apache-2.0
/// Outputs of a GEMM by the scalar steps of each PE, element by element: what the whole-GEMM forms must equal.
#pragma once

#include "pe/gemm.h"

namespace nibble::test {

/// The accumulator of output (m, n), by the steps of the PE of that name.
float step_output(const PeUnit& pe, const QuantizedTensor& a, const QuantizedTensor& w, std::size_t m, std::size_t n,
                  const GemmOptions& options = {});

/// Outputs of `accumulators` [M][N] that differ from step_output in any bit, counted over every `every`-th output.
std::size_t step_differences(const PeUnit& pe, const QuantizedTensor& a, const QuantizedTensor& w,
                             const std::vector<float>& accumulators, const GemmOptions& options = {},
                             std::size_t every = 1);

}  // namespace nibble::test
