// SPDX-License-Identifier: Apache-2.0
/// Decoder-only transformers: dimensions, and the operators of a prefill and of decode steps.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/config_node.h"
#include "workloads/operator.h"

namespace nibble {

enum class Norm { rms, layer };
enum class FeedForward { gated_silu, gated_gelu, gelu, relu };
enum class Positions { rotary, learned };

/// Dimensions of a decoder-only transformer, as its published configuration states them.
struct LanguageModel {
  std::string name;
  unsigned layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t heads = 0;           ///< query heads
  std::uint64_t kv_heads = 0;        ///< divides heads
  std::uint64_t head_dim = 0;        ///< hidden / heads unless the model states it (qwen3)
  std::uint64_t feed_forward = 0;    ///< width of the feed-forward layer
  std::uint64_t vocabulary = 0;
  std::uint64_t max_positions = 0;
  FeedForward activation = FeedForward::gated_silu;
  Norm norm = Norm::rms;
  Positions positions = Positions::rotary;
  double rotary_fraction = 1.0;      ///< part of head_dim that is rotated (phi-2: 0.4)
  bool parallel_block = false;       ///< attention and feed-forward read the same norm (phi-2)
  bool qk_norm = false;              ///< per-head RMS norm of Q and K (qwen3)
  bool qkv_bias = false, output_bias = false, feed_forward_bias = false;
  bool tied_embeddings = false;
  std::uint64_t embedding_projection = 0;  ///< opt-350m style word_embed_proj_dim; 0: none
  std::uint64_t sliding_window = 0;  ///< tokens a query sees (mistral: 4096); 0: all

  /// configs/models/*.yaml or a Hugging Face config.json as it is (recognised by `model_type`). Errors name file, line, column.
  static LanguageModel from(ConfigNode node);
  /// Weights of all linear layers and the LM head (not embeddings, norms, biases).
  std::uint64_t linear_weights() const;
};

/// What is asked of the model.
struct Scenario {
  std::uint64_t batch = 1;
  std::uint64_t prefill = 0;   ///< prompt tokens per sequence, 0: no prefill phase
  std::uint64_t decode = 0;    ///< generated tokens per sequence
  std::uint64_t context = 0;   ///< tokens already cached before the first decode step when prefill is 0; with a prefill it must be 0 or equal to it
  void check() const;          ///< throws InputError: nothing to do, out of range
};

/// Calls `visit` for every operator in execution order: the prefill, then each decode step. A generator, never a list of millions.
void for_each_operator(const LanguageModel& model, const Scenario& scenario, const std::function<void(const Operator&)>& visit);

}  // namespace nibble
