// SPDX-License-Identifier: Apache-2.0
/// Operands of the PEs that take their numbers digit by digit: BitFusion, BitMoD, Anda; and of Tender's.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "formats/bitmod_types.h"
#include "formats/rounding.h"
#include "pe/anda_pe.h"
#include "pe/bitfusion_pe.h"
#include "pe/bitmod_pe.h"
#include "pe/tender_pe.h"
#include "rtl_models/synthesis/operands.h"

namespace nibble {
namespace {

constexpr std::uint64_t reduction = 1024;  // of an output

/// The number on the grid of bitmod4's first type that is nearest to a Gaussian value.
int bitmod4_gaussian(Random& random) {
  const double value = random.normal() * 4;
  int best = 0;
  for (unsigned code = 0; code < 16; ++code) {
    const int number = bitmod_grid_value(4, bitmod_er_positive, code);
    if (std::abs(number - value) < std::abs(best - value)) best = number;
  }
  return best;
}

/// Elements of `bits` bits side by side.
std::uint32_t packed_word(const std::vector<int>& codes, unsigned bits) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < codes.size(); ++i)
    word |= (static_cast<std::uint32_t>(codes[i]) & ((1U << bits) - 1)) << (i * bits);
  return word;
}

}  // namespace

/// Rows of 1024 columns in eight groups: 128 steps, and a shift.
void tender_quad_stream(const StreamRequest& request) {
  PinStream pins(
      {{"reset", 1}, {"valid_in", 2}, {"last_in", 2}, {"rescale_in", 2}, {"fuse", 2}, {"x_in", 8}, {"w_in", 8}});
  Random random(18 + 100 * request.seed);
  constexpr std::uint64_t groups = 8, run = reduction + groups - 1, each = reduction / groups + 1;
  const bool wide = request.mode == "w8a8";
  reset(pins);
  pins.set("fuse", wide ? 3 : 0);
  std::array<std::array<std::uint32_t, 2>, 2> late{};  // of row 1 and column 1: what enters now, what entered in row 0
  std::uint64_t products = 0;
  std::uint32_t before = 0;
  drive(pins, request, [&](std::uint64_t i) {
    const std::uint64_t at = (request.place() + i) % run;
    const bool idle = request.idle(i), shift = at % each == each - 1;
    const std::uint32_t now = idle ? 0 : 1U | (at == run - 1 ? 2U : 0U) | (shift ? 4U : 0U);
    pins.set("valid_in", (now & 1) | (before & 1) << 1);
    pins.set("last_in", (now >> 1 & 1) | (before >> 1 & 1) << 1);
    pins.set("rescale_in", (now >> 2 & 1) | (before >> 2 & 1) << 1);
    before = now;
    for (unsigned side = 0; !idle && !shift && side < 2; ++side) {
      std::array<std::uint32_t, 2> nibbles{};
      if (wide) {
        const auto byte = static_cast<std::uint32_t>(gaussian_codes(random, 64, 8)[0]);
        nibbles = {byte >> 4 & 15, byte & 15};
      } else {
        for (std::uint32_t& nibble : nibbles)
          nibble = static_cast<std::uint32_t>(gaussian_codes(random, 64, 4)[0]) & 15;
      }
      pins.set(side == 0 ? "x_in" : "w_in", nibbles[0] | late[side][1] << 4);
      late[side] = nibbles;
    }
    if (i >= warm_up && !shift) products += wide ? 1 : 4;
  });
  PinStream::operations(request.mode == "idle" ? request.cycles : products);
}

/// The middle row of 32, whose weights stay for 64 rows of activations while the next ones move by.
void bitfusion_pe_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"first_in", 1},
                  {"a_width_in", 2},
                  {"w_width_in", 2},
                  {"x_in", 32},
                  {"sum_in", 31},
                  {"weight_in", 1},
                  {"weight_row_in", 5},
                  {"weight_word_in", 32}});
  Random random(19 + 100 * request.seed);
  constexpr unsigned rows = 32, row = 16;
  constexpr std::uint64_t pass = 64;
  const std::string mode = request.mode == "idle" ? "w8a8" : request.mode;
  const auto w_bits = static_cast<unsigned>(mode[1] - '0'), a_bits = static_cast<unsigned>(mode[3] - '0');
  const unsigned lanes = bitfusion_pe_timing().mode(mode).lanes;
  const auto width_code = [](unsigned bits) { return bits == 8 ? 2 : bits == 4 ? 1 : 0; };
  reset(pins);
  pins.set("a_width_in", width_code(a_bits));
  pins.set("w_width_in", width_code(w_bits));
  const auto column = [&] { return gaussian_codes(random, std::size_t{rows} * lanes, w_bits); };
  const auto of_row = [&](const std::vector<int>& codes, unsigned r) {
    const auto first = codes.begin() + static_cast<std::ptrdiff_t>(std::size_t{r} * lanes);
    return std::vector<int>(first, first + static_cast<std::ptrdiff_t>(lanes));
  };
  std::vector<int> present = column(), next = column();
  drive(pins, request, [&](std::uint64_t i) {
    const std::uint64_t at = i % pass;
    if (at == 0) {
      present = next;
      next = column();
    }
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    pins.set("weight_in", !idle && at < rows - row);
    if (idle) return;
    const auto destination = static_cast<unsigned>(rows - 1 - at % rows);  // the lowest row's first, this row's last
    pins.set("weight_row_in", destination);
    if (at < rows - row) pins.set("weight_word_in", packed_word(of_row(next, destination), w_bits));
    const std::vector<int> x = gaussian_codes(random, std::size_t{rows} * lanes, a_bits);
    std::int32_t above = 0;
    for (unsigned k = 0; k < row * lanes; ++k)
      above += x[k] * present[k];
    pins.set("first_in", at == 0);
    pins.set("x_in", packed_word(of_row(x, row), a_bits));
    pins.set("sum_in", above);
  });
  PinStream::operations(request.mode == "idle" ? request.cycles : request.cycles * lanes);
}

