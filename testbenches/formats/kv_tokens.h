// SPDX-License-Identifier: Apache-2.0
/// Tokens for the tests of caches, and the ways to feed and to cut them.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "formats/kv_cache.h"
#include "formats/rounding.h"
#include "testbenches/formats/random_tensor.h"

namespace nibble {

/// [count, channels] of binary32, not yet FP16; channel 1 thirty times larger, channel 2 zero, some tokens tiny.
inline Tensor random_tokens(std::size_t count, std::size_t channels, std::uint64_t seed) {
  Tensor tokens = random_tensor({count, channels}, seed);
  for (std::size_t i = 0; i < tokens.values.size(); ++i) {
    if (channels > 1 && i % channels == 1) tokens.values[i] *= 30;
    if (channels > 2 && i % channels == 2) tokens.values[i] = 0;
    if (i / channels % 37 == 5) tokens.values[i] *= 1e-6F;
  }
  return tokens;
}

inline Tensor tokens_between(const Tensor& tokens, std::size_t begin, std::size_t end) {
  const auto first = tokens.values.begin();
  const auto step = static_cast<std::ptrdiff_t>(tokens.columns());
  return {tokens.name,
          {end - begin, tokens.columns()},
          {first + static_cast<std::ptrdiff_t>(begin) * step, first + static_cast<std::ptrdiff_t>(end) * step}};
}

inline Tensor rounded_fp16(Tensor tensor) {
  for (float& value : tensor.values)
    value = round_fp16(value);
  return tensor;
}

/// Tokens [from, to) one by one.
inline void append_tokens(KvCache& cache, const Tensor& keys, const Tensor& values, std::size_t from, std::size_t to) {
  for (std::size_t t = from; t < to; ++t)
    cache.append(tokens_between(keys, t, t + 1).values, tokens_between(values, t, t + 1).values);
}

}  // namespace nibble
