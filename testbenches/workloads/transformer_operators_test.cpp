// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "testbenches/support/error_text.h"
#include "testbenches/workloads/model_builders.h"
#include "workloads/model_limits.h"

using namespace nibble;

namespace {

using Names = std::vector<std::string>;

Names names_of(const std::vector<Operator>& list, int layer, Phase phase = Phase::prefill, unsigned step = 0) {
  Names names;
  for (const Operator& op : list) {
    if (op.layer == layer && op.phase == phase && op.step == step) names.push_back(op.name);
  }
  return names;
}

const Operator& find(const std::vector<Operator>& list, const std::string& name, int layer = 0, unsigned step = 0) {
  for (const Operator& op : list) {
    if (op.name == name && op.layer == layer && op.step == step) return op;
  }
  FAIL("no operator " << name << " in layer " << layer << ", step " << step);
  return list.front();
}

struct Work {
  std::uint64_t linear = 0, attention = 0, operators = 0;
};

Work work(const LanguageModel& model, const Scenario& scenario) {
  Work sum;
  for_each_operator(model, scenario, [&](const Operator& op) {
    ++sum.operators;
    if (op.kind == OperatorKind::linear) sum.linear += op.macs();
    if (op.kind == OperatorKind::attention) sum.attention += op.macs();
  });
  return sum;
}

void check_shape(const Operator& op, std::uint64_t m, std::uint64_t k, std::uint64_t n, std::uint64_t count) {
  CAPTURE(op.name, op.layer, op.step);
  CHECK(op.m == m);
  CHECK(op.k == k);
  CHECK(op.n == n);
  CHECK(op.count == count);
}

void check_roles(const Operator& op, TensorRole a, TensorRole w, TensorRole c) {
  CAPTURE(op.name, to_string(op.a), to_string(op.w), to_string(op.c));
  CHECK(op.a == a);
  CHECK(op.w == w);
  CHECK(op.c == c);
}

}  // namespace

TEST_CASE("a prefill of 2048 tokens of Llama 2 7B, against the formula") {
  const Work sum = work(llama_2_7b(), scenario(1, 2048, 0));
  // Per layer: 4 projections and 3 feed-forward matrices for every token; QK^T and PV under the causal triangle.
  const std::uint64_t per_token = 4ull * 4096 * 4096 + 3ull * 4096 * 11008;
  const std::uint64_t head = 4096ull * 32000;
  CHECK(sum.linear == 32 * 2048 * per_token + head);
  CHECK(sum.attention == 32ull * 2 * 32 * 128 * (2048ull * 2049 / 2));
  CHECK(sum.linear + sum.attention == 13813014331392ull);
  // 17 per layer; embedding, final norm, LM head.
  CHECK(sum.operators == 32 * 17 + 3);
}

TEST_CASE("a Llama layer runs in this order") {
  const auto list = operators(small_model(), scenario(1, 5, 0));
  const Names layer = {"attention_norm",
                       "q_proj",
                       "k_proj",
                       "v_proj",
                       "q_rotary",
                       "k_rotary",
                       "attention_scores",
                       "softmax",
                       "attention_context",
                       "o_proj",
                       "attention_residual",
                       "feed_forward_norm",
                       "gate_proj",
                       "up_proj",
                       "silu_gate",
                       "down_proj",
                       "feed_forward_residual"};
  CHECK(names_of(list, 0) == layer);
  CHECK(names_of(list, 1) == layer);
  CHECK(names_of(list, -1) == Names{"embedding", "final_norm", "lm_head"});
  CHECK(list.front().name == "embedding");
  CHECK(list.back().name == "lm_head");
}

