// SPDX-License-Identifier: Apache-2.0
/// Groups of results for the benches of the real-time quantizer, and its registers as pins carry them.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "formats/mant_types.h"
#include "formats/rounding.h"
#include "pe/rtq.h"
#include "rtl_bench.h"

namespace nibble {

constexpr unsigned rtq_register_bits = 88;  // {count 9, squares 32, sum 32, largest 15}

template <unsigned bits>
void put_registers(PinWords<bits>& pin, unsigned low, const RtqRegisters& registers) {
  pin.set(low, 15, registers.largest);
  pin.set(low + 15, 32, float_bits(registers.sum));
  pin.set(low + 47, 32, float_bits(registers.squares));
  pin.set(low + 79, 9, registers.count);
}

/// Elements of one group: of one sign or both, of every spread, so that every type is chosen; zeros; subnormals; ties
/// of int8 codes; the ends of binary16.
class RtqGroupSource {
 public:
  explicit RtqGroupSource(Random& random) : random_(random) { next_group(); }

  void next_group() {
    kind_ = random_.below(10);
    power_ = static_cast<double>(random_.below(64)) / 16;
    exponent_ = static_cast<int>(random_.below(39)) - 24;
    fresh_ = true;
  }

  std::uint16_t next() {
    const std::uint64_t bits = random_.next();
    const auto sign = static_cast<std::uint16_t>(kind_ % 3 == 0 ? 0 : bits >> 63 << 15);
    const bool first = fresh_;
    fresh_ = false;
    switch (kind_) {
      case 0:
        return (bits & 7) == 0 ? static_cast<std::uint16_t>(bits >> 8 & 0x8000) : 0;
      case 1:
        return static_cast<std::uint16_t>(sign | (bits & 0x3FF));
      case 2:  // scale of a power of two, and halves of it
        return with_sign(std::ldexp(first ? 254.0 : static_cast<double>(bits % 255), exponent_ - 8), sign);
      case 3:
        return static_cast<std::uint16_t>(sign | 0x7BFF);
      case 4:
        return static_cast<std::uint16_t>(sign | (bits >> 8) % 0x7C00);
      default:
        return with_sign(std::ldexp(first ? 1 : std::pow(random_.uniform(), power_), exponent_), sign);
    }
  }

 private:
  static std::uint16_t with_sign(double magnitude, std::uint16_t sign) {
    return static_cast<std::uint16_t>(sign | fp16_bits(static_cast<float>(std::fmin(magnitude, 65504))));
  }

  Random& random_;
  std::uint64_t kind_ = 0;
  double power_ = 0;
  int exponent_ = 0;
  bool fresh_ = true;
};

inline RtqRegisters rtq_registers(const std::vector<std::uint16_t>& values) {
  RtqRegisters registers;
  for (const std::uint16_t value : values)
    registers = rtq_accept(registers, value);
  return registers;
}

/// Scale and type of a group in either mode; int8 has no type.
inline RtqScale rtq_group_scale(const RtqRegisters& registers, bool int8, RtqRule rule) {
  if (!int8) return rtq_mant_scale(registers, rule);
  return {rtq_int8_scale(registers), mant_int4};
}

}  // namespace nibble
