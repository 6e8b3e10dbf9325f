// SPDX-License-Identifier: Apache-2.0
/// What a machine does with commands that it cannot run and with a memory that refuses: a documented status, an error
/// interrupt, never a crash or a hang.
#include <algorithm>

#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"
#include "testbenches/accelerators/sanitized.h"

using namespace nibble;
using namespace nibble::test;
namespace reg = nibble::control_register;

namespace {

using Change = std::function<void(Descriptor&)>;

Descriptor good_gemm(const SystolicConfig& config) {
  Descriptor command = gemm_command(config, 20, 128, 128);
  command.tiling = {20, 64, 64, LoopOrder::mnk};
  return command;
}

Descriptor good_vector() {
  Descriptor command;
  command.opcode = Opcode::vector;
  command.timing_only = true;
  command.function = static_cast<std::uint32_t>(VectorFunction::residual_add);
  command.elements = 4096;
  command.inputs = 2;
  command.input_bytes[0] = command.input_bytes[1] = command.output_bytes = 8192;
  command.a.address = 0x10000;
  command.w.address = 0x20000;
  command.c.address = 0x30000;
  return command;
}

/// The command gets `status` and an error interrupt; nothing runs until a reset, then a good one does.
void refused(MachineBench& bench, const std::array<std::uint8_t, descriptor_bytes>& bytes, CommandStatus status) {
  bench.open_queue();
  bench.post_bytes(bytes);
  Descriptor follower;
  follower.opcode = Opcode::nop;
  bench.post(follower);
  bench.ring();
  CHECK(bench.wait_interrupt() == 2);
  CHECK(to_string(bench.status_word(0)) == std::string(to_string(status)));
  CHECK(bench.read(reg::status) == 2);
  CHECK(bench.read(reg::completed) == 1);
  sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
  CHECK(bench.read(reg::completed) == 1);
  CHECK(bench.status_word(1) == CommandStatus::pending);
  bench.write(reg::control, 1);
  bench.open_queue();
  CHECK(bench.perform(good_gemm(bench.systolic())).status == CommandStatus::done);
}

struct Refusal {
  const char* what;
  CommandStatus status;
  Change change;
};

void check_refusals(const Descriptor& good, const std::vector<Refusal>& refusals) {
  Machines machines;
  const SystolicConfig config = mant_config({"buffers.output_kib=16"});
  for (const auto& refusal : refusals) {
    machines.add(config, [good, refusal](MachineBench& bench) {
      CAPTURE(refusal.what);
      Descriptor bad = good;
      refusal.change(bad);
      refused(bench, bad.pack(), refusal.status);
    });
  }
  machines.add(config, [good](MachineBench& bench) {
    bench.open_queue();
    CHECK(bench.perform(good).status == CommandStatus::done);
  });
  machines.run();
}

}  // namespace