TEST_CASE("shapes of a grouped-query prefill") {
  const auto list = operators(small_model(), scenario(3, 5, 0));
  check_shape(find(list, "embedding", -1), 15, 0, 16, 1);
  check_shape(find(list, "attention_norm"), 15, 0, 16, 1);
  check_shape(find(list, "q_proj"), 15, 16, 16, 1);
  check_shape(find(list, "k_proj"), 15, 16, 8, 1);
  check_shape(find(list, "v_proj"), 15, 16, 8, 1);
  check_shape(find(list, "q_rotary"), 60, 0, 4, 1);
  check_shape(find(list, "k_rotary"), 30, 0, 4, 1);
  // Two query heads share a key/value head: ten rows for five tokens, one instance per sequence and KV head.
  check_shape(find(list, "attention_scores"), 10, 4, 5, 6);
  check_shape(find(list, "softmax"), 10, 0, 5, 6);
  check_shape(find(list, "attention_context"), 10, 5, 4, 6);
  check_shape(find(list, "o_proj"), 15, 16, 16, 1);
  check_shape(find(list, "gate_proj"), 15, 16, 40, 1);
  check_shape(find(list, "silu_gate"), 15, 0, 40, 1);
  check_shape(find(list, "down_proj"), 15, 40, 16, 1);
  check_shape(find(list, "final_norm", -1), 3, 0, 16, 1);
  check_shape(find(list, "lm_head", -1), 3, 16, 50, 1);
  CHECK(find(list, "silu_gate").inputs == 2);
  CHECK(find(list, "attention_residual").inputs == 2);
  for (const char* name : {"attention_scores", "softmax", "attention_context"}) {
    CHECK(find(list, name).rows_per_token == 2);
    CHECK(find(list, name).past == 0);
    CHECK_FALSE(find(list, name).shared_weights);
  }
  CHECK(find(list, "q_proj").shared_weights);
  // Fifteen unmasked pairs per head and sequence.
  CHECK(find(list, "softmax").elements() == 3 * 4 * 15);
  CHECK(find(list, "attention_scores").macs() == 3 * 4 * 15 * 4);
  CHECK(find(list, "attention_context").macs() == 3 * 4 * 15 * 4);
}

TEST_CASE("roles of a Llama layer") {
  using R = TensorRole;
  const auto list = operators(small_model(), scenario(1, 5, 0));
  check_roles(find(list, "embedding", -1), R::hidden, R::none, R::hidden);
  check_roles(find(list, "attention_norm"), R::hidden, R::none, R::activation);
  check_roles(find(list, "q_proj"), R::activation, R::weight, R::intermediate);
  check_roles(find(list, "k_proj"), R::activation, R::weight, R::intermediate);
  check_roles(find(list, "v_proj"), R::activation, R::weight, R::value);
  check_roles(find(list, "q_rotary"), R::intermediate, R::none, R::query);
  check_roles(find(list, "k_rotary"), R::intermediate, R::none, R::key);
  check_roles(find(list, "attention_scores"), R::query, R::key, R::score);
  check_roles(find(list, "softmax"), R::score, R::none, R::probability);
  check_roles(find(list, "attention_context"), R::probability, R::value, R::activation);
  check_roles(find(list, "o_proj"), R::activation, R::weight, R::intermediate);
  check_roles(find(list, "attention_residual"), R::intermediate, R::none, R::hidden);
  check_roles(find(list, "silu_gate"), R::intermediate, R::none, R::activation);
  check_roles(find(list, "down_proj"), R::activation, R::weight, R::intermediate);
  check_roles(find(list, "lm_head", -1), R::activation, R::weight, R::logits);
}

TEST_CASE("an OPT layer has biases, learned positions and no gate") {
  using R = TensorRole;
  const auto list = operators(small_opt(), scenario(2, 3, 0));
  CHECK(names_of(list, 0) == Names{"attention_norm",
                                   "q_proj",
                                   "k_proj",
                                   "v_proj",
                                   "q_bias",
                                   "k_bias",
                                   "v_bias",
                                   "attention_scores",
                                   "softmax",
                                   "attention_context",
                                   "o_proj",
                                   "o_bias",
                                   "attention_residual",
                                   "feed_forward_norm",
                                   "fc1",
                                   "fc1_bias",
                                   "relu",
                                   "fc2",
                                   "fc2_bias",
                                   "feed_forward_residual"});
  CHECK(names_of(list, -1) == Names{"embedding", "position_add", "final_norm", "lm_head"});
  CHECK(find(list, "attention_norm").function == VectorFunction::layer_norm);
  check_roles(find(list, "q_proj"), R::activation, R::weight, R::intermediate);
  check_roles(find(list, "q_bias"), R::intermediate, R::none, R::query);
  check_roles(find(list, "k_bias"), R::intermediate, R::none, R::key);
  check_roles(find(list, "v_bias"), R::intermediate, R::none, R::value);
  check_roles(find(list, "position_add", -1), R::intermediate, R::none, R::hidden);
  check_shape(find(list, "k_bias"), 6, 0, 16, 1);
  check_shape(find(list, "fc1"), 6, 16, 40, 1);
  check_shape(find(list, "relu"), 6, 0, 40, 1);
  CHECK(find(list, "relu").inputs == 1);
}

