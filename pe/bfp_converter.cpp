// SPDX-License-Identifier: Apache-2.0
#include "pe/bfp_converter.h"

#include <algorithm>

#include "formats/packed_operand.h"
#include "pe/register_width.h"

namespace nibble {
namespace {

unsigned checked_bits(unsigned bits) {
  if (bits != 8 && bits != 4) {
    throw InputError("bfp converter: mantissas of " + std::to_string(bits) + " bits; expected 8 or 4");
  }
  return bits;
}

/// 1 for subnormals and zeros.
unsigned exponent_field(std::uint16_t value) {
  return std::max(1U, (value >> 10) & 31U);
}

/// 11 bits, the hidden one included.
unsigned significand(std::uint16_t value) {
  return (value & 0x3FFU) | ((value & 0x7C00U) != 0 ? 0x400U : 0U);
}

Format bfp_format(unsigned bits) {
  return {FormatFamily::bfp, bits, Grouping::group, bfp_converter_group, 1, 0};
}

/// A group into the codes and the exponent of a tensor.
void store(const BfpGroup& group, std::size_t length, std::size_t first, std::size_t index, QuantizedTensor& tensor) {
  const unsigned mask = (1U << group.bits) - 1;
  for (std::size_t i = 0; i < length; ++i) {
    const int mantissa = static_cast<int>(group.elements[i] & mask);
    tensor.codes[first + i] = static_cast<std::int16_t>((group.elements[i] >> group.bits) != 0 ? -mantissa : mantissa);
  }
  tensor.exponents[index] = group.exponent;
}

}  // namespace

unsigned bfp_exponent_tree(const std::uint16_t* values, std::size_t count) {
  require_finite_fp16(values, count, "bfp converter");
  std::array<unsigned, bfp_converter_group> level{};
  for (std::size_t i = 0; i < level.size(); ++i)
    level[i] = i < count ? exponent_field(values[i]) : 1U;
  for (std::size_t width = level.size() / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i)
      level[i] = std::max(level[2 * i], level[2 * i + 1]);
  }
  check_register(level[0], 6, "bfp converter: shared exponent");
  return level[0];
}

std::uint16_t bfp_element(std::uint16_t value, unsigned shared, unsigned bits, BfpRounding rounding) {
  const unsigned distance = shared - exponent_field(value);
  const unsigned dropped = bits == 8 ? 3 : 7;
  unsigned mantissa = 0;
  if (rounding == BfpRounding::truncate) {
    mantissa = distance >= 11 ? 0 : (significand(value) >> distance) >> dropped;
  } else {
    mantissa = std::min((1U << bits) - 1, shift_right_rne(significand(value), distance + dropped));
  }
  const unsigned sign = mantissa != 0 && (value & 0x8000U) != 0 ? 1U << bits : 0U;
  return static_cast<std::uint16_t>(sign | mantissa);
}

BfpGroup bfp_convert(const std::uint16_t* values, std::size_t count, unsigned bits, BfpRounding rounding) {
  if (count == 0 || count > bfp_converter_group) {
    throw InputError("bfp converter: " + std::to_string(count) + " values for a lane; expected 1..32");
  }
  BfpGroup group;
  group.bits = checked_bits(bits);
  group.exponent = static_cast<std::uint8_t>(bfp_exponent_tree(values, count));
  for (std::size_t i = 0; i < count; ++i)
    group.elements[i] = bfp_element(values[i], group.exponent, bits, rounding);
  return group;
}

BfpGroup bfp_demote(const BfpGroup& group) {
  if (group.bits != 8) throw InternalError("bfp converter: only bfp8 is demoted");
  BfpGroup demoted = group;
  demoted.bits = 4;
  for (std::uint16_t& element : demoted.elements) {
    const unsigned mantissa = (element & 0xFFU) >> 4, sign = element >> 8;
    element = static_cast<std::uint16_t>(mantissa == 0 ? 0U : sign << 4 | mantissa);
  }
  return demoted;
}

BfpRecord bfp_pack(const BfpGroup& group) {
  BfpRecord record;
  record.bits = checked_bits(group.bits);
  unsigned at = 0;
  const auto put = [&](unsigned field, unsigned width) {
    for (unsigned bit = 0; bit < width; ++bit, ++at) {
      record.bytes[at / 8] = static_cast<std::uint8_t>(record.bytes[at / 8] | ((field >> bit & 1U) << (at % 8)));
    }
  };
  for (const std::uint16_t element : group.elements)
    put(element, 1 + group.bits);
  put(group.exponent, 5);
  return record;
}

