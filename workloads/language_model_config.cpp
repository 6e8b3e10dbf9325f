// SPDX-License-Identifier: Apache-2.0
/// LanguageModel::from: nibble's own model files and Hugging Face's config.json.
#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "workloads/language_model.h"
#include "workloads/model_limits.h"

namespace nibble {

namespace {

/// Sizes and counts of a mapping as unsigned numbers. In a config.json (a foreign file) `null` reads as absent.
class Reader {
 public:
  explicit Reader(ConfigNode node) : node_(std::move(node)) {}

  ConfigNode& node() { return node_; }

  std::uint64_t size(const std::string& key, std::uint64_t max) {
    return static_cast<std::uint64_t>(node_.integer(key, 1, static_cast<std::int64_t>(max)));
  }
  std::uint64_t size(const std::string& key, std::uint64_t max, std::uint64_t fallback) {
    return static_cast<std::uint64_t>(
        node_.integer(key, 1, static_cast<std::int64_t>(max), static_cast<std::int64_t>(fallback)));
  }
  /// A number that may be 0.
  std::uint64_t count(const std::string& key, std::uint64_t max, std::uint64_t fallback) {
    return static_cast<std::uint64_t>(
        node_.integer(key, 0, static_cast<std::int64_t>(max), static_cast<std::int64_t>(fallback)));
  }

  /// head_dim as stated, else hidden / heads, which must be whole.
  std::uint64_t head_dim(const LanguageModel& model, const std::string& heads_key) {
    if (node_.has("head_dim")) return size("head_dim", model_limits::width);
    if (model.hidden % model.heads != 0) {
      node_.fail(heads_key, std::to_string(model.heads) + " heads do not divide a hidden width of " +
                                std::to_string(model.hidden) + "; state head_dim if the heads have another width");
    }
    return size("head_dim", model_limits::width, model.hidden / model.heads);
  }

