// SPDX-License-Identifier: Apache-2.0
/// Operands of the FIGNA-like PE and of the PEs of ANT and OliVe.
#include <algorithm>
#include <array>
#include <cmath>

#include "formats/adaptive_types.h"
#include "formats/rounding.h"
#include "pe/fp_int_aligned_pe.h"
#include "rtl_models/synthesis/operands.h"

namespace nibble {
namespace {

struct AlignedGroup {
  std::vector<int> magnitudes;
  int largest = 1;
};
AlignedGroup aligned_gaussians(Random& random) {
  std::vector<float> values(aligned_group);
  AlignedGroup group;
  for (float& value : values) {
    value = fp16_value(gaussian_fp16(random));
    group.largest = std::max(group.largest, aligned_exponent(value));
  }
  for (const float value : values)
    group.magnitudes.push_back(aligned_magnitude(value, group.largest, aligned_default_bits));
  return group;
}

/// Codes of Gaussian values on a grid: by value, the nearest.
std::uint32_t nearest_code(double value, std::uint8_t kind) {
  std::uint32_t best = 0;
  for (std::uint32_t code = 0; code < 8; ++code) {
    const auto distance = [&](std::uint32_t c) { return std::abs(adaptive_magnitudes[kind][c] - std::abs(value)); };
    if (distance(code) < distance(best)) best = code;
  }
  return best | (value < 0 && best != 0 ? 8U : 0U);
}

}  // namespace

void aligned_pe_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1}, {"valid_in", 1}, {"last_in", 1}, {"x_in", 15}, {"w_in", 8}});
  Random random(15 + 100 * request.seed);
  const unsigned bits = request.mode == "w8" ? 8 : 4;
  reset(pins);
  std::vector<int> x, w;
  drive(pins, request, [&](std::uint64_t i) {
    const std::uint64_t at = i % aligned_group;
    if (at == 0) {
      x = aligned_gaussians(random).magnitudes;
      w = gaussian_codes(random, aligned_group, bits);
    }
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (!idle) {
      pins.set("last_in", at == aligned_group - 1);
      pins.set("x_in", x[at]);
      pins.set("w_in", w[at]);
    }
  });
  PinStream::operations(request.cycles);
}

void aligned_foot_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"sum", 29},
                  {"largest", 5},
                  {"scale_last", 1},
                  {"weight_scale", 16},
                  {"output_last", 1}});
  Random random(16 + 100 * request.seed);
  reset(pins);
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (!idle) {
      const AlignedGroup x = aligned_gaussians(random);
      const std::vector<int> w = gaussian_codes(random, aligned_group, 4);
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < aligned_group; ++k)
        sum = aligned_step(sum, static_cast<std::int16_t>(x.magnitudes[k]), static_cast<std::int8_t>(w[k]));
      pins.set("sum", sum);
      pins.set("largest", x.largest);
      pins.set("scale_last", i % 2 == 1);  // scale groups of 128
      pins.set("weight_scale", some_scale(random, 0.01));
      pins.set("output_last", (request.place() + i) % 16 == 15);
    }
  });
  PinStream::operations(request.cycles);
}

/// Fused PEs hold the nibbles of INT8 operands; alone they hold codes, of OliVe one in sixteen pairs with an outlier.
void adaptive_quad_stream(const StreamRequest& request, bool olive) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 2},
                  {"last_in", 2},
                  {"fuse", 2},
                  {"x_part", 4},
                  {"x_kind", 4},
                  {"x_code", 8},
                  {"x_partner", 8},
                  {"w_part", 4},
                  {"w_kind", 4},
                  {"w_code", 8},
                  {"w_partner", 8}});
  Random random(17 + 100 * request.seed);
  constexpr std::uint64_t run = 1024;
  const unsigned fuse = request.mode == "w4a8" ? 1 : request.mode == "w8a8" ? 3 : 0;
  reset(pins);
  pins.set("fuse", fuse);
  struct Late {
    std::uint32_t code = 0, partner = 0;
  };
  std::array<Late, 2> late{};
  bool late_last = false;
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i), last = (request.place() + i) % run == run - 1;
    pins.set("valid_in", idle ? 0 : i == 0 ? 1 : 3);
    for (unsigned side = 0; !idle && side < 2; ++side) {
      const std::string name = side == 0 ? "x" : "w";
      const bool wide = (fuse >> side & 1) != 0;
      const auto kind = static_cast<std::uint8_t>(side == 0 ? adaptive_int4 : adaptive_flint4);
      std::array<Late, 2> now{};
      if (wide) {
        const auto whole = static_cast<std::uint32_t>(gaussian_codes(random, 64, 8)[0]);
        now = {Late{whole >> 4 & 15, 0}, Late{whole & 15, 0}};
      } else {
        for (Late& operand : now) {
          operand.code = nearest_code(random.normal() * (kind == adaptive_int4 ? 2.5 : 5.0), kind);
          const std::uint64_t chance = olive ? random.below(32) : 2;
          if (operand.code == 8) operand.code = 0;
          if (chance == 0) operand.code = olive_victim;
          operand.partner = chance == 1 ? olive_victim : 0;
        }
      }
      pins.set(name + "_part", wide ? 1 | 2 << 2 : 0);
      pins.set(name + "_kind", kind | kind << 2);
      pins.set(name + "_code", now[0].code | late[side].code << 4);
      pins.set(name + "_partner", now[0].partner | late[side].partner << 4);
      late[side] = now[1];
    }
    if (!idle) pins.set("last_in", static_cast<int>(last) | static_cast<int>(late_last) << 1);
    late_last = last;
  });
  const std::uint64_t products = fuse == 0 ? 4 : fuse == 1 ? 2 : 1;
  PinStream::operations(request.mode == "idle" ? request.cycles : request.cycles * products);
}

}  // namespace nibble
