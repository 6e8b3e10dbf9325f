// SPDX-License-Identifier: Apache-2.0
#include "pe/bfp_pe.h"

#include <cmath>
#include <cstdlib>

#include "pe/register_width.h"

namespace nibble {

unsigned bfp_products(BfpMode mode) {
  return mode == BfpMode::m8m8 ? 16 : 32;
}

std::int32_t bfp_lane(std::uint8_t magnitude, std::uint8_t nibble, bool negative) {
  check_register(nibble, 5, "bfp PE: nibble");
  const std::int32_t product = magnitude * nibble;
  return negative ? -product : product;
}

std::int32_t bfp_step(std::int32_t sum, const std::int16_t* a, const std::int16_t* b, unsigned products, BfpMode mode) {
  if (products > bfp_products(mode)) throw InternalError("bfp PE: more products than lanes in one cycle");
  std::int32_t tree = 0;
  for (unsigned i = 0; i < products; ++i) {
    const bool negative = (a[i] < 0) != (b[i] < 0);
    check_register(std::abs(a[i]), 9, "bfp PE: first mantissa");
    check_register(std::abs(b[i]),
                   mode == BfpMode::m8w4   ? 4
                   : mode == BfpMode::m8m4 ? 5
                                           : 9,
                   "bfp PE: second mantissa");
    const auto magnitude = static_cast<std::uint8_t>(std::abs(a[i]));
    const int second = std::abs(b[i]);
    tree += bfp_lane(magnitude, static_cast<std::uint8_t>(second & 15), negative);
    // The second lane of a pair takes the high nibble; its place in the tree is four bits up.
    if (mode == BfpMode::m8m8) tree += bfp_lane(magnitude, static_cast<std::uint8_t>(second >> 4), negative) * 16;
  }
  sum += tree;
  check_register(sum, 24, "bfp PE: group sum");
  return sum;
}

float bfp_inner(float inner, std::int32_t sum, int exponent) {
  return inner + std::ldexp(static_cast<float>(sum), exponent - 22);
}

float bfp_weight_foot(float accumulator, float inner, float weight_scale) {
  return accumulator + inner * weight_scale;
}

float bfp_foot(float accumulator, std::int32_t sum, int first_exponent, int second_exponent, BfpMode mode) {
  const int point = mode == BfpMode::m8m8 ? 44 : 40;
  return accumulator + std::ldexp(static_cast<float>(sum), first_exponent + second_exponent - point);
}

const PeTiming& bfp_pe_timing() {
  static const PeTiming timing = [] {
    PeTiming t;
    t.name = "bfp";
    t.area_key = "pe.bfp.area";
    t.foot_latency = 2;
    t.modes = {{"m8w4", 32, 1, 5, 1, "pe.bfp.m8w4.mac"},
               {"m8m4", 32, 1, 5, 1, "pe.bfp.m8m4.mac"},
               {"m8m8", 16, 1, 5, 1, "pe.bfp.m8m8.mac"}};
    return t;
  }();
  return timing;
}

}  // namespace nibble
