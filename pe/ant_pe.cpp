// SPDX-License-Identifier: Apache-2.0
#include "pe/ant_pe.h"

#include "formats/adaptive_types.h"
#include "pe/array_datapath.h"
#include "pe/integer_gemm.h"

namespace nibble {

namespace {

/// Integer and exponent of the indices 0..7, per type.
constexpr ExponentInteger decoder[ant_type_count][8] = {
    {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}},   // int4
    {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {2, 1}, {3, 1}, {2, 2}, {2, 3}},   // flint4
    {{0, 0}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {1, 6}}};  // pot4

bool supports(const Format& format) {
  if (format.grouping == Grouping::group) return false;
  return format.family == FormatFamily::ant4 || (format.family == FormatFamily::integer && format.bits == 8);
}

IntegerRows decoded_rows(const QuantizedTensor& tensor, std::size_t first, std::size_t rows, std::size_t extent) {
  if (tensor.format.family != FormatFamily::ant4) return integer_rows(tensor, first, rows, extent);
  IntegerRows out = copied_rows(tensor, first, rows, extent);
  const std::size_t columns = tensor.columns();
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint8_t type = tensor.types[tensor.group_index(first + r, 0)];
    std::int16_t grid[16];
    for (std::uint8_t code = 0; code < 16; ++code)
      grid[code] = static_cast<std::int16_t>(value_of(ant_decode(type, code)));
    for (std::size_t k = r * columns; k < (r + 1) * columns; ++k)
      out.own_integers[k] = grid[out.integers[k] & 15];
  }
  return out;
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  integer_tile(decoded_rows, activations, weights, range, accumulators, stride);
}

}  // namespace

ExponentInteger ant_decode(std::uint8_t type, std::uint8_t code) {
  ExponentInteger x = decoder[type % ant_type_count][code & 7];
  if ((code & 8) != 0) x.integer = static_cast<std::int8_t>(-x.integer);
  return x;
}

std::int32_t ant_step(std::int32_t sum, ExponentInteger x, ExponentInteger w) {
  const std::int64_t next = std::int64_t{sum} + exponent_integer_product(x, w);
  check_register(next, 32, "ant PE: sum");
  return static_cast<std::int32_t>(next);
}

std::int32_t ant_step_a8(std::int32_t sum, std::int8_t x, ExponentInteger w) {
  return ant_step(ant_step(sum, high_nibble(x), w), low_nibble(x), w);
}

std::int32_t ant_step_w8a8(std::int32_t sum, std::int8_t x, std::int8_t w) {
  return ant_step_a8(ant_step_a8(sum, x, high_nibble(w)), x, low_nibble(w));
}

const PeTiming& ant_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "ant";
    t.area_key = "pe.ant.area";
    t.foot_latency = 3;
    t.foot_key = "foot.int8.element";
    t.modes = {{"w4a4", 1, 1, 1, 1, "pe.ant.w4a4.mac"},
               {"w4a8", 1, 1, 1, 2, "pe.ant.w4a8.mac"},
               {"w8a4", 1, 1, 1, 2, "pe.ant.w4a8.mac"},
               {"w8a8", 1, 1, 1, 4, "pe.ant.w8a8.mac"}};
    return t;
  }();
  return timing;
}

const PeUnit& ant_unit() {
  static const PeUnit unit = {
      "ant",
      "ANT: integers, powers of two and flints of 4 bits, decoded to integer and exponent",
      "ant4-(channel|tensor) or int8-(channel|tensor) with either of them",
      [](const Format& a, const Format& w) { return supports(a) && supports(w); },
      integer_tile_extent,
      tile,
      ant_pe_timing,
      [](const Format& a, const Format& w) -> std::size_t { return (a.bits == 8 ? 1 : 0) + (w.bits == 8 ? 2 : 0); },
      "ant4-channel",
      "ant4-channel",
      {},
      ant_datapath};
  return unit;
}

}  // namespace nibble
