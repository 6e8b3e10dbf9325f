// SPDX-License-Identifier: Apache-2.0
/// Operator: one step of a network, in shapes and roles, without any hardware.
#pragma once

#include <cstdint>
#include <string>

namespace nibble {

enum class OperatorKind { linear, attention, vector };
enum class Phase { prefill, decode };

/// What a tensor is in the network. An accelerator maps roles to number formats and memory layouts.
enum class TensorRole {
  none,
  hidden,       ///< residual stream, kept in FP16
  activation,   ///< input of a linear layer
  weight,
  query,
  key,          ///< K cache, grouped along the head dimension
  value,        ///< V cache, grouped along the tokens
  score,        ///< Q K^T before softmax
  probability,  ///< after softmax
  intermediate, ///< other results that a vector operator reads
  logits
};

/// Which rows of an attention GEMM see which tokens. Row r stands for token past + r / rows_per_token and sees the tokens up
/// to and including itself: `scores`: columns n beyond it are not needed; `context`: the reduction k ends there.
enum class Causal { none, scores, context };

enum class VectorFunction { none, embedding, rms_norm, layer_norm, rotary, softmax, silu_gate, gelu, gelu_gate, relu, residual_add, bias_add };

/// A matrix operator computes, for each of `count` independent instances, C[m, n] = A[m, k] x W[n, k]^T.
/// A vector operator reads `inputs` operands of m x n elements and writes one result of m x n elements, `count` times.
struct Operator {
  std::string name;               ///< "q_proj", "attention_scores", "softmax", ...
  OperatorKind kind = OperatorKind::linear;
  Phase phase = Phase::prefill;
  unsigned step = 0;              ///< decode step, from 0; 0 in prefill
  int layer = -1;                 ///< -1: outside the layers (embedding, final norm, LM head)

  std::uint64_t m = 0, k = 0, n = 0;  ///< k = 0 for vector operators
  std::uint64_t count = 1;        ///< instances: batch, or batch x KV heads
  bool shared_weights = false;    ///< all instances read the same W (never set for attention)

  TensorRole a = TensorRole::none, w = TensorRole::none, c = TensorRole::none;

  Causal causal = Causal::none;
  std::uint64_t past = 0;             ///< tokens before the first row (cached, or earlier chunks)
  std::uint64_t rows_per_token = 1;   ///< query heads per KV head, folded into m: rows of one token are adjacent

  VectorFunction function = VectorFunction::none;
  unsigned inputs = 1;                ///< vector operators: operands of m x n read

  /// Multiply-accumulates actually needed (causal masking counted exactly), all instances; 0 for vector operators.
  std::uint64_t macs() const;
};

const char* to_string(OperatorKind kind);
const char* to_string(Phase phase);
const char* to_string(TensorRole role);
const char* to_string(VectorFunction function);

}  // namespace nibble