TEST_CASE("GEMM descriptors that make no sense get the status that says why") {
  const auto shape = CommandStatus::bad_shape;
  const auto format = CommandStatus::bad_format;
  check_refusals(
      good_gemm(mant_config()),
      {
          {"m = 0", shape, [](Descriptor& d) { d.m = 0; }},
          {"k = 0", shape, [](Descriptor& d) { d.k = 0; }},
          {"n = 0", shape, [](Descriptor& d) { d.n = 0; }},
          {"count = 0", shape, [](Descriptor& d) { d.count = 0; }},
          {"rows_per_token = 0", shape, [](Descriptor& d) { d.rows_per_token = 0; }},
          {"tile m = 0", shape, [](Descriptor& d) { d.tiling.m = 0; }},
          {"tile k = 0", shape, [](Descriptor& d) { d.tiling.k = 0; }},
          {"tile n = 0", shape, [](Descriptor& d) { d.tiling.n = 0; }},
          {"more products than can be counted", shape,
           [](Descriptor& d) {
             d.m = d.n = d.k = ~0u;
             d.a.rows = d.a.columns = d.w.rows = d.w.columns = d.c.rows = d.c.columns = ~0u;
           }},
          {"A has fewer rows", shape, [](Descriptor& d) { d.a.rows = 19; }},
          {"A has fewer columns", shape, [](Descriptor& d) { d.a.columns = 127; }},
          {"W has fewer rows", shape, [](Descriptor& d) { d.w.rows = 127; }},
          {"W has fewer columns", shape, [](Descriptor& d) { d.w.columns = 64; }},
          {"C has fewer rows", shape, [](Descriptor& d) { d.c.rows = 1; }},
          {"C has fewer columns", shape, [](Descriptor& d) { d.c.columns = 64; }},
          {"A in blocks of no rows", shape, [](Descriptor& d) { d.a.block_rows = 0; }},
          {"W in blocks of no rows", shape, [](Descriptor& d) { d.w.block_rows = 0; }},
          {"C in blocks of no rows", shape, [](Descriptor& d) { d.c.block_rows = 0; }},
          {"a tile that cuts a group", shape, [](Descriptor& d) { d.tiling.k = 96; }},
          {"a tile that cuts a block of the output", shape, [](Descriptor& d) { d.tiling.n = 32; }},
          {"a window and operands that end before it", shape,
           [](Descriptor& d) {
             d.continuations[0] = {1, d.w.address, 0, window_format()};
           }},
          {"a window whose end wraps around", shape,
           [](Descriptor& d) {
             d.continuations[0] = {~0u, d.w.address, 0, window_format()};
           }},
          {"a window behind a cut group", shape,
           [](Descriptor& d) {
             d.k = 100;
             d.continuations[0] = {8, d.w.address, 0, window_format()};
           }},
          {"a second continuation without the first", shape,
           [](Descriptor& d) {
             d.continuations[1] = {8, d.w.address, 0, window_format()};
             d.a.columns = 136;
           }},
          {"an FP16 window", format,
           [](Descriptor& d) {
             d.continuations[0] = {8, d.w.address, 0, Format::parse("fp16")};
             d.a.columns = 136;
           }},
          {"a choice of accumulator that the PE does not have", format,
           [](Descriptor& d) { d.options.accumulate_fp32 = true; }},
          {"a choice of product that the PE does not have", format,
           [](Descriptor& d) { d.options.product_fp16 = true; }},
          {"FP16 activations", format, [](Descriptor& d) { d.a.format = Format::parse("fp16"); }},
          {"MANT activations", format, [](Descriptor& d) { d.a.format = Format::parse("mant4-g64"); }},
          {"activations per channel", format, [](Descriptor& d) { d.a.format = Format::parse("int8-channel"); }},
          {"INT4 weights", format, [](Descriptor& d) { d.w.format = Format::parse("int4-g64"); }},
          {"other groups", format, [](Descriptor& d) { d.w.format = Format::parse("mant4-g32"); }},
          {"FP16 weights", format, [](Descriptor& d) { d.w.format = Format::parse("fp16"); }},
          {"groups beyond the PE", format,
           [](Descriptor& d) {
             d.a.format = Format::parse("int8-g512");
             d.w.format = Format::parse("mant4-g512");
           }},
          {"an output that nothing produces", format, [](Descriptor& d) { d.c.format = Format::parse("bfp8-g32"); }},
          {"output accumulators beyond their buffer", CommandStatus::tile_too_large,
           [](Descriptor& d) {
             d.m = d.a.rows = d.c.rows = 64;
             d.tiling = {64, 64, 128, LoopOrder::mnk};
           }},
          {"an activation tile beyond its buffer", CommandStatus::tile_too_large,
           [](Descriptor& d) {
             d.k = d.a.columns = d.w.columns = 8192;
             d.tiling = {20, 8192, 64, LoopOrder::mnk};
           }},
          {"a weight tile beyond its buffer", CommandStatus::tile_too_large,
           [](Descriptor& d) {
             d.m = 1;
             d.k = d.a.columns = d.w.columns = 4096;
             d.tiling = {1, 4096, 64, LoopOrder::mnk};
           }},
          {"a functional stream output", CommandStatus::no_data_path,
           [](Descriptor& d) {
             d.timing_only = false;
             d.stream_bytes = 100;
           }},
          {"A beyond memory", CommandStatus::bus_error, [](Descriptor& d) { d.a.address = Machines::capacity; }},
          {"W at the end of all addresses", CommandStatus::bus_error, [](Descriptor& d) { d.w.address = ~0ull - 10; }},
          {"C beyond memory", CommandStatus::bus_error, [](Descriptor& d) { d.c.address = Machines::capacity - 1; }},
          {"scratch beyond memory", CommandStatus::bus_error,
           [](Descriptor& d) {
             d.tiling.order = LoopOrder::kmn;
             d.scratch_address = ~0ull << 40;
           }},
          {"an instance beyond memory", CommandStatus::bus_error,
           [](Descriptor& d) {
             d.count = 3;
             d.w.instance_stride = std::uint64_t{1} << 63;
           }},
      });
}

