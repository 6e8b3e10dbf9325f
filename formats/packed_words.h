// SPDX-License-Identifier: Apache-2.0
/// INT4 and INT2 weights in 16-bit words as PacQ's multiplier reads them: 4 or 8 weights u = q + 2^(bits - 1) per word,
/// the first in the low bits. Definition: docs/formats.md, section "Packed INT words".
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/quantizer.h"

namespace nibble {

/// Consecutive weights of a word: outputs n at one k (PacQ), or elements k of one output (conventional).
enum class PackAxis { n, k };

struct PackedWords {
  PackAxis axis = PackAxis::n;
  unsigned bits = 4;                    ///< of a weight, 4 or 2
  std::size_t outputs = 0, length = 0;  ///< N and K of the weights
  /// Axis n: [K][words_per_line], word j holds the outputs from j * lanes(). Axis k: [N][words_per_line], word j holds
  /// the elements from j * lanes(). Lanes without a weight hold u = 2^(bits - 1), the integer 0.
  std::vector<std::uint16_t> words;

  unsigned lanes() const { return 16 / bits; }
  std::size_t lines() const { return axis == PackAxis::n ? length : outputs; }
  std::size_t words_per_line() const { return ((axis == PackAxis::n ? outputs : length) + lanes() - 1) / lanes(); }
  /// The word of output n and element k, and the lane in it.
  std::uint16_t word(std::size_t n, std::size_t k) const {
    return axis == PackAxis::n ? words[k * words_per_line() + n / lanes()] : words[n * words_per_line() + k / lanes()];
  }
  unsigned lane(std::size_t n, std::size_t k) const {
    return static_cast<unsigned>((axis == PackAxis::n ? n : k) % lanes());
  }
};

/// Throws InputError unless `weights` is [N, K] in int4 or int2.
PackedWords pack_words(const QuantizedTensor& weights, PackAxis axis);

/// The integers q of [N, K], row by row.
std::vector<std::int16_t> unpack_words(const PackedWords& packed);

}  // namespace nibble
