// SPDX-License-Identifier: Apache-2.0
/// The weight-stationary array of MANT PEs (stationary_array_cycle.h) with the operands as M-ANT's buffers hold them
/// and the nibbles of INT8 weights in the PEs that hold them: what the RTL of the array is compared with.
#pragma once

#include <cstdint>
#include <vector>

#include "accelerators/stationary_array_cycle.h"
#include "dataflow/gemm_shape.h"
#include "pe/mant_pe.h"

namespace nibble::test {

/// MANT weights in one PE each, or in the fused mode 4-bit slices of an INT8 weight in two: the upper PE of a pair
/// holds the signed high nibble, the lower the unsigned low one; both see the same activation.
struct MantArithmetic {
  struct Stationary {
    std::uint8_t code = 0;  ///< narrow: sign << 3 | i; wide: the slice
    bool int4 = false;      ///< the column's group is of type INT4
  };
  struct Streamed {
    std::int8_t x = 0;
    bool wide = false;  ///< INT8 weights, two PEs fused
  };
  using Sum = MantSums;
  static MantSums enter(std::uint64_t, std::uint64_t) { return {}; }
  static MantSums step(const MantSums& above, const Streamed& activation, const Stationary& weight, std::uint64_t row) {
    if (!activation.wide) return mant_step(above, activation.x, weight.code, weight.int4);
    const bool high = row % 2 == 0;
    const std::int32_t value = high && weight.code >= 8 ? weight.code - 16 : weight.code;
    MantSums sums;
    sums.mac = above.mac + activation.x * value * (high ? 16 : 1);
    return sums;
  }
};

class SystolicArrayCycle {
 public:
  explicit SystolicArrayCycle(const ArrayGeometry& geometry) : array_(geometry) {}

  /// Activations of one row of A: element r for array row r, `rows` of them.
  struct ActivationRow {
    bool valid = false;
    bool first = false;     ///< first row of a pass: weights swap
    bool wide = false;      ///< INT8 weights, two PEs fused
    std::uint64_t tag = 0;  ///< handed back with the results
    std::vector<std::int8_t> x;
  };
  /// Stationary weights of one array row: `columns` codes and whether each column's group is of type INT4.
  struct WeightRow {
    bool valid = false;
    std::uint64_t row = 0;
    std::vector<std::uint8_t> codes;
    std::vector<std::uint8_t> int4;
  };
  /// What leaves the last row of column `column` in this cycle.
  struct Result {
    std::uint64_t tag = 0, column = 0;
    MantSums sums;
  };

  /// One clock cycle. The inputs are those that enter row 0 / column 0 now; the skew registers are part of the array.
  /// `results` receives the sums that the last row registers in this cycle.
  void step(const ActivationRow& activation, const WeightRow& weight, std::vector<Result>& results) {
    stream_.valid = activation.valid;
    stream_.first = activation.first;
    stream_.tag = activation.tag;
    stream_.x.resize(activation.x.size());
    for (std::size_t r = 0; r < activation.x.size(); ++r)
      stream_.x[r] = {activation.x[r], activation.wide};
    load_.valid = weight.valid;
    load_.row = weight.row;
    load_.w.resize(weight.codes.size());
    for (std::size_t c = 0; c < weight.codes.size(); ++c)
      load_.w[c] = {weight.codes[c], weight.int4[c] != 0};
    results_.clear();
    array_.step(stream_, load_, results_);
    for (const auto& result : results_)
      results.push_back({result.tag, result.column, result.sum});
  }

  /// Multiply-accumulates that PEs have performed (valid operands, padding included).
  std::uint64_t pe_operations() const { return array_.pe_operations(); }

 private:
  using Array = StationaryArrayCycle<MantArithmetic>;
  Array array_;
  Array::StreamRow stream_;
  Array::LoadRow load_;
  std::vector<Array::Result> results_;
};

}  // namespace nibble::test
