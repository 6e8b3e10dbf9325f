// SPDX-License-Identifier: Apache-2.0
/// Operands of the PEs with floating-point activations: BFP, FP-INT, FP16, and the FP16-to-BFP converter.
#include <array>
#include <cstdlib>

#include "formats/rounding.h"
#include "pe/bfp_converter.h"
#include "pe/bfp_pe.h"
#include "pe/fp_int_pe.h"
#include "rtl_models/synthesis/operands.h"

namespace nibble {
namespace {

constexpr unsigned group = 32;             // elements of a BFP group, lanes of the PE
constexpr std::uint64_t reduction = 1024;  // of an output

BfpGroup gaussian_group(Random& random, unsigned bits) {
  std::array<std::uint16_t, group> values{};
  for (std::uint16_t& value : values)
    value = gaussian_fp16(random);
  return bfp_convert(values.data(), values.size(), bits);
}

/// Magnitude and sign of one lane's operands.
void set_lane(PinStream& pins, unsigned lane, unsigned a, bool a_negative, unsigned b, bool b_negative) {
  pins.set("a_magnitude", a, 8 * lane, 8);
  pins.set("a_sign", a_negative, lane, 1);
  pins.set("b_nibble", b, 4 * lane, 4);
  pins.set("b_sign", b_negative, lane, 1);
}

/// A step of 32 products, in m8m8 16 of them: lanes from `first` on of both groups.
void set_step(PinStream& pins, const BfpGroup& a, const BfpGroup& b, BfpMode mode, unsigned first) {
  for (unsigned lane = 0; lane < group; ++lane) {
    const unsigned i = mode == BfpMode::m8m8 ? first + lane / 2 : lane;
    const unsigned x = a.elements[i], y = b.elements[i];
    const unsigned magnitude = y & ((1U << b.bits) - 1);
    const unsigned nibble = mode == BfpMode::m8m8 && lane % 2 == 1 ? magnitude >> 4 : magnitude & 15;
    set_lane(pins, lane, x & 255, x >> 8 != 0, nibble, y >> b.bits != 0);
  }
}

}  // namespace

void bfp_pe_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"mode", 2},
                  {"a_magnitude", 8 * group},
                  {"a_sign", group},
                  {"b_nibble", 4 * group},
                  {"b_sign", group},
                  {"group_last", 1},
                  {"a_exponent", 5},
                  {"b_exponent", 5},
                  {"weight_last", 1},
                  {"weight_scale", 16},
                  {"output_last", 1}});
  Random random(5 + 100 * request.seed);
  const BfpMode mode = request.mode == "m8m4" ? BfpMode::m8m4 : request.mode == "m8m8" ? BfpMode::m8m8 : BfpMode::m8w4;
  reset(pins);
  pins.set("mode", static_cast<int>(mode));
  const unsigned steps = mode == BfpMode::m8m8 ? 2 : 1;  // of a group
  BfpGroup a, b;
  std::vector<int> weights;
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (!idle) {
      const std::uint64_t at = (request.place() + i) / steps;  // group
      if (i % steps == 0) {
        a = gaussian_group(random, 8);
        b = gaussian_group(random, mode == BfpMode::m8m8 ? 8 : 4);
        if (i == 0 || at % 4 == 0) weights = gaussian_codes(random, std::size_t{4} * group, 4);
        if (i == 0 || at % 4 == 0) pins.set("weight_scale", some_scale(random, 0.01));
      }
      set_step(pins, a, b, mode, static_cast<unsigned>(i % steps) * group / 2);
      for (unsigned lane = 0; mode == BfpMode::m8w4 && lane < group; ++lane) {
        const int w = weights[at % 4 * group + lane];
        set_lane(pins, lane, a.elements[lane] & 255U, a.elements[lane] >> 8 != 0, static_cast<unsigned>(std::abs(w)),
                 w < 0);
      }
      pins.set("a_exponent", a.exponent);
      pins.set("b_exponent", b.exponent);
      pins.set("group_last", i % steps == steps - 1);
      pins.set("weight_last", at % 4 == 3);
      pins.set("output_last", at % (reduction / group) == reduction / group - 1);
    }
  });
  PinStream::operations(request.mode == "idle" ? request.cycles : request.cycles * group / steps);
}

