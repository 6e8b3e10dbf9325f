// SPDX-License-Identifier: Apache-2.0
/// Rounding between binary32 and the narrow floating-point formats: to nearest, ties to even, with subnormals. Integer
/// arithmetic throughout, so that no flag of the processor changes a result. Definitions: docs/formats.md,
/// "Conventions".
#pragma once

#include <cstdint>
#include <cstring>

namespace nibble {

inline std::uint32_t float_bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_from_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// A binary floating-point format of at most 16 bits: sign, exponent field, mantissa field.
struct FloatFormat {
  unsigned exponent_bits;
  unsigned mantissa_bits;
  int bias;
  std::uint32_t max_code;  ///< magnitude bits of the largest finite value
  bool infinity;           ///< values beyond become infinity (code max_code + 1); otherwise they saturate at max_code

  constexpr unsigned sign_shift() const { return exponent_bits + mantissa_bits; }
};

inline constexpr FloatFormat fp16_format{5, 10, 15, 0x7BFF, true};  ///< IEEE binary16
inline constexpr FloatFormat bf16_format{8, 7, 127, 0x7F7F, true};  ///< upper half of binary32
inline constexpr FloatFormat e4m3_format{4, 3, 7, 0x7E, false};     ///< OCP FP8 E4M3, largest value 448, NaN 0x7F
inline constexpr FloatFormat e2m3_format{2, 3, 1, 0x1F, false};     ///< OCP MX FP6 E2M3, largest value 7.5
inline constexpr FloatFormat e2m1_format{2, 1, 1, 0x7, false};      ///< OCP MX FP4 E2M1, largest value 6

/// value / 2^shift rounded to nearest, ties to even; value < 2^31.
constexpr std::uint32_t shift_right_rne(std::uint32_t value, unsigned shift) {
  if (shift == 0) return value;
  if (shift > 31) return 0;  // below one half
  const std::uint32_t half = std::uint32_t{1} << (shift - 1);
  return static_cast<std::uint32_t>((std::uint64_t{value} + (half - 1) + ((value >> shift) & 1)) >> shift);
}

/// The code of a binary32 value, given as its bits. NaN: the code above infinity with the top mantissa bit set where
/// the format has infinities, all magnitude bits set otherwise (E4M3's NaN; formats without NaN saturate).
constexpr std::uint32_t encode_float_bits(const FloatFormat& format, std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 31) << format.sign_shift();
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) {
    const std::uint32_t quiet = format.infinity ? (std::uint32_t{1} << (format.mantissa_bits - 1)) : 0;
    return sign | (format.infinity ? (format.max_code + 1) | quiet : (std::uint32_t{1} << format.sign_shift()) - 1);
  }
  const int exponent = static_cast<int>(magnitude >> 23);  // biased; 0 for a subnormal
  const std::uint32_t significand = exponent == 0 ? magnitude : (magnitude & 0x7FFFFF) | 0x800000;
  const int effective = exponent == 0 ? 1 : exponent;
  // Exponent field in the target if the value is normal there; at most 0 means that it is not.
  const int field = effective - 127 + format.bias;
  const unsigned dropped = 23 - format.mantissa_bits;
  std::uint32_t code = 0;
  if (field <= 0) {
    const int shift = static_cast<int>(dropped) + 1 - field;
    code = shift_right_rne(significand, static_cast<unsigned>(shift));
  } else {
    // A significand that rounds up to the next power of two carries into the exponent field.
    code = (static_cast<std::uint32_t>(field - 1) << format.mantissa_bits) + shift_right_rne(significand, dropped);
  }
  if (code > format.max_code) code = format.infinity ? format.max_code + 1 : format.max_code;
  return sign | code;
}

/// The value of a code, exact. Infinities and NaN as the format has them.
inline float decode_float(const FloatFormat& format, std::uint32_t code) {
  const std::uint32_t sign = ((code >> format.sign_shift()) & 1) << 31;
  const std::uint32_t magnitude = code & ((std::uint32_t{1} << format.sign_shift()) - 1);
  if (magnitude > format.max_code) {
    const bool nan = !format.infinity || magnitude > format.max_code + 1;
    return float_from_bits(sign | (nan ? 0x7FC00000U : 0x7F800000U));
  }
  const std::uint32_t mantissa = magnitude & ((std::uint32_t{1} << format.mantissa_bits) - 1);
  const int field = static_cast<int>(magnitude >> format.mantissa_bits);
  if (field == 0 && format.bias != 127) {
    // mantissa * 2^(1 - bias - mantissa_bits): a power of two that is normal in binary32, so the product is exact.
    const int exponent = 1 - format.bias - static_cast<int>(format.mantissa_bits);
    const float unit = float_from_bits(static_cast<std::uint32_t>(exponent + 127) << 23);
    return float_from_bits(sign | float_bits(static_cast<float>(mantissa) * unit));
  }
  const std::uint32_t exponent = static_cast<std::uint32_t>(field - format.bias + 127);
  return float_from_bits(sign | (exponent << 23) | (mantissa << (23 - format.mantissa_bits)));
}