TEST_CASE("without biases and rotation the projections write queries and keys themselves") {
  LanguageModel model = small_opt();
  model.qkv_bias = false;
  const auto list = operators(model, scenario(1, 2, 0));
  CHECK(find(list, "q_proj").c == TensorRole::query);
  CHECK(find(list, "k_proj").c == TensorRole::key);
  CHECK(find(list, "v_proj").c == TensorRole::value);
}

TEST_CASE("a parallel block has one norm and one addition of three") {
  const auto list = operators(small_phi(), scenario(1, 3, 0));
  CHECK(names_of(list, 0) ==
        Names{"attention_norm", "q_proj",   "k_proj",   "v_proj",           "q_bias",  "k_bias",
              "v_bias",         "q_rotary", "k_rotary", "attention_scores", "softmax", "attention_context",
              "o_proj",         "o_bias",   "fc1",      "fc1_bias",         "gelu",    "fc2",
              "fc2_bias",       "residual"});
  CHECK(find(list, "residual").inputs == 3);
  CHECK(find(list, "fc1").a == TensorRole::activation);
  // Four of ten columns are rotated, but all ten become the key.
  check_shape(find(list, "k_rotary"), 12, 0, 10, 1);
  CHECK(find(list, "k_rotary").rotated == 4);
  CHECK(names_of(list, -1) == Names{"embedding", "final_norm", "lm_head", "lm_head_bias"});
  CHECK(find(list, "lm_head", -1).c == TensorRole::intermediate);
  CHECK(find(list, "lm_head_bias", -1).c == TensorRole::logits);
  // heads x head_dim is wider than hidden here.
  check_shape(find(list, "q_proj"), 3, 16, 40, 1);
  check_shape(find(list, "o_proj"), 3, 40, 16, 1);
}

TEST_CASE("per-head norms of Q and K stand between projection and rotation") {
  LanguageModel model = small_model();
  model.qk_norm = true;
  const auto list = operators(model, scenario(2, 3, 0));
  const Names layer = names_of(list, 0);
  CHECK(Names(layer.begin() + 4, layer.begin() + 8) == Names{"q_norm", "k_norm", "q_rotary", "k_rotary"});
  check_shape(find(list, "q_norm"), 24, 0, 4, 1);
  check_shape(find(list, "k_norm"), 12, 0, 4, 1);
  CHECK(find(list, "q_norm").function == VectorFunction::rms_norm);
  CHECK(find(list, "q_norm").c == TensorRole::intermediate);
  CHECK(find(list, "k_rotary").c == TensorRole::key);
}

TEST_CASE("an embedding projection and post-norm layers, as in OPT 350M") {
  LanguageModel model = small_opt();
  model.embedding_projection = 8;
  model.post_norm = true;
  model.final_norm = false;
  const auto list = operators(model, scenario(2, 3, 0));
  CHECK(names_of(list, -1) == Names{"embedding", "project_in", "position_add", "project_out", "lm_head"});
  check_shape(find(list, "embedding", -1), 6, 0, 8, 1);
  check_shape(find(list, "project_in", -1), 6, 8, 16, 1);
  check_shape(find(list, "project_out", -1), 2, 16, 8, 1);
  check_shape(find(list, "lm_head", -1), 2, 8, 50, 1);
  const Names layer = names_of(list, 0);
  CHECK(layer.front() == "q_proj");
  CHECK(layer[layer.size() - 1] == "feed_forward_norm");
  CHECK(layer[layer.size() - 2] == "feed_forward_residual");
  CHECK(find(list, "attention_norm").c == TensorRole::hidden);
  CHECK(std::count(layer.begin(), layer.end(), "attention_norm") == 1);
}

TEST_CASE("gated feed-forward layers may have biases and GELU") {
  LanguageModel model = small_model();
  model.activation = FeedForward::gated_gelu;
  model.feed_forward_bias = true;
  const auto list = operators(model, scenario(1, 1, 0));
  const Names layer = names_of(list, 0);
  CHECK(Names(layer.end() - 8, layer.end()) == Names{"gate_proj", "up_proj", "gate_bias", "up_bias", "gelu_gate",
                                                     "down_proj", "down_bias", "feed_forward_residual"});
}

