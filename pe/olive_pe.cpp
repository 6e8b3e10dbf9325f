// SPDX-License-Identifier: Apache-2.0
#include "pe/olive_pe.h"

#include "formats/adaptive_types.h"
#include "pe/ant_pe.h"
#include "pe/array_datapath.h"
#include "pe/integer_gemm.h"

namespace nibble {

namespace {

bool supports(const Format& format) {
  if (format.grouping == Grouping::group) return false;
  return format.family == FormatFamily::olive4 || (format.family == FormatFamily::integer && format.bits == 8);
}

ExponentInteger element(std::uint8_t type, std::uint8_t code, std::uint8_t partner) {
  if (code == olive_victim) return {};
  if (partner != olive_victim) return ant_decode(type, code);
  // E2M1 without its bias: 2 + m, shifted by e and the outliers' own bias.
  const int integer = 2 + (code & 1);
  const unsigned exponent = ((code & 7U) >> 1) + (type == adaptive_int4 ? 2U : 3U);
  return {static_cast<std::int8_t>((code & 8) != 0 ? -integer : integer), static_cast<std::uint8_t>(exponent)};
}

IntegerRows decoded_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t rows, std::size_t extent) {
  if (tensor.format.family != FormatFamily::olive4) return integer_rows(tensor, first, rows, extent);
  IntegerRows out = copied_rows(tensor, first, rows, extent);
  const std::size_t columns = tensor.columns();
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint8_t type = tensor.types[tensor.group_index(first + r, 0)] % olive_type_count;
    std::int16_t* row = out.own_integers.data() + r * columns;
    for (std::size_t k = 0; k < columns; k += 2) {
      const bool pair = k + 1 < columns;
      const auto second = static_cast<std::uint8_t>(pair ? row[k + 1] & 15 : 0);
      const OlivePair decoded = olive_decode(type, static_cast<std::uint8_t>(row[k] & 15), second);
      row[k] = static_cast<std::int16_t>(value_of(decoded.first));
      if (pair) row[k + 1] = static_cast<std::int16_t>(value_of(decoded.second));
    }
  }
  return out;
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  integer_tile(decoded_rows, activations, weights, range, accumulators, stride);
}

}  // namespace

OlivePair olive_decode(std::uint8_t type, std::uint8_t first, std::uint8_t second) {
  return {element(type, first, second), element(type, second, first)};
}

std::int32_t olive_step(std::int32_t sum, ExponentInteger x, ExponentInteger w) {
  const std::int64_t next = std::int64_t{sum} + exponent_integer_product(x, w);
  check_register(next, 32, "olive PE: sum");
  return static_cast<std::int32_t>(next);
}

const PeTiming& olive_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "olive";
    t.area_key = "pe.olive.area";
    t.foot_latency = 3;
    t.foot_key = "foot.int8.element";
    t.modes = {{"w4a4", 1, 1, 1, 1, "pe.olive.w4a4.mac"},
               {"w4a8", 1, 1, 1, 2, "pe.olive.w4a8.mac"},
               {"w8a4", 1, 1, 1, 2, "pe.olive.w4a8.mac"},
               {"w8a8", 1, 1, 1, 4, "pe.olive.w8a8.mac"}};
    return t;
  }();
  return timing;
}

const PeUnit& olive_unit() {
  static const PeUnit unit = {
      "olive",
      "OliVe: outlier-victim pairs of 4 bits, decoded to integer and exponent",
      "olive4-(channel|tensor) or int8-(channel|tensor) with either of them",
      [](const Format& a, const Format& w) { return supports(a) && supports(w); },
      integer_tile_extent,
      tile,
      olive_pe_timing,
      [](const Format& a, const Format& w) -> std::size_t { return (a.bits == 8 ? 1 : 0) + (w.bits == 8 ? 2 : 0); },
      "olive4-channel",
      "olive4-channel",
      {},
      olive_datapath};
  return unit;
}

}  // namespace nibble
