// SPDX-License-Identifier: Apache-2.0
/// Models of the test benches, built without configuration files.
#pragma once

#include <vector>

#include "workloads/language_model.h"

namespace nibble {

inline LanguageModel llama_2_7b() {
  LanguageModel model;
  model.name = "llama-2-7b";
  model.layers = 32;
  model.hidden = 4096;
  model.heads = model.kv_heads = 32;
  model.head_dim = 128;
  model.feed_forward = 11008;
  model.vocabulary = 32000;
  model.max_positions = 4096;
  return model;
}

/// Two layers of four query heads and two key/value heads: small enough to count by hand.
inline LanguageModel small_model() {
  LanguageModel model;
  model.name = "small";
  model.layers = 2;
  model.hidden = 16;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 4;
  model.feed_forward = 40;
  model.vocabulary = 50;
  model.max_positions = 64;
  return model;
}

inline LanguageModel small_opt() {
  LanguageModel model = small_model();
  model.kv_heads = 4;
  model.activation = FeedForward::relu;
  model.norm = Norm::layer;
  model.positions = Positions::learned;
  model.reserved_positions = 2;
  model.qkv_bias = model.output_bias = model.feed_forward_bias = true;
  model.tied_embeddings = true;
  return model;
}

inline LanguageModel small_phi() {
  LanguageModel model = small_model();
  model.kv_heads = 4;
  model.head_dim = 10;
  model.activation = FeedForward::gelu;
  model.norm = Norm::layer;
  model.rotary_fraction = 0.4;
  model.parallel_block = true;
  model.qkv_bias = model.output_bias = model.feed_forward_bias = model.lm_head_bias = true;
  return model;
}

inline std::vector<Operator> operators(const LanguageModel& model, const Scenario& scenario) {
  std::vector<Operator> list;
  for_each_operator(model, scenario, [&](const Operator& op) { list.push_back(op); });
  return list;
}

inline Scenario scenario(std::uint64_t batch, std::uint64_t prefill, std::uint64_t decode, std::uint64_t context = 0) {
  Scenario result;
  result.batch = batch;
  result.prefill = prefill;
  result.decode = decode;
  result.context = context;
  return result;
}

}  // namespace nibble
