// SPDX-License-Identifier: Apache-2.0
#include "workloads/operator.h"

#include <algorithm>

namespace nibble {

namespace {

/// Sum of min(u, cap) for u = 1 .. x.
std::uint64_t capped_sum(std::uint64_t x, std::uint64_t cap) {
  const std::uint64_t ramp = std::min(x, cap);
  const std::uint64_t triangle = ramp % 2 == 0 ? ramp / 2 * (ramp + 1) : (ramp + 1) / 2 * ramp;
  return triangle + (x - ramp) * cap;
}

/// Tokens of [0, extent) that the token at position u - 1 sees: min(u, extent) less those that left the window.
std::uint64_t seen(std::uint64_t u, std::uint64_t extent, std::uint64_t window) {
  const std::uint64_t left = window != 0 && u > window ? u - window : 0;
  return std::min(u, extent) - std::min(left, extent);
}

/// Sum of seen(u) for u = 1 .. x.
std::uint64_t seen_sum(std::uint64_t x, std::uint64_t extent, std::uint64_t window) {
  const std::uint64_t left = window != 0 && x > window ? capped_sum(x - window, extent) : 0;
  return capped_sum(x, extent) - left;
}

/// Unmasked (row, token) pairs of one instance, where the tokens are an axis of length `extent`.
std::uint64_t visible_pairs(const Operator& op, std::uint64_t extent) {
  if (op.causal == Causal::none) return op.m * extent;
  const std::uint64_t tokens = op.m / op.rows_per_token;
  const std::uint64_t rest = op.m % op.rows_per_token;
  const std::uint64_t whole = seen_sum(op.past + tokens, extent, op.window) - seen_sum(op.past, extent, op.window);
  return whole * op.rows_per_token + rest * seen(op.past + tokens + 1, extent, op.window);
}

}  // namespace

std::uint64_t Operator::macs() const {
  if (kind == OperatorKind::vector) return 0;
  if (causal == Causal::context) return visible_pairs(*this, k) * n * count;
  return visible_pairs(*this, n) * k * count;
}

std::uint64_t Operator::elements() const {
  return (causal == Causal::scores ? visible_pairs(*this, n) : m * n) * count;
}

Operator::TokenRange Operator::tokens_needed(std::uint64_t first, std::uint64_t rows) const {
  const std::uint64_t extent = causal == Causal::context ? k : n;
  if (causal == Causal::none) return {0, extent};
  if (rows == 0) return {0, 0};
  const std::uint64_t first_token = past + first / rows_per_token;
  const std::uint64_t last_token = past + (first + rows - 1) / rows_per_token;
  const std::uint64_t begin = window != 0 && first_token + 1 > window ? first_token + 1 - window : 0;
  return {std::min(begin, extent), std::min(last_token + 1, extent)};
}

const char* to_string(OperatorKind kind) {
  switch (kind) {
    case OperatorKind::linear:
      return "linear";
    case OperatorKind::attention:
      return "attention";
    case OperatorKind::vector:
      return "vector";
  }
  return "?";
}

const char* to_string(Phase phase) {
  switch (phase) {
    case Phase::prefill:
      return "prefill";
    case Phase::decode:
      return "decode";
  }
  return "?";
}

const char* to_string(TensorRole role) {
  switch (role) {
    case TensorRole::none:
      return "none";
    case TensorRole::hidden:
      return "hidden";
    case TensorRole::activation:
      return "activation";
    case TensorRole::weight:
      return "weight";
    case TensorRole::query:
      return "query";
    case TensorRole::key:
      return "key";
    case TensorRole::value:
      return "value";
    case TensorRole::score:
      return "score";
    case TensorRole::probability:
      return "probability";
    case TensorRole::intermediate:
      return "intermediate";
    case TensorRole::logits:
      return "logits";
  }
  return "?";
}

const char* to_string(VectorFunction function) {
  switch (function) {
    case VectorFunction::none:
      return "none";
    case VectorFunction::embedding:
      return "embedding";
    case VectorFunction::rms_norm:
      return "rms_norm";
    case VectorFunction::layer_norm:
      return "layer_norm";
    case VectorFunction::rotary:
      return "rotary";
    case VectorFunction::softmax:
      return "softmax";
    case VectorFunction::silu_gate:
      return "silu_gate";
    case VectorFunction::gelu:
      return "gelu";
    case VectorFunction::gelu_gate:
      return "gelu_gate";
    case VectorFunction::relu:
      return "relu";
    case VectorFunction::residual_add:
      return "residual_add";
    case VectorFunction::bias_add:
      return "bias_add";
  }
  return "?";
}

}  // namespace nibble
