// SPDX-License-Identifier: Apache-2.0
/// How numbers lie in tensor files, and their way to binary32.
#pragma once

#include <cstddef>
#include <string>

namespace nibble {

/// Little endian throughout.
enum class ElementType { float16, bfloat16, float32, int8, uint8, int32 };

/// Bytes of one element.
std::size_t element_bytes(ElementType type);

/// "float16", ...
const char* to_string(ElementType type);

/// `count` elements at `bytes` (of any alignment) as binary32: exactly, but int32 rounded to nearest even. Infinities
/// and NaN stay what they are.
void widen(ElementType type, const unsigned char* bytes, std::size_t count, float* out);

}  // namespace nibble
