// SPDX-License-Identifier: Apache-2.0
/// Random operands of the bfp PE, and one output by PE cycles.
#pragma once

#include <algorithm>
#include <string>

#include "core/random.h"
#include "pe/bfp_pe.h"
#include "pe/kv_gemm.h"

namespace nibble::test {

/// bfp8-g<k> or bfp4-g<k>: every signed mantissa and every exponent.
inline QuantizedTensor random_bfp(const std::string& format, std::size_t rows, std::size_t columns, Random& random) {
  QuantizedTensor tensor;
  tensor.format = Format::parse(format);
  tensor.name = "random " + format;
  tensor.shape = {rows, columns};
  const int largest = (1 << tensor.format.bits) - 1;
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const auto code = static_cast<int>(random.below(2 * static_cast<std::uint64_t>(largest) + 1)) - largest;
    tensor.codes.push_back(static_cast<std::int16_t>(code));
  }
  const std::size_t groups = (columns + tensor.format.group_k - 1) / tensor.format.group_k;
  for (std::size_t i = 0; i < rows * groups; ++i)
    tensor.exponents.push_back(static_cast<std::int16_t>(1 + random.below(30)));
  return tensor;
}

/// The sum of one group of at most 128 products, cycle by cycle.
inline std::int32_t sum_by_steps(const std::int16_t* a, const std::int16_t* b, std::size_t length, BfpMode mode) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < length; i += bfp_products(mode)) {
    const auto products = static_cast<unsigned>(std::min<std::size_t>(bfp_products(mode), length - i));
    sum = bfp_step(sum, a + i, b + i, products, mode);
  }
  return sum;
}

/// accumulator continued over row `n` of `w` (bfp8 or bfp4), whose first element meets element `first` of row `m` of a.
inline float row_by_steps(float accumulator, const QuantizedTensor& a, std::size_t m, std::size_t first,
                          const QuantizedTensor& w, std::size_t n) {
  const BfpMode mode = bfp_mode(w.format);
  const std::size_t extent = w.format.group_k, columns = w.columns();
  for (std::size_t k = 0; k < columns; k += extent) {
    const std::int32_t sum = sum_by_steps(&a.codes[m * a.columns() + first + k], &w.codes[n * columns + k],
                                          std::min(extent, columns - k), mode);
    accumulator = bfp_foot(accumulator, sum, a.exponents[a.group_index(m, (first + k) / extent)],
                           w.exponents[w.group_index(n, k / extent)], mode);
  }
  return accumulator;
}

}  // namespace nibble::test
