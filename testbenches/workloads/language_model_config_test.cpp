// SPDX-License-Identifier: Apache-2.0
/// LanguageModel::from: nibble's own format, config.json of the supported families, and every way to get them wrong.
#include <catch2/catch.hpp>
#include <string>

#include "core/error.h"
#include "workloads/language_model.h"

using namespace nibble;
using Catch::Matchers::Contains;

namespace {

LanguageModel read(const std::string& text, const std::string& origin = "model.yaml") {
  return LanguageModel::from(ConfigNode::parse(text, origin));
}

std::string refusal(const std::string& text, const std::string& origin = "model.yaml") {
  try {
    read(text, origin);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::string replaced(std::string text, const std::string& old_part, const std::string& new_part) {
  const auto place = text.find(old_part);
  REQUIRE(place != std::string::npos);
  return text.replace(place, old_part.size(), new_part);
}

const std::string own = R"(source: none
layers: 2
hidden: 64
heads: 4
feed_forward: 96
vocabulary: 100
max_positions: 128
activation: gated_silu
norm: rms
positions: rotary
)";

// Like the config.json that transformers writes, with keys that do not concern shapes.
const std::string mistral = R"({
  "architectures": ["MistralForCausalLM"],
  "attention_dropout": 0.0,
  "bos_token_id": 1,
  "eos_token_id": 2,
  "hidden_act": "silu",
  "hidden_size": 4096,
  "initializer_range": 0.02,
  "intermediate_size": 14336,
  "max_position_embeddings": 32768,
  "model_type": "mistral",
  "num_attention_heads": 32,
  "num_hidden_layers": 32,
  "num_key_value_heads": 8,
  "rms_norm_eps": 1e-05,
  "rope_theta": 10000.0,
  "sliding_window": 4096,
  "tie_word_embeddings": false,
  "torch_dtype": "bfloat16",
  "use_cache": true,
  "vocab_size": 32000
}
)";

const std::string llama_3 = R"({
  "attention_bias": false,
  "head_dim": null,
  "hidden_act": "silu",
  "hidden_size": 4096,
  "intermediate_size": 14336,
  "max_position_embeddings": 131072,
  "mlp_bias": false,
  "model_type": "llama",
  "num_attention_heads": 32,
  "num_hidden_layers": 32,
  "num_key_value_heads": 8,
  "pretraining_tp": 1,
  "rope_scaling": {"factor": 8.0, "rope_type": "llama3", "original_max_position_embeddings": 8192},
  "vocab_size": 128256
}
)";

const std::string qwen2 = R"({
  "hidden_act": "silu",
  "hidden_size": 3584,
  "intermediate_size": 18944,
  "max_position_embeddings": 131072,
  "max_window_layers": 28,
  "model_type": "qwen2",
  "num_attention_heads": 28,
  "num_hidden_layers": 28,
  "num_key_value_heads": 4,
  "rope_scaling": null,
  "sliding_window": 131072,
  "tie_word_embeddings": false,
  "use_sliding_window": false,
  "vocab_size": 152064
}
)";

const std::string qwen3 = R"({
  "attention_bias": false,
  "head_dim": 128,
  "hidden_act": "silu",
  "hidden_size": 4096,
  "intermediate_size": 12288,
  "max_position_embeddings": 40960,
  "max_window_layers": 36,
  "model_type": "qwen3",
  "num_attention_heads": 32,
  "num_hidden_layers": 36,
  "num_key_value_heads": 8,
  "sliding_window": null,
  "use_sliding_window": false,
  "vocab_size": 151936
}
)";

const std::string opt_350m = R"({
  "_remove_final_layer_norm": false,
  "activation_function": "relu",
  "do_layer_norm_before": false,
  "dropout": 0.1,
  "ffn_dim": 4096,
  "hidden_size": 1024,
  "layerdrop": 0.0,
  "max_position_embeddings": 2048,
  "model_type": "opt",
  "num_attention_heads": 16,
  "num_hidden_layers": 24,
  "vocab_size": 50272,
  "word_embed_proj_dim": 512
}
)";

