// SPDX-License-Identifier: Apache-2.0
/// Harmonia's smoothing of keys, whose outlier channels otherwise set the shared exponent of their neighbours. Offline,
/// scales per channel that are folded into the projections of queries and keys; online, offsets of a few channels that
/// the softmax does not see. Definition: docs/kv-caches.md, section "Smoothing of keys".
#pragma once

#include <cstddef>
#include <vector>

#include "formats/tensor.h"

namespace nibble {

/// Which channels of a head a rotary embedding turns together: none; 2i and 2i + 1; i and i + rotary_channels / 2.
enum class RotaryPairs { none, interleaved, half_split };

/// The channels of a key projection: kv_heads heads of head_channels each, side by side.
struct KeyHeads {
  std::size_t kv_heads = 1;
  std::size_t head_channels = 128;
  RotaryPairs pairs = RotaryPairs::half_split;
  std::size_t rotary_channels = 0;  ///< the first so many channels of a head are turned; 0: all
};

/// The channel of the same head that the embedding turns together with `channel`; `channel` itself where none is.
/// Throws InputError for an odd or too large number of rotary channels.
std::size_t rotary_partner(const KeyHeads& heads, std::size_t channel);

struct KeySmoothing {
  KeyHeads heads;
  std::vector<float> scales;  ///< [kv_heads * head_channels], positive, equal within a pair
};

/// s_c = f32(sqrt(m_c) / mean of sqrt(m) over the head), m_c the largest |K| of the channel and its partner over the
/// calibration keys [tokens, kv_heads * head_channels], binary64; channels of zeros have s_c = 1 and no part in the
/// mean. Throws InputError for another width, NaN and infinity.
KeySmoothing key_smoothing(const Tensor& calibration_keys, const KeyHeads& heads);

/// The projection of the keys, [kv_heads * head_channels, k] or a bias [kv_heads * head_channels], with every row
/// divided by its scale, and that of the queries, [heads * head_channels, k] or a bias, with every row multiplied by
/// the scale of its channel in the KV head that it shares: query head h uses KV head h / (heads / kv_heads). Rounded to
/// binary32. Throws InputError for another number of rows and for results that are not finite.
Tensor fold_into_keys(const Tensor& projection, const KeySmoothing& smoothing);
Tensor fold_into_queries(const Tensor& projection, const KeySmoothing& smoothing);

/// How the channels that get an offset are chosen, per head: by the largest |K|, or by the largest ratio of the largest
/// to the mean |K| of the channel. The second misses the channels that are large throughout.
enum class OffsetRule { peak, crest };

/// Offsets of keys, fixed with the prompt.
class KeyOffsets {
 public:
  /// No offsets.
  KeyOffsets() = default;
  /// From the keys of a prompt (after rotation), [tokens, heads * head_channels]: in every head the `count` channels
  /// that the rule ranks first (of equal ones the lower channel; never channels of zeros) get o = fp16(f32(mean of the
  /// prompt in binary64)). Throws InputError when head_channels does not divide the channels, and for NaN and infinity.
  KeyOffsets(const Tensor& prompt_keys, std::size_t head_channels, std::size_t count = 4,
             OffsetRule rule = OffsetRule::peak);

  /// Per channel, an FP16 value, 0 where there is none; empty without offsets.
  const std::vector<float>& values() const { return values_; }
  /// The channels with an offset, ascending.
  const std::vector<std::size_t>& channels() const { return channels_; }

  /// fp16(f32(k - o)) of FP16 keys [tokens, channels]. Throws InputError for another width and for differences beyond
  /// FP16, naming token (row 0 is token `first_token`) and channel.
  Tensor subtract_from(const Tensor& keys, std::size_t first_token = 0) const;

 private:
  std::vector<float> values_;
  std::vector<std::size_t> channels_;
};

}  // namespace nibble
