// SPDX-License-Identifier: Apache-2.0
/// The cache of M-ANT: keys in mant4-g64 by variance, token by token; values by MantValueCache. Definition:
/// docs/kv-caches.md, section "M-ANT".
#pragma once

#include "formats/kv_cache.h"
#include "formats/mant_value_cache.h"

namespace nibble {

class MantKvCache : public KvCache {
 public:
  explicit MantKvCache(std::size_t channels, MantValueCache::Window window = MantValueCache::Window::int8,
                       const std::string& name = "cache");

  KvStorage storage() const override;
  const MantValueCache& value_cache() const { return values_; }

 private:
  void add(const Tensor& keys, const Tensor& values, bool prompt) override;
  /// One segment, mant4-g64.
  std::vector<KvSegment> key_segments() const override;
  /// The finished groups in mant4-g64, then the window in int8-channel, as far as they hold tokens.
  std::vector<KvSegment> value_segments() const override;

  QuantizedTensor keys_;
  MantValueCache values_;
};

}  // namespace nibble
