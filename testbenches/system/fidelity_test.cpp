// SPDX-License-Identifier: Apache-2.0
/// `transaction` against `cycle` fidelity: the same cycles, by the same causes, the same bytes and work, the same
/// results.
#include "testbenches/accelerators/sanitized.h"
#include "testbenches/system/fidelity_support.h"

using namespace nibble;
using namespace nibble::test;

namespace {

constexpr std::size_t tilings = sanitized ? 2 : 5;
const std::vector<std::string> dram_presets = {"hbm2", "ddr4-2400"};

using Pairs = std::vector<std::unique_ptr<FidelityPair>>;

FidelityPair& pair(Pairs& pairs, const std::string& title, const std::vector<std::string>& overrides,
                   const ConfigNode& memory) {
  pairs.push_back(std::make_unique<FidelityPair>(title, overrides, memory));
  return *pairs.back();
}

/// With data and the schedule that a host would search.
void add_searched(FidelityPair& pair, std::uint32_t m, std::uint32_t k, std::uint32_t n, Random& random,
                  const GemmFormats& formats = {}) {
  Descriptor command = gemm_command(pair.config(), m, k, n, formats);
  command.tiling = searched(pair.config(), command);
  pair.add(functional(command, random));
}

/// With data and any legal tiling that fits, in any loop order.
void add_random_tiling(FidelityPair& pair, Random& random, const GemmFormats& formats, std::uint64_t group) {
  const auto extent = [&](std::uint64_t step) {
    const std::uint64_t value = 1 + random.below(160);
    return static_cast<std::uint32_t>(random.below(2) == 0 ? value : round_up(value, step));
  };
  Descriptor command = gemm_command(pair.config(), extent(8), extent(group), extent(64), formats);
  const std::uint64_t accumulators = pair.config().buffers.output_bytes / 8;
  command.tiling.n = 64 * (1 + random.below(std::min(ceil_div(command.n, 64), accumulators / 64)));
  command.tiling.m = 1 + random.below(std::min<std::uint64_t>(command.m, accumulators / command.tiling.n));
  command.tiling.k = group * (1 + random.below(ceil_div(command.k, group)));
  command.tiling.order = all_loop_orders[random.below(6)];
  pair.add(functional(command, random));
}

/// Data for a command with an open window: `weights` and `window` side by side along k.
GemmCase windowed(const Descriptor& command, Random& random) {
  GemmCase out;
  out.command = command;
  out.activations = random_coded("int8-g64", command.m, reduction_of(command), random);
  out.weights = random_coded("mant4-g64", command.n, command.k, random);
  out.window = random_coded("int8-channel", command.n, segment_extent(command, 1), random);
  out.expected.assign(std::size_t{command.m} * command.n, 0.0f);
  const std::uint64_t k = command.k;
  GemmRange range{0, command.m, 0, k, 0, command.n};
  mant_gemm_tile(columns_of(out.activations, 0, k), out.weights, range, out.expected.data(), command.n);
  range.k = segment_extent(command, 1);
  mant_gemm_tile(columns_of(out.activations, k, range.k), out.window, range, out.expected.data(), command.n);
  return out;
}

}  // namespace

TEST_CASE("both fidelities agree on the M-ANT array, tails and single rows included") {
  Random random(20);
  Pairs pairs;
  FidelityPair& mant = pair(pairs, "64 x 32", {}, flat_memory(64, 50));
  for (const std::uint32_t m : {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u}) {
    add_searched(mant, m, 64, 32, random);
    add_searched(mant, m, 200, 33, random);
    add_searched(mant, m, 40, 31, random);
    add_searched(mant, m, 256, 130, random);
  }
  add_searched(mant, 1, 1, 1, random);
  add_searched(mant, 3, 63, 1, random);
  add_searched(mant, 17, 65, 500, random);
  add_searched(mant, 300, 130, 70, random);
  run_pairs(pairs);
}

