// SPDX-License-Identifier: Apache-2.0
/// Results that leave through the real-time quantizer: what lies in memory equals encoding the FP16 results at once.
#include <catch2/catch.hpp>

#include "accelerators/lowering.h"
#include "accelerators/platform.h"
#include "accelerators/tile_buffers.h"
#include "core/random.h"
#include "formats/packed_operand.h"
#include "formats/rounding.h"
#include "pe/gemm.h"
#include "pe/mant_gemm.h"

using namespace nibble;

namespace {

constexpr std::uint64_t m = 70, k = 192, n = 192;

Tensor random_tensor(const std::string& name, std::size_t rows, std::size_t columns, std::uint64_t seed, double scale) {
  Random random(seed);
  Tensor tensor{name, {rows, columns}, {}};
  for (std::size_t i = 0; i < rows * columns; ++i)
    tensor.values.push_back(static_cast<float>(random.normal() * scale));
  return tensor;
}

OperandDescriptor place(const Format& format, std::uint64_t rows, std::uint64_t columns, std::uint64_t address) {
  OperandDescriptor operand;
  operand.address = address;
  operand.format = format;
  operand.rows = static_cast<std::uint32_t>(rows);
  operand.columns = static_cast<std::uint32_t>(columns);
  operand.block_rows = 16;
  return operand;
}

struct Outcome {
  std::vector<std::uint8_t> bytes;
  OperandDescriptor c;
  QuantizedTensor expected;
  std::uint64_t quantizer_cycles = 0;
};

Outcome run(const std::string& output_format, const std::string& fidelity, double weight_scale) {
  ConfigNode node = ConfigNode::load(find_config("accelerators", "mant"));
  node.apply_override("memory.preset=flat-64gbps");
  node.apply_override("fidelity=" + fidelity);
  Platform platform(PlatformConfig::from(node));
  const auto activations = encode(random_tensor("a", m, k, 1, 1.0), Format::parse("int8-g64"));
  EncodeOptions offline;
  offline.slot = TensorSlot::offline;
  const auto weights = encode(random_tensor("w", n, k, 2, weight_scale), Format::parse("mant4-g64"), offline);

  Descriptor d;
  d.opcode = Opcode::gemm;
  d.m = m, d.k = k, d.n = n;
  d.a = place(activations.format, m, k, 1 << 20);
  d.w = place(weights.format, n, k, 2 << 20);
  d.c = place(Format::parse(output_format), m, n, 3 << 20);
  d.tiling = {32, 64, 128, LoopOrder::mnk};
  platform.host().write_memory(d.a.address, pack_operand(d.a.layout(0), activations));
  platform.host().write_memory(d.w.address, pack_operand(d.w.layout(0), weights));
  LoweredCommand command;
  command.descriptor = d;
  command.name = "gemm";

  Outcome outcome;
  outcome.c = d.c;
  Report report;
  platform.describe(report);
  bool posted = false;
  platform.run(
      [&]() -> std::optional<LoweredCommand> {
        return std::exchange(posted, true) ? std::nullopt : std::optional<LoweredCommand>(command);
      },
      report, {}, [&](Host& host) { outcome.bytes = host.read_memory(d.c.address, d.c.layout(0).bytes()); });
  outcome.quantizer_cycles = report.totals().exposed_quantizer_cycles;

  std::vector<float> accumulators;
  mant_gemm(activations, weights, accumulators);
  Tensor results{"c", {m, n}, {}};
  for (const auto bits : fp16_output(accumulators).bits)
    results.values.push_back(fp16_value(bits));
  EncodeOptions online;
  if (output_format != "int8-g64") online.select = "variance";
  outcome.expected = encode(results, Format::parse(output_format), online);
  return outcome;
}

void check(const Outcome& outcome) {
  const auto expected = pack_operand(outcome.c.layout(0), outcome.expected);
  REQUIRE(outcome.bytes.size() == expected.size());
  CHECK(outcome.bytes == expected);
  // 12 cycles of scale and type, one of encoding, behind the last result.
  CHECK(outcome.quantizer_cycles == 13);
}

}  // namespace

TEST_CASE("INT8 results are those of the one-shot encoder, at transaction fidelity") {
  check(run("int8-g64", "transaction", 0.05));
}
TEST_CASE("MANT keys are those of the one-shot encoder, at transaction fidelity") {
  check(run("mant4-g64", "transaction", 0.05));
}
TEST_CASE("INT8 results are those of the one-shot encoder, at cycle fidelity") {
  check(run("int8-g64", "cycle", 0.05));
}
TEST_CASE("MANT keys are those of the one-shot encoder, at cycle fidelity") {
  check(run("mant4-g64", "cycle", 0.05));
}

TEST_CASE("results beyond FP16 cannot be quantized: the command ends with its status") {
  CHECK_THROWS_WITH(run("int8-g64", "transaction", 40000.0), Catch::Contains("cannot be encoded"));
}