TEST_CASE("decode steps grow the context by one token each") {
  const auto list = operators(small_model(), scenario(3, 5, 4));
  for (unsigned step = 0; step < 4; ++step) {
    CHECK(names_of(list, 0, Phase::decode, step).size() == 17);
    for (const Operator& op : list) {
      if (op.phase != Phase::decode || op.step != step || op.layer != 1) continue;
      if (op.name == "attention_scores") {
        check_shape(op, 2, 4, 6 + step, 6);
        CHECK(op.past == 5 + step);
        CHECK(op.macs() == 2 * 4 * (6 + step) * 6);
      }
      if (op.name == "softmax") CHECK(op.elements() == 2 * (6 + step) * 6);
      if (op.name == "attention_context") check_shape(op, 2, 6 + step, 4, 6);
      if (op.name == "q_proj") check_shape(op, 3, 16, 16, 1);
      if (op.name == "k_rotary") check_shape(op, 6, 0, 4, 1);
    }
  }
}

TEST_CASE("a prefill and its decode steps need the work of one long prefill, but for the LM head") {
  for (const LanguageModel& model : {small_model(), small_opt(), small_phi()}) {
    const Work whole = work(model, scenario(2, 12, 0));
    const Work split = work(model, scenario(2, 7, 5));
    CHECK(split.attention == whole.attention);
    CHECK(split.linear == whole.linear + 5 * 2 * model.hidden * model.vocabulary);
  }
}

TEST_CASE("decode without a prefill starts at the given context") {
  const auto cached = operators(small_model(), scenario(1, 0, 2, 100));
  CHECK(find(cached, "attention_scores", 0, 0).n == 101);
  CHECK(find(cached, "attention_scores", 0, 1).n == 102);
  CHECK(cached.front().phase == Phase::decode);
  const auto empty = operators(small_model(), scenario(1, 0, 1));
  CHECK(find(empty, "attention_scores").n == 1);
  // A context that repeats the prefill's length changes nothing.
  const auto repeated = operators(small_model(), scenario(1, 9, 1, 9));
  CHECK(repeated.back().step == 0);
  CHECK(work(small_model(), scenario(1, 9, 1, 9)).attention == work(small_model(), scenario(1, 9, 1)).attention);
}

TEST_CASE("a prompt continues the cache that is there before it") {
  const auto list = operators(small_model(), scenario(1, 9, 2, 100));
  CHECK(find(list, "attention_scores").n == 100);
  CHECK(find(list, "attention_scores").past == 91);
  CHECK(find(list, "attention_context").k == 100);
  CHECK(find(list, "q_proj").m == 9);
  const Work whole = work(small_model(), scenario(1, 100, 2)), before = work(small_model(), scenario(1, 91, 0));
  CHECK(work(small_model(), scenario(1, 9, 2, 100)).attention == whole.attention - before.attention);
}

TEST_CASE("a sliding window limits prefill and decode") {
  LanguageModel model = small_model();
  model.sliding_window = 4;
  model.full_attention_layers = 1;
  const auto list = operators(model, scenario(1, 6, 2));
  // Layer 0 sees everything, layer 1 at most four tokens: 1 + 2 + 3 + 4 + 4 + 4.
  CHECK(find(list, "attention_scores", 0).window == 0);
  CHECK(find(list, "attention_scores", 0).elements() == 21 * 4);
  CHECK(find(list, "attention_scores", 1).window == 4);
  CHECK(find(list, "attention_scores", 1).elements() == 18 * 4);
  CHECK(find(list, "softmax", 1).elements() == 18 * 4);
  CHECK(find(list, "attention_context", 1).macs() == 18 * 4 * 4);
  for (const Operator& op : list) {
    if (op.phase != Phase::decode || op.name != "attention_context") continue;
    CHECK(op.k == (op.layer == 0 ? 7 + op.step : 4));
    CHECK(op.past == op.k - 1);
    CHECK(op.macs() == 2 * op.k * 4 * 2);
  }
  // A window that is never full changes nothing.
  model.sliding_window = 8;
  CHECK(work(model, scenario(1, 6, 2)).attention == work(small_model(), scenario(1, 6, 2)).attention);
  CHECK(operators(model, scenario(1, 6, 2)).at(7).window == 0);
}

