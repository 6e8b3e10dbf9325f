// SPDX-License-Identifier: Apache-2.0
/// Every machine configuration behind its sockets: results equal the PE's function, the smallest tile takes the cycles
/// counted by hand, bytes asked for are conserved.
#include <string>
#include <vector>

#include "formats/quantizer.h"
#include "formats/rounding.h"
#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"

using namespace nibble;
using namespace nibble::test;

namespace {

Descriptor command_for(const SystolicConfig& config, std::uint32_t m, std::uint32_t k, std::uint32_t n,
                       const Format& activations, const Format& weights) {
  Descriptor d = gemm_command(config, m, k, n, {activations.name(), weights.name(), "fp32"});
  d.c.column_block = static_cast<std::uint32_t>(config.output_block_columns);
  d.options = config.options;
  return d;
}

const char* const all_machines[] = {
    "mant",      "fp16-array", "int8-array", "harmonia", "amove-array", "amove-array-conservative", "ant", "olive",
    "bitfusion", "figna",      "tender",     "anda",     "bitmod"};

std::uint64_t sum(const std::array<std::uint64_t, stream_count>& bytes) {
  std::uint64_t total = 0;
  for (const std::uint64_t part : bytes)
    total += part;
  return total;
}

}  // namespace

TEST_CASE("every machine's products through the sockets are its PE's, tails and tiles included") {
  Random random(60);
  Machines machines;
  for (const char* const name : all_machines) {
    // Small buffers, so that reductions and outputs take several tiles.
    const SystolicConfig config =
        machine_config(name, {"buffers.activation_kib=8", "buffers.weight_kib=32", "buffers.output_kib=16"});
    for (const auto& pair : {std::pair<Format, Format>{config.formats.activation, config.formats.weight},
                             std::pair<Format, Format>{config.formats.query, config.formats.key},
                             std::pair<Format, Format>{config.formats.probability, config.formats.value}}) {
      const auto m = static_cast<std::uint32_t>(1 + random.below(70));
      const auto k = static_cast<std::uint32_t>(1 + random.below(700));
      const auto n = static_cast<std::uint32_t>(1 + random.below(90));
      Descriptor d = command_for(config, m, k, n, pair.first, pair.second);
      d.tiling = searched(config, d);
      const GemmCase gemm_case = encoded_case(config, d, random);
      machines.add(config, [gemm_case, name](MachineBench& bench) {
        CAPTURE(name, gemm_case.command.m, gemm_case.command.k, gemm_case.command.n);
        gemm_case.place(bench);
        bench.open_queue();
        const auto outcome = bench.perform(gemm_case.command);
        CHECK(outcome.status == CommandStatus::done);
        CHECK((gemm_case.result(bench) == gemm_case.expected));
        // Everything asked for: the operands at least once, the result exactly once.
        const CommandCounters& c = outcome.counters;
        CHECK(sum(c.write_bytes) ==
              gemm_case.command.c.layout(0).bytes() + 4 + c.write_bytes[static_cast<unsigned>(Stream::partial_sum)]);
        CHECK(c.read_bytes[static_cast<unsigned>(Stream::weight)] >= gemm_case.command.w.layout(0).bytes());
        CHECK(c.read_bytes[static_cast<unsigned>(Stream::activation)] >= gemm_case.command.a.layout(0).bytes());
        CHECK(c.macs() == std::uint64_t{gemm_case.command.m} * gemm_case.command.k * gemm_case.command.n);
        CHECK(c.cycles == c.compute_cycles + c.fill_drain_cycles + c.memory_stall_cycles + c.output_stall_cycles +
                              c.exposed_quantizer_cycles);
      });
    }
  }
  machines.run();
}

TEST_CASE("decomposed activations of several chunks of rows, in tiles that begin and end within them") {
  Random random(62);
  Machines machines;
  for (const char* const format : {"tender4-d8", "tender8-d3"}) {
    const SystolicConfig config = machine_config("tender", {"buffers.activation_kib=16"});
    Descriptor d = command_for(config, 530, 300, 70, Format::parse(format),
                               Format::parse(format[6] == '4' ? "int4-channel" : "int8-channel"));
    d.tiling = searched(config, d);
    const GemmCase gemm_case = encoded_case(config, d, random);
    machines.add(config, [gemm_case](MachineBench& bench) {
      gemm_case.place(bench);
      bench.open_queue();
      CHECK(bench.perform(gemm_case.command).status == CommandStatus::done);
      CHECK((gemm_case.result(bench) == gemm_case.expected));
    });
  }
  machines.run();
}

