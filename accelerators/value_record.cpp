// SPDX-License-Identifier: Apache-2.0
#include "accelerators/value_record.h"

#include <algorithm>
#include <cmath>

#include "accelerators/tile_buffers.h"
#include "core/error.h"
#include "core/units.h"
#include "formats/family_codec.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"

namespace nibble {
namespace {

constexpr std::uint64_t alignment = 64;
/// A scale of a channel divides its largest magnitude by this.
constexpr float int8_maximum = 127;

MemoryRun run_of(std::uint64_t address, std::uint64_t bytes) {
  return {address, bytes, 1, bytes, false};
}

std::vector<float> fp16_values(const std::uint8_t* bytes, std::uint64_t count) {
  std::vector<float> values(count);
  for (std::uint64_t i = 0; i < count; ++i)
    values[i] = fp16_value(static_cast<std::uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8));
  return values;
}

bool by_channel(const Format& format) {
  return format.grouping == Grouping::channel;
}

/// [count][channels] as [channels][count].
Tensor by_channels(const float* tokens, std::uint64_t count, std::uint64_t channels) {
  Tensor tensor;
  tensor.name = "values";
  tensor.shape = {channels, count};
  tensor.values.resize(channels * count);
  for (std::uint64_t t = 0; t < count; ++t) {
    for (std::uint64_t c = 0; c < channels; ++c)
      tensor.values[c * count + t] = tokens[t * channels + c];
  }
  return tensor;
}

}  // namespace

ValueRecord::ValueRecord(KvPolicy policy, const Format& format, const Format& demoted, std::uint64_t channels,
                         std::uint64_t capacity)
    : policy_(policy),
      format_(format),
      demoted_(demoted),
      channels_(channels),
      group_(format.grouping == Grouping::group ? format.group_k : 1) {
  OperandDescriptor record;
  if (policy == KvPolicy::plain) {
    bytes_ = channels * (metadata_bytes(format) + capacity * element_bits(format) / 8);
    return;
  }
  bytes_ = round_up(part(record, format, 0, capacity).layout(0).bytes(), alignment);
  demoted_at_ = bytes_;
  if (policy == KvPolicy::harmonia)
    bytes_ = round_up(bytes_ + part(record, demoted, 0, capacity).layout(0).bytes(), alignment);
  open_at_ = bytes_;
  bytes_ = round_up(bytes_ + 2 * group_ * channels, alignment);
  window_at_ = bytes_;
  if (policy == KvPolicy::mant) bytes_ = round_up(bytes_ + (group_ + 2) * channels, alignment);
}

OperandDescriptor ValueRecord::part(const OperandDescriptor& record, const Format& format, std::uint64_t first,
                                    std::uint64_t count) const {
  OperandDescriptor part;
  part.address = record.address;
  part.instance_stride = record.instance_stride;
  part.rows = part.block_rows = static_cast<std::uint32_t>(channels_);
  part.columns = static_cast<std::uint32_t>(count);
  part.format = format;
  part.cache = record.cache;
  part.packed = true;
  if (policy_ == KvPolicy::plain) {
    part.arrangement = Arrangement::token_major;
    return part;
  }
  if (format != format_) part.address += demoted_at_;
  if (first > 0) {
    part.columns = static_cast<std::uint32_t>(first);
    part.address += part.layout(0).bytes();
    part.columns = static_cast<std::uint32_t>(count);
  }
  return part;
}

OperandDescriptor ValueRecord::window(const OperandDescriptor& record, std::uint64_t count) const {
  OperandDescriptor open = record;
  open.address += window_at_;
  open.rows = open.block_rows = static_cast<std::uint32_t>(channels_);
  open.columns = static_cast<std::uint32_t>(count);
  open.format = window_format();
  open.arrangement = Arrangement::token_major;
  return open;
}

std::vector<MemoryRun> ValueRecord::state(std::uint64_t address, std::uint64_t past, std::uint64_t count) const {
  if (past == 0) return {};
  const std::uint64_t open = open_tokens(past);
  if (policy_ == KvPolicy::plain)
    return by_channel(format_) ? std::vector{run_of(address, 2 * channels_)} : std::vector<MemoryRun>{};
  if (policy_ == KvPolicy::mant && past >= group_) {
    // The scales, and when the group becomes full all of the window.
    const bool full = open + count >= group_;
    return {run_of(address + window_at_, channels_ * (2 + (full ? open : 0)))};
  }
  if (open == 0) return {};
  return {run_of(address + open_at_, 2 * open * channels_)};
}

ValueRecord::Update ValueRecord::append(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                                        const std::vector<std::uint8_t>& held) const {
  Update update;
  switch (policy_) {
    case KvPolicy::plain:
      append_by_channel(address, past, tokens, held, update);
      break;
    case KvPolicy::mant:
      append_mant(address, past, tokens, held, update);
      break;
    case KvPolicy::harmonia:
    case KvPolicy::open_fp16:
      append_groups(address, past, tokens, held, update);
      break;
  }
  return update;
}

void ValueRecord::store_fp16(std::uint64_t address, const float* values, std::uint64_t count, Update& update) const {
  update.runs.push_back(run_of(address, 2 * count));
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint16_t bits = fp16_bits(values[i]);
    update.bytes.push_back(static_cast<std::uint8_t>(bits & 0xFF));
    update.bytes.push_back(static_cast<std::uint8_t>(bits >> 8));
  }
}

