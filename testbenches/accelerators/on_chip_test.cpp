// SPDX-License-Identifier: Apache-2.0
/// Operands in the share of the activation buffer for scores: no traffic, the port's time, its capacity.
#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"

using namespace nibble;
using namespace nibble::test;

namespace {

SystolicConfig fused() {
  return mant_config({"attention.fused=true", "attention.buffer_share=0.25"});  // 64 KiB of 256
}

Descriptor scores(const SystolicConfig& config, std::uint32_t m, std::uint32_t n) {
  Descriptor command = gemm_command(config, m, 64, n, {"int8-g64", "mant4-g64", "fp16"});
  command.tiling = {m, 64, n, LoopOrder::mnk};
  command.c.on_chip = true;
  command.c.address = 0;
  return command;
}

Descriptor softmax(std::uint64_t elements) {
  Descriptor command;
  command.opcode = Opcode::vector;
  command.timing_only = true;
  command.function = static_cast<std::uint32_t>(VectorFunction::softmax);
  command.elements = elements;
  command.input_bytes[0] = 2 * elements;
  command.output_bytes = elements + elements / 64 * 2;
  command.c.format = Format::parse("int8-g64");
  command.a.on_chip = command.c.on_chip = true;
  return command;
}

std::uint64_t moved(const CommandCounters& counters) {
  return counters.total_read_bytes() + counters.total_write_bytes() - descriptor_bytes - 4;
}

}  // namespace

TEST_CASE("scores on chip take the port's cycles and no traffic, counted by hand") {
  Machines machines;
  machines
      .add(fused(),
           [](MachineBench& bench) {
             const SystolicConfig& config = bench.systolic();
             REQUIRE(config.score_bytes() == 64 * 1024);
             REQUIRE(config.score_port_bytes() == 64);  // one row of 64 INT8 elements
             bench.open_queue();
             // 64 x 32 scores of 2 bytes: load 64, 64 rows, 63 down, 31 across, foot 4; 4096 bytes through the port.
             const CommandCounters qk = bench.perform(scores(config, 64, 32)).counters;
             CHECK(qk.memory_stall_cycles == 100 + 100);
             CHECK(qk.compute_cycles + qk.fill_drain_cycles == 64 + 64 + 63 + 31 + 4);
             CHECK(qk.output_stall_cycles == 4096 / 64 + 100);
             CHECK(moved(qk) == 64 * (64 + 2) + 32 * (32 + 3));
             CHECK(qk.activation_buffer_write == 64 * (64 + 2) + 4096);
             // 2048 elements at 8 operations over 64 lanes; in place, both ways through ports.
             const CommandCounters soft = bench.perform(softmax(2048)).counters;
             CHECK(moved(soft) == 0);
             CHECK(soft.compute_cycles == 2048 * 8 / 64);
             CHECK(soft.memory_stall_cycles == 100);
             CHECK(soft.activation_buffer_read == 4096);
             CHECK(soft.activation_buffer_write == 2048 + 64);
             CHECK(soft.output_stall_cycles == (2048 + 64) / 64 + 100);
             // The probabilities are A: only W is waited for.
             Descriptor pv = gemm_command(config, 64, 64, 32, {"int8-g64", "mant4-g64", "fp16"});
             pv.tiling = {64, 64, 32, LoopOrder::mnk};
             pv.a.on_chip = true;
             pv.a.address = 0;
             const CommandCounters context = bench.perform(pv).counters;
             CHECK(context.stall_by_stream[static_cast<unsigned>(Stream::weight)] == 100);
             CHECK(moved(context) == 32 * (32 + 3) + 64 * 32 * 2);
             CHECK(context.activation_buffer_read == 64 * (64 + 2));
             CHECK(context.activation_buffer_write == 0);
           })
      .latency = [](const tlm::tlm_generic_payload&) { return sc_core::sc_time(200, sc_core::SC_NS); };
  machines.run();
}

TEST_CASE("what does not fit on chip, or has data, is refused") {
  Machines machines;
  const auto status = [](MachineBench& bench, const Descriptor& command) {
    bench.write(control_register::control, 1);
    bench.open_queue();
    return bench.perform(command).status;
  };
  machines.add(fused(), [&](MachineBench& bench) {
    const SystolicConfig& config = bench.systolic();
    CHECK(status(bench, scores(config, 128, 256)) == CommandStatus::done);  // 64 KiB
    CHECK(status(bench, scores(config, 129, 256)) == CommandStatus::tile_too_large);
    Descriptor command = scores(config, 64, 32);
    command.c.address = 64 * 1024 - 4096 + 1;
    CHECK(status(bench, command) == CommandStatus::tile_too_large);
    command.c.address = ~std::uint64_t{0};
    CHECK(status(bench, command) == CommandStatus::tile_too_large);
    command = scores(config, 64, 32);
    command.w.on_chip = true;
    CHECK(status(bench, command) == CommandStatus::no_data_path);
    command = scores(config, 64, 32);
    command.timing_only = false;
    CHECK(status(bench, command) == CommandStatus::no_data_path);
    CHECK(status(bench, softmax(32 * 1024)) == CommandStatus::done);
    CHECK(status(bench, softmax(32 * 1024 + 1)) == CommandStatus::tile_too_large);
  });
  machines.add(mant_config(), [&](MachineBench& bench) {
    CHECK(status(bench, scores(bench.systolic(), 1, 1)) == CommandStatus::tile_too_large);
    CHECK(status(bench, softmax(64)) == CommandStatus::tile_too_large);
  });
  machines.run();
}
