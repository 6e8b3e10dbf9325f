// SPDX-License-Identifier: Apache-2.0
#include "formats/element_type.h"

#include <cstdint>
#include <cstring>

#include "core/error.h"
#include "formats/rounding.h"

namespace nibble {
namespace {

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "nibble reads and writes little-endian files on little-endian machines only"
#endif

template <class Stored, class Convert>
void each(const unsigned char* bytes, std::size_t count, float* out, const Convert& convert) {
  for (std::size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, bytes + i * sizeof stored, sizeof stored);
    out[i] = convert(stored);
  }
}

/// fp16_value without branches, for loops that the compiler vectorizes.
inline float widen_fp16(std::uint16_t code) {
  const std::uint32_t sign = (std::uint32_t{code} & 0x8000) << 16;
  const std::int32_t magnitude = code & 0x7FFF;
  const std::uint32_t shifted = static_cast<std::uint32_t>(magnitude) << 13;
  const std::uint32_t subnormal = float_bits(static_cast<float>(magnitude) * 0x1p-24F);
  const std::uint32_t normal = shifted + (112U << 23);
  const std::uint32_t special = shifted + (224U << 23);
  const std::uint32_t finite = magnitude < 0x400 ? subnormal : normal;
  return float_from_bits(sign | (magnitude >= 0x7C00 ? special : finite));
}

}  // namespace

std::size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::int8:
    case ElementType::uint8:
      return 1;
    case ElementType::float16:
    case ElementType::bfloat16:
      return 2;
    case ElementType::float32:
    case ElementType::int32:
      return 4;
  }
  throw InternalError("an element type without a size");
}

const char* to_string(ElementType type) {
  switch (type) {
    case ElementType::float16:
      return "float16";
    case ElementType::bfloat16:
      return "bfloat16";
    case ElementType::float32:
      return "float32";
    case ElementType::int8:
      return "int8";
    case ElementType::uint8:
      return "uint8";
    case ElementType::int32:
      return "int32";
  }
  return "?";
}

void widen(ElementType type, const unsigned char* bytes, std::size_t count, float* out) {
  switch (type) {
    case ElementType::float16:
      return each<std::uint16_t>(bytes, count, out, [](std::uint16_t code) { return widen_fp16(code); });
    case ElementType::bfloat16:
      return each<std::uint16_t>(bytes, count, out, [](std::uint16_t code) { return bf16_value(code); });
    case ElementType::float32:
      std::memcpy(out, bytes, count * sizeof(float));
      return;
    case ElementType::int8:
      return each<std::int8_t>(bytes, count, out, [](std::int8_t value) { return static_cast<float>(value); });
    case ElementType::uint8:
      return each<std::uint8_t>(bytes, count, out, [](std::uint8_t value) { return static_cast<float>(value); });
    case ElementType::int32:
      return each<std::int32_t>(bytes, count, out, [](std::int32_t value) { return static_cast<float>(value); });
  }
}

}  // namespace nibble
