// SPDX-License-Identifier: Apache-2.0
/// Toy transformers of two layers through every machine's sockets with real data: prompt and decode steps, batch 2, the
/// logits equal to the network composed of formats, PE functions and cache objects alone, bit for bit.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "accelerators/functional_model.h"
#include "accelerators/model_commands.h"
#include "accelerators/platform.h"
#include "testbenches/support/paths.h"
#include "testbenches/system/composed_network.h"

using namespace nibble;
using namespace nibble::test;

namespace {

/// Four query heads on two KV heads, rotary positions, a gated feed-forward layer.
LanguageModel gated_toy() {
  return LanguageModel::from(ConfigNode::load("models", "toy-2layer"));
}

/// Learned positions, layer norms, biases, relu.
LanguageModel biased_toy() {
  return LanguageModel::from(ConfigNode::load("models", "toy-2layer-opt"));
}

struct Outcome {
  std::vector<std::vector<std::vector<float>>> logits;  ///< [pass][sequence]
  LogitError error;
  std::uint64_t parts = 0;  ///< of the first attention
};

Outcome run_machine(const std::string& machine, const LanguageModel& model, const Scenario& scenario,
                    std::uint64_t seed, const std::vector<std::string>& overrides = {}) {
  ConfigNode node = ConfigNode::load("accelerators", machine);
  for (const std::string& assignment : overrides)
    node.apply_override(assignment);
  Platform platform(PlatformConfig::from(node));
  FunctionalLowering lowering(*platform.config().machine, platform.memory_rate(), model, scenario,
                              platform.first_free_address(), platform.memory().capacity_bytes());
  ModelCommands commands(lowering, model, scenario, {false, false});
  FunctionalModel host(model, scenario, seed);
  Report report;
  Outcome outcome;
  platform.run(
      [&] {
        auto command = commands.next();
        if (command) host.prepare(platform.host(), lowering, command->descriptor);
        return command;
      },
      report, {},
      [&](Host& memory) {
        for (std::size_t pass = 0; pass < lowering.passes().size(); ++pass)
          outcome.logits.push_back(host.logits(memory, lowering, pass));
        outcome.error = host.error(memory, lowering);
      });
  for (const OperatorFigures& entry : report.operators) {
    if (outcome.parts == 0 && entry.name == "softmax") outcome.parts = entry.steps;
  }
  return outcome;
}

std::vector<std::vector<std::vector<float>>> compose(const std::string& machine, const LanguageModel& model,
                                                     const Scenario& scenario, const SyntheticModel& weights,
                                                     const std::string& planted = "", int planted_layer = -1) {
  const PlatformConfig config = PlatformConfig::from(ConfigNode::load("accelerators", machine));
  ComposedNetwork network(*config.machine, model, weights, scenario.batch);
  network.plant(planted, planted_layer);
  std::vector<std::vector<std::vector<float>>> logits{network.run(scenario.prefill)};
  for (std::uint64_t step = 0; step < scenario.decode; ++step)
    logits.push_back(network.run(1));
  return logits;
}

/// Largest error against the network without quantization that a machine may make of these toys, relative.
void check(const std::string& machine, const LanguageModel& model, std::uint64_t prefill, double bound) {
  Scenario scenario;
  scenario.batch = 2;
  scenario.prefill = prefill;
  scenario.decode = 4;
  const Outcome outcome = run_machine(machine, model, scenario, 5);
  CHECK(outcome.logits == compose(machine, model, scenario, SyntheticModel(5)));
  CAPTURE(outcome.error.relative, outcome.error.cosine, outcome.error.same_top);
  CHECK(outcome.error.relative < bound);
  CHECK(outcome.error.relative > bound / 4);
}

/// The machines below.
std::set<std::string>& tested_machines() {
  static std::set<std::string> machines;
  return machines;
}

struct Tested {
  explicit Tested(const char* machine) { tested_machines().insert(machine); }
};

}  // namespace

// The prompts end two tokens before a group of every format is full (64 and 32), before Harmonia demotes its first
// block (128), and before M-ANT's scales are fixed (64).
#define NIBBLE_FUNCTIONAL(machine, bound)                       \
  const Tested INTERNAL_CATCH_UNIQUE_NAME(tested)(machine);     \
  TEST_CASE("gated toy with data: " machine, "[functional]") {  \
    check(machine, gated_toy(), 126, bound);                    \
  }                                                             \
  TEST_CASE("biased toy with data: " machine, "[functional]") { \
    check(machine, biased_toy(), 62, bound);                    \
  }