TEST_CASE("vector descriptors that make no sense get the status that says why") {
  const auto shape = CommandStatus::bad_shape;
  check_refusals(
      good_vector(),
      {
          {"an unknown function", shape, [](Descriptor& d) { d.function = vector_function_count; }},
          {"function 2^32 - 1", shape, [](Descriptor& d) { d.function = ~0u; }},
          {"no elements", shape, [](Descriptor& d) { d.elements = 0; }},
          {"no inputs", shape, [](Descriptor& d) { d.inputs = 0; }},
          {"three inputs", shape, [](Descriptor& d) { d.inputs = 3; }},
          {"no input bytes", shape, [](Descriptor& d) { d.input_bytes[0] = 0; }},
          {"no bytes of the second input", shape, [](Descriptor& d) { d.input_bytes[1] = 0; }},
          {"bytes of an input that is not there", shape, [](Descriptor& d) { d.inputs = 1; }},
          {"no output bytes", shape, [](Descriptor& d) { d.output_bytes = 0; }},
          {"more elements than can be counted", shape, [](Descriptor& d) { d.elements = ~0ull; }},
          {"more input bytes than can be counted", shape, [](Descriptor& d) { d.input_bytes[0] = ~0ull; }},
          {"more output bytes than can be counted", shape, [](Descriptor& d) { d.output_bytes = ~0ull; }},
          {"elements of less than a bit", shape, [](Descriptor& d) { d.elements = 8 * 8192 + 1; }},
          {"data without shapes", shape, [](Descriptor& d) { d.timing_only = false; }},
          {"input beyond memory", CommandStatus::bus_error, [](Descriptor& d) { d.a.address = ~0ull; }},
          {"second input beyond memory", CommandStatus::bus_error,
           [](Descriptor& d) { d.w.address = Machines::capacity - 100; }},
          {"output beyond memory", CommandStatus::bus_error, [](Descriptor& d) { d.c.address = Machines::capacity; }},
      });
}

TEST_CASE("descriptors of another version or with unknown enumerators are refused as such") {
  Machines machines;
  for (const auto& [offset, value] : std::vector<std::pair<std::size_t, unsigned>>{{0, 0},
                                                                                   {0, 1},
                                                                                   {0, 3},
                                                                                   {0, 255},
                                                                                   {2, 4},
                                                                                   {2, 128},
                                                                                   {79, 8},
                                                                                   {1, 3},
                                                                                   {1, 255},
                                                                                   {32, 3},
                                                                                   {33, 6},
                                                                                   {76, 200},
                                                                                   {77, 0},
                                                                                   {78, 9}}) {
    machines.add(mant_config({"buffers.output_kib=16"}), [offset = offset, value = value](MachineBench& bench) {
      CAPTURE(offset, value);
      auto bytes = good_gemm(bench.systolic()).pack();
      bytes[offset] = static_cast<std::uint8_t>(value);
      refused(bench, bytes, CommandStatus::bad_opcode);
    });
  }
  machines.run();
}

TEST_CASE("operand bytes that no encoder writes end the command, at both fidelities") {
  Random random(31);
  Machines machines;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    const SystolicConfig config = mant_config({"fidelity=" + fidelity});
    GemmCase gemm = functional(good_gemm(config), random);
    gemm.weights.types[17] = 200;
    machines.add(config, [gemm](MachineBench& bench) {
      gemm.place(bench);
      refused(bench, gemm.command.pack(), CommandStatus::bad_operand);
    });
  }
  machines.run();
}

namespace {

constexpr std::uint64_t transactions = 41;  ///< of the command below

/// Refuses transaction `fatal` (counting from 0) once.
void refuse(ScriptedMemory& memory, std::uint64_t fatal, tlm::tlm_response_status response) {
  memory.script = [&memory, fatal, response](const tlm::tlm_generic_payload&) {
    return memory.reads + memory.writes == fatal ? response : tlm::TLM_OK_RESPONSE;
  };
}

/// The command meets one refused transaction; after a reset it runs as if nothing had been.
void survive(MachineBench& bench, const GemmCase& gemm, bool status_word_refused) {
  gemm.place(bench);
  bench.open_queue();
  const auto outcome = bench.perform(gemm.command);
  CHECK(outcome.causes == 2);
  CHECK(outcome.status == (status_word_refused ? CommandStatus::pending : CommandStatus::bus_error));
  CHECK(outcome.counters.status == CommandStatus::bus_error);
  CHECK(bench.read(reg::status) == 2);
  bench.write(reg::control, 1);
  bench.open_queue();
  CHECK(bench.perform(gemm.command).status == CommandStatus::done);
  CHECK((gemm.result(bench) == gemm.expected));
}

}  // namespace

