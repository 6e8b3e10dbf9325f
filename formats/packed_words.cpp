// SPDX-License-Identifier: Apache-2.0
#include "formats/packed_words.h"

#include "core/error.h"

namespace nibble {

PackedWords pack_words(const QuantizedTensor& weights, PackAxis axis) {
  const Format& format = weights.format;
  const bool packable = format.family == FormatFamily::integer && (format.bits == 4 || format.bits == 2);
  if (!packable || weights.shape.size() != 2) {
    throw InputError(weights.name + ": packed words hold weights [N, K] in int4 or int2, this is " + format.name() +
                     " of " + std::to_string(weights.shape.size()) + " axes");
  }
  PackedWords packed;
  packed.axis = axis;
  packed.bits = format.bits;
  packed.outputs = weights.rows();
  packed.length = weights.columns();
  const unsigned zero = 1U << (packed.bits - 1);
  std::uint32_t padding = 0;
  for (unsigned lane = 0; lane < packed.lanes(); ++lane)
    padding |= zero << (lane * packed.bits);
  const std::size_t per_line = packed.words_per_line();
  packed.words.assign(packed.lines() * per_line, static_cast<std::uint16_t>(padding));
  const unsigned mask = (1U << packed.bits) - 1;
  for (std::size_t n = 0; n < packed.outputs; ++n) {
    for (std::size_t k = 0; k < packed.length; ++k) {
      const std::size_t line = axis == PackAxis::n ? k : n, place = axis == PackAxis::n ? n : k;
      std::uint16_t& word = packed.words[line * per_line + place / packed.lanes()];
      const unsigned shift = packed.lane(n, k) * packed.bits;
      const auto u = static_cast<unsigned>(weights.codes[n * packed.length + k] + static_cast<int>(zero)) & mask;
      word = static_cast<std::uint16_t>((word & ~(mask << shift)) | u << shift);
    }
  }
  return packed;
}

std::vector<std::int16_t> unpack_words(const PackedWords& packed) {
  std::vector<std::int16_t> codes;
  codes.reserve(packed.outputs * packed.length);
  const int zero = 1 << (packed.bits - 1);
  const unsigned mask = (1U << packed.bits) - 1;
  for (std::size_t n = 0; n < packed.outputs; ++n) {
    for (std::size_t k = 0; k < packed.length; ++k) {
      const unsigned u = static_cast<unsigned>(packed.word(n, k)) >> (packed.lane(n, k) * packed.bits) & mask;
      codes.push_back(static_cast<std::int16_t>(static_cast<int>(u) - zero));
    }
  }
  return codes;
}

}  // namespace nibble
