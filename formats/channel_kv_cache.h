// SPDX-License-Identifier: Apache-2.0
/// The cache of the INT8 baselines: keys with a scale per token, values with a scale per channel that the prompt fixes.
/// Definition: docs/kv-caches.md, section "INT8 by channel".
#pragma once

#include "formats/kv_cache.h"

namespace nibble {

class ChannelKvCache : public KvCache {
 public:
  explicit ChannelKvCache(std::size_t channels, std::string name = "cache");

  KvStorage storage() const override;

 private:
  void add(const Tensor& keys, const Tensor& values, bool prompt) override;
  /// One segment each, int8-channel.
  std::vector<KvSegment> key_segments() const override { return {{0, keys_}}; }
  std::vector<KvSegment> value_segments() const override;

  QuantizedTensor keys_;
  std::vector<float> scales_;        ///< per channel; 0: no value that is not zero so far
  std::vector<std::int16_t> codes_;  ///< [token][channel]
};

}  // namespace nibble
