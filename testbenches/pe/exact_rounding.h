// SPDX-License-Identifier: Apache-2.0
/// Exact dyadic numbers and their single rounding, in big integers: the reference for every floating-point step of a
/// PE.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <limits>

namespace nibble::test {

using boost::multiprecision::cpp_int;

/// mantissa * 2^exponent, never rounded.
struct Exact {
  cpp_int mantissa = 0;
  int exponent = 0;

  static Exact of(double value) {
    int e = 0;
    const double fraction = std::frexp(value, &e);  // fraction * 2^53 is an integer
    auto integer = static_cast<long long>(std::ldexp(fraction, 53));
    if (integer == 0) return {};
    const int zeros = __builtin_ctzll(static_cast<unsigned long long>(integer));
    integer /= 1LL << zeros;  // short mantissas keep products and sums short
    return {cpp_int(integer), e - 53 + zeros};
  }
  friend Exact operator*(const Exact& a, const Exact& b) { return {a.mantissa * b.mantissa, a.exponent + b.exponent}; }
  friend Exact operator+(const Exact& a, const Exact& b) {
    const int e = std::min(a.exponent, b.exponent);
    return {(a.mantissa << (a.exponent - e)) + (b.mantissa << (b.exponent - e)), e};
  }
};

/// Nearest value with `precision` significant bits and least exponent `smallest` (of the last subnormal bit), ties to
/// even; magnitudes of 2^limit and above become infinity.
inline double nearest(const Exact& value, int precision, int smallest, int limit) {
  if (value.mantissa == 0) return 0.0;
  const bool negative = value.mantissa < 0;
  cpp_int magnitude = negative ? cpp_int(-value.mantissa) : value.mantissa;
  int exponent = value.exponent;
  const int length = static_cast<int>(boost::multiprecision::msb(magnitude)) + 1;
  const int quantum = std::max(exponent + length - precision, smallest);  // exponent of the last kept bit
  if (quantum > exponent) {
    const int shift = quantum - exponent;
    const cpp_int kept = magnitude >> shift;
    const cpp_int rest = magnitude - (kept << shift);
    const cpp_int half = cpp_int(1) << (shift - 1);
    magnitude = kept + ((rest > half || (rest == half && kept % 2 != 0)) ? 1 : 0);
    exponent = quantum;
  }
  const double result = std::ldexp(magnitude.convert_to<double>(), exponent);
  const double rounded = result >= std::ldexp(1.0, limit) ? std::numeric_limits<double>::infinity() : result;
  return negative ? -rounded : rounded;
}

inline float nearest_f32(const Exact& value) {
  return static_cast<float>(nearest(value, 24, -149, 128));
}
/// The FP16 value, as binary32.
inline float nearest_fp16(const Exact& value) {
  return static_cast<float>(nearest(value, 11, -24, 16));
}

}  // namespace nibble::test
