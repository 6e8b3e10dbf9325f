// SPDX-License-Identifier: Apache-2.0
#include "formats/mant_value_cache.h"

#include <algorithm>

#include "core/error.h"
#include "formats/family_codec.h"

namespace nibble {
namespace {

const Format group_format{FormatFamily::mant4, 4, Grouping::group, MantValueCache::group, 1, 0};
const Format window_format{FormatFamily::integer, 8, Grouping::channel, 0, 1, 0};

float magnitude_of(float x) {
  return float_from_bits(float_bits(x) & 0x7FFFFFFF);
}

}  // namespace

MantValueCache::MantValueCache(std::size_t channels, Window window, std::string name)
    : channels_(channels),
      window_(window),
      name_(std::move(name)),
      maxima_(channels, 0),
      scales_(channels, 0),
      open_values_(channels * group, 0),
      open_codes_(channels * group, 0) {
  if (channels == 0) throw InternalError("a value cache without channels");
}

std::vector<float> MantValueCache::as_fp16(const float* values, std::size_t count) const {
  std::vector<float> rounded(count);
  for (std::size_t i = 0; i < count; ++i) {
    rounded[i] = round_fp16(values[i]);
    if ((float_bits(rounded[i]) & 0x7FFFFFFF) < 0x7F800000) continue;
    throw InputError(name_ + ": token " + std::to_string(tokens() + i / channels_) + ", channel " +
                     std::to_string(i % channels_) + ": the value is beyond FP16");
  }
  return rounded;
}

void MantValueCache::append_prompt(const Tensor& values) {
  if (tokens() != 0) throw InternalError("a prompt for a value cache that holds tokens");
  if (values.columns() != channels_)
    throw InternalError("a prompt with another number of channels than the value cache");
  const std::size_t count = values.rows(), whole = count / group;
  const std::vector<float> rounded = as_fp16(values.values.data(), values.values.size());
  std::vector<float> maxima(channels_, 0);
  for (std::size_t i = 0; i < rounded.size(); ++i) {
    maxima[i % channels_] = std::max(maxima[i % channels_], magnitude_of(rounded[i]));
  }
  if (whole > 0 && window_ == Window::int8) {
    for (std::size_t i = whole * group * channels_; i < rounded.size(); ++i)
      require_readable(i / channels_, i % channels_, rounded[i], integer_scale(maxima[i % channels_], 127));
  }
  maxima_ = maxima;
  if (whole > 0) fix_scales();
  std::vector<float> block(channels_ * group);
  for (std::size_t g = 0; g < whole; ++g) {
    for (std::size_t t = 0; t < group; ++t) {
      for (std::size_t c = 0; c < channels_; ++c)
        block[c * group + t] = rounded[(g * group + t) * channels_ + c];
    }
    close_groups(block, group);
  }
  for (std::size_t t = whole * group; t < count; ++t, ++held_) {
    for (std::size_t c = 0; c < channels_; ++c)
      enter(c, rounded[t * channels_ + c]);
  }
}

/// A scale near the end of FP16 can read its largest code back as infinity.
void MantValueCache::require_readable(std::size_t token, std::size_t channel, float value, float scale) const {
  if (scale == 0) return;
  std::int16_t code = 0;
  quantize_run(&value, 1, scale, 127, &code);
  if (magnitude_of(round_fp16(static_cast<float>(code) * scale)) <= 65504) return;
  throw InputError(name_ + ": token " + std::to_string(token) + ", channel " + std::to_string(channel) +
                   ": the INT8 window reads the value back beyond FP16");
}

void MantValueCache::append(const std::vector<float>& token) {
  if (token.size() != channels_) throw InternalError("a token with another number of channels than the value cache");
  const std::vector<float> rounded = as_fp16(token.data(), token.size());
  for (std::size_t c = 0; c < channels_ && !window_is_fp16(); ++c) {
    const float scale = scales_[c] != 0 ? scales_[c] : integer_scale(magnitude_of(rounded[c]), 127);
    require_readable(tokens(), c, rounded[c], scale);
  }
  for (std::size_t c = 0; c < channels_; ++c) {
    if (!scaled_) maxima_[c] = std::max(maxima_[c], magnitude_of(rounded[c]));
    enter(c, rounded[c]);
  }
  if (++held_ < group) return;
  std::vector<float> block = open_values_;
  if (!window_is_fp16()) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      block[i] = round_fp16(static_cast<float>(open_codes_[i]) * scales_[i / group]);
    }
  }
  if (!scaled_) fix_scales();
  close_groups(block, group);
  held_ = 0;
}

/// One value into slot held_ of its channel.
void MantValueCache::enter(std::size_t channel, float value) {
  const std::size_t slot = channel * group + held_;
  if (window_is_fp16()) {
    open_values_[slot] = value;
    return;
  }
  if (scales_[channel] == 0) scales_[channel] = integer_scale(magnitude_of(value), 127);
  open_codes_[slot] = 0;
  if (scales_[channel] != 0) quantize_run(&value, 1, scales_[channel], 127, &open_codes_[slot]);
}

void MantValueCache::fix_scales() {
  for (std::size_t c = 0; c < channels_; ++c)
    scales_[c] = integer_scale(maxima_[c], 127);
  scaled_ = true;
}

/// `values`: [channels, count], encoded as finished groups.
void MantValueCache::close_groups(const std::vector<float>& values, std::size_t count) {
  EncodeOptions options;
  options.select = "variance";
  closed_.push_back(encode(Tensor{name_, {channels_, count}, values}, group_format, options));
  finished_ += count;
}

QuantizedTensor MantValueCache::groups() const {
  if (closed_.empty()) throw InternalError("no finished group in the value cache");
  QuantizedTensor all;
  all.format = group_format;
  all.name = name_;
  all.shape = {channels_, finished_};
  all.codes.reserve(channels_ * finished_);
  for (std::size_t c = 0; c < channels_; ++c) {
    for (const QuantizedTensor& block : closed_) {
      const auto first = block.codes.begin() + static_cast<std::ptrdiff_t>(c * group);
      all.codes.insert(all.codes.end(), first, first + static_cast<std::ptrdiff_t>(group));
      all.scales.push_back(block.scales[c]);
      all.types.push_back(block.types[c]);
    }
  }
  return all;
}

QuantizedTensor MantValueCache::window() const {
  if (held_ == 0) throw InternalError("no token in the window of the value cache");
  const std::vector<std::size_t> shape{channels_, held_};
  if (window_is_fp16()) {
    Tensor present{name_, shape, {}};
    for (std::size_t c = 0; c < channels_; ++c) {
      const auto first = open_values_.begin() + static_cast<std::ptrdiff_t>(c * group);
      present.values.insert(present.values.end(), first, first + static_cast<std::ptrdiff_t>(held_));
    }
    return encode(present, window_format);
  }
  QuantizedTensor window;
  window.format = window_format;
  window.name = name_;
  window.shape = shape;
  window.scales = scales_;
  for (std::size_t c = 0; c < channels_; ++c) {
    const auto first = open_codes_.begin() + static_cast<std::ptrdiff_t>(c * group);
    window.codes.insert(window.codes.end(), first, first + static_cast<std::ptrdiff_t>(held_));
  }
  return window;
}

}  // namespace nibble