BfpGroup bfp_unpack(const BfpRecord& record) {
  BfpGroup group;
  group.bits = checked_bits(record.bits);
  unsigned at = 0;
  const auto take = [&](unsigned width) {
    unsigned field = 0;
    for (unsigned bit = 0; bit < width; ++bit, ++at)
      field |= (static_cast<unsigned>(record.bytes[at / 8]) >> (at % 8) & 1U) << bit;
    return field;
  };
  for (std::uint16_t& element : group.elements)
    element = static_cast<std::uint16_t>(take(1 + group.bits));
  group.exponent = static_cast<std::uint8_t>(take(5));
  return group;
}

const GroupPipelineTiming& bfp_converter_timing() {
  // [D] Exponent tree, shifters, truncate and pack: a register after each. Neither paper gives the converter's cycles.
  static const GroupPipelineTiming timing{"bfp_converter", 3, bfp_converter_lanes, "bfp_converter.element",
                                          "bfp_converter.area"};
  return timing;
}

BfpRowConverter::BfpRowConverter(std::string name, std::size_t rows, std::size_t columns, unsigned bits,
                                 BfpRounding rounding, const GroupPipelineTiming& timing)
    : rounding_(rounding), rows_(name, rows, columns, bfp_converter_group), pipeline_(timing) {
  result_ = blank_tensor(bfp_format(checked_bits(bits)), {rows, columns}, std::move(name));
}

void BfpRowConverter::push(std::size_t row, const std::uint16_t* values, std::size_t count, std::uint64_t cycle) {
  std::uint64_t finished = 0;
  rows_.push(row, values, count, [&](std::size_t g, const std::uint16_t* first, std::size_t length) {
    store(bfp_convert(first, length, result_.format.bits, rounding_), length,
          row * result_.columns() + g * bfp_converter_group, result_.group_index(row, g), result_);
    ++finished;
  });
  pipeline_.accept(cycle, finished);
}

const QuantizedTensor& BfpRowConverter::result() const {
  if (!rows_.complete()) throw InternalError(result_.name + ": rows that the converter has not seen yet");
  return result_;
}

BfpColumnConverter::BfpColumnConverter(std::size_t channels, unsigned bits, BfpRounding rounding,
                                       const GroupPipelineTiming& timing)
    : channels_(channels),
      bits_(checked_bits(bits)),
      rounding_(rounding),
      pipeline_(timing),
      collector_(channels * bfp_converter_group, 0) {
  if (channels == 0) throw InputError("bfp converter: values without channels");
}

void BfpColumnConverter::push(const std::vector<std::uint16_t>& token, std::uint64_t cycle, bool provisional) {
  const std::string place = "bfp converter: token " + std::to_string(tokens());
  if (token.size() != channels_) {
    throw InputError(place + " has " + std::to_string(token.size()) + " channels; expected " +
                     std::to_string(channels_));
  }
  require_finite_fp16(token.data(), channels_, place);
  for (std::size_t c = 0; c < channels_; ++c)
    collector_[c * bfp_converter_group + held_] = token[c];
  ++held_;
  const bool full = held_ == bfp_converter_group;
  if (full || provisional) pipeline_.accept(cycle, channels_);
  if (!full) return;
  for (std::size_t c = 0; c < channels_; ++c)
    committed_.push_back(bfp_convert(&collector_[c * bfp_converter_group], held_, bits_, rounding_));
  ++blocks_;
  held_ = 0;
}

const BfpGroup& BfpColumnConverter::committed(std::size_t block, std::size_t channel) const {
  if (block >= blocks_ || channel >= channels_) throw InternalError("bfp converter: no such committed group");
  return committed_[block * channels_ + channel];
}

BfpGroup BfpColumnConverter::provisional(std::size_t channel) const {
  if (held_ == 0 || channel >= channels_) throw InternalError("bfp converter: no open group");
  return bfp_convert(&collector_[channel * bfp_converter_group], held_, bits_, rounding_);
}

QuantizedTensor BfpColumnConverter::operand(const std::string& name) const {
  if (tokens() == 0) throw InternalError("bfp converter: no token yet");
  QuantizedTensor all = blank_tensor(bfp_format(bits_), {channels_, tokens()}, name);
  for (std::size_t c = 0; c < channels_; ++c) {
    for (std::size_t block = 0; block < blocks_; ++block) {
      store(committed(block, c), bfp_converter_group, c * tokens() + block * bfp_converter_group,
            all.group_index(c, block), all);
    }
    if (held_ > 0) store(provisional(c), held_, c * tokens() + committed_tokens(), all.group_index(c, blocks_), all);
  }
  return all;
}

}  // namespace nibble
