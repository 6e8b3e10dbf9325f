// SPDX-License-Identifier: Apache-2.0
/// What the key-value caches of the machines have in common: tokens enter in FP16, keys and values come out as
/// quantized operands of the two GEMMs of attention. One object is one KV head of one sequence. The policies:
/// docs/kv-caches.md.
///
///   scores  S[M, tokens]   = Q[M, channels] x K[tokens, channels]^T
///   context C[M, channels] = P[M, tokens]   x V[channels, tokens]^T
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/quantizer.h"

namespace nibble {

/// Consecutive tokens in one format. pe/kv_gemm.h multiplies with a list of them.
struct KvSegment {
  std::size_t first_token = 0;
  QuantizedTensor operand;  ///< keys: [tokens, channels], groups along the channels; values: [channels, tokens], along
                            ///< the tokens
};

struct KvStorage {
  std::uint64_t key_bits = 0, value_bits = 0;    ///< what the formats store, to the bit
  std::uint64_t key_bytes = 0, value_bytes = 0;  ///< as packed by formats/packed_operand.h, FP16 as two bytes
  std::uint64_t bits() const { return key_bits + value_bits; }
  std::uint64_t bytes() const { return key_bytes + value_bytes; }
};

class KvCache {
 public:
  virtual ~KvCache() = default;

  const std::string& name() const { return name_; }
  std::size_t channels() const { return channels_; }  ///< of the head
  std::size_t tokens() const { return tokens_; }

  /// The whole prompt, keys (after rotation) and values [tokens, channels], rounded to FP16; only on an empty cache.
  /// Until end_prompt() the operands are those of the prompt's own attention.
  /// This and append() throw InputError for another shape, for NaN, infinity and values beyond FP16, naming token and
  /// channel; the cache is then as before.
  void append_prompt(const Tensor& keys, const Tensor& values);
  /// The prompt's attention is done; the first append() says so, too.
  void end_prompt();
  /// One generated token.
  void append(const std::vector<float>& key, const std::vector<float>& value);

  /// All tokens in ascending order; tokens() > 0 (InternalError).
  std::vector<KvSegment> keys() const;
  std::vector<KvSegment> values() const;

  virtual KvStorage storage() const = 0;
  /// storage().bits() per key or value element; tokens() > 0 (InternalError).
  double bits_per_value() const;

 protected:
  /// Throws InputError for no channels.
  KvCache(std::string name, std::size_t channels);
  KvCache(const KvCache&) = default;
  KvCache& operator=(const KvCache&) = default;

 private:
  /// [count, channels], FP16 values; tokens() is still the number before. Must leave the cache as it was when it
  /// throws.
  virtual void add(const Tensor& keys, const Tensor& values, bool prompt) = 0;
  /// After the prompt, or after the token that ended it by entering.
  virtual void close_prompt() {}
  virtual std::vector<KvSegment> key_segments() const = 0;
  virtual std::vector<KvSegment> value_segments() const = 0;

  Tensor as_fp16(const char* what, std::vector<std::size_t> shape, const std::vector<float>& values) const;
  void require_tokens() const;

  std::string name_;
  std::size_t channels_, tokens_ = 0;
  bool in_prompt_ = false;
};

/// Bits and bytes of a tensor as formats/packed_operand.h packs it, short groups included.
std::uint64_t stored_bits(const QuantizedTensor& tensor);
std::uint64_t stored_bytes(const QuantizedTensor& tensor);

/// [rows, columns] as [columns, rows].
Tensor transposed(const Tensor& tensor);

}  // namespace nibble
