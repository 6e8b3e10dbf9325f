// SPDX-License-Identifier: Apache-2.0
#include "formats/key_smoothing.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "formats/rounding.h"

namespace nibble {
namespace {

std::size_t rotary_channels(const KeyHeads& heads) {
  const std::size_t channels = heads.rotary_channels == 0 ? heads.head_channels : heads.rotary_channels;
  if (heads.pairs != RotaryPairs::none && (channels % 2 != 0 || channels > heads.head_channels)) {
    throw InputError("rotary embedding: " + std::to_string(channels) + " channels of a head of " +
                     std::to_string(heads.head_channels) + "; expected an even number within the head");
  }
  return channels;
}

std::size_t key_channels(const KeyHeads& heads) {
  if (heads.kv_heads == 0 || heads.head_channels == 0) throw InputError("smoothing: heads without channels");
  return heads.kv_heads * heads.head_channels;
}

double magnitude(float x) {
  return std::abs(static_cast<double>(x));
}

/// The largest |x| of every column.
std::vector<double> column_peaks(const Tensor& tensor) {
  std::vector<double> peaks(tensor.columns(), 0);
  for (std::size_t i = 0; i < tensor.values.size(); ++i)
    peaks[i % peaks.size()] = std::max(peaks[i % peaks.size()], magnitude(tensor.values[i]));
  return peaks;
}

/// Rows of a projection, or elements of a bias.
std::size_t projection_rows(const Tensor& projection) {
  return projection.shape.size() == 1 ? projection.values.size() : projection.rows();
}

/// Every row times factor(row), rounded to binary32.
template <class Factor>
Tensor scaled_rows(const Tensor& projection, Factor factor) {
  Tensor out = projection;
  const std::size_t columns = projection.values.size() / projection_rows(projection);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    out.values[i] = factor(i / columns, out.values[i]);
    if (!std::isfinite(out.values[i])) {
      throw InputError(projection.name + ": flat index " + std::to_string(i) + ": not finite after smoothing");
    }
  }
  return out;
}

}  // namespace

std::size_t rotary_partner(const KeyHeads& heads, std::size_t channel) {
  const std::size_t turned = rotary_channels(heads), half = turned / 2;
  if (channel >= turned) return channel;
  switch (heads.pairs) {
    case RotaryPairs::none:
      return channel;
    case RotaryPairs::interleaved:
      return channel ^ 1;
    case RotaryPairs::half_split:
      return channel < half ? channel + half : channel - half;
  }
  return channel;
}

KeySmoothing key_smoothing(const Tensor& calibration_keys, const KeyHeads& heads) {
  const std::size_t channels = key_channels(heads);
  if (calibration_keys.columns() != channels) {
    throw InputError(calibration_keys.name + ": " + std::to_string(calibration_keys.columns()) +
                     " channels; expected " + std::to_string(heads.kv_heads) + " heads of " +
                     std::to_string(heads.head_channels));
  }
  require_finite(calibration_keys);
  const std::vector<double> peaks = column_peaks(calibration_keys);
  KeySmoothing smoothing{heads, std::vector<float>(channels, 1.0F)};
  std::vector<double> roots(heads.head_channels);
  for (std::size_t first = 0; first < channels; first += heads.head_channels) {
    double sum = 0;
    std::size_t used = 0;
    for (std::size_t c = 0; c < heads.head_channels; ++c) {
      roots[c] = std::sqrt(std::max(peaks[first + c], peaks[first + rotary_partner(heads, c)]));
      sum += roots[c];
      used += roots[c] > 0 ? 1U : 0U;
    }
    for (std::size_t c = 0; c < heads.head_channels; ++c) {
      if (roots[c] > 0) smoothing.scales[first + c] = static_cast<float>(roots[c] / (sum / static_cast<double>(used)));
    }
  }
  return smoothing;
}

Tensor fold_into_keys(const Tensor& projection, const KeySmoothing& smoothing) {
  if (projection_rows(projection) != smoothing.scales.size()) {
    throw InputError(projection.name + ": " + std::to_string(projection_rows(projection)) + " rows; the keys have " +
                     std::to_string(smoothing.scales.size()) + " channels");
  }
  return scaled_rows(projection, [&](std::size_t row, float x) { return x / smoothing.scales[row]; });
}

Tensor fold_into_queries(const Tensor& projection, const KeySmoothing& smoothing) {
  const std::size_t rows = projection_rows(projection), keys = smoothing.scales.size();
  if (rows == 0 || rows % keys != 0) {
    throw InputError(projection.name + ": " + std::to_string(rows) + " rows; expected a multiple of the " +
                     std::to_string(keys) + " channels of the keys");
  }
  const std::size_t width = smoothing.heads.head_channels, shared = rows / keys;
  return scaled_rows(projection, [&](std::size_t row, float x) {
    return x * smoothing.scales[row / width / shared * width + row % width];
  });
}

KeyOffsets::KeyOffsets(const Tensor& prompt_keys, std::size_t head_channels, std::size_t count, OffsetRule rule) {
  const std::size_t channels = prompt_keys.columns(), tokens = prompt_keys.rows();
  if (head_channels == 0 || channels % head_channels != 0) {
    throw InputError(prompt_keys.name + ": " + std::to_string(channels) + " channels; expected heads of " +
                     std::to_string(head_channels));
  }
  require_finite(prompt_keys);
  std::vector<double> sums(channels, 0), magnitudes(channels, 0), ranks = column_peaks(prompt_keys);
  for (std::size_t i = 0; i < prompt_keys.values.size(); ++i) {
    sums[i % channels] += static_cast<double>(prompt_keys.values[i]);
    magnitudes[i % channels] += magnitude(prompt_keys.values[i]);
  }
  for (std::size_t c = 0; c < channels; ++c) {
    if (rule == OffsetRule::crest && ranks[c] > 0) ranks[c] /= magnitudes[c] / static_cast<double>(tokens);
  }
  values_.assign(channels, 0);
  std::vector<std::size_t> order(head_channels);
  for (std::size_t first = 0; first < channels; first += head_channels) {
    for (std::size_t c = 0; c < head_channels; ++c)
      order[c] = first + c;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ranks[a] > ranks[b]; });
    for (std::size_t i = 0; i < std::min(count, head_channels) && ranks[order[i]] > 0; ++i) {
      values_[order[i]] = round_fp16(static_cast<float>(sums[order[i]] / static_cast<double>(tokens)));
      channels_.push_back(order[i]);
    }
  }
  std::sort(channels_.begin(), channels_.end());
}

Tensor KeyOffsets::subtract_from(const Tensor& keys, std::size_t first_token) const {
  if (values_.empty()) return keys;
  if (keys.columns() != values_.size()) {
    throw InputError(keys.name + ": " + std::to_string(keys.columns()) + " channels; the offsets have " +
                     std::to_string(values_.size()));
  }
  Tensor out = keys;
  for (std::size_t token = 0; token < keys.rows(); ++token) {
    for (const std::size_t channel : channels_) {
      float& x = out.values[token * values_.size() + channel];
      x = round_fp16(x - values_[channel]);
      if (std::isfinite(x)) continue;
      throw InputError(keys.name + ": token " + std::to_string(first_token + token) + ", channel " +
                       std::to_string(channel) + ": beyond FP16 after its offset");
    }
  }
  return out;
}

}  // namespace nibble