const std::string phi_2 = R"({
  "hidden_act": "gelu_new",
  "hidden_size": 2560,
  "intermediate_size": 10240,
  "max_position_embeddings": 2048,
  "model_type": "phi",
  "num_attention_heads": 32,
  "num_hidden_layers": 32,
  "num_key_value_heads": null,
  "partial_rotary_factor": 0.4,
  "qk_layernorm": false,
  "resid_pdrop": 0.1,
  "tie_word_embeddings": false,
  "vocab_size": 51200
}
)";

std::string hugging_face_refusal(const std::string& text) {
  return refusal(text, "config.json");
}

}  // namespace

TEST_CASE("nibble's own format: what is stated and what is assumed") {
  const LanguageModel model = read(own, "some/where/tiny.yaml");
  CHECK(model.name == "tiny");
  CHECK(model.source == "none");
  CHECK(model.layers == 2);
  CHECK(model.kv_heads == 4);
  CHECK(model.head_dim == 16);
  CHECK(model.rotary_columns() == 16);
  CHECK(model.final_norm);
  CHECK_FALSE(model.tied_embeddings);
  CHECK(model.sliding_window == 0);

  const LanguageModel other =
      read(own +
           "name: mine\nkv_heads: 2\nhead_dim: 32\nsliding_window: 8\nfull_attention_layers: 1\n"
           "rotary_fraction: 0.5\nqk_norm: true\nlm_head_bias: true\n");
  CHECK(other.name == "mine");
  CHECK(other.kv_heads == 2);
  CHECK(other.query_width() == 128);
  CHECK(other.rotary_columns() == 16);
  CHECK(other.sliding_window == 8);
  CHECK(other.full_attention_layers == 1);
  CHECK(other.qk_norm);
  CHECK(other.lm_head_bias);
}

TEST_CASE("errors in nibble's own format name the place and the remedy") {
  CHECK_THAT(refusal(replaced(own, "heads: 4", "heads: 5")),
             Contains("model.yaml:4:") && Contains("heads: 5 heads do not divide a hidden width of 64") &&
                 Contains("head_dim"));
  CHECK_THAT(refusal(own + "kv_heads: 3\n"),
             Contains("model.yaml:11:") && Contains("3 key/value heads do not divide 4"));
  CHECK_THAT(refusal(replaced(own, "layers: 2", "layers: 0")), Contains("model.yaml:2:") && Contains("layers"));
  CHECK_THAT(refusal(replaced(own, "hidden: 64", "hidden: -64")), Contains("model.yaml:3:") && Contains("hidden"));
  CHECK_THAT(refusal(replaced(own, "vocabulary: 100", "vocabulary: 99999999999999999999")), Contains("model.yaml:6:"));
  CHECK_THAT(refusal(replaced(own, "vocabulary: 100", "vocabulary: 8000000")), Contains("vocabulary"));
  CHECK_THAT(refusal(replaced(own, "vocabulary: 100", "vocabulary: ~")), Contains("model.yaml:6:"));
  CHECK_THAT(refusal(replaced(own, "vocabulary: 100\n", "")), Contains("vocabulary"));
  CHECK_THAT(refusal(replaced(own, "gated_silu", "swish")), Contains("model.yaml:8:") && Contains("gated_gelu"));
  CHECK_THAT(refusal(own + "hiden: 3\n"), Contains("model.yaml:11:") && Contains("hiden") && Contains("hidden"));
  CHECK_THAT(refusal(own + "rotary_fraction: 0.3\n"), Contains("model.yaml:11:") && Contains("give an even number of"));
  CHECK_THAT(refusal(own + "head_dim: 20000\n"), Contains("model.yaml") && Contains("width above 65536"));
  CHECK_THAT(refusal(own + "parallel_block: true\npost_norm: true\n"), Contains("model.yaml:12:"));
  // Keys of the other kind of positions are not accepted silently.
  CHECK_THAT(refusal(own + "reserved_positions: 2\n"), Contains("reserved_positions"));
  CHECK_THAT(refusal(own + "full_attention_layers: 1\n"), Contains("full_attention_layers"));
}