inline std::uint16_t fp16_bits(float value) {
  return static_cast<std::uint16_t>(encode_float_bits(fp16_format, float_bits(value)));
}
inline float fp16_value(std::uint16_t code) {
  return decode_float(fp16_format, code);
}
inline std::uint16_t bf16_bits(float value) {
  return static_cast<std::uint16_t>(encode_float_bits(bf16_format, float_bits(value)));
}
inline float bf16_value(std::uint16_t code) {
  return float_from_bits(std::uint32_t{code} << 16);
}
inline std::uint8_t e4m3_bits(float value) {
  return static_cast<std::uint8_t>(encode_float_bits(e4m3_format, float_bits(value)));
}
inline float e4m3_value(std::uint8_t code) {
  return decode_float(e4m3_format, code);
}
inline std::uint8_t e2m3_bits(float value) {
  return static_cast<std::uint8_t>(encode_float_bits(e2m3_format, float_bits(value)));
}
inline float e2m3_value(std::uint8_t code) {
  return decode_float(e2m3_format, code);
}
inline std::uint8_t e2m1_bits(float value) {
  return static_cast<std::uint8_t>(encode_float_bits(e2m1_format, float_bits(value)));
}
inline float e2m1_value(std::uint8_t code) {
  return decode_float(e2m1_format, code);
}

/// The nearest binary16 value as binary32; infinity where it overflows.
inline float round_fp16(float value) {
  return fp16_value(fp16_bits(value));
}
inline float round_bf16(float value) {
  return bf16_value(bf16_bits(value));
}
inline float round_e4m3(float value) {
  return e4m3_value(e4m3_bits(value));
}

/// The same as round_fp16 without branches, for loops that the compiler vectorizes. Needs the processor's rounding mode
/// to be the default one; no other flag matters.
inline float round_fp16_branchless(float value) {
  const std::uint32_t bits = float_bits(value), sign = bits & 0x80000000U, magnitude = bits ^ sign;
  const std::uint32_t normal = (magnitude + 0xFFF + ((magnitude >> 13) & 1)) & 0xFFFFE000U;
  const std::uint32_t subnormal =
      float_bits((float_from_bits(magnitude) + 0.5F) - 0.5F);  // multiples of 2^-24 below 2^-14
  // Signed comparisons: the only ones that every vector unit has. Magnitudes are below 2^31.
  const bool small = static_cast<std::int32_t>(magnitude) < 0x38800000,
             beyond = static_cast<std::int32_t>(normal) >= 0x47800000;
  const std::uint32_t finite = small ? subnormal : normal;
  return float_from_bits(sign | (beyond ? 0x7F800000U : finite));
}

/// The same as round_e4m3 for 0 and positive values, without branches.
inline float round_e4m3_branchless(float value) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t normal = (bits + 0x7FFFF + ((bits >> 20) & 1)) & 0xFFF00000U;
  const std::uint32_t subnormal = float_bits((value + 16384.0F) - 16384.0F);  // multiples of 2^-9 below 2^-6
  const std::uint32_t finite = static_cast<std::int32_t>(bits) < 0x3C800000 ? subnormal : normal;
  return float_from_bits(static_cast<std::int32_t>(normal) > 0x43E00000 ? 0x43E00000U : finite);
}

/// The same as e2m1_bits without branches, for numbers. A tie goes to the even code: up where the code below is odd.
inline std::uint32_t e2m1_bits_branchless(float value) {
  const std::uint32_t bits = float_bits(value), sign = bits >> 31;
  const float y = float_from_bits(bits & 0x7FFFFFFF);
  const int code = (y > 0.25F) + (y >= 0.75F) + (y > 1.25F) + (y >= 1.75F) + (y > 2.5F) + (y >= 3.5F) + (y > 5.0F);
  return sign << 3 | static_cast<std::uint32_t>(code);
}

/// The nearest integer, ties to even, as a value; keeps the sign of zero.
inline float rne(float value) {
  const std::uint32_t sign = float_bits(value) & 0x80000000U;
  const float magnitude = float_from_bits(float_bits(value) ^ sign);
  if (!(magnitude < 8388608.0F)) return value;  // 2^23 and above: an integer already (or NaN)
  const float rounded = (magnitude + 8388608.0F) - 8388608.0F;
  return float_from_bits(sign | float_bits(rounded));
}

/// value * 2^exponent, rounded once to binary32; exponent in -160..160.
inline float scale_by_power(float value, int exponent) {
  // Every binary32 value times 2^-160..2^160 is a normal binary64 number (or zero): the product is exact.
  const std::uint64_t bits = static_cast<std::uint64_t>(exponent + 1023) << 52;
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return static_cast<float>(static_cast<double>(value) * power);
}

}  // namespace nibble