TEST_CASE("weights, parameters and cache of a small model, counted by hand") {
  const LanguageModel model = small_model();
  const std::uint64_t layer = 16 * (16 + 8 + 8 + 16) + 3 * 16 * 40;
  CHECK(model.linear_weights() == 2 * layer + 50 * 16);
  CHECK(model.parameters() == 2 * (layer + 2 * 16) + 2 * 50 * 16 + 16);
  CHECK(model.kv_cache_elements(10) == 2 * 2 * 8 * 10);

  const LanguageModel opt = small_opt();
  const std::uint64_t opt_layer = 4 * 16 * 16 + 2 * 16 * 40 + (4 * 16 + 40 + 16) + 2 * 2 * 16;
  CHECK(opt.parameters() == 2 * opt_layer + 50 * 16 + 66 * 16 + 2 * 16);

  LanguageModel windowed = model;
  windowed.sliding_window = 4;
  windowed.full_attention_layers = 1;
  CHECK(windowed.kv_cache_elements(10) == 2 * 8 * (10 + 4));
  CHECK(windowed.kv_cache_elements(3) == 2 * 8 * (3 + 3));
}

TEST_CASE("the linear operators of one decode step multiply every linear weight once") {
  for (const LanguageModel& model : {small_model(), small_opt(), small_phi(), llama_2_7b()}) {
    CHECK(work(model, scenario(1, 0, 1)).linear == model.linear_weights());
  }
}

TEST_CASE("a scenario that cannot run is refused before anything is visited") {
  using Catch::Matchers::Contains;
  const auto refuse = [](const Scenario& wrong) {
    return test::error_of([&] { for_each_operator(small_model(), wrong, [](const Operator&) { FAIL("visited"); }); });
  };
  CHECK_THAT(refuse(scenario(1, 0, 0)), Contains("nothing to do"));
  CHECK_THAT(refuse(scenario(1, 0, 0, 7)), Contains("nothing to do"));
  CHECK_THAT(refuse(scenario(0, 1, 0)), Contains("batch must be 1 to 65536, not 0"));
  CHECK_THAT(refuse(scenario(1u << 17, 1, 0)), Contains("batch must be"));
  CHECK_THAT(refuse(scenario(1, (1u << 20) + 1, 0)), Contains("prefill must be 0 to 1048576"));
  CHECK_THAT(refuse(scenario(1, 0, ~std::uint64_t{0})), Contains("decode must be"));
  CHECK_THAT(refuse(scenario(1, 0, 1, 1u << 21)), Contains("context must be"));
  CHECK_THAT(refuse(scenario(17, 1u << 20, 0)), Contains("batch x prefill is 17825792 tokens"));
  CHECK_THAT(refuse(scenario(1, 8, 1, 7)), Contains("make it as large, not 7"));
  CHECK_NOTHROW(scenario(16, 1u << 20, 0).check());
}

TEST_CASE("a run whose counts would not fit is refused") {
  LanguageModel model = small_model();
  model.layers = 1024;
  model.hidden = 65536;
  model.heads = model.kv_heads = 512;
  model.head_dim = 128;
  model.feed_forward = 1u << 20;
  CHECK_NOTHROW(check_workload(model, scenario(1, 1, 1)));
  CHECK_THAT(test::error_of([&] { check_workload(model, scenario(16, 1u << 20, 0)); }),
             Catch::Matchers::Contains("above 2^63 multiply-accumulates"));
}

TEST_CASE("a prompt longer than the model was made for is allowed") {
  CHECK(operators(small_model(), scenario(1, 1000, 0)).size() == 37);
}

TEST_CASE("dimensions that contradict each other are refused") {
  using Catch::Matchers::Contains;
  const auto refuse = [](const std::function<void(LanguageModel&)>& change) {
    LanguageModel model = small_model();
    change(model);
    return test::error_of([&] { model.check(); });
  };
  CHECK_NOTHROW(small_model().check());
  CHECK_THAT(refuse([](LanguageModel& m) { m.kv_heads = 3; }), Contains("model 'small': kv_heads: 3 key/value heads"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.kv_heads = 8; }), Contains("do not divide 4 query heads"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.kv_heads = 0; }), Contains("kv_heads: must be 1 to"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.layers = 0; }), Contains("layers: must be 1 to 1024, not 0"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.hidden = 1u << 17; }), Contains("hidden: must be"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.head_dim = 1u << 15; }), Contains("make a width above 65536"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.rotary_fraction = 0.3; }), Contains("rotary_fraction"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.rotary_fraction = 0.25; }), Contains("give an even number of"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.rotary_fraction = 0.0; }), Contains("rotary_fraction"));
  CHECK_THAT(refuse([](LanguageModel& m) { m.parallel_block = m.post_norm = true; }), Contains("post_norm"));
}
