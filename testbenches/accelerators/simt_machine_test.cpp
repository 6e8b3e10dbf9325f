// SPDX-License-Identifier: Apache-2.0
// SIMT machines through their sockets: registers, results to the bit, errors, resets, and multiprocessors that stand
// for others.
#include <catch2/catch.hpp>

#include "core/units.h"
#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"

using namespace nibble;
using namespace nibble::test;
namespace reg = control_register;

namespace {

/// `count` multiprocessors behind a memory of the test.
SimtConfig small(const std::string& machine, unsigned count, std::vector<std::string> overrides = {}) {
  overrides.push_back("multiprocessor.count=" + std::to_string(count));
  return simt_config(machine, overrides);
}

GemmCase random_case(const MachineConfig& config, std::uint32_t m, std::uint32_t k, std::uint32_t n,
                     const std::string& weights, std::uint64_t seed) {
  Random random(seed);
  Descriptor command = gemm_command(config, m, k, n, {"fp16", weights, "fp32"});
  command.tiling = config.choose_tiling(command, {64, 50});
  return encoded_case(config, command, random);
}

}  // namespace

TEST_CASE("a SIMT machine identifies itself", "[simt]") {
  Machines machines;
  machines.add(small("pacq", 2), [](MachineBench& bench) {
    CHECK(bench.read(reg::id) == 0x4C42494E);
    CHECK((bench.read(reg::capability) & 7) == 7);
    CHECK(bench.read(reg::array_shape) == (2u << 16 | 128u));  // 4 blocks of 8 thread groups of 4 DP-4
    CHECK(bench.read(reg::status) == 0);
  });
  machines.run();
}

TEST_CASE("FP16 x INT4 and INT2 through the sockets are the PE's bits, at both fidelities", "[simt]") {
  Machines machines;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    for (const std::string weights : {"int4-g32x4", "int4-g128", "int2-g32x4"}) {
      std::vector<std::string> overrides = {"fidelity=" + fidelity, "formats.weight=" + weights};
      if (weights == "int2-g32x4") {
        overrides.push_back("tensor_core.linear.step_m=4");
        overrides.push_back("tensor_core.linear.a_buffer_bits=256");
      }
      const SimtConfig config = small("pacq", 3, overrides);
      // Tiles at the edges: 72 rows, 200 columns.
      const GemmCase gemm = random_case(config, 72, 256, 200, weights, 5);
      machines.add(config, [gemm](MachineBench& bench) {
        gemm.place(bench);
        bench.open_queue();
        const auto outcome = bench.perform(gemm.command);
        CHECK(outcome.status == CommandStatus::done);
        CHECK((gemm.result(bench) == gemm.expected));
        CHECK(outcome.counters.macs() == std::uint64_t{72} * 256 * 200);
      });
    }
  }
  machines.run();
}

TEST_CASE("a chain of products and vector commands sees what was written before it", "[simt]") {
  const SimtConfig config = small("simt-fp16", 2);
  GemmCase first = random_case(config, 48, 128, 64, "fp16", 6);
  Machines machines;
  machines.add(config, [first](MachineBench& bench) {
    bench.open_queue();
    for (int pass = 0; pass < 2; ++pass) {
      first.place(bench);
      CHECK(bench.perform(first.command).status == CommandStatus::done);
      CHECK((first.result(bench) == first.expected));
      // Other weights in the same place: nothing of the first product may be left in the L2 cache.
      GemmCase second = first;
      Random random(77 + static_cast<std::uint64_t>(pass));
      second = encoded_case(dynamic_cast<const SimtConfig&>(bench.machine.config()), first.command, random);
      second.place(bench);
      CHECK(bench.perform(second.command).status == CommandStatus::done);
      CHECK((second.result(bench) == second.expected));
    }
  });
  machines.run();
}

TEST_CASE("an error response anywhere ends a SIMT command; after a reset the machine works", "[simt]") {
  Machines machines;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    const SimtConfig config = small("pacq", 2, {"fidelity=" + fidelity, "dma.transaction_bytes=2048"});
    const GemmCase gemm = random_case(config, 20, 256, 96, "int4-g32x4", 9);
    for (const std::uint64_t fatal : {0u, 1u, 3u, 7u, 12u, 16u}) {
      ScriptedMemory& memory = machines.add(config, [gemm, fatal](MachineBench& bench) {
        CAPTURE(fatal);
        gemm.place(bench);
        bench.open_queue();
        const auto outcome = bench.perform(gemm.command);
        CHECK(outcome.causes == 2);
        CHECK(outcome.counters.status == CommandStatus::bus_error);
        bench.write(reg::control, 1);
        while (bench.read(reg::status) != 0)
          sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
        bench.open_queue();
        CHECK(bench.perform(gemm.command).status == CommandStatus::done);
        CHECK((gemm.result(bench) == gemm.expected));
      });
      memory.script = [&memory, fatal](const tlm::tlm_generic_payload&) {
        return memory.reads + memory.writes == fatal ? tlm::TLM_GENERIC_ERROR_RESPONSE : tlm::TLM_OK_RESPONSE;
      };
    }
  }
  machines.run();
}

