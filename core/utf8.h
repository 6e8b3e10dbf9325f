// SPDX-License-Identifier: Apache-2.0
/// UTF-8 (RFC 3629). Private to core/.
#pragma once

#include <cstddef>
#include <string_view>

namespace nibble {

/// The length of the valid UTF-8 sequence at the beginning of `text`, or 0: overlong forms, surrogates and code points
/// beyond U+10FFFF are not valid.
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto more = [&byte](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80U) return 1;
  if (first >= 0xC2U && first <= 0xDFU) return more(1) ? 2 : 0;
  if (first >= 0xE0U && first <= 0xEFU) {
    const bool overlong = first == 0xE0U && byte(1) < 0xA0U, surrogate = first == 0xEDU && byte(1) > 0x9FU;
    return more(1) && more(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0U && first <= 0xF4U) {
    const bool overlong = first == 0xF0U && byte(1) < 0x90U, beyond = first == 0xF4U && byte(1) > 0x8FU;
    return more(1) && more(2) && more(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

}  // namespace nibble