void bfp_converter_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1}, {"valid_in", 1}, {"narrow", 1}, {"nearest", 1}, {"values", 16 * group}});
  Random random(6 + 100 * request.seed);
  reset(pins);
  pins.set("narrow", request.mode == "bfp4");
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    for (unsigned lane = 0; !idle && lane < group; ++lane)
      pins.set("values", gaussian_fp16(random), 16 * lane, 16);
  });
  PinStream::operations(request.mode == "idle" ? request.cycles : request.cycles * group);
}

void fp_int_dp4_stream(const StreamRequest& request, unsigned trees) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"int2", 1},
                  {"k_packed", 1},
                  {"upper_half", 1},
                  {"activation", 64},
                  {"word", 64},
                  {"group_last", 1},
                  {"output_last", 1},
                  {"scale", 16 * trees}});
  Random random(7 + 100 * request.seed);
  const std::string& mode = request.mode;
  const bool int2 = mode.substr(0, 4) == "int2", k_packed = mode.size() > 4 && mode.substr(4) == "-k";
  const unsigned bits = int2 ? 2 : 4, outputs = k_packed ? 1 : 16 / bits;
  const unsigned interval = fp_int_pe_timing(trees).mode(mode == "idle" ? "int4" : mode).initiation_interval;
  constexpr std::uint64_t group_steps = 8;  // scale groups of 32 k
  reset(pins);
  pins.set("int2", int2);
  pins.set("k_packed", k_packed);
  // The first step enters at once, each following one when the last outputs of the one before are being added.
  std::uint64_t step = request.place() / interval;
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (!idle && (i == 0 || (i - 1) % interval == 0)) {
      for (unsigned k = 0; k < 4; ++k)
        pins.set("activation", gaussian_fp16(random), 16 * k, 16);
      const unsigned words = k_packed ? 1 : 4;
      const std::vector<int> codes = gaussian_codes(random, words * 16 / bits, bits);
      for (unsigned c = 0; c < codes.size(); ++c)
        pins.set("word", codes[c] + (1 << (bits - 1)), bits * c, bits);
      pins.set("upper_half", step % 2 == 1);
      pins.set("group_last", step % group_steps == group_steps - 1);
      pins.set("output_last", step % (reduction / 4) == reduction / 4 - 1);
      if (i == 0 || step % group_steps == 0) {
        for (unsigned t = 0; t < trees; ++t)
          pins.set("scale", some_scale(random, 0.01), 16 * t, 16);
      }
      ++step;
    }
  });
  PinStream::operations(mode == "idle" ? request.cycles : request.cycles / interval * 4 * outputs);
}

void fp_int_multiplier_stream(const StreamRequest& request) {
  PinStream pins({{"activation", 16}, {"word", 16}, {"int2", 1}});
  Random random(8 + 100 * request.seed);
  const unsigned bits = request.mode == "int2" ? 2 : 4;
  pins.set("int2", bits == 2);
  pins.cycle();
  PinStream::measure();
  for (std::uint64_t i = 0; i < request.cycles; ++i) {
    pins.set("activation", gaussian_fp16(random));
    const std::vector<int> codes = gaussian_codes(random, 16 / bits, bits);
    for (unsigned c = 0; c < codes.size(); ++c)
      pins.set("word", codes[c] + (1 << (bits - 1)), bits * c, bits);
    pins.cycle();
  }
  PinStream::operations(request.cycles * 16 / bits);
}

void fp16_pe_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1}, {"valid_in", 1}, {"last_in", 1}, {"x_in", 16}, {"w_in", 16}});
  Random random(9 + 100 * request.seed);
  reset(pins);
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (!idle) {
      pins.set("last_in", (request.place() + i) % reduction == reduction - 1);
      pins.set("x_in", gaussian_fp16(random));
      pins.set("w_in", gaussian_fp16(random, 0.02));
    }
  });
  PinStream::operations(request.cycles);
}

void fp16_operation_stream(const StreamRequest& request, bool multiply) {
  std::vector<std::pair<std::string, unsigned>> operands = {{"a", 16}, {"b", 16}};
  if (multiply) operands.emplace_back("scale", 1);  // of no use: a product without a power of two
  PinStream pins(operands);
  Random random(10 + 100 * request.seed);
  pins.cycle();
  PinStream::measure();
  for (std::uint64_t i = 0; i < request.cycles; ++i) {
    pins.set("a", gaussian_fp16(random));
    pins.set("b", gaussian_fp16(random));
    pins.cycle();
  }
  PinStream::operations(request.cycles);
}

}  // namespace nibble
