// SPDX-License-Identifier: Apache-2.0
/// Seeded random numbers, the same on every machine (the standard's distributions are not).
#pragma once

#include <cstdint>

namespace nibble {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// Uniform integer in [0, bound), bound > 0 (modulo; the bias is below bound / 2^64).
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  /// Standard normal: sum of 12 uniforms minus 6 (Irwin-Hall; exact in every libm, tails end at +-6).
  double normal() {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i)
      sum += uniform();
    return sum;
  }

 private:
  std::uint64_t state_;
};

}  // namespace nibble
