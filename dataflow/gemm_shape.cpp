// SPDX-License-Identifier: Apache-2.0
#include "dataflow/gemm_shape.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace nibble {
namespace {

/// Tokens that the last of `rows` rows from m0 sees, at most `extent`.
std::uint64_t tokens_seen(const GemmShape& shape, std::uint64_t m0, std::uint64_t rows, std::uint64_t extent) {
  if (rows == 0) return 0;
  if (shape.past >= extent) return extent;
  return std::min(extent, shape.past + (m0 + rows - 1) / shape.rows_per_token + 1);
}

/// Sum of tokens_seen(row) over all rows; the caller has bounded m x extent.
std::uint64_t masked_positions(const GemmShape& shape, std::uint64_t extent) {
  if (shape.past >= extent) return shape.m * extent;
  const std::uint64_t tokens = shape.m / shape.rows_per_token;
  // Tokens before the one that sees everything form an arithmetic series.
  const std::uint64_t rising = std::min(tokens, extent - shape.past);
  const std::uint64_t series = rising * shape.past + rising * (rising + 1) / 2 + (tokens - rising) * extent;
  const std::uint64_t rest = shape.m % shape.rows_per_token;
  return series * shape.rows_per_token + rest * std::min(extent, shape.past + tokens + 1);
}

}  // namespace

std::uint64_t GemmShape::columns_needed(std::uint64_t m0, std::uint64_t rows) const {
  return causal == CausalMask::scores ? tokens_seen(*this, m0, rows, n) : n;
}

std::uint64_t GemmShape::reduction_needed(std::uint64_t m0, std::uint64_t rows) const {
  return causal == CausalMask::context ? tokens_seen(*this, m0, rows, k) : k;
}

std::uint64_t GemmShape::macs() const {
  check_shape(*this);
  if (causal == CausalMask::scores) return masked_positions(*this, n) * k * count;
  if (causal == CausalMask::context) return masked_positions(*this, k) * n * count;
  return m * k * n * count;
}

void check_shape(const GemmShape& shape) {
  const auto text = [&] {
    return "GEMM m=" + std::to_string(shape.m) + " k=" + std::to_string(shape.k) + " n=" + std::to_string(shape.n) +
           " count=" + std::to_string(shape.count) + ": ";
  };
  if (shape.m == 0 || shape.k == 0 || shape.n == 0 || shape.count == 0) {
    throw InputError(text() + "an extent is 0; every extent must be positive");
  }
  if (shape.rows_per_token == 0) throw InputError(text() + "rows per token is 0; it must be positive");
  std::uint64_t product = 1;
  for (const std::uint64_t extent : {shape.m, shape.k, shape.n, shape.count}) {
    if (extent > max_gemm_macs / product) {
      throw InputError(text() + "more than 2^52 multiply-accumulates; split the GEMM");
    }
    product *= extent;
  }
  if (shape.past > max_gemm_macs) throw InputError(text() + "more than 2^52 past tokens");
}

}  // namespace nibble
