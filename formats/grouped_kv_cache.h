// SPDX-License-Identifier: Apache-2.0
/// A cache in any format with groups of its own rows: keys grouped along the channels of a token, values along the
/// tokens of a channel. With amove formats it is the cache of Amove. Definition: docs/kv-caches.md, section "Amove".
#pragma once

#include <optional>

#include "formats/kv_cache.h"

namespace nibble {

/// What is stored of the value group that is not full yet.
enum class OpenGroup {
  fp16,  ///< FP16; it is quantized anew from the tokens present at every step, so nothing is lost twice
  codes  ///< its codes; every token decodes them, adds itself and quantizes the result again
};

struct GroupedKvOptions {
  Format keys, values;
  OpenGroup open = OpenGroup::fp16;
  std::optional<int> key_exponent, value_exponent;  ///< amove: p of the tensors, 0 if not given
};

class GroupedKvCache : public KvCache {
 public:
  /// Formats: groups along k (`g<k>`) or casts; others, nvfp4 among them (one scale per tensor), and an exponent for
  /// another family than amove are InputErrors.
  GroupedKvCache(std::size_t channels, const GroupedKvOptions& options, std::string name = "cache");

  KvStorage storage() const override;
  /// Tokens of the open value group.
  std::size_t open_tokens() const { return open_tokens_; }

 private:
  void add(const Tensor& keys, const Tensor& values, bool prompt) override;
  std::vector<KvSegment> key_segments() const override;
  std::vector<KvSegment> value_segments() const override;
  std::size_t group() const;

  GroupedKvOptions options_;
  EncodeOptions key_encoding_, value_encoding_;
  QuantizedTensor keys_;
  std::vector<QuantizedTensor> closed_;  ///< each [channels, group()]
  std::size_t open_tokens_ = 0;
  Tensor open_values_;          ///< [open_tokens_, channels]: FP16, or what the codes decode to
  QuantizedTensor open_codes_;  ///< [channels, open_tokens_]
};

/// Amove, attention: amove<bits>-g32c4 for keys and values (MICRO 2025, section 4.3), exponents of the tensors as
/// given.
GroupedKvOptions amove_kv_options(unsigned bits = 4, OpenGroup open = OpenGroup::fp16, int key_exponent = 0,
                                  int value_exponent = 0);

}  // namespace nibble