/// Tokens from `first` on, which begins a group, encoded in the format of the values.
void ValueRecord::store_group(std::uint64_t address, std::uint64_t first, const float* tokens, std::uint64_t count,
                              Update& update) const {
  OperandDescriptor record;
  record.address = address;
  const OperandLayout layout = part(record, format_, first, count).layout(0);
  std::uint64_t saturated = 0;
  ByteMap none;  // all channels are there
  const auto bytes = quantize_results(layout, format_, {0, channels_, 0, count},
                                      by_channels(tokens, count, channels_).values, 0, none, saturated);
  update.runs.push_back(run_of(layout.base, bytes.size()));
  update.bytes.insert(update.bytes.end(), bytes.begin(), bytes.end());
}

/// Whole groups for good, the open one as far as it goes, its tokens in FP16 beside it.
void ValueRecord::append_groups(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                                const std::vector<std::uint8_t>& held, Update& update) const {
  std::vector<float> present = fp16_values(held.data(), held.size() / 2);
  present.insert(present.end(), tokens.begin(), tokens.end());
  const std::uint64_t first = past - open_tokens(past), count = present.size() / channels_;
  store_group(address, first, present.data(), count, update);
  const std::uint64_t whole = round_down(count, group_), before = whole == 0 ? open_tokens(past) : 0;
  const std::uint64_t from = whole + before;
  if (from < count)
    store_fp16(address + open_at_ + 2 * before * channels_, &present[from * channels_], (count - from) * channels_,
               update);
}

void ValueRecord::store_codes(std::uint64_t address, const float* tokens, std::uint64_t count,
                              const std::vector<float>& scales, Update& update) const {
  update.runs.push_back(run_of(address, count * channels_));
  for (std::uint64_t t = 0; t < count; ++t) {
    for (std::uint64_t c = 0; c < channels_; ++c) {
      std::int16_t code = 0;
      if (scales[c] != 0) quantize_run(&tokens[t * channels_ + c], 1, scales[c], int8_maximum, &code);
      if (std::fabs(round_fp16(static_cast<float>(code) * scales[c])) > 65504.0F)
        throw InputError("values: a value that reads back beyond FP16");
      update.bytes.push_back(static_cast<std::uint8_t>(code & 0xFF));
    }
  }
}

namespace {

/// Scales by the largest magnitudes; channels that have one keep it.
void complete_scales(const std::vector<float>& tokens, std::vector<float>& scales) {
  const std::size_t channels = scales.size();
  for (std::size_t c = 0; c < channels; ++c) {
    if (scales[c] != 0) continue;
    float largest = 0;
    for (std::size_t i = c; i < tokens.size(); i += channels)
      largest = std::max(largest, std::fabs(tokens[i]));
    scales[c] = integer_scale(largest, int8_maximum);
  }
}

}  // namespace

/// One token after the other: FP16, or INT8 with the scales of the prompt.
void ValueRecord::append_by_channel(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                                    const std::vector<std::uint8_t>& held, Update& update) const {
  if (!by_channel(format_)) {
    store_fp16(address + 2 * past * channels_, tokens.data(), tokens.size(), update);
    return;
  }
  std::vector<float> scales = past == 0 ? std::vector<float>(channels_, 0.0F) : fp16_values(held.data(), channels_);
  const std::vector<float> before = scales;
  complete_scales(tokens, scales);
  if (scales != before) store_fp16(address, scales.data(), channels_, update);
  store_codes(address + channels_ * (2 + past), tokens.data(), tokens.size() / channels_, scales, update);
}

/// Before the first group is full its tokens are there in FP16, and the window is encoded anew; then scales are fixed.
void ValueRecord::append_mant(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                              const std::vector<std::uint8_t>& held, Update& update) const {
  if (past >= group_) {
    enter_window(address, past, tokens, held, update);
    return;
  }
  std::vector<float> present = fp16_values(held.data(), held.size() / 2);
  present.insert(present.end(), tokens.begin(), tokens.end());
  const std::uint64_t count = present.size() / channels_, whole = round_down(count, group_);
  std::vector<float> scales(channels_, 0.0F);
  complete_scales(present, scales);
  if (whole == 0) store_fp16(address + open_at_ + 2 * past * channels_, tokens.data(), tokens.size(), update);
  for (std::uint64_t t = 0; t < whole; t += group_)
    store_group(address, t, &present[t * channels_], group_, update);
  store_fp16(address + window_at_, scales.data(), channels_, update);
  if (whole < count)
    store_codes(address + window_at_ + 2 * channels_, &present[whole * channels_], count - whole, scales, update);
}

/// One token into the INT8 window; the one that fills it turns the window into a group.
void ValueRecord::enter_window(std::uint64_t address, std::uint64_t past, const std::vector<float>& tokens,
                               const std::vector<std::uint8_t>& held, Update& update) const {
  const std::uint64_t open = open_tokens(past);
  std::vector<float> scales = fp16_values(held.data(), channels_);
  const std::vector<float> before = scales;
  complete_scales(tokens, scales);
  if (scales != before) store_fp16(address + window_at_, scales.data(), channels_, update);
  store_codes(address + window_at_ + channels_ * (2 + open), tokens.data(), 1, scales, update);
  if (open + 1 < group_) return;
  std::vector<std::uint8_t> codes(held.begin() + static_cast<std::ptrdiff_t>(2 * channels_), held.end());
  codes.insert(codes.end(), update.bytes.end() - static_cast<std::ptrdiff_t>(channels_), update.bytes.end());
  std::vector<float> values(codes.size());
  for (std::size_t i = 0; i < codes.size(); ++i)
    values[i] = round_fp16(static_cast<float>(static_cast<std::int8_t>(codes[i])) * scales[i % channels_]);
  store_group(address, past - open, values.data(), group_, update);
}

}  // namespace nibble