TEST_CASE("a SIMT machine that is reset in the middle of a command recovers", "[simt]") {
  Machines machines;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    const SimtConfig config = small("pacq", 2, {"fidelity=" + fidelity});
    const GemmCase gemm = random_case(config, 64, 512, 128, "int4-g32x4", 10);
    for (const double after_ns : {1.0, 60.0, 300.0, 700.0, 1500.0}) {
      machines.add(config, [gemm, after_ns](MachineBench& bench) {
        CAPTURE(after_ns);
        gemm.place(bench);
        bench.open_queue();
        bench.post(gemm.command);
        bench.ring();
        sc_core::wait(sc_core::sc_time(after_ns, sc_core::SC_NS));
        bench.write(reg::control, 1);
        while (bench.read(reg::status) != 0)
          sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
        CHECK(bench.read(reg::completed) == 0);
        bench.open_queue();
        CHECK(bench.perform(gemm.command).status == CommandStatus::done);
        CHECK((gemm.result(bench) == gemm.expected));
      });
    }
  }
  machines.run();
}

TEST_CASE("commands that a SIMT machine cannot run get a status", "[simt]") {
  const SimtConfig config = small("pacq", 2);
  const Descriptor good = random_case(config, 20, 256, 96, "int4-g32x4", 11).command;
  const auto refused = [&](const std::function<void(Descriptor&)>& change) {
    Descriptor command = good;
    change(command);
    return command;
  };
  const std::pair<Descriptor, CommandStatus> cases[] = {
      {refused([](Descriptor& d) { d.tiling.m = 48; }), CommandStatus::bad_shape},
      {refused([](Descriptor& d) { d.w.format = Format::parse("mant4-g64"); }), CommandStatus::bad_format},
      {refused([](Descriptor& d) { d.w.format = Format::parse("int2-g32x4"); }), CommandStatus::bad_format},
      {refused([](Descriptor& d) { d.c.format = Format::parse("int8-g32"); }), CommandStatus::bad_format},
      {refused([](Descriptor& d) { d.a.on_chip = true; }), CommandStatus::no_data_path},
      {refused([](Descriptor& d) { d.n = 4096; }), CommandStatus::bad_shape},
      {refused([](Descriptor& d) { d.options.accumulate_fp32 = true; }), CommandStatus::bad_format},
  };
  Machines machines;
  for (const auto& [command, status] : cases) {
    machines.add(config, [command = command, status = status](MachineBench& bench) {
      bench.open_queue();
      const auto outcome = bench.perform(command);
      CHECK(outcome.status == status);
      CHECK(outcome.causes == 2);
    });
  }
  machines.run();
}

TEST_CASE("multiprocessors that stand for others: equal bits and bytes, time within 5 %", "[simt]") {
  Machines machines;
  std::vector<SimtConfig> configs;
  std::vector<GemmCase> gemms;
  const std::vector<unsigned> representatives = {0, 4, 2, 1};
  for (const std::string fidelity : {"transaction", "cycle"}) {
    for (const unsigned count : representatives) {
      const SimtConfig config =
          small("pacq", 8, {"fidelity=" + fidelity, "multiprocessor.representatives=" + std::to_string(count)});
      const GemmCase gemm = random_case(config, 256, 512, 1024, "int4-g32x4", 12);
      machines.add(config, [gemm](MachineBench& bench) {
        gemm.place(bench);
        bench.open_queue();
        CHECK(bench.perform(gemm.command).status == CommandStatus::done);
        CHECK((gemm.result(bench) == gemm.expected));
      });
    }
  }
  machines.run();
  for (std::size_t i = 0; i < machines.size(); ++i) {
    const CommandCounters& all = machines[i / representatives.size() * representatives.size()].commands.back();
    const CommandCounters& some = machines[i].commands.back();
    CAPTURE(i, all.cycles, some.cycles);
    CHECK(static_cast<double>(some.cycles) == Approx(static_cast<double>(all.cycles)).epsilon(0.05));
    CHECK(some.read_bytes == all.read_bytes);
    CHECK(some.write_bytes == all.write_bytes);
    CHECK(some.simt.instructions == all.simt.instructions);
    CHECK(some.simt.register_reads == all.simt.register_reads);
    CHECK(some.simt.l2_read_bytes == all.simt.l2_read_bytes);
  }
}

TEST_CASE("impossible SIMT configurations are refused with place and rule", "[simt]") {
  const auto message = [](const std::string& override_text) {
    try {
      simt_config("pacq", {override_text});
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(message("multiprocessor.representatives=3"), Contains("must divide count"));
  CHECK_THAT(message("tensor_core.linear.step_m=3"), Contains("step_m = 3 does not divide group_m = 4"));
  CHECK_THAT(message("tensor_core.linear.pe=none"), Contains("tensor_core.linear.pe"));
  CHECK_THAT(message("formats.weight=mant4-g64"), Contains("no mode of the tensor cores multiplies fp16 by mant4-g64"));
  CHECK_THAT(message("tensor_core.linear.kernels=[{tile_m: 48, tile_n: 128, tile_k: 32, warps_m: 2, warps_n: 2}]"),
             Contains("linear: 48 x 128 x 32"));
  CHECK_THAT(message("tensor_core.linear.adder_trees=8"), Contains("8 adder trees per unit"));
  CHECK_THAT(message("multiprocessor.lains=8"), Contains("lains"));
  CHECK_THAT(message("fidelity=rtl"), Contains("fidelity"));
}
