// SPDX-License-Identifier: Apache-2.0
#include "pe/fp_int_pe.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "formats/rounding.h"
#include "pe/fp16_arithmetic.h"
#include "pe/register_width.h"

namespace nibble {

unsigned fp_int_lanes(unsigned bits) {
  return 16 / bits;
}

std::uint8_t fp_int_lane_weight(std::uint16_t word, unsigned lane, unsigned bits) {
  return static_cast<std::uint8_t>((word >> (lane * bits)) & ((1U << bits) - 1));
}

std::uint32_t fp_int_lane(std::uint16_t significand, std::uint8_t u) {
  const std::uint32_t product = (std::uint32_t{significand} << 10) + std::uint32_t{significand} * u;
  check_register(product, 23, "fp_int PE: lane significand");
  return product;
}

double fp_int_product(float activation, std::uint8_t u) {
  const std::uint16_t code = fp16_bits(activation);
  const int field = (code >> 10) & 31;
  const auto significand = static_cast<std::uint16_t>((code & 1023) | (field > 0 ? 1024 : 0));
  const double magnitude = std::ldexp(static_cast<double>(fp_int_lane(significand, u)), std::max(field, 1) - 25);
  return (code & 0x8000) != 0 ? -magnitude : magnitude;
}

float fp_int_dp4(float accumulator, const float* activations, const std::uint8_t* u, unsigned count,
                 bool product_fp16) {
  double sum = 0;  // at most 53 bits: exact
  for (unsigned i = 0; i < count; ++i) {
    const double product = fp_int_product(activations[i], u[i]);
    sum += product_fp16 ? static_cast<double>(nearest_fp16(static_cast<float>(product))) : product;
  }
  return quiet_nan(accumulator + static_cast<float>(sum));
}

void fp_int_dp4_n_packed(float* accumulators, const float* activations, const std::uint16_t* words, unsigned count,
                         unsigned bits, bool product_fp16) {
  for (unsigned lane = 0; lane < fp_int_lanes(bits); ++lane) {
    std::uint8_t u[4] = {};
    for (unsigned i = 0; i < count; ++i)
      u[i] = fp_int_lane_weight(words[i], lane, bits);
    accumulators[lane] = fp_int_dp4(accumulators[lane], activations, u, count, product_fp16);
  }
}

float fp_int_dp4_k_packed(float accumulator, const float* activations, std::uint16_t word, unsigned first_lane,
                          unsigned count, unsigned bits, bool product_fp16) {
  std::uint8_t u[4] = {};
  for (unsigned i = 0; i < count; ++i)
    u[i] = fp_int_lane_weight(word, first_lane + i, bits);
  return fp_int_dp4(accumulator, activations, u, count, product_fp16);
}

float fp_int_activation_sum(float sum, const float* activations, unsigned count) {
  double exact = 0;
  for (unsigned i = 0; i < count; ++i)
    exact += static_cast<double>(activations[i]);
  return sum + static_cast<float>(exact);
}

float fp_int_group_foot(float out, float scale, float accumulator, float activation_sum, unsigned bits) {
  const auto offset = static_cast<float>(1024 + (1 << (bits - 1)));
  return quiet_nan(out + scale * (accumulator - offset * activation_sum));
}

PeTiming fp_int_pe_timing(unsigned duplication) {
  if (duplication != 1 && duplication != 2 && duplication != 4 && duplication != 8) {
    throw InputError("fp_int PE: an adder-tree duplication of " + std::to_string(duplication) +
                     "; expected 1, 2, 4 or 8");
  }
  PeTiming t;
  t.name = "fp_int";
  const std::string key = duplication == 2 ? "pe.fp_int." : "fp_int.trees" + std::to_string(duplication) + '.';
  t.area_key = key + "area";
  t.foot_latency = 4;
  for (const unsigned bits : {4U, 2U}) {
    const unsigned lanes = fp_int_lanes(bits);
    const std::string mode = "int" + std::to_string(bits);
    t.modes.push_back({mode, 4 * lanes, std::max(lanes / duplication, 1U), 4, 1, key + mode + ".mac", lanes});
    t.modes.push_back({mode + "-k", 4, 1, 4, 1, key + mode + "-k.mac"});
  }
  return t;
}

const PeTiming& fp_int_pe_timing() {
  static const PeTiming timing = fp_int_pe_timing(2);
  return timing;
}

}  // namespace nibble
