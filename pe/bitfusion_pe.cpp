// SPDX-License-Identifier: Apache-2.0
#include "pe/bitfusion_pe.h"

#include "pe/array_datapath.h"
#include "pe/integer_gemm.h"
#include "pe/register_width.h"

namespace nibble {

namespace {

bool is_integer(const Format& format) {
  return format.family == FormatFamily::integer;
}

void tile(const QuantizedTensor& activations, const QuantizedTensor& weights, const GemmRange& range,
          const GemmOptions&, float* accumulators, std::size_t stride) {
  integer_tile(integer_rows, activations, weights, range, accumulators, stride);
}

}  // namespace

unsigned bitfusion_width(unsigned bits) {
  return bits <= 2 ? 2 : bits <= 4 ? 4 : 8;
}

int bitfusion_digit(int value, unsigned digit, unsigned width) {
  const int field = static_cast<int>(static_cast<unsigned>(value) >> (2 * digit) & 3U);
  const bool highest = 2 * (digit + 1) == width;
  return highest && field > 1 ? field - 4 : field;
}

int bitfusion_brick(int x, int w) {
  check_register(x, 3, "bitfusion PE: digit");
  check_register(w, 3, "bitfusion PE: digit");
  const int product = x * w;
  check_register(product, 6, "bitfusion PE: brick");
  return product;
}

std::int32_t bitfusion_product(std::int8_t x, std::int8_t w, unsigned activation_bits, unsigned weight_bits) {
  const unsigned x_width = bitfusion_width(activation_bits), w_width = bitfusion_width(weight_bits);
  check_register(x, x_width, "bitfusion PE: activation");
  check_register(w, w_width, "bitfusion PE: weight");
  std::int32_t product = 0;
  for (unsigned i = 0; 2 * i < x_width; ++i) {
    for (unsigned j = 0; 2 * j < w_width; ++j)
      product += bitfusion_brick(bitfusion_digit(x, i, x_width), bitfusion_digit(w, j, w_width)) * (1 << 2 * (i + j));
  }
  return product;
}

std::int32_t bitfusion_step(std::int32_t sum, std::int8_t x, std::int8_t w, unsigned activation_bits,
                            unsigned weight_bits) {
  sum += bitfusion_product(x, w, activation_bits, weight_bits);
  check_register(sum, 31, "bitfusion PE: sum");
  return sum;
}

std::string bitfusion_mode(unsigned activation_bits, unsigned weight_bits) {
  return "w" + std::to_string(bitfusion_width(weight_bits)) + "a" + std::to_string(bitfusion_width(activation_bits));
}

const PeTiming& bitfusion_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "bitfusion";
    t.area_key = "pe.bitfusion.area";
    t.foot_latency = 3;
    t.foot_key = "foot.int8.element";
    for (const unsigned w : {8U, 4U, 2U}) {
      for (const unsigned a : {8U, 4U, 2U}) {
        const std::string mode = bitfusion_mode(a, w);
        t.modes.push_back({mode, bitfusion_bricks / (a / 2 * (w / 2)), 1, 1, 1, "pe.bitfusion." + mode + ".mac"});
      }
    }
    return t;
  }();
  return timing;
}

const PeUnit& bitfusion_unit() {
  static const PeUnit unit = {
      "bitfusion",
      "BitFusion: integers of 2 to 8 bits, multiplied by composed 2-bit bricks",
      "int<b>-g<k> with int<b>-g<k>[x<n>], k at most 32768; int<b>-(channel|tensor) with "
      "int<b>-(channel|tensor)",
      [](const Format& a, const Format& w) { return is_integer(a) && is_integer(w) && integer_runs_agree(a, w); },
      integer_tile_extent,
      tile,
      bitfusion_pe_timing,
      [](const Format& a, const Format& w) -> std::size_t {
        const auto index = [](unsigned bits) -> std::size_t {
          const unsigned width = bitfusion_width(bits);
          return width == 8 ? 0 : width == 4 ? 1 : 2;
        };
        return 3 * index(w.bits) + index(a.bits);
      },
      "int8-channel",
      "int4-channel",
      {},
      bitfusion_datapath};
  return unit;
}

}  // namespace nibble