TEST_CASE("an error response to any transaction of a command ends it with a status and an interrupt") {
  Random random(32);
  Machines machines;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    // Descriptor, three tiles of A and W, spilled and refilled partial sums, results; rows of at most 2 KiB.
    const SystolicConfig config =
        mant_config({"fidelity=" + fidelity, "dma.transaction_bytes=2048", "buffers.output_kib=8"});
    Descriptor command = gemm_command(config, 10, 192, 128);
    command.tiling = {10, 64, 64, LoopOrder::kmn};
    const GemmCase gemm = functional(command, random);
    // The same command undisturbed tells how many transactions there are.
    machines.add(config, [gemm](MachineBench& bench) {
      gemm.place(bench);
      bench.open_queue();
      CHECK(bench.perform(gemm.command).status == CommandStatus::done);
      CHECK((gemm.result(bench) == gemm.expected));
      CHECK(bench.memory_monitor.requests() == transactions);
    });
    for (std::uint64_t fatal = 0; fatal < transactions; ++fatal) {
      ScriptedMemory& memory = machines.add(config, [gemm, fatal](MachineBench& bench) {
        CAPTURE(fatal);
        survive(bench, gemm, fatal + 1 == transactions);
      });
      refuse(memory, fatal, fatal % 2 == 0 ? tlm::TLM_GENERIC_ERROR_RESPONSE : tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
  }
  machines.run();
}

TEST_CASE("a memory that refuses everything stops the machine with an interrupt alone") {
  Machines machines;
  machines
      .add(mant_config(),
           [](MachineBench& bench) {
             bench.open_queue();
             const auto outcome = bench.perform(good_gemm(bench.systolic()));
             CHECK(outcome.causes == 2);
             CHECK(outcome.status == CommandStatus::pending);
             CHECK(bench.read(reg::status) == 2);
             CHECK(bench.memory_monitor.requests() == 2);  // the fetch, the status word
           })
      .script = [](const tlm::tlm_generic_payload&) { return tlm::TLM_GENERIC_ERROR_RESPONSE; };
  machines.run();
}

namespace {

/// One field of a good descriptor, or a few, take values at their limits or at random.
std::array<std::uint8_t, descriptor_bytes> mutated(const Descriptor& good, Random& random) {
  auto bytes = good.pack();
  static const std::uint64_t limits[] = {0,          1,          2,          63,         64,      65,
                                         0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, ~0ull >> 1, ~0ull,   0xFFFFFF,
                                         4096,       1 << 20,    255,        256,        100'000, 1ull << 32};
  for (std::uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
    const std::uint64_t width = std::uint64_t{1} << random.below(4);
    const std::uint64_t at = width * random.below((descriptor_bytes - 8) / width);
    const std::uint64_t value = random.below(4) == 0 ? random.next() : limits[random.below(std::size(limits))];
    for (std::uint64_t i = 0; i < width; ++i)
      bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return bytes;
}

}  // namespace

TEST_CASE("thousands of damaged descriptors end with a status or run, and never harm the machine") {
  Machines machines;
  constexpr int commands = sanitized ? 150 : 400;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    const SystolicConfig config = mant_config({"fidelity=" + fidelity, "array.rows=8", "array.columns=4"});
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      machines.add(config, [config, seed](MachineBench& bench) {
        Random random(40 + seed);
        Descriptor gemm = good_gemm(config);
        const GemmCase contents = functional(gemm, random);
        contents.place(bench);
        gemm.timing_only = seed % 2 == 0;
        unsigned ended = 0, refusals = 0;
        for (int i = 0; i < commands; ++i) {
          CAPTURE(seed, i);
          const auto causes =
              bench.attempt(mutated(seed == 3 ? good_vector() : gemm, random), sc_core::sc_time(8, sc_core::SC_US));
          ended += causes.has_value();
          refusals += causes == 2;
        }
        CHECK(ended > commands / 4);
        CHECK(refusals > commands / 4);
        bench.open_queue();
        contents.place(bench);
        CHECK(bench.perform(contents.command).status == CommandStatus::done);
        CHECK((contents.result(bench) == contents.expected));
      });
    }
  }
  machines.run();
}
