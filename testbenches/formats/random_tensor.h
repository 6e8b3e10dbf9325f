// SPDX-License-Identifier: Apache-2.0
/// Tensors for the tests of the formats.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "formats/tensor.h"

namespace nibble {

/// Normal values, one in fifty 16 times larger, whole rows scaled by powers of two, some zeros.
inline Tensor random_tensor(std::vector<std::size_t> shape, std::uint64_t seed, double deviation = 1.0) {
  Random random(seed);
  Tensor tensor{"random", std::move(shape), {}};
  std::size_t size = 1;
  for (const std::size_t extent : tensor.shape)
    size *= extent;
  tensor.values.resize(size);
  double row_scale = 1;
  for (std::size_t i = 0; i < size; ++i) {
    if (i % tensor.columns() == 0) row_scale = std::ldexp(1.0, static_cast<int>(random.below(9)) - 4);
    double x = random.normal() * deviation * row_scale;
    if (random.below(50) == 0) x *= 16;
    if (random.below(40) == 0) x = 0;
    tensor.values[i] = static_cast<float>(x);
  }
  return tensor;
}

}  // namespace nibble
