// SPDX-License-Identifier: Apache-2.0
/// The models of configs/models against published parameter counts.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>

#include "testbenches/support/paths.h"
#include "testbenches/workloads/model_builders.h"

using namespace nibble;

namespace {

const std::filesystem::path models = source_path("configs/models");

LanguageModel load(const std::string& name) {
  return LanguageModel::from(ConfigNode::load(models / (name + ".yaml")));
}

/// Parameters as published, in 10^9: the totals of the published checkpoints (to four digits), or of the papers.
const std::map<std::string, double> published = {
    {"llama-7b", 6.738},    {"llama-13b", 13.02},   {"llama-30b", 32.53},     {"llama-65b", 65.29},
    {"llama-2-7b", 6.738},  {"llama-2-13b", 13.02}, {"llama-2-70b", 68.98},   {"llama-3-8b", 8.030},
    {"llama-3-70b", 70.55}, {"opt-1.3b", 1.316},    {"opt-6.7b", 6.658},      {"opt-13b", 12.85},
    {"opt-30b", 29.97},     {"opt-66b", 65.72},     {"vicuna-7b-1.5", 6.738}, {"vicuna-13b-1.5", 13.02},
    {"mistral-7b", 7.242},  {"qwen2.5-7b", 7.616},  {"qwen3-8b", 8.191},      {"phi-2", 2.780}};

}  // namespace

TEST_CASE("every model has its published number of parameters") {
  for (const auto& [name, billions] : published) {
    CAPTURE(name);
    CHECK(static_cast<double>(load(name).parameters()) == Approx(billions * 1e9).epsilon(0.001));
  }
}

TEST_CASE("checkpoints whose total is known to the last parameter") {
  CHECK(load("llama-7b").parameters() == 6738415616);
  CHECK(load("llama-65b").parameters() == 65285660672);
  CHECK(load("llama-2-7b").parameters() == 6738415616);
  CHECK(load("llama-2-70b").parameters() == 68976648192);
  CHECK(load("llama-3-8b").parameters() == 8030261248);
  CHECK(load("mistral-7b").parameters() == 7241732096);
  CHECK(load("qwen2.5-7b").parameters() == 7615616512);
  CHECK(load("qwen3-8b").parameters() == 8190735360);
  CHECK(load("opt-6.7b").parameters() == 6658473984);
  CHECK(load("phi-2").parameters() == 2779683840);
}

TEST_CASE("every file in configs/models loads, names its source and generates operators") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    const std::string name = entry.path().stem().string();
    CAPTURE(name);
    const bool toy = name.rfind("toy-", 0) == 0;  // nibble's own
    if (!toy) ++files;
    CHECK(published.count(name) == (toy ? 0 : 1));
    const LanguageModel model = load(name);
    CHECK(model.name == name);
    CHECK(model.source.size() > 20);
    std::uint64_t macs = 0;
    for_each_operator(model, scenario(1, 0, 1), [&](const Operator& op) {
      if (op.kind == OperatorKind::linear) macs += op.macs();
    });
    CHECK(macs == model.linear_weights());
  }
  CHECK(files == published.size());
}

TEST_CASE("properties that the parameter count does not show") {
  CHECK(load("llama-2-70b").heads / load("llama-2-70b").kv_heads == 8);
  CHECK(load("llama-30b").heads == 52);
  CHECK(load("mistral-7b").sliding_window == 4096);
  CHECK(load("qwen2.5-7b").qkv_bias);
  CHECK_FALSE(load("qwen2.5-7b").output_bias);
  CHECK(load("qwen3-8b").qk_norm);
  CHECK(load("phi-2").parallel_block);
  CHECK(load("phi-2").rotary_columns() == 32);
  CHECK(load("opt-6.7b").tied_embeddings);
  CHECK(load("opt-66b").head_dim == 128);
  CHECK(load("opt-1.3b").head_dim == 64);
  CHECK(load("llama-3-8b").max_positions == 8192);
}