TEST_CASE("both fidelities agree on small and narrow arrays, where groups take several passes") {
  Random random(21);
  Pairs pairs;
  const std::vector<std::vector<std::string>> arrays = {
      {"array.rows=8", "array.columns=4"},  {"array.rows=16", "array.columns=16"},
      {"array.rows=2", "array.columns=1"},  {"array.rows=24", "array.columns=5"},
      {"array.rows=64", "array.columns=1"}, {"array.rows=96", "array.columns=8"}};
  for (const auto& array : arrays) {
    FidelityPair& small = pair(pairs, array[0] + " " + array[1], array, flat_memory(64, 50));
    add_searched(small, 1, 64, 8, random);
    add_searched(small, 5, 130, 33, random);
    add_searched(small, 40, 63, 20, random);
    add_searched(small, 9, 130, 12, random, {"int8-g64", "int8-g64", "fp32"});
  }
  run_pairs(pairs);
}

TEST_CASE("both fidelities agree at every memory speed") {
  Random random(22);
  Pairs pairs;
  for (const double bandwidth : {0.7, 3.0, 16.0, 64.0, 333.3, 4096.0}) {
    for (const double latency : {0.0, 1.3, 50.0, 411.0}) {
      FidelityPair& machine =
          pair(pairs, std::to_string(bandwidth) + " GB/s, " + std::to_string(latency) + " ns",
               {"array.rows=16", "array.columns=8", "buffers.output_kib=4"}, flat_memory(bandwidth, latency));
      add_searched(machine, 33, 192, 128, random);
      add_searched(machine, 1, 300, 70, random);
      add_searched(machine, 70, 64, 200, random);
    }
  }
  run_pairs(pairs);
}

TEST_CASE("both fidelities agree with INT8 weights, INT8 channels and other groups") {
  Random random(23);
  Pairs pairs;
  const GemmFormats formats[] = {{"int8-g64", "int8-g64", "fp32"},
                                 {"int8-g64", "int8-channel", "fp32"},
                                 {"int8-g32", "mant4-g32", "fp32"},
                                 {"int8-g128", "mant4-g128", "fp32"},
                                 {"int8-g256", "int8-g256", "fp32"}};
  for (const auto& format : formats) {
    FidelityPair& machine =
        pair(pairs, format.activation + " " + format.weight, {"array.rows=32", "array.columns=8"}, flat_memory(64, 50));
    add_searched(machine, 20, 300, 70, random, format);
    add_searched(machine, 1, 256, 64, random, format);
    add_searched(machine, 67, 65, 9, random, format);
  }
  run_pairs(pairs);
}

TEST_CASE("columns longer than a partial sum can hold take groups in passes of 64") {
  Random random(28);
  Pairs pairs;
  FidelityPair& tall = pair(pairs, "256 rows", {"array.rows=256", "array.columns=4"}, flat_memory(64, 50));
  for (const char* weight : {"mant4-g256", "int8-g256"}) {
    Descriptor command = gemm_command(tall.config(), 3, 512, 9, {"int8-g256", weight, "fp32"});
    command.tiling = searched(tall.config(), command);
    GemmCase extreme = functional(command, random);
    std::fill(extreme.activations.codes.begin(), extreme.activations.codes.end(), std::int16_t{-128});
    const std::int16_t largest = extreme.weights.types.empty() ? 127 : 7;
    std::fill(extreme.weights.codes.begin(), extreme.weights.codes.end(), largest);
    mant_gemm(extreme.activations, extreme.weights, extreme.expected);
    tall.add(extreme);
  }
  run_pairs(pairs);
  CHECK(tall.cycle(0).passes == 3 * (512 / 64));
  CHECK(tall.cycle(1).passes == 3 * (512 / 64));
}

TEST_CASE("both fidelities agree on any tiling in any loop order, spilled partial sums included") {
  Random random(24);
  Pairs pairs;
  for (const double bandwidth : {1.0, 16.0, 64.0, 500.0}) {
    for (const char* output : {"1", "4", "64"}) {
      FidelityPair& machine = pair(pairs, std::string("output buffer of ") + output + " KiB",
                                   {"array.rows=8", "array.columns=8", std::string("buffers.output_kib=") + output},
                                   flat_memory(bandwidth, 40));
      for (std::size_t i = 0; i < tilings; ++i)
        add_random_tiling(machine, random, {"int8-g32", random.below(3) == 0 ? "int8-g32" : "mant4-g32", "fp32"}, 32);
    }
  }
  run_pairs(pairs);
  std::uint64_t spills = 0, refills = 0, stalled = 0;
  for (const auto& machine : pairs) {
    for (std::size_t i = 0; i < tilings; ++i) {
      const CommandCounters& counters = machine->cycle(i);
      spills += counters.write_bytes[static_cast<unsigned>(Stream::partial_sum)];
      refills += counters.read_bytes[static_cast<unsigned>(Stream::partial_sum)];
      stalled += counters.output_stall_cycles;
    }
  }
  CHECK(spills > 0);
  CHECK(spills == refills);
  CHECK(stalled > 0);
}

