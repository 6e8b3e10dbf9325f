// SPDX-License-Identifier: Apache-2.0
/// The cache of Harmonia: bfp8 for the first and the latest tokens, bfp4 for the blocks between. Definition:
/// docs/kv-caches.md, section "Harmonia".
#pragma once

#include "formats/key_smoothing.h"
#include "formats/kv_cache.h"

namespace nibble {

struct HarmoniaKvOptions {
  std::size_t initial = 32;  ///< tokens that keep 8 bits, a multiple of 32
  std::size_t local = 64;    ///< latest tokens with 8 bits, a multiple of 32
  bool demote = true;        ///< false: everything stays bfp8
  /// Channels whose mean over the prompt is subtracted from every key (key_smoothing.h); 0: none. A cache that begins
  /// without a prompt has no offsets. They are stored once, 16 bits each.
  std::size_t offset_channels = 0;
  OffsetRule offset_rule = OffsetRule::peak;
};

class HarmoniaKvCache : public KvCache {
 public:
  static constexpr std::size_t block = 32;  ///< tokens that share a mode; also the group of keys and values

  /// Throws InputError for windows that are no multiple of 32.
  explicit HarmoniaKvCache(std::size_t channels, const HarmoniaKvOptions& options = {}, std::string name = "cache");

  KvStorage storage() const override;

  /// Blocks begun; the last one may be open.
  std::size_t blocks() const { return (tokens() + block - 1) / block; }
  /// The mode bit of a block: mantissas of 8 or 4 bits, for keys and values alike.
  unsigned block_bits(std::size_t index) const;
  /// What is subtracted from keys before they are converted; fixed with the prompt.
  const KeyOffsets& key_offsets() const { return offsets_; }
  /// Tokens of the open value group, held in FP16.
  std::size_t residual_tokens() const { return tokens() % block; }

 private:
  void add(const Tensor& keys, const Tensor& values, bool prompt) override;
  void close_prompt() override { demote_blocks(tokens()); }
  std::vector<KvSegment> key_segments() const override;
  std::vector<KvSegment> value_segments() const override;

  /// As of `count` tokens.
  void demote_blocks(std::size_t count);
  /// The runs of blocks of one mode, as tokens [first, end).
  struct Run {
    std::size_t first, end;
    unsigned bits;
  };
  std::vector<Run> runs(std::size_t count) const;

  HarmoniaKvOptions options_;
  std::size_t demoted_end_;  ///< blocks initial / 32 ... demoted_end_ are bfp4
  KeyOffsets offsets_;
  QuantizedTensor keys_;                 ///< [tokens, channels] in bfp8-g32; demoted rows hold four-bit mantissas
  std::vector<QuantizedTensor> values_;  ///< per whole block [channels, 32], in its mode
  std::vector<float> residual_;          ///< [token][channel], FP16: the open block
};

}  // namespace nibble