TEST_CASE("Amove's records move as 68 and 20 bytes, metadata beside their elements") {
  struct Record {
    const char* format;
    std::uint64_t elements, bytes;
  };
  Random random(63);
  Machines machines;
  for (const Record& record : {Record{"amove4-g128c16", 128, 68}, Record{"amove4-g32c4", 32, 20}}) {
    const SystolicConfig config = machine_config("amove-array");
    const Format format = Format::parse(record.format);
    Descriptor d = command_for(config, 32, 256, 32, format, format);
    d.tiling = {32, 256, 32, LoopOrder::mnk};
    const GemmCase gemm_case = encoded_case(config, d, random);
    machines.add(config, [gemm_case, record](MachineBench& bench) {
      gemm_case.place(bench);
      bench.open_queue();
      const auto outcome = bench.perform(gemm_case.command);
      CHECK(outcome.status == CommandStatus::done);
      CHECK((gemm_case.result(bench) == gemm_case.expected));
      const std::uint64_t operand = 32 * (256 / record.elements) * record.bytes;
      CHECK(outcome.counters.read_bytes[static_cast<unsigned>(Stream::activation)] == operand);
      CHECK(outcome.counters.read_bytes[static_cast<unsigned>(Stream::weight)] == operand);
    });
  }
  machines.run();
}

TEST_CASE("the smallest tile of every machine, counted by hand") {
  struct Count {
    const char* name;
    std::uint64_t compute, fill_drain;
  };
  // Weight stationary: load of all rows, rows - 1 down, foot. Output stationary: chain of a column, pipeline behind the
  // first stage, foot.
  const Count counts[] = {{"mant", 1, 64 + 63 + 4},
                          {"fp16-array", 1, 32 + 31},
                          {"int8-array", 1, 32 + 31 + 3},
                          {"bitfusion", 1, 32 + 31 + 3},
                          {"figna", 1, 64 + 63 + 3},
                          {"harmonia", 1, 16 + 4 + 2},
                          // A cluster occupies its PE for 4 cycles: four PEs share a GIPU.
                          {"amove-array", 4, 32 + 4},
                          {"amove-array-conservative", 4, 32 + 4},
                          {"ant", 1, 64 + 3},
                          {"olive", 1, 64 + 3},
                          // Seven shifts between eight groups of columns.
                          {"tender", 1 + 7, 64 + 3},
                          // Seven planes; gate and add, three stages behind the first.
                          {"anda", 7, 16 + 3 + 3},
                          // The scale of the group takes eight cycles, bit by bit.
                          {"bitmod", 8, 32 + 2 + 9}};
  Machines machines;
  for (const Count& count : counts) {
    const SystolicConfig config = machine_config(count.name);
    Descriptor d = command_for(config, 1, 1, 1, config.formats.activation, config.formats.weight);
    d.tiling = {1, 1, 1, LoopOrder::mnk};
    machines.add(config, [d, count](MachineBench& bench) {
      CAPTURE(count.name);
      bench.open_queue();
      const auto outcome = bench.perform(d);
      CHECK(outcome.status == CommandStatus::done);
      CHECK(outcome.counters.compute_cycles == count.compute);
      CHECK(outcome.counters.fill_drain_cycles == count.fill_drain);
    });
  }
  machines.run();
}

TEST_CASE("results leave in the formats that each machine's quantizer encodes") {
  Random random(61);
  Machines machines;
  for (const char* const name : {"harmonia", "amove-array", "int8-array", "figna", "bitmod"}) {
    const SystolicConfig config = machine_config(name);
    const Format output = config.formats.key;
    Descriptor d = command_for(config, 20, 256, 128, config.formats.activation, config.formats.weight);
    const GemmCase plain = encoded_case(config, d, random);
    d = plain.command;
    d.c.format = output;
    d.c.exponent = output.family == FormatFamily::amove ? 1 : 0;
    d.tiling = {20, 256, 128, LoopOrder::mnk};
    Tensor results{"c", {20, 128}, {}};
    for (const auto bits : fp16_output(plain.expected).bits)
      results.values.push_back(fp16_value(bits));
    EncodeOptions online;
    if (output.family == FormatFamily::amove) online.exponent = 1;
    const QuantizedTensor expected = encode(results, output, online);
    machines.add(config, [plain, d, expected, name](MachineBench& bench) {
      CAPTURE(name);
      plain.place(bench);
      bench.open_queue();
      CHECK(bench.perform(d).status == CommandStatus::done);
      CHECK((bench.get(d.c.address, d.c.layout(0).bytes()) == pack_operand(d.c.layout(0), expected)));
    });
  }
  machines.run();
}
