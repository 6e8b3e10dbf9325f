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

/// Tokens left of the window of row m0.
std::uint64_t tokens_skipped(const GemmShape& shape, std::uint64_t m0) {
  const std::uint64_t seen = shape.past + m0 / shape.rows_per_token + 1;
  return shape.window != 0 && seen > shape.window ? seen - shape.window : 0;
}

/// Sum of tokens_skipped(row) over all rows.
std::uint64_t skipped_positions(const GemmShape& shape) {
  if (shape.window == 0) return 0;
  const std::uint64_t tokens = shape.m / shape.rows_per_token, first = tokens_skipped(shape, 0);
  // Tokens whose window has left the first position form an arithmetic series.
  const std::uint64_t inside = first > 0 ? 0 : std::min(tokens, shape.window - shape.past);
  const std::uint64_t leaving = tokens - inside, from = first > 0 ? first : 1;
  const std::uint64_t series = leaving == 0 ? 0 : leaving * from + leaving * (leaving - 1) / 2;
  return series * shape.rows_per_token + shape.m % shape.rows_per_token * tokens_skipped(shape, shape.m - 1);
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

constexpr Dataflow all_dataflows[] = {Dataflow::weight_stationary, Dataflow::output_stationary,
                                      Dataflow::input_stationary};

}  // namespace

const char* to_string(Dataflow dataflow) {
  switch (dataflow) {
    case Dataflow::weight_stationary:
      return "weight_stationary";
    case Dataflow::output_stationary:
      return "output_stationary";
    case Dataflow::input_stationary:
      return "input_stationary";
  }
  throw InternalError("dataflow outside its enumeration");
}

Dataflow dataflow_from(const std::string& text) {
  for (const Dataflow dataflow : all_dataflows) {
    if (text == to_string(dataflow)) return dataflow;
  }
  throw InputError("unknown dataflow '" + text + "'; known: weight_stationary, output_stationary, input_stationary");
}

std::uint64_t ArrayGeometry::pass_m() const {
  switch (dataflow) {
    case Dataflow::output_stationary:
      return logical_rows();
    case Dataflow::input_stationary:
      return logical_columns();
    case Dataflow::weight_stationary:
      break;
  }
  return 0;
}

std::uint64_t ArrayGeometry::pass_n() const {
  return dataflow == Dataflow::input_stationary ? 0 : logical_columns();
}

std::uint64_t ArrayGeometry::pass_k() const {
  if (dataflow == Dataflow::output_stationary) return k_per_row;
  const std::uint64_t k = logical_rows() * k_per_row;
  return longest_pass != 0 && longest_pass < k ? longest_pass : k;
}

std::uint64_t ArrayGeometry::macs_per_step() const {
  const std::uint64_t along_rows = dataflow == Dataflow::output_stationary ? logical_rows() : 1;
  return along_rows * logical_columns() * pass_k();
}

std::uint64_t ArrayGeometry::pass_turnaround() const {
  return dataflow == Dataflow::output_stationary || free_fill ? 0 : rows + (rows - 1) * (step_latency() - 1);
}

std::uint64_t GemmShape::columns_needed(std::uint64_t m0, std::uint64_t rows) const {
  return causal == CausalMask::scores ? tokens_seen(*this, m0, rows, n) : n;
}

std::uint64_t GemmShape::reduction_needed(std::uint64_t m0, std::uint64_t rows) const {
  return causal == CausalMask::context ? tokens_seen(*this, m0, rows, k) : k;
}

std::uint64_t GemmShape::columns_skipped(std::uint64_t m0) const {
  return causal == CausalMask::scores ? tokens_skipped(*this, m0) : 0;
}

std::uint64_t GemmShape::reduction_skipped(std::uint64_t m0) const {
  return causal == CausalMask::context ? tokens_skipped(*this, m0) : 0;
}

bool GemmShape::leaves_tokens() const {
  return tokens_skipped(*this, m - 1) < (causal == CausalMask::context ? k : n);
}

std::uint64_t GemmShape::rows_seeing_before(std::uint64_t position) const {
  if (window == 0) return m;
  const std::uint64_t tokens = position + window - 1;
  return tokens <= past ? 0 : std::min(m, (tokens - past) * rows_per_token);
}

std::uint64_t GemmShape::macs() const {
  check_shape(*this);
  if (causal == CausalMask::scores) return (masked_positions(*this, n) - skipped_positions(*this)) * k * count;
  if (causal == CausalMask::context) return (masked_positions(*this, k) - skipped_positions(*this)) * n * count;
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
  if (shape.window == 0) return;
  if (shape.causal == CausalMask::none) throw InputError(text() + "a window needs a causal mask");
  if (shape.window > max_gemm_macs) throw InputError(text() + "a window of more than 2^52 tokens");
  const std::uint64_t extent = shape.causal == CausalMask::scores ? shape.n : shape.k;
  if (!shape.leaves_tokens()) {
    throw InputError(text() + "the window of the last row begins behind all " + std::to_string(extent) + " tokens");
  }
}

}  // namespace nibble
