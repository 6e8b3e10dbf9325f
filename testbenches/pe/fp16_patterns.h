// SPDX-License-Identifier: Apache-2.0
/// binary16 bit patterns for tests of the units that read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"
#include "formats/rounding.h"
#include "formats/tensor.h"

namespace nibble::test {

inline std::vector<std::uint16_t> patterns_of(const std::vector<float>& values) {
  std::vector<std::uint16_t> patterns;
  patterns.reserve(values.size());
  for (const float value : values)
    patterns.push_back(fp16_bits(value));
  return patterns;
}

inline Tensor tensor_of(const std::vector<std::uint16_t>& patterns, std::size_t rows, std::size_t columns) {
  Tensor tensor{"patterns", {rows, columns}, {}};
  tensor.values.reserve(patterns.size());
  for (const std::uint16_t pattern : patterns)
    tensor.values.push_back(fp16_value(pattern));
  return tensor;
}

/// Finite patterns of one of several kinds per run of `run` elements: normal, uniform, every pattern, zeros and the
/// smallest, the largest, one outlier.
inline std::vector<std::uint16_t> random_patterns(std::size_t count, std::size_t run, Random& random) {
  std::vector<std::uint16_t> patterns;
  std::uint64_t kind = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % run == 0) kind = random.below(8);
    const double x = random.normal();
    std::uint16_t pattern = fp16_bits(static_cast<float>(x));
    if (kind == 1) pattern = fp16_bits(static_cast<float>(random.uniform() - 0.5));
    if (kind == 2) pattern = static_cast<std::uint16_t>(random.next());
    if (kind == 3) pattern = static_cast<std::uint16_t>(random.below(3) == 0 ? random.below(4) : random.below(2) << 15);
    if (kind == 4) pattern = static_cast<std::uint16_t>(0x7BFF - random.below(3) + (random.below(2) << 15));
    if (kind == 5 && i % run == 3) pattern = fp16_bits(static_cast<float>(60 * x));
    if (kind == 6) pattern = static_cast<std::uint16_t>(random.below(2) << 15);
    if (kind == 7) pattern = fp16_bits(static_cast<float>(x * x * x));
    while ((pattern & 0x7C00) == 0x7C00)
      pattern = static_cast<std::uint16_t>(pattern ^ 0x4000);
    patterns.push_back(pattern);
  }
  return patterns;
}

}  // namespace nibble::test
