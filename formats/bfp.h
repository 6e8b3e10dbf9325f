// SPDX-License-Identifier: Apache-2.0
/// Block floating point (Harmonia, Anda), and what Harmonia's cache does with stored data. Definition: docs/formats.md,
/// sections "bfp" and "anda".
#pragma once

#include <cstdint>

#include "formats/quantizer.h"

namespace nibble {

/// Value of a signed mantissa M of `bits` bits: M * 2^(E - bfp_exponent_offset(bits)).
constexpr int bfp_exponent_offset(unsigned bits) {
  return 14 + static_cast<int>(bits);
}

/// M8 >> 4 with the sign kept.
constexpr std::int16_t demote_mantissa(std::int16_t mantissa) {
  return static_cast<std::int16_t>(mantissa < 0 ? -(-mantissa >> 4) : mantissa >> 4);
}

/// The same tensor in bfp4: every mantissa demoted, exponents untouched. `tensor` is of family bfp with 8 bits.
QuantizedTensor demote_to_bfp4(const QuantizedTensor& tensor);

}  // namespace nibble