TEST_CASE("config.json of a mistral model") {
  const LanguageModel model = read(mistral, "models/Mistral-7B-v0.1/config.json");
  CHECK(model.name == "Mistral-7B-v0.1");
  CHECK(model.parameters() == 7241732096);
  CHECK(model.sliding_window == 4096);
  CHECK(model.full_attention_layers == 0);
  CHECK(model.head_dim == 128);
  CHECK(model.activation == FeedForward::gated_silu);
  CHECK(read(replaced(mistral, "\"sliding_window\": 4096", "\"sliding_window\": null")).sliding_window == 0);
  CHECK(read(mistral, "config.json").name == "config");
}

TEST_CASE("config.json of a llama model") {
  const LanguageModel model = read(llama_3);
  CHECK(model.parameters() == 8030261248);
  CHECK(model.max_positions == 131072);
  CHECK(model.head_dim == 128);
  CHECK_FALSE(model.qkv_bias);
  const LanguageModel biased = read(replaced(replaced(llama_3, "\"attention_bias\": false", "\"attention_bias\": true"),
                                             "\"mlp_bias\": false", "\"mlp_bias\": true"));
  CHECK(biased.qkv_bias);
  CHECK(biased.output_bias);
  CHECK(biased.feed_forward_bias);
  const LanguageModel full = read(replaced(llama_3, "  \"num_key_value_heads\": 8,\n", ""));
  CHECK(full.kv_heads == 32);
  CHECK(read(replaced(llama_3, "\"silu\"", "\"gelu_pytorch_tanh\"")).activation == FeedForward::gated_gelu);
}

TEST_CASE("config.json of qwen2 and qwen3 models") {
  const LanguageModel two = read(qwen2);
  CHECK(two.parameters() == 7615616512);
  CHECK(two.qkv_bias);
  CHECK(two.sliding_window == 0);
  const LanguageModel three = read(qwen3);
  CHECK(three.parameters() == 8190735360);
  CHECK(three.qk_norm);
  CHECK(three.sliding_window == 0);
  CHECK(read(replaced(qwen3, "  \"head_dim\": 128,\n", "")).head_dim == 128);

  const std::string on = replaced(qwen2, "\"use_sliding_window\": false", "\"use_sliding_window\": true");
  CHECK(read(on).sliding_window == 131072);
  CHECK(read(on).full_attention_layers == 28);
  CHECK(read(replaced(on, "\"max_window_layers\": 28", "\"max_window_layers\": 0")).full_attention_layers == 0);
}

TEST_CASE("a list of layer types is accepted when full attention comes first") {
  const auto with_types = [](const std::string& types) {
    std::string text = replaced(qwen2, "\"use_sliding_window\": false", "\"use_sliding_window\": true");
    text = replaced(text, "\"num_hidden_layers\": 28", "\"num_hidden_layers\": 3");
    return replaced(text, "\"model_type\"", "\"layer_types\": [" + types + "],\n  \"model_type\"");
  };
  const std::string full = "\"full_attention\"", sliding = "\"sliding_attention\"";
  CHECK(read(with_types(full + ", " + sliding + ", " + sliding)).full_attention_layers == 1);
  CHECK(read(with_types(full + ", " + sliding + ", " + sliding)).sliding_window == 131072);
  CHECK(read(with_types(full + ", " + full + ", " + full)).sliding_window == 0);
  CHECK_THAT(hugging_face_refusal(with_types(sliding + ", " + full + ", " + sliding)), Contains("layer_types"));
  CHECK_THAT(hugging_face_refusal(with_types(full)), Contains("each of the 3 layers"));
}

