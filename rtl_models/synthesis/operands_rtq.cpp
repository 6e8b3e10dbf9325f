// SPDX-License-Identifier: Apache-2.0
/// Operands of the real-time quantizer's parts: Gaussian results, a group of 64 of every row.
#include "formats/mant_types.h"
#include "formats/rounding.h"
#include "pe/rtq.h"
#include "rtl_models/synthesis/operands.h"

namespace nibble {
namespace {

constexpr std::size_t group = 64;

std::vector<std::uint16_t> gaussian_group(Random& random) {
  std::vector<std::uint16_t> values;
  values.reserve(group);
  for (std::size_t i = 0; i < group; ++i)
    values.push_back(gaussian_fp16(random));
  return values;
}

RtqRegisters registers_after(const std::vector<std::uint16_t>& values, std::size_t count) {
  RtqRegisters registers;
  for (std::size_t i = 0; i < count; ++i)
    registers = rtq_accept(registers, values[i]);
  return registers;
}

/// The seven limits of a type: the largest FP16 magnitude of every index but the last.
std::vector<std::uint16_t> limits_of(const RtqScale& scale) {
  std::vector<std::uint16_t> limits;
  for (unsigned i = 0; i < 7; ++i) {
    std::uint16_t low = 0, above = 0x7C00;
    while (above - low > 1) {
      const auto middle = static_cast<std::uint16_t>((low + above) / 2);
      ((rtq_mant_code(middle, scale) & 7U) <= i ? low : above) = middle;
    }
    limits.push_back(low);
  }
  return limits;
}

}  // namespace

/// The unit of the array's middle column: rows in turn, in the first and the second half of their groups.
void rtq_accept_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"first", 1},
                  {"present", 1},
                  {"tag_in", 1},
                  {"x", 16},
                  {"largest_in", 15},
                  {"sum_in", 32},
                  {"squares_in", 32},
                  {"count_in", 9}});
  Random random(11 + 100 * request.seed);
  reset(pins);
  pins.set("present", 1);
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (idle) return;
    const std::size_t at = i / group % 2 == 0 ? group / 4 : 3 * group / 4;
    const std::vector<std::uint16_t> values = gaussian_group(random);
    const RtqRegisters registers = registers_after(values, at);
    pins.set("x", values[at]);
    pins.set("largest_in", registers.largest);
    pins.set("sum_in", float_bits(registers.sum));
    pins.set("squares_in", float_bits(registers.squares));
    pins.set("count_in", registers.count);
  });
  PinStream::operations(request.cycles);
}

/// A group in every cycle.
void rtq_scale_stream(const StreamRequest& request) {
  PinStream pins({{"reset", 1},
                  {"valid_in", 1},
                  {"int8", 1},
                  {"eight", 1},
                  {"tag_in", 1},
                  {"largest", 15},
                  {"sum", 32},
                  {"squares", 32},
                  {"count", 9}});
  Random random(12 + 100 * request.seed);
  reset(pins);
  pins.set("int8", request.mode == "int8");
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (idle) return;
    const RtqRegisters registers = registers_after(gaussian_group(random), group);
    pins.set("largest", registers.largest);
    pins.set("sum", float_bits(registers.sum));
    pins.set("squares", float_bits(registers.squares));
    pins.set("count", registers.count);
  });
  PinStream::operations(request.cycles);
}

/// A group in every cycle: a lane sees one element of each.
void rtq_lane_stream(const StreamRequest& request) {
  PinStream pins({{"valid_in", 1}, {"int8", 1}, {"x", 16}, {"scale", 15}, {"limits", 7 * 15}, {"int4", 1}});
  Random random(13 + 100 * request.seed);
  const bool int8 = request.mode == "int8";
  pins.set("int8", int8);
  drive(pins, request, [&](std::uint64_t i) {
    const bool idle = request.idle(i);
    pins.set("valid_in", !idle);
    if (idle) return;
    const std::vector<std::uint16_t> values = gaussian_group(random);
    const RtqRegisters registers = registers_after(values, group);
    const RtqScale scale =
        int8 ? RtqScale{rtq_int8_scale(registers), mant_int4} : rtq_mant_scale(registers, RtqRule::variance);
    const std::vector<std::uint16_t> limits = limits_of(scale);
    pins.set("x", values[i % group]);
    pins.set("scale", fp16_bits(scale.scale));
    for (unsigned b = 0; b < limits.size(); ++b)
      pins.set("limits", limits[b], 15 * b, 15);
    pins.set("int4", scale.type == mant_int4);
  });
  PinStream::operations(request.cycles);
}

/// A token in every cycle, of a channel whose scale stays.
void rtq_readback_stream(const StreamRequest& request) {
  PinStream pins({{"code", 8}, {"scale", 15}});
  Random random(14 + 100 * request.seed);
  pins.cycle();
  PinStream::measure();
  float scale = 1;
  for (std::uint64_t i = 0; i < request.cycles; ++i) {
    if (i % group == 0) scale = rtq_int8_scale(registers_after(gaussian_group(random), group));
    pins.set("scale", fp16_bits(scale));
    pins.set("code", rtq_int8_code(gaussian_fp16(random), scale));
    pins.cycle();
  }
  PinStream::operations(request.cycles);
}

}  // namespace nibble
