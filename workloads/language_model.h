// SPDX-License-Identifier: Apache-2.0
/// Decoder-only transformers: dimensions, and the operators of a prefill and of decode steps.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/config_node.h"
#include "workloads/operator.h"

namespace nibble {

enum class Norm { rms, layer };
enum class FeedForward { gated_silu, gated_gelu, gelu, relu };
enum class Positions { rotary, learned };

/// Dimensions of a decoder-only transformer, as its published configuration states them.
///
/// Ranges, so that no count of an Operator leaves 64 bits: layers 1 to 2^10; hidden, embedding_projection and heads x
/// head_dim to 2^16; heads to 2^12; feed_forward to 2^20; vocabulary to 2^22; max_positions and sliding_window to 2^24.
struct LanguageModel {
  std::string name;
  std::string source;  ///< where the dimensions were published
  unsigned layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t heads = 0;         ///< query heads
  std::uint64_t kv_heads = 0;      ///< divides heads
  std::uint64_t head_dim = 0;      ///< hidden / heads unless the model states it (qwen3)
  std::uint64_t feed_forward = 0;  ///< width of the feed-forward layer
  std::uint64_t vocabulary = 0;
  std::uint64_t max_positions = 0;  ///< longest sequence the model was made for; a longer Scenario is allowed
  FeedForward activation = FeedForward::gated_silu;
  Norm norm = Norm::rms;
  Positions positions = Positions::rotary;
  double rotary_fraction = 1.0;  ///< part of head_dim that is rotated (phi-2: 0.4); gives an even number of columns
  bool rotary_interleaved =
      false;                    ///< neighbouring channels turn together (GPT-J), else those half a head apart (Llama)
  bool parallel_block = false;  ///< attention and feed-forward read the same norm (phi-2)
  bool post_norm = false;       ///< norms after the residual additions instead of before the blocks (opt-350m)
  bool final_norm = true;       ///< a norm before the LM head (not opt-350m)
  bool qk_norm = false;         ///< per-head norm of Q and K, of the kind `norm` (qwen3)
  bool qkv_bias = false, output_bias = false, feed_forward_bias = false, lm_head_bias = false;
  bool tied_embeddings = false;            ///< the LM head reads the embedding table
  std::uint64_t embedding_projection = 0;  ///< opt-350m style word_embed_proj_dim; 0: none
  std::uint64_t reserved_positions = 0;    ///< rows of a learned position table beside max_positions (opt: 2)
  std::uint64_t sliding_window = 0;        ///< tokens a query sees, itself included (mistral: 4096); 0: all
  unsigned full_attention_layers = 0;      ///< first layers that ignore sliding_window (qwen2: max_window_layers)

  /// configs/models/*.yaml or a Hugging Face config.json as it is (recognised by `model_type`: llama, mistral, qwen2,
  /// qwen3, opt, phi). Keys of a config.json that do not concern shapes are ignored, and `null` counts as absent.
  /// Errors name file, line, column. The name is the key `name` when present, else taken from the file name (of a
  /// config.json: its directory).
  static LanguageModel from(ConfigNode node);
  /// Throws InputError when a dimension is out of range or contradicts another. from() has checked already.
  void check() const;

  std::uint64_t query_width() const { return heads * head_dim; }
  std::uint64_t kv_width() const { return kv_heads * head_dim; }
  /// Width of the embedding table's rows and of the LM head's input.
  std::uint64_t embedding_width() const { return embedding_projection != 0 ? embedding_projection : hidden; }
  /// Columns of a head that the rotary embedding rotates; 0 for learned positions.
  std::uint64_t rotary_columns() const;
  bool gated() const { return activation == FeedForward::gated_silu || activation == FeedForward::gated_gelu; }

  /// Weights of all linear layers and the LM head (not embeddings, norms, biases). A tied LM head counts: it is
  /// multiplied.
  std::uint64_t linear_weights() const;
  /// Everything that is stored: linear weights, embeddings (once when tied), position table, norms, biases.
  std::uint64_t parameters() const;
  /// Elements of K and V that the cache holds for one sequence of `tokens` tokens, all layers, windows respected.
  std::uint64_t kv_cache_elements(std::uint64_t tokens) const;
};

/// What is asked of the model. A decode step feeds one token per sequence; step s finds prefill + s (or, without
/// prefill, context + s) tokens in the cache and appends its own. Ranges: batch 1 to 2^16; prefill, decode, context to
/// 2^20; batch x prefill to 2^24.
struct Scenario {
  std::uint64_t batch = 1;
  std::uint64_t prefill = 0;  ///< prompt tokens per sequence, 0: no prefill phase
  std::uint64_t decode = 0;   ///< generated tokens per sequence
  /// Tokens cached before the first decode step; 0: the prompt. Beyond the prompt it is a cache that is there before,
  /// and the prompt is processed behind it.
  std::uint64_t context = 0;
  std::uint64_t before_prefill() const { return prefill != 0 && context > prefill ? context - prefill : 0; }
  std::uint64_t before_decode() const { return prefill > context ? prefill : context; }
  void check() const;  ///< throws InputError: nothing to do, out of range
};

/// Checks model and scenario alone and together: a run above 2^63 multiply-accumulates is refused (InputError), so that
/// sums over a run stay within 64 bits.
void check_workload(const LanguageModel& model, const Scenario& scenario);

/// Calls `visit` for every operator in execution order: the prefill, then each decode step. A generator, never a list
/// of millions. Calls check_workload first, so nothing is visited when something is wrong.
void for_each_operator(const LanguageModel& model, const Scenario& scenario,
                       const std::function<void(const Operator&)>& visit);

/// Passes through the model: the prefill, when there is one, and the decode steps.
std::uint64_t pass_count(const Scenario& scenario);
/// The operators of pass `pass` < pass_count(), for callers that pull: all passes in order are for_each_operator.
/// The scenario passes check_workload.
void for_each_operator_of_pass(const LanguageModel& model, const Scenario& scenario, std::uint64_t pass,
                               const std::function<void(const Operator&)>& visit);

}  // namespace nibble