NIBBLE_FUNCTIONAL("mant", 0.2)
NIBBLE_FUNCTIONAL("harmonia", 0.25)
NIBBLE_FUNCTIONAL("amove-array", 0.3)
NIBBLE_FUNCTIONAL("amove-array-conservative", 0.25)
NIBBLE_FUNCTIONAL("fp16-array", 0.0012)
NIBBLE_FUNCTIONAL("int8-array", 0.025)
NIBBLE_FUNCTIONAL("ant", 0.33)
NIBBLE_FUNCTIONAL("olive", 0.33)
NIBBLE_FUNCTIONAL("bitfusion", 0.025)
NIBBLE_FUNCTIONAL("figna", 0.25)
NIBBLE_FUNCTIONAL("tender", 0.33)
NIBBLE_FUNCTIONAL("anda", 0.3)
NIBBLE_FUNCTIONAL("bitmod", 0.3)
NIBBLE_FUNCTIONAL("ant-iso-mant", 0.33)
NIBBLE_FUNCTIONAL("olive-iso-mant", 0.33)
NIBBLE_FUNCTIONAL("simt-fp16", 0.0012)
NIBBLE_FUNCTIONAL("pacq", 0.25)
NIBBLE_FUNCTIONAL("pacq-int2", 1.5)
NIBBLE_FUNCTIONAL("simt-dequant", 0.25)
NIBBLE_FUNCTIONAL("simt-k-packed", 0.25)
NIBBLE_FUNCTIONAL("simt-mix-gemm", 0.25)
NIBBLE_FUNCTIONAL("amove-tensor-core", 0.3)
NIBBLE_FUNCTIONAL("amove-tensor-core-conservative", 0.25)
NIBBLE_FUNCTIONAL("int8-tensor-core", 0.025)
NIBBLE_FUNCTIONAL("ant-tensor-core", 0.33)
NIBBLE_FUNCTIONAL("olive-tensor-core", 0.33)

namespace {

/// Norms of heads, neighbouring channels that turn together, a bias of the logits (as in qwen3 and GPT-J).
LanguageModel turned_toy() {
  LanguageModel model = gated_toy();
  model.qk_norm = model.rotary_interleaved = model.lm_head_bias = true;
  model.check();
  return model;
}

/// Attention and feed-forward beside each other, a part of each head that turns (as in phi-2).
LanguageModel parallel_toy() {
  LanguageModel model = biased_toy();
  model.positions = Positions::rotary;
  model.reserved_positions = 0;
  model.rotary_fraction = 0.5;
  model.activation = FeedForward::gelu;
  model.parallel_block = model.lm_head_bias = true;
  model.check();
  return model;
}

void check_form(const std::string& machine, const LanguageModel& model, const Scenario& scenario,
                const std::vector<std::string>& overrides = {}) {
  const Outcome outcome = run_machine(machine, model, scenario, 11, overrides);
  CHECK(outcome.logits == compose(machine, model, scenario, SyntheticModel(11)));
}

Scenario brief(std::uint64_t batch, std::uint64_t prefill) {
  Scenario scenario;
  scenario.batch = batch;
  scenario.prefill = prefill;
  scenario.decode = 2;
  return scenario;
}

}  // namespace

#define NIBBLE_FORMS(machine)                                          \
  TEST_CASE("norms of heads, interleaved rotary: " machine) {          \
    check_form(machine, turned_toy(), brief(2, 34));                   \
  }                                                                    \
  TEST_CASE("parallel block, biased logits: " machine) {               \
    check_form(machine, parallel_toy(), brief(2, 34));                 \
  }                                                                    \
  TEST_CASE("data at fidelity cycle: " machine) {                      \
    check_form(machine, gated_toy(), brief(1, 5), {"fidelity=cycle"}); \
  }

NIBBLE_FORMS("mant")
NIBBLE_FORMS("harmonia")
NIBBLE_FORMS("amove-array")
NIBBLE_FORMS("fp16-array")
NIBBLE_FORMS("figna")
NIBBLE_FORMS("bitmod")

TEST_CASE("parts of an attention take turns at the places of their scores", "[functional]") {
  Scenario scenario;
  scenario.batch = 6;
  scenario.prefill = 110;
  scenario.decode = 1;
  const Outcome outcome = run_machine("mant", gated_toy(), scenario, 7);
  CHECK(outcome.parts > 3);
  CHECK(outcome.logits == compose("mant", gated_toy(), scenario, SyntheticModel(7)));
}

TEST_CASE("every machine has its functional test", "[functional]") {
  std::set<std::string> machines;
  for (const auto& entry : std::filesystem::directory_iterator(source_path("configs/accelerators")))
    machines.insert(entry.path().stem().string());
  CHECK(machines == tested_machines());
}

TEST_CASE("one bit of any operand changes the logits", "[functional]") {
  Scenario scenario;
  scenario.prefill = 6;
  scenario.decode = 1;
  LanguageModel model = biased_toy();
  model.activation = FeedForward::gelu;  // relu hides what lies below zero, coarse formats what lies between two codes
  const std::string machine = "fp16-array";
  const SyntheticModel weights(9);
  const Outcome outcome = run_machine(machine, model, scenario, 9);
  REQUIRE(outcome.logits == compose(machine, model, scenario, weights));
  for (const std::string operand : {"embedding",
                                    "positions",
                                    "attention_norm",
                                    "q_proj",
                                    "k_proj",
                                    "v_proj",
                                    "q_bias",
                                    "k_bias",
                                    "v_bias",
                                    "keys",
                                    "values",
                                    "o_proj",
                                    "o_bias",
                                    "feed_forward_norm",
                                    "fc1",
                                    "fc1_bias",
                                    "fc2",
                                    "fc2_bias",
                                    "final_norm",
                                    "lm_head"}) {
    const bool outside =
        operand == "embedding" || operand == "positions" || operand == "final_norm" || operand == "lm_head";
    for (int layer = outside ? -1 : 0; layer < (outside ? 0 : 2); ++layer) {
      CAPTURE(operand, layer);
      CHECK(outcome.logits != compose(machine, model, scenario, weights, operand, layer));
    }
  }
}
