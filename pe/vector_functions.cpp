// SPDX-License-Identifier: Apache-2.0
#include "pe/vector_functions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "formats/rounding.h"

namespace nibble {
namespace {

/// c[0] + x (c[1] + x (c[2] + ...)).
template <class T, std::size_t N>
T horner(const std::array<T, N>& coefficients, T x) {
  T y = coefficients[N - 1];
  for (std::size_t i = N - 1; i-- > 0;)
    y = y * x + coefficients[i];
  return y;
}

}  // namespace

float vector_exp(float x) {
  if (!(x >= -87.0F)) return x != x ? x : 0.0F;
  if (x > 88.7F) return std::numeric_limits<float>::infinity();
  // x = k ln 2 + r, ln 2 in two parts so that k times the first is exact.
  const float k = rne(x * 1.44269502F);
  const float r = (x - k * 0.693359375F) - k * -2.12194440e-4F;
  // e^r = 1 + (r + r^2 q(r)), q fitted to relative 2^-28 on |r| < 0.35.
  const std::array<float, 5> q{0.5F, 0.16666512191295624F, 0.0416661873459816F, 0.008369598537683487F,
                               0.0013951719738543034F};
  const float y = 1.0F + (r + r * r * horner(q, r));
  return scale_by_power(y, static_cast<int>(k));
}

float vector_sigmoid(float x) {
  const float e = vector_exp(x < 0 ? x : -x);
  return (x < 0 ? e : 1.0F) / (1.0F + e);
}

float vector_sqrt(float x) {
  const std::uint32_t bits = float_bits(x);
  if (x == 0 || bits == 0x7F800000U) return x;
  if (bits > 0x7F800000U) return float_from_bits(0x7FC00000U);
  // x = s * 2^e with s in [2^23, 2^24); the root of s * 2^(23 or 24) has 24 bits and a remainder that tells the rest.
  int exponent = static_cast<int>(bits >> 23);
  std::uint64_t significand = bits & 0x7FFFFFU;
  exponent = exponent == 0 ? 1 : exponent;
  if (bits >> 23 != 0) significand |= 0x800000U;
  for (; significand < 0x800000U; significand <<= 1)
    --exponent;
  const int power = exponent - 150;  // x = significand * 2^power
  const unsigned shift = power % 2 == 0 ? 24 : 23;
  const std::uint64_t square = significand << shift;
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 23; bit != 0; bit >>= 1) {
    if ((root | bit) * (root | bit) <= square) root |= bit;
  }
  if (square - root * root > root) ++root;  // nearest; a tie cannot occur
  return scale_by_power(static_cast<float>(root), (power - static_cast<int>(shift)) / 2);
}

float vector_normal_cdf(float x) {
  const float z = x < 0 ? -x : x;
  if (z != z) return x;
  if (z > 6.2F) return x < 0 ? 0.0F : 1.0F;
  // Phi(-z) = e^(-z^2 / 2) g(1 / (1 + 0.3 z)), g fitted to relative 2^-24 on z <= 6.2.
  const std::array<float, 9> g{-0.00013242251588962972F, 0.12148142606019974F,  0.10972681641578674F,
                               0.1363791972398758F,      0.055343419313430786F, 0.03770818933844566F,
                               0.13708725571632385F,     -0.12804962694644928F, 0.03045574761927128F};
  const float tail = vector_exp(-0.5F * (z * z)) * horner(g, 1.0F / (1.0F + 0.3F * z));
  return x < 0 ? tail : 1.0F - tail;
}

float silu(float x) {
  return x * vector_sigmoid(x);
}

float gelu(float x, GeluForm form) {
  if (form == GeluForm::erf) return x * vector_normal_cdf(x);
  // (1 + tanh(u)) / 2 = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
  return x * vector_sigmoid(1.59576917F * (x + 0.044715F * (x * x * x)));
}

float lane_sum(const float* x, std::size_t count, std::size_t lanes) {
  std::vector<float> sums(lanes, 0.0F);
  for (std::size_t i = 0; i < count; ++i)
    sums[i % lanes] += x[i];
  for (std::size_t left = lanes; left > 1; left = (left + 1) / 2) {
    for (std::size_t i = 0; i < left / 2; ++i)
      sums[i] = sums[2 * i] + sums[2 * i + 1];
    if (left % 2 != 0) sums[left / 2] = sums[left - 1];
  }
  return sums[0];
}

namespace {

/// 1 / sqrt(mean of the squares + epsilon).
float inverse_deviation(const float* x, std::size_t count, float epsilon, std::size_t lanes) {
  std::vector<float> squares(count);
  std::transform(x, x + count, squares.begin(), [](float value) { return value * value; });
  return 1.0F / vector_sqrt(lane_sum(squares.data(), count, lanes) / static_cast<float>(count) + epsilon);
}

}  // namespace

