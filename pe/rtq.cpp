// SPDX-License-Identifier: Apache-2.0
#include "pe/rtq.h"

#include <algorithm>
#include <cmath>

#include "formats/family_codec.h"
#include "formats/mant_variance.h"
#include "formats/packed_operand.h"
#include "pe/register_width.h"

namespace nibble {
namespace {

std::uint16_t magnitude_bits(std::uint16_t x) {
  return static_cast<std::uint16_t>(x & 0x7FFF);
}

const Format& checked(const std::string& name, const Format& format) {
  const bool mant = format.family == FormatFamily::mant4;
  const bool int8 = format.family == FormatFamily::integer && format.bits == 8 && format.group_n == 1 &&
                    format.grouping == Grouping::group;
  if ((mant || int8) && format.group_k <= rtq_largest_group) return format;
  throw InputError(name + ": the real-time quantizer does not produce " + format.name() +
                   "; supported: mant4-g<k>, int8-g<k>, k at most " + std::to_string(rtq_largest_group));
}

std::size_t at_least_one(std::size_t channels) {
  if (channels == 0) throw InputError("real-time quantizer: values without channels");
  return channels;
}

}  // namespace

RtqRegisters rtq_accept(RtqRegisters registers, std::uint16_t x) {
  const float value = fp16_value(x);
  registers.largest = std::max(registers.largest, magnitude_bits(x));
  registers.sum += value;
  registers.squares += value * value;
  ++registers.count;
  check_register(registers.count, 10, "rtq: element counter");
  return registers;
}

RtqScale rtq_mant_scale(const RtqRegisters& registers, RtqRule rule) {
  if (registers.largest == 0) return {0, mant_int4};
  const float largest = fp16_value(registers.largest);
  const std::uint8_t type =
      mant_type_by_variance(registers.sum, registers.squares, registers.count, largest, rule == RtqRule::variance8);
  return {integer_scale(largest, static_cast<float>(mant_magnitude(type, 7))), type};
}

float rtq_int8_scale(const RtqRegisters& registers) {
  return integer_scale(fp16_value(registers.largest), 127);
}

std::uint8_t rtq_mant_code(std::uint16_t x, const RtqScale& scale) {
  if (scale.scale == 0) return 0;
  const float y = fp16_value(magnitude_bits(x)) / scale.scale;
  unsigned index = 0;
  for (unsigned boundary = 0; boundary < 7; ++boundary)
    index += y > mant_boundary(scale.type, boundary) ? 1U : 0U;
  const bool negative = (x & 0x8000) != 0 && magnitude_bits(x) != 0 && (scale.type != mant_int4 || index != 0);
  return static_cast<std::uint8_t>(index | (negative ? 8U : 0U));
}

std::int8_t rtq_int8_code(std::uint16_t x, float scale) {
  if (scale == 0) return 0;
  const float y = rne(fp16_value(x) / scale);
  return static_cast<std::int8_t>(std::min(127.0F, std::max(-127.0F, y)));
}

const GroupPipelineTiming& rtq_timing() {
  // 12: an exposed tail of 12 cycles per tile of 4096 is the 0.3 % that the paper reports. Registers and the encoder
  // itself: [D] one cycle in all, decided by nibble, since a group follows every cycle.
  static const GroupPipelineTiming timing{"rtq", 13, 1, "quantizer.element", "quantizer.area"};
  return timing;
}

RtqSpatial::RtqSpatial(std::string name, std::size_t rows, std::size_t columns, const Format& format, RtqRule rule,
                       const GroupPipelineTiming& timing)
    : rule_(rule), rows_(name, rows, columns, checked(name, format).group_k), pipeline_(timing) {
  result_ = blank_tensor(format, {rows, columns}, std::move(name));
}

void RtqSpatial::push(std::size_t row, const std::uint16_t* values, std::size_t count, std::uint64_t cycle) {
  std::uint64_t finished = 0;
  rows_.push(row, values, count, [&](std::size_t g, const std::uint16_t* first, std::size_t length) {
    code_group(row, g, first, length);
    ++finished;
  });
  pipeline_.accept(cycle, finished);
}

void RtqSpatial::code_group(std::size_t row, std::size_t g, const std::uint16_t* values, std::size_t length) {
  RtqRegisters registers;
  for (std::size_t i = 0; i < length; ++i)
    registers = rtq_accept(registers, values[i]);
  const std::size_t group = result_.group_index(row, g);
  std::int16_t* codes = &result_.codes[row * result_.columns() + g * result_.format.group_k];
  if (result_.format.family == FormatFamily::mant4) {
    const RtqScale scale = rtq_mant_scale(registers, rule_);
    result_.scales[group] = scale.scale;
    result_.types[group] = scale.type;
    for (std::size_t i = 0; i < length; ++i)
      codes[i] = rtq_mant_code(values[i], scale);
    return;
  }
  result_.scales[group] = rtq_int8_scale(registers);
  for (std::size_t i = 0; i < length; ++i)
    codes[i] = rtq_int8_code(values[i], result_.scales[group]);
}

const QuantizedTensor& RtqSpatial::result() const {
  if (!rows_.complete()) throw InternalError(result_.name + ": rows that have not left the array yet");
  return result_;
}

RtqTemporal::RtqTemporal(std::size_t channels, MantValueCache::Window window, RtqRule rule,
                         const GroupPipelineTiming& timing)
    : channels_(at_least_one(channels)),
      window_(window),
      rule_(rule),
      pipeline_(timing),
      maxima_(channels),
      registers_(channels),
      scales_(channels, 0),
      held_fp16_(channels * group, 0),
      held_int8_(channels * group, 0),
      codes_(channels),
      group_scales_(channels) {}

void RtqTemporal::push(const std::vector<std::uint16_t>& token, std::uint64_t cycle) {
  if (token.size() != channels_) {
    throw InputError("real-time quantizer: token " + std::to_string(tokens()) + " has " + std::to_string(token.size()) +
                     " channels; expected " + std::to_string(channels_));
  }
  require_finite_fp16(token.data(), channels_, "real-time quantizer: token " + std::to_string(tokens()));
  for (std::size_t c = 0; c < channels_ && !holds_fp16(); ++c) {
    const float scale = window_scale(c, token[c]);
    if (std::abs(round_fp16(static_cast<float>(rtq_int8_code(token[c], scale)) * scale)) <= 65504) continue;
    throw InputError("real-time quantizer: token " + std::to_string(tokens()) + ", channel " + std::to_string(c) +
                     ": the INT8 window reads the value back beyond FP16");
  }
  for (std::size_t c = 0; c < channels_; ++c) {
    if (!scaled_) maxima_[c].largest = std::max(maxima_[c].largest, magnitude_bits(token[c]));
    enter(c, token[c]);
  }
  if (++held_ < group) return;
  if (!prompt_ && !scaled_) fix_scales();
  close(cycle);
}

/// The INT8 scale of a channel; one of zeros takes it from its first value that is not zero.
float RtqTemporal::window_scale(std::size_t channel, std::uint16_t value) const {
  return scales_[channel] != 0 ? scales_[channel] : integer_scale(fp16_value(magnitude_bits(value)), 127);
}

/// One value into slot held_ of its channel. Until the scales are there it is held, and counted, in FP16.
void RtqTemporal::enter(std::size_t channel, std::uint16_t value) {
  const std::size_t slot = channel * group + held_;
  if (holds_fp16()) {
    held_fp16_[slot] = value;
  } else {
    const float scale = scales_[channel] = window_scale(channel, value);
    held_int8_[slot] = rtq_int8_code(value, scale);
    value = fp16_bits(static_cast<float>(held_int8_[slot]) * scale);
    held_fp16_[slot] = value;
  }
  registers_[channel] = rtq_accept(registers_[channel], value);
}

/// The second phase: every channel's 64 values become mant4.
void RtqTemporal::close(std::uint64_t cycle) {
  for (std::size_t c = 0; c < channels_; ++c) {
    const RtqScale scale = rtq_mant_scale(registers_[c], rule_);
    group_scales_[c].push_back(scale);
    for (std::size_t t = 0; t < group; ++t)
      codes_[c].push_back(rtq_mant_code(held_fp16_[c * group + t], scale));
    registers_[c] = RtqRegisters();
  }
  finished_ += group;
  held_ = 0;
  pipeline_.accept(cycle, channels_);
}

void RtqTemporal::end_prompt() {
  if (!prompt_) return;
  prompt_ = false;
  if (finished_ == 0) return;
  fix_scales();
  if (holds_fp16()) return;
  const std::vector<std::uint16_t> waiting = held_fp16_;
  const std::size_t count = held_;
  std::fill(registers_.begin(), registers_.end(), RtqRegisters());
  for (held_ = 0; held_ < count; ++held_) {
    for (std::size_t c = 0; c < channels_; ++c)
      enter(c, waiting[c * group + held_]);
  }
}

void RtqTemporal::fix_scales() {
  for (std::size_t c = 0; c < channels_; ++c)
    scales_[c] = rtq_int8_scale(maxima_[c]);
  scaled_ = true;
}

QuantizedTensor RtqTemporal::groups() const {
  if (finished_ == 0) throw InternalError("real-time quantizer: no finished group of values");
  QuantizedTensor all =
      blank_tensor({FormatFamily::mant4, 4, Grouping::group, group, 1, 0}, {channels_, finished_}, "values");
  for (std::size_t c = 0; c < channels_; ++c) {
    std::copy(codes_[c].begin(), codes_[c].end(), all.codes.begin() + static_cast<std::ptrdiff_t>(c * finished_));
    for (std::size_t g = 0; g < group_scales_[c].size(); ++g) {
      all.scales[c * group_scales_[c].size() + g] = group_scales_[c][g].scale;
      all.types[c * group_scales_[c].size() + g] = group_scales_[c][g].type;
    }
  }
  return all;
}

QuantizedTensor RtqTemporal::window() const {
  if (held_ == 0) throw InternalError("real-time quantizer: no token in the window of values");
  QuantizedTensor all =
      blank_tensor({FormatFamily::integer, 8, Grouping::channel, 0, 1, 0}, {channels_, held_}, "values");
  for (std::size_t c = 0; c < channels_; ++c) {
    all.scales[c] = holds_fp16() ? rtq_int8_scale(registers_[c]) : scales_[c];
    for (std::size_t t = 0; t < held_; ++t) {
      const std::size_t slot = c * group + t;
      all.codes[c * held_ + t] = holds_fp16() ? rtq_int8_code(held_fp16_[slot], all.scales[c]) : held_int8_[slot];
    }
  }
  return all;
}

}  // namespace nibble