 private:
  ConfigNode node_;
};

/// mistral-7b for .../mistral-7b.yaml and for .../mistral-7b/config.json.
std::string name_from_file(const std::string& file) {
  const std::filesystem::path path(file);
  if (path.filename() == "config.json" && path.has_parent_path() && path.parent_path().has_filename()) {
    return path.parent_path().filename().string();
  }
  return path.stem().string();
}

FeedForward activation_from(const std::string& word) {
  const std::map<std::string, FeedForward> known = {{"gated_silu", FeedForward::gated_silu},
                                                    {"gated_gelu", FeedForward::gated_gelu},
                                                    {"gelu", FeedForward::gelu},
                                                    {"relu", FeedForward::relu}};
  return known.at(word);
}

LanguageModel from_nibble(Reader reader) {
  ConfigNode& node = reader.node();
  LanguageModel model;
  model.name = node.string("name", name_from_file(node.file()));
  model.source = node.string("source", "not stated");
  model.layers = static_cast<unsigned>(reader.size("layers", model_limits::layers));
  model.hidden = reader.size("hidden", model_limits::width);
  model.heads = reader.size("heads", model_limits::heads);
  model.kv_heads = reader.size("kv_heads", model_limits::heads, model.heads);
  model.head_dim = reader.head_dim(model, "heads");
  model.feed_forward = reader.size("feed_forward", model_limits::feed_forward);
  model.vocabulary = reader.size("vocabulary", model_limits::vocabulary);
  model.max_positions = reader.size("max_positions", model_limits::positions);
  model.activation = activation_from(node.choice("activation", {"gated_silu", "gated_gelu", "gelu", "relu"}));
  model.norm = node.choice("norm", {"rms", "layer"}) == "rms" ? Norm::rms : Norm::layer;
  model.positions =
      node.choice("positions", {"rotary", "learned"}) == "rotary" ? Positions::rotary : Positions::learned;
  if (model.positions == Positions::rotary) {
    model.rotary_fraction = node.number("rotary_fraction", 0.0, 1.0, 1.0);
    model.rotary_interleaved = node.boolean("rotary_interleaved", false);
  } else {
    model.reserved_positions = reader.count("reserved_positions", model_limits::positions, 0);
  }
  model.parallel_block = node.boolean("parallel_block", false);
  model.post_norm = node.boolean("post_norm", false);
  model.final_norm = node.boolean("final_norm", true);
  model.qk_norm = node.boolean("qk_norm", false);
  model.qkv_bias = node.boolean("qkv_bias", false);
  model.output_bias = node.boolean("output_bias", false);
  model.feed_forward_bias = node.boolean("feed_forward_bias", false);
  model.lm_head_bias = node.boolean("lm_head_bias", false);
  model.tied_embeddings = node.boolean("tied_embeddings", false);
  model.embedding_projection = reader.count("embedding_projection", model_limits::width, 0);
  model.sliding_window = reader.count("sliding_window", model_limits::positions, 0);
  if (model.sliding_window != 0) {
    model.full_attention_layers = static_cast<unsigned>(reader.count("full_attention_layers", model_limits::layers, 0));
  }
  node.reject_unknown();
  if (const auto problem = find_problem(model)) node.fail(problem->field, problem->why);
  return model;
}

FeedForward hugging_face_activation(ConfigNode& node, const std::string& key, const std::string& fallback, bool gated) {
  const std::vector<std::string> gelus = {"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"};
  std::vector<std::string> allowed =
      gated ? std::vector<std::string>{"silu", "swish"} : std::vector<std::string>{"relu"};
  allowed.insert(allowed.end(), gelus.begin(), gelus.end());
  const std::string word = node.choice(key, allowed, fallback);
  const bool gelu = std::find(gelus.begin(), gelus.end(), word) != gelus.end();
  if (gated) return gelu ? FeedForward::gated_gelu : FeedForward::gated_silu;
  return gelu ? FeedForward::gelu : FeedForward::relu;
}

/// Newer files list the kind of every layer. Only "the first layers full, the others sliding" is supported.
void apply_layer_types(Reader& reader, LanguageModel& model) {
  if (!reader.node().has("layer_types")) return;
  const std::vector<std::string> types = reader.node().strings("layer_types");
  const auto is = [](const char* wanted) { return [wanted](const std::string& type) { return type == wanted; }; };
  const auto first_sliding = std::find_if_not(types.begin(), types.end(), is("full_attention"));
  if (types.size() != model.layers || !std::all_of(first_sliding, types.end(), is("sliding_attention"))) {
    reader.node().fail("layer_types", "must name each of the " + std::to_string(model.layers) +
                                          " layers, first the ones of 'full_attention', then the ones of "
                                          "'sliding_attention'; other orders are not supported");
  }
  model.full_attention_layers = static_cast<unsigned>(first_sliding - types.begin());
  if (first_sliding == types.end()) model.sliding_window = 0;
}

/// Dimensions under the keys that the six families share.
LanguageModel shared_dimensions(Reader& reader, const std::string& feed_forward_key) {
  ConfigNode& node = reader.node();
  LanguageModel model;
  model.name = node.string("name", name_from_file(node.file()));
  model.source = node.file();
  model.layers = static_cast<unsigned>(reader.size("num_hidden_layers", model_limits::layers));
  model.hidden = reader.size("hidden_size", model_limits::width);
  model.heads = reader.size("num_attention_heads", model_limits::heads);
  model.kv_heads = model.heads;
  model.feed_forward = reader.size(feed_forward_key, model_limits::feed_forward);
  model.vocabulary = reader.size("vocab_size", model_limits::vocabulary);
  model.max_positions = reader.size("max_position_embeddings", model_limits::positions);
  return model;
}

/// OPT: learned positions with two reserved rows, biases and layer norms throughout.
LanguageModel from_opt(Reader& reader) {
  ConfigNode& node = reader.node();
  LanguageModel model = shared_dimensions(reader, "ffn_dim");
  model.head_dim = reader.head_dim(model, "num_attention_heads");
  model.activation = hugging_face_activation(node, "activation_function", "relu", false);
  model.norm = Norm::layer;
  model.positions = Positions::learned;
  model.reserved_positions = 2;
  model.post_norm = !node.boolean("do_layer_norm_before", true);
  model.final_norm = !model.post_norm && !node.boolean("_remove_final_layer_norm", false);
  const bool bias = node.boolean("enable_bias", true);
  model.qkv_bias = model.output_bias = model.feed_forward_bias = bias;
  model.tied_embeddings = node.boolean("tie_word_embeddings", true);
  model.embedding_projection = reader.count("word_embed_proj_dim", model_limits::width, 0);
  if (model.embedding_projection == model.hidden) model.embedding_projection = 0;
  return model;
}

/// llama, mistral, qwen2, qwen3 and phi: rotary positions, optional grouped heads.
LanguageModel from_rotary(Reader& reader, const std::string& type) {
  ConfigNode& node = reader.node();
  const bool phi = type == "phi";
  LanguageModel model = shared_dimensions(reader, "intermediate_size");
  model.kv_heads = reader.size("num_key_value_heads", model_limits::heads, model.heads);
  // Transformers gives a qwen3 model heads of 128 when its file does not say.
  model.head_dim = type == "qwen3" && !node.has("head_dim") ? 128 : reader.head_dim(model, "num_attention_heads");
  model.activation = hugging_face_activation(node, "hidden_act", phi ? "gelu_new" : "silu", !phi);
  model.norm = phi ? Norm::layer : Norm::rms;
  model.rotary_fraction = phi ? 0.5 : 1.0;
  if (node.has("partial_rotary_factor")) {
    model.rotary_fraction = node.number("partial_rotary_factor", 0.0, 1.0);
  } else if (node.has("rope_parameters")) {
    model.rotary_fraction =
        node.child("rope_parameters").number("partial_rotary_factor", 0.0, 1.0, model.rotary_fraction);
  }
  model.parallel_block = phi;
  model.qk_norm = type == "qwen3" || (phi && node.boolean("qk_layernorm", false));
  const bool attention_bias = (type == "llama" || type == "qwen3") && node.boolean("attention_bias", false);
  model.qkv_bias = phi || type == "qwen2" || attention_bias;
  model.output_bias = phi || attention_bias;
  model.feed_forward_bias = phi || (type == "llama" && node.boolean("mlp_bias", false));
  model.lm_head_bias = phi;
  model.tied_embeddings = node.boolean("tie_word_embeddings", false);
  const bool qwen = type == "qwen2" || type == "qwen3";
  if (type == "mistral" || (qwen && node.boolean("use_sliding_window", false))) {
    model.sliding_window = reader.count("sliding_window", model_limits::positions, 0);
    // Transformers takes 28 when a qwen file does not say.
    if (qwen) {
      model.full_attention_layers = static_cast<unsigned>(reader.count("max_window_layers", model_limits::layers, 28));
    }
    apply_layer_types(reader, model);
  }
  return model;
}

/// The key of config.json that holds a LanguageModel field.
std::string hugging_face_key(const std::string& field, bool opt) {
  const std::map<std::string, std::string> keys = {{"layers", "num_hidden_layers"},
                                                   {"hidden", "hidden_size"},
                                                   {"heads", "num_attention_heads"},
                                                   {"kv_heads", "num_key_value_heads"},
                                                   {"feed_forward", opt ? "ffn_dim" : "intermediate_size"},
                                                   {"vocabulary", "vocab_size"},
                                                   {"max_positions", "max_position_embeddings"},
                                                   {"rotary_fraction", "partial_rotary_factor"},
                                                   {"embedding_projection", "word_embed_proj_dim"}};
  const auto found = keys.find(field);
  return found == keys.end() ? field : found->second;
}

LanguageModel from_hugging_face(Reader reader) {
  ConfigNode& node = reader.node();
  node.allow_other_keys();
  const std::string type = node.choice("model_type", {"llama", "mistral", "qwen2", "qwen3", "opt", "phi"});
  const bool opt = type == "opt";
  LanguageModel model = opt ? from_opt(reader) : from_rotary(reader, type);
  if (const auto problem = find_problem(model)) node.fail(hugging_face_key(problem->field, opt), problem->why);
  return model;
}

}  // namespace

LanguageModel LanguageModel::from(ConfigNode node) {
  const bool hugging_face = node.has("model_type");
  Reader reader(std::move(node));
  return hugging_face ? from_hugging_face(std::move(reader)) : from_nibble(std::move(reader));
}

}  // namespace nibble