TEST_CASE("config.json of opt models") {
  const LanguageModel model = read(opt_350m);
  CHECK(model.parameters() == 331196416);
  CHECK(model.embedding_projection == 512);
  CHECK(model.post_norm);
  CHECK_FALSE(model.final_norm);
  CHECK(model.tied_embeddings);
  CHECK(model.positions == Positions::learned);
  CHECK(model.activation == FeedForward::relu);
  const LanguageModel plain =
      read(replaced(replaced(opt_350m, "\"do_layer_norm_before\": false", "\"do_layer_norm_before\": true"),
                    "\"word_embed_proj_dim\": 512", "\"word_embed_proj_dim\": 1024"));
  CHECK(plain.embedding_projection == 0);
  CHECK_FALSE(plain.post_norm);
  CHECK(plain.final_norm);
}

TEST_CASE("config.json of a phi model") {
  const LanguageModel model = read(phi_2);
  CHECK(model.parameters() == 2779683840);
  CHECK(model.kv_heads == 32);
  CHECK(model.rotary_columns() == 32);
  CHECK(model.parallel_block);
  CHECK(model.lm_head_bias);
  CHECK(model.activation == FeedForward::gelu);
  const std::string nested = replaced(phi_2, "\"partial_rotary_factor\": 0.4",
                                      "\"rope_parameters\": {\"rope_theta\": 1.0, \"partial_rotary_factor\": 0.8}");
  CHECK(read(nested).rotary_columns() == 64);
  CHECK(read(replaced(phi_2, "  \"partial_rotary_factor\": 0.4,\n", "")).rotary_columns() == 40);
}

TEST_CASE("errors in a config.json name its own keys") {
  CHECK_THAT(hugging_face_refusal(replaced(mistral, "\"mistral\"", "\"mixtral\"")),
             Contains("config.json:11:") && Contains("model_type") && Contains("llama") && Contains("phi"));
  CHECK_THAT(hugging_face_refusal(replaced(mistral, "\"num_attention_heads\": 32", "\"num_attention_heads\": 31")),
             Contains("config.json:12:") && Contains("31 heads do not divide"));
  CHECK_THAT(hugging_face_refusal(replaced(mistral, "\"num_key_value_heads\": 8", "\"num_key_value_heads\": 5")),
             Contains("config.json:14:") && Contains("num_key_value_heads") && Contains("5 key/value heads"));
  CHECK_THAT(hugging_face_refusal(replaced(mistral, "\"vocab_size\": 32000", "\"vocab_size\": 0")),
             Contains("vocab_size"));
  CHECK_THAT(hugging_face_refusal(replaced(mistral, "\"vocab_size\": 32000", "\"vocab_size\": null")),
             Contains("vocab_size"));
  CHECK_THAT(hugging_face_refusal(replaced(mistral, "  \"hidden_size\": 4096,\n", "")), Contains("hidden_size"));
  CHECK_THAT(hugging_face_refusal(replaced(mistral, "\"silu\"", "\"relu\"")),
             Contains("hidden_act") && Contains("silu"));
  CHECK_THAT(hugging_face_refusal(replaced(phi_2, "0.4", "0.41")), Contains("partial_rotary_factor"));
  CHECK_THAT(hugging_face_refusal(replaced(phi_2, "0.4", "1.5")), Contains("partial_rotary_factor"));
  CHECK_THAT(hugging_face_refusal(replaced(opt_350m, "\"ffn_dim\": 4096", "\"ffn_dim\": -1")), Contains("ffn_dim"));
  CHECK_THAT(hugging_face_refusal(replaced(llama_3, "\"head_dim\": null", "\"head_dim\": 100000")),
             Contains("head_dim"));
  CHECK_THAT(hugging_face_refusal(replaced(llama_3, "\"head_dim\": null", "\"head_dim\": 4096")),
             Contains("num_attention_heads") && Contains("width above 65536"));
}
