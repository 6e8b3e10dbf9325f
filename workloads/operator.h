// SPDX-License-Identifier: Apache-2.0
/// Operator: one step of a network, in shapes and roles, without any hardware.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

enum class OperatorKind { linear, attention, vector };
enum class Phase { prefill, decode };

/// What a tensor is in the network. An accelerator maps roles to number formats and memory layouts.
enum class TensorRole {
  none,
  hidden,      ///< residual stream, kept in FP16
  activation,  ///< input of a linear layer
  weight,
  query,
  key,           ///< K cache, grouped along the head dimension
  value,         ///< V cache, grouped along the tokens
  score,         ///< Q K^T before softmax
  probability,   ///< after softmax
  intermediate,  ///< other results that a vector operator reads
  logits
};

/// Which rows of an attention operator see which tokens. Row r stands for token past + r / rows_per_token and sees the
/// tokens up to and including itself: `scores`: columns n beyond it are not needed; `context`: the reduction k ends
/// there. With a `window`, a row sees only the last `window` of those tokens.
enum class Causal { none, scores, context };

enum class VectorFunction {
  none,
  embedding,  ///< gathers rows of a table
  rms_norm,
  layer_norm,
  rotary,  ///< rotates pairs of columns by an angle that depends on the token
  softmax,
  silu_gate,  ///< silu(first) x second
  gelu,
  gelu_gate,  ///< gelu(first) x second
  relu,
  residual_add,  ///< element-wise sum of its inputs
  bias_add       ///< adds a vector of n to every row
};

/// A matrix operator computes, for each of `count` independent instances, C[m, n] = A[m, k] x W[n, k]^T.
/// A vector operator reads `inputs` operands of m x n elements and writes one result of m x n elements, `count` times.
/// Small constant operands (a bias vector, norm weights, rotation angles) are not counted as inputs.
///
/// The counts below are exact for every operator that for_each_operator makes (its limits keep them within 64 bits).
struct Operator {
  std::string name;  ///< "q_proj", "attention_scores", "softmax", ...
  OperatorKind kind = OperatorKind::linear;
  Phase phase = Phase::prefill;
  unsigned step = 0;  ///< decode step, from 0; 0 in prefill
  int layer = -1;     ///< -1: outside the layers (embedding, final norm, LM head)

  std::uint64_t m = 0, k = 0, n = 0;  ///< k = 0 for vector operators
  std::uint64_t count = 1;            ///< instances: batch, or batch x KV heads
  bool shared_weights = false;        ///< all instances read the same W (never set for attention)

  /// Vector operators: `a` is the role of the first input (the second of residual_add is the residual stream), `w` is
  /// none.
  TensorRole a = TensorRole::none, w = TensorRole::none, c = TensorRole::none;

  Causal causal = Causal::none;
  std::uint64_t past = 0;            ///< tokens before the first row (cached, or earlier chunks) that A's rows may see
  std::uint64_t rows_per_token = 1;  ///< query heads per KV head, folded into m: rows of one token are adjacent
  std::uint64_t window = 0;          ///< tokens that a row sees, itself included; 0: all. Only with `causal`

  /// The tensors that it reads and writes, by name within a pass: "hidden", "normed", "q", ... Keys, values, weights
  /// and constant operands are not among them.
  std::vector<std::string> reads;
  std::string writes;

  VectorFunction function = VectorFunction::none;
  unsigned inputs = 1;        ///< vector operators: operands of m x n read
  std::uint64_t rotated = 0;  ///< rotary: columns of n that are rotated; the others are copied unchanged

  /// Multiply-accumulates actually needed (masking counted exactly), all instances; 0 for vector operators.
  std::uint64_t macs() const;
  /// Elements of the result actually needed, all instances: m x n x count, less what `Causal::scores` masks.
  std::uint64_t elements() const;
  /// Tokens that the rows [first, first + rows) need from the K or V cache, [begin, end): the union over the rows.
  /// Without masking 0 to n (scores) or k (context).
  struct TokenRange {
    std::uint64_t begin = 0, end = 0;
  };
  TokenRange tokens_needed(std::uint64_t first, std::uint64_t rows) const;
};

const char* to_string(OperatorKind kind);
const char* to_string(Phase phase);
const char* to_string(TensorRole role);
const char* to_string(VectorFunction function);

}  // namespace nibble