TEST_CASE("both fidelities agree behind DRAM timed burst by burst") {
  Random random(25);
  Pairs pairs;
  for (const std::string& preset : dram_presets) {
    const ConfigNode memory = ConfigNode::load(find_config("memories", preset));
    FidelityPair& machine = pair(pairs, preset, {"buffers.output_kib=16"}, memory);
    add_searched(machine, 64, 256, 300, random);
    add_searched(machine, 1, 1024, 200, random);
    add_searched(machine, 100, 130, 96, random);
  }
  run_pairs(pairs);
}

TEST_CASE("both fidelities agree on attention: masks, heads, the open window, quantized and streamed outputs") {
  Random random(26);
  Pairs pairs;
  for (const double bandwidth : {8.0, 64.0}) {
    FidelityPair& machine = pair(pairs, "attention", {"array.rows=16", "array.columns=8"}, flat_memory(bandwidth, 50));
    const SystolicConfig& config = machine.config();
    // Scores of four heads, query groups of two rows per token, ten tokens cached.
    Descriptor scores = gemm_command(config, 40, 128, 30, {"int8-g64", "mant4-g64", "fp16"}, 4);
    scores.causal = CausalMask::scores;
    scores.past = 10;
    scores.rows_per_token = 2;
    scores.tiling = searched(config, scores);
    machine.add(scores);
    scores.tiling = {8, 64, 64, LoopOrder::kmn};
    machine.add(scores);
    scores.window = 7;
    scores.tiling = {4, 64, 64, LoopOrder::mnk};
    machine.add(scores);
    // Context over 128 finished tokens and an open window of 19.
    for (const std::uint32_t m : {1u, 40u}) {
      Descriptor context = gemm_command(config, m, 128, 64, {"int8-g64", "mant4-g64", "int8-g64"}, 2);
      std::uint64_t next = round_up(context.scratch_address + m * 64 * 4, 4096);
      context.a = placed("int8-g64", m, 147, config.activation_block_rows, 2, next);
      add_window(context, 19, next);
      context.causal = CausalMask::context;
      context.past = 147 - m;
      context.tiling = searched(config, context);
      machine.add(context);
      context.tiling = {7, 64, 64, LoopOrder::mnk};
      machine.add(context);
      context.window = 60;  // the first of the two tiles of 64 finished tokens is behind it for late rows
      machine.add(context);
    }
    // Values leave as a stream behind the temporal quantizer.
    Descriptor values = gemm_command(config, 70, 192, 128, {"int8-g64", "mant4-g64", "mant4-g64"});
    values.stream_bytes = 70 * 128 * 35 / 64 + 17;
    values.tiling = searched(config, values);
    machine.add(values);
    // Queries leave quantized.
    Descriptor queries = gemm_command(config, 33, 192, 128, {"int8-g64", "mant4-g64", "int8-g64"});
    queries.tiling = searched(config, queries);
    machine.add(queries);
  }
  run_pairs(pairs);
}

TEST_CASE("a window of data gives the same result in both fidelities") {
  // C = A0 W^T over 64 finished tokens + A1 V^T over the open window.
  Random random(27);
  Pairs pairs;
  for (const std::uint32_t window : {1u, 30u, 64u}) {
    FidelityPair& machine = pair(pairs, "window", {"array.rows=16", "array.columns=8"}, flat_memory(64, 50));
    const SystolicConfig& config = machine.config();
    Descriptor command = gemm_command(config, 21, 64, 40, {"int8-g64", "mant4-g64", "fp32"});
    std::uint64_t next = round_up(command.scratch_address + 21 * 40 * 4, 4096);
    command.a = placed("int8-g64", 21, 64 + window, config.activation_block_rows, 1, next);
    add_window(command, window, next);
    command.timing_only = false;
    command.tiling = {21, 64, 64, LoopOrder::mnk};
    machine.add(windowed(command, random));
  }
  run_pairs(pairs);
}