void rms_norm(const float* x, std::size_t count, const float* gain, float epsilon, std::size_t lanes, float* out) {
  const float inverse = inverse_deviation(x, count, epsilon, lanes);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = round_fp16(x[i] * inverse * gain[i]);
}

void layer_norm(const float* x, std::size_t count, const float* gain, const float* shift, float epsilon,
                std::size_t lanes, float* out) {
  const float mean = lane_sum(x, count, lanes) / static_cast<float>(count);
  std::vector<float> centred(count);
  std::transform(x, x + count, centred.begin(), [mean](float value) { return value - mean; });
  const float inverse = inverse_deviation(centred.data(), count, epsilon, lanes);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = round_fp16(centred[i] * inverse * gain[i] + shift[i]);
}

void softmax(const float* x, std::size_t count, std::size_t first, std::size_t end, float scale, std::size_t lanes,
             float* out) {
  std::vector<float> powers(x + first, x + end);
  for (float& value : powers)
    value *= scale;
  const float largest = *std::max_element(powers.begin(), powers.end());
  for (float& value : powers)
    value = vector_exp(value - largest);
  const float sum = lane_sum(powers.data(), powers.size(), lanes);
  std::fill(out, out + count, 0.0F);
  std::transform(powers.begin(), powers.end(), out + first, [sum](float value) { return round_fp16(value / sum); });
}

void rotate(const float* x, std::size_t count, const float* table, std::size_t rotated, RotaryForm form, float* out) {
  const std::size_t pairs = rotated / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t left = form == RotaryForm::interleaved ? 2 * i : i;
    const std::size_t right = form == RotaryForm::interleaved ? 2 * i + 1 : i + pairs;
    const float cosine = table[i], sine = table[pairs + i], a = x[left], b = x[right];
    out[left] = round_fp16(a * cosine - b * sine);
    out[right] = round_fp16(b * cosine + a * sine);
  }
  for (std::size_t i = rotated; i < count; ++i)
    out[i] = round_fp16(x[i]);
}

namespace {

/// Natural logarithm of x in [1, 2^63): x = m 2^e with m in [2/3, 4/3], atanh series in (m - 1) / (m + 1).
double series_log(double x) {
  int exponent = 0;
  for (; x > 4.0 / 3.0; x /= 2)
    ++exponent;
  const double s = (x - 1) / (x + 1), square = s * s;
  double term = s, sum = 0;
  for (int n = 1; n < 40; n += 2, term *= square)
    sum += term / n;
  return 2 * sum + exponent * 0.693147180559945309417;
}

/// e^x for x in [-44, 0]: the series of x / 64, squared six times.
double series_exp(double x) {
  const double small = x / 64;
  double term = 1, sum = 1;
  for (int n = 1; n < 24; ++n) {
    term *= small / n;
    sum += term;
  }
  for (int i = 0; i < 6; ++i)
    sum *= sum;
  return sum;
}

/// Cosine and sine by their series for an angle below 2^31: a multiple of pi / 2, in two parts, is taken out first.
std::array<double, 2> series_turn(double angle) {
  const double quarters = angle * 0.636619772367581343076;
  auto quarter = static_cast<std::int64_t>(quarters);
  if (quarters - static_cast<double>(quarter) >= 0.5) ++quarter;
  const auto turns = static_cast<double>(quarter);
  const double x = (angle - turns * 1.57079632673412561417) - turns * 6.07710050650619224932e-11;
  double cosine = 0, sine = 0, term = 1;
  for (int n = 0; n < 24; ++n) {
    (n % 2 == 0 ? cosine : sine) += n % 4 < 2 ? term : -term;
    term *= x / (n + 1);
  }
  switch (quarter % 4) {
    case 0:
      return {cosine, sine};
    case 1:
      return {-sine, cosine};
    case 2:
      return {-cosine, -sine};
    default:
      return {sine, -cosine};
  }
}

}  // namespace

std::vector<float> rotary_table(std::size_t positions, std::size_t rotated, double theta) {
  const std::size_t pairs = rotated / 2;
  std::vector<float> table(positions * rotated);
  const double base = series_log(theta);
  for (std::size_t i = 0; i < pairs; ++i) {
    const double frequency = series_exp(-base * (2.0 * static_cast<double>(i) / static_cast<double>(rotated)));
    for (std::size_t position = 0; position < positions; ++position) {
      const auto turn = series_turn(static_cast<double>(position) * frequency);
      table[position * rotated + i] = round_fp16(static_cast<float>(turn[0]));
      table[position * rotated + pairs + i] = round_fp16(static_cast<float>(turn[1]));
    }
  }
  return table;
}

}  // namespace nibble