/// Groups of 128, every step of four activations for as many cycles as the weights have terms.
void bitmod_pe_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"activation_in", 64},
                  {"term_in", 4},
                  {"negative_in", 4},
                  {"exponent_in", 12},
                  {"significance_in", 3},
                  {"group_last_in", 1},
                  {"scale", 27},
                  {"output_last", 1}});
  Random random(20 + 100 * request.seed);
  const bool floating = request.mode == "w4" || request.mode == "idle";
  const unsigned bits = floating ? 4 : static_cast<unsigned>(request.mode[1] - '0'), cycles = bits / 2;
  constexpr std::uint64_t group_steps = 128 / bitmod_lanes, groups = reduction / 128;
  reset(pins);
  std::array<int, bitmod_lanes> weights{};
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    const std::uint64_t place = request.place() + i, step = place / cycles;
    const auto index = static_cast<unsigned>(place % cycles);
    pins.set("valid_in", !idle);
    if (idle) return;
    if (index == 0 || i == 0) {
      const std::vector<int> codes = gaussian_codes(random, 128, floating ? 8 : bits);
      for (unsigned k = 0; k < bitmod_lanes; ++k) {
        pins.set("activation_in", gaussian_fp16(random), 16 * k, 16);
        weights[k] = floating ? bitmod4_gaussian(random) : codes[k];
      }
    }
    for (unsigned k = 0; k < bitmod_lanes; ++k) {
      const BitmodTerm term = floating ? bitmod_float_term(weights[k], index) : bitmod_digit(weights[k], index);
      pins.set("term_in", term.sign != 0, k, 1);
      pins.set("negative_in", term.sign < 0, k, 1);
      pins.set("exponent_in", term.exponent, 3 * k, 3);
    }
    pins.set("significance_in", floating ? 0 : 2 * index);
    const std::uint64_t at = step % group_steps;
    pins.set("group_last_in", at == group_steps - 1 && index == cycles - 1);
    // Read when the group's sum is registered, some cycles into the next group.
    if (at == group_steps / 2 && index == 0) {
      const float u = fp16_value(some_scale(random, 0.0001)) * static_cast<float>(128 + random.below(128));
      pins.set("scale", float_bits(u) >> 5);
      pins.set("output_last", step / group_steps % groups == groups - 1);
    }
  });
  PinStream::operations(request.mode == "idle" ? request.cycles : request.cycles * bitmod_lanes / cycles);
}

/// The higher and the lower term of bitmod4 in turn.
void bitmod_decoder_stream(const StreamRequest& request) {
  PinStream pins({{"floating", 1}, {"value", 8}, {"index", 2}});
  Random random(21 + 100 * request.seed);
  pins.set("floating", 1);
  pins.cycle();
  PinStream::measure();
  for (std::uint64_t i = 0; i < request.cycles; ++i) {
    if (i % 2 == 0) pins.set("value", bitmod4_gaussian(random));
    pins.set("index", static_cast<std::int64_t>(i % 2));
    pins.cycle();
  }
  PinStream::operations(request.cycles);
}

/// Groups of 64 Gaussian activations, mantissas cut off to the mode's length; the lanes' weights change with the group.
void anda_pe_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"last_in", 1},
                  {"plane", 64},
                  {"signs", 64},
                  {"w_in", 256},
                  {"exponent", 5},
                  {"bits", 4},
                  {"weight_scale", 16},
                  {"output_last", 1}});
  Random random(22 + 100 * request.seed);
  const unsigned bits = request.mode == "idle" ? 7 : static_cast<unsigned>(std::stoul(request.mode.substr(1)));
  constexpr std::uint64_t groups = reduction / anda_lanes;
  reset(pins);
  pins.set("bits", bits);
  std::array<std::uint32_t, anda_lanes> mantissas{};
  int exponent = 0, exponent_before = 0;
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    const auto at = static_cast<unsigned>(i % bits);
    pins.set("valid_in", !idle);
    if (idle) return;
    if (at == 0) {
      std::array<float, anda_lanes> values{};
      float largest = 0;
      for (float& value : values) {
        value = fp16_value(gaussian_fp16(random));
        largest = std::max(largest, std::abs(value));
      }
      exponent_before = exponent;
      exponent = std::ilogb(largest) + 15;
      const std::vector<int> w = gaussian_codes(random, anda_lanes, 4);
      for (unsigned k = 0; k < anda_lanes; ++k) {
        mantissas[k] =
            static_cast<std::uint32_t>(std::ldexp(std::abs(values[k]), static_cast<int>(bits) + 14 - exponent));
        pins.set("signs", values[k] < 0, k, 1);
        pins.set("w_in", w[k], 4 * k, 4);
      }
    }
    for (unsigned k = 0; k < anda_lanes; ++k)
      pins.set("plane", mantissas[k] >> (bits - 1 - at) & 1, k, 1);
    pins.set("last_in", at == bits - 1);
    if (at == 3) {  // read four cycles after the group's last plane
      pins.set("exponent", exponent_before);
      pins.set("weight_scale", some_scale(random, 0.01));
      pins.set("output_last", (request.place() + i) / bits % groups == groups - 1);
    }
  });
  PinStream::operations(request.mode == "idle" ? request.cycles : request.cycles * anda_lanes / bits);
}

}  // namespace nibble
