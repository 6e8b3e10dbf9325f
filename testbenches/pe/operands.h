// SPDX-License-Identifier: Apache-2.0
/// Operands of any format for the tests of PEs: random codes beyond what an encoder produces, and tensors as models
/// have them.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "core/random.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"
#include "testbenches/pe/coded_tensors.h"

namespace nibble::test {

/// Every code, type, exponent and scale that a record can hold (E4M3 codes without NaN; FP16 values finite). `tame`
/// keeps what would overflow binary32 or FP16 accumulators out: FP16 values near 1, BFP exponents near 15.
inline QuantizedTensor random_operand(const std::string& format, std::size_t rows, std::size_t columns, Random& random,
                                      bool tame = true) {
  static const std::uint8_t mant[] = {0, 5, 10, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 0xFF};
  QuantizedTensor tensor = blank_tensor(Format::parse(format), {rows, columns}, "random " + format);
  const FormatFamily family = tensor.format.family;
  for (float& value : tensor.values) {
    value = tame ? round_fp16(static_cast<float>(random.normal()))
                 : fp16_value(static_cast<std::uint16_t>(random.below(2) << 15 | random.below(0x7C00)));
  }
  const bool is_signed = family == FormatFamily::integer || family == FormatFamily::amove ||
                         family == FormatFamily::tender || (family == FormatFamily::bitmod && tensor.format.bits == 6);
  const bool has_mantissas = family == FormatFamily::bfp || family == FormatFamily::anda;
  const std::uint64_t codes = std::uint64_t{1} << (has_mantissas ? tensor.format.bits + 1 : tensor.format.bits);
  for (std::int16_t& code : tensor.codes) {
    code = static_cast<std::int16_t>(random.below(codes));
    if (is_signed) code = static_cast<std::int16_t>(code - static_cast<int>(codes / 2));
    if (has_mantissas)
      code = static_cast<std::int16_t>(std::max(code - static_cast<int>(codes / 2), 1 - static_cast<int>(codes / 2)));
  }
  for (float& scale : tensor.scales)
    scale = random_scale(random);
  for (std::uint8_t& type : tensor.types) {
    type = family == FormatFamily::mant4    ? mant[random.below(sizeof mant)]
           : family == FormatFamily::ant4   ? static_cast<std::uint8_t>(random.below(3))
           : family == FormatFamily::bitmod ? static_cast<std::uint8_t>(random.below(4))
                                            : static_cast<std::uint8_t>(random.below(2));
  }
  for (std::size_t row = 0; row < tensor.row_scales.size(); ++row) {
    tensor.row_scales[row] = random_scale(random);
    for (std::size_t g = 0; g < tensor.groups_per_row(); ++g)
      tensor.scales[tensor.group_index(row, g)] = static_cast<float>(random.below(256)) * tensor.row_scales[row];
  }
  for (std::int16_t& exponent : tensor.exponents)
    exponent = static_cast<std::int16_t>(tame ? 10 + random.below(10) : 1 + random.below(30));
  for (float& base : tensor.base_scales)
    base = e4m3_value(static_cast<std::uint8_t>(random.below(0x7F)));
  for (std::size_t g = 0; g < tensor.residuals.size(); ++g)
    tensor.residuals[g] = round_e4m3(tensor.base_scales[g] / static_cast<float>(4 + random.below(20)));
  for (std::uint8_t& group : tensor.column_groups)
    group = static_cast<std::uint8_t>(random.below(tensor.format.decomposition));
  for (std::uint8_t& code : tensor.cluster_codes)
    code = static_cast<std::uint8_t>(random.below(4));
  if (family == FormatFamily::amove) tensor.tensor_exponent = -6;
  return tensor;
}

/// What a tensor of a model looks like.
enum class TensorShape {
  gaussian,
  outlier_channels,  ///< a few columns 30 times larger in every row, as behind a normalization
  massive_outliers,  ///< single elements 1000 times larger
  zero_groups,       ///< runs of zeros, whole zero rows, tiny rows
  ties               ///< halves of small integers
};

inline Tensor shaped_tensor(TensorShape shape, std::size_t rows, std::size_t columns, Random& random) {
  Tensor tensor{"shaped", {rows, columns}, {}};
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const std::size_t r = i / columns, c = i % columns;
    auto x = static_cast<float>(random.normal());
    if (shape == TensorShape::outlier_channels && c % 61 == 3) x *= 30.0F;
    if (shape == TensorShape::massive_outliers && random.below(997) == 0) x *= 1000.0F;
    if (shape == TensorShape::zero_groups) {
      if (c / 64 % 3 == 1 || r % 5 == 4) x = 0.0F;
      if (r % 5 == 3) x *= 0x1p-12F;
    }
    if (shape == TensorShape::ties) x = static_cast<float>(static_cast<int>(random.below(257)) - 128) / 2.0F;
    tensor.values.push_back(x);
  }
  return tensor;
}

}  // namespace nibble::test
