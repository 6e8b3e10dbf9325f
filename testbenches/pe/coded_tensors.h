// SPDX-License-Identifier: Apache-2.0
/// Tensors of random codes and metadata, beyond what an encoder would produce.
#pragma once

#include <cmath>
#include <string>

#include "core/random.h"
#include "formats/quantizer.h"

namespace nibble::test {

/// A non-negative FP16 value: zero, subnormal or up to 2^4.
inline float random_scale(Random& random) {
  const std::uint64_t kind = random.below(16);
  if (kind == 0) return 0.0F;
  const int exponent = kind == 1 ? -24 : static_cast<int>(random.below(16)) - 22;
  return std::ldexp(static_cast<float>(random.below(2048)), exponent);
}

/// int8-* or mant4-g<k> with every code (int8: -128 included) and every type.
inline QuantizedTensor random_coded(const std::string& format, std::size_t rows, std::size_t columns, Random& random) {
  static const std::uint8_t types[] = {0, 5, 10, 17, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 0xFF};
  QuantizedTensor tensor;
  tensor.format = Format::parse(format);
  tensor.name = "random " + format;
  tensor.shape = {rows, columns};
  const bool mant = tensor.format.family == FormatFamily::mant4;
  for (std::size_t i = 0; i < rows * columns; ++i) {
    tensor.codes.push_back(static_cast<std::int16_t>(mant ? random.below(16) : random.below(256)));
    if (!mant) tensor.codes.back() = static_cast<std::int16_t>(tensor.codes.back() - 128);
  }
  const std::size_t extent = tensor.format.group_extent(columns);
  for (std::size_t i = 0; i < rows * ((columns + extent - 1) / extent); ++i) {
    tensor.scales.push_back(random_scale(random));
    if (mant) tensor.types.push_back(types[random.below(sizeof types)]);
  }
  return tensor;
}

inline Tensor random_tensor(const std::string& name, std::size_t rows, std::size_t columns, Random& random) {
  Tensor tensor{name, {rows, columns}, {}};
  for (std::size_t i = 0; i < rows * columns; ++i)
    tensor.values.push_back(static_cast<float>(random.normal()));
  return tensor;
}

}  // namespace nibble::test
