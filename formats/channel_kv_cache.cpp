// SPDX-License-Identifier: Apache-2.0
#include "formats/channel_kv_cache.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "formats/family_codec.h"
#include "formats/tensor_slices.h"

namespace nibble {
namespace {

const Format int8_channel{FormatFamily::integer, 8, Grouping::channel, 0, 1, 0};
constexpr float largest_code = 127;

}  // namespace

ChannelKvCache::ChannelKvCache(std::size_t channels, std::string name)
    : KvCache(std::move(name), channels), scales_(channels, 0) {}

void ChannelKvCache::add(const Tensor& keys, const Tensor& values, bool) {
  append_rows(keys_, encode(keys, int8_channel));
  for (std::size_t c = 0; c < channels(); ++c) {
    if (scales_[c] != 0) continue;
    float largest = 0;
    for (std::size_t i = c; i < values.values.size(); i += channels())
      largest = std::max(largest, std::fabs(values.values[i]));
    scales_[c] = integer_scale(largest, largest_code);
  }
  for (std::size_t i = 0; i < values.values.size(); ++i) {
    const float scale = scales_[i % channels()];
    std::int16_t code = 0;
    if (scale != 0) quantize_run(&values.values[i], 1, scale, largest_code, &code);
    codes_.push_back(code);
  }
}

std::vector<KvSegment> ChannelKvCache::value_segments() const {
  QuantizedTensor values;
  values.format = int8_channel;
  values.name = name() + ": values";
  values.shape = {channels(), tokens()};
  values.scales = scales_;
  for (std::size_t c = 0; c < channels(); ++c) {
    for (std::size_t t = 0; t < tokens(); ++t)
      values.codes.push_back(codes_[t * channels() + c]);
  }
  return {{0, values}};
}

KvStorage ChannelKvCache::storage() const {
  KvStorage storage;
  if (tokens() == 0) return storage;
  storage.key_bits = stored_bits(keys_);
  storage.key_bytes = stored_bytes(keys_);
  storage.value_bits = 8 * codes_.size() + 16 * channels();
  storage.value_bytes = codes_.size() + 2 * channels();
  return storage;
}

}  // namespace nibble
