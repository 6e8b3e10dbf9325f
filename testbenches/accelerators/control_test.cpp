// SPDX-License-Identifier: Apache-2.0
/// The control socket as software sees it: registers, doorbell and ring, interrupts, reset.
#include <tlm_utils/simple_initiator_socket.h>
#include <algorithm>
#include <map>

#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"
#include "transport/payload_pool.h"

using namespace nibble;
using namespace nibble::test;
namespace reg = nibble::control_register;

namespace {

Descriptor nop(std::uint32_t tag) {
  Descriptor d;
  d.opcode = Opcode::nop;
  d.tag = tag;
  return d;
}

Descriptor small_gemm(const MachineBench& bench) {
  Descriptor command = gemm_command(bench.systolic(), 4, 64, 32);
  command.tiling = {4, 64, 32, LoopOrder::mnk};
  return command;
}

/// About a million cycles.
Descriptor long_gemm(const MachineBench& bench) {
  Descriptor command = gemm_command(bench.systolic(), 64, 1024, 64);
  command.count = 1000;
  command.tiling = {64, 1024, 64, LoopOrder::mnk};
  return command;
}

}  // namespace

TEST_CASE("identification registers tell who the machine is") {
  drive([](MachineBench& bench) {
    CHECK(bench.read(reg::id) == 0x4C42494E);
    CHECK(bench.read(reg::version) == descriptor_version);
    CHECK((bench.read(reg::capability) & 7) == 7);
    CHECK(bench.read(reg::array_shape) == (64u << 16 | 32u));
    CHECK(bench.read(reg::status) == 0);
    CHECK(bench.read(reg::completed) == 0);
  });
}

TEST_CASE("a register access takes one cycle; wrong accesses get their TLM error and change nothing") {
  drive([](MachineBench& bench) {
    const auto ok = bench.access(tlm::TLM_READ_COMMAND, reg::id);
    CHECK(ok.took == sc_core::sc_time(2, sc_core::SC_NS));
    for (const std::uint64_t offset : {std::uint64_t{0x34}, std::uint64_t{0x1000}, std::uint64_t{2}, std::uint64_t{1},
                                       ~std::uint64_t{0}, ~std::uint64_t{3}}) {
      CAPTURE(offset);
      CHECK(bench.access(tlm::TLM_READ_COMMAND, offset).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
      CHECK(bench.access(tlm::TLM_WRITE_COMMAND, offset, 1).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
    for (const unsigned length : {1u, 2u, 3u, 5u, 8u})
      CHECK(bench.access(tlm::TLM_WRITE_COMMAND, reg::doorbell, 1, length).status == tlm::TLM_BURST_ERROR_RESPONSE);
    for (const std::uint64_t offset :
         {reg::id, reg::version, reg::capability, reg::array_shape, reg::completed, reg::status})
      CHECK(bench.access(tlm::TLM_WRITE_COMMAND, offset, 1).status == tlm::TLM_COMMAND_ERROR_RESPONSE);
    CHECK(bench.access(tlm::TLM_READ_COMMAND, reg::control).status == tlm::TLM_COMMAND_ERROR_RESPONSE);
    CHECK(bench.access(tlm::TLM_IGNORE_COMMAND, reg::doorbell, 1).status == tlm::TLM_OK_RESPONSE);
    CHECK(bench.read(reg::doorbell) == 0);
    CHECK(bench.read(reg::status) == 0);
  });
}

TEST_CASE("control gives no direct memory and answers debug accesses without side effects") {
  drive([](MachineBench& bench) {
    tlm::tlm_generic_payload payload;
    tlm::tlm_dmi dmi;
    payload.set_address(0);
    CHECK_FALSE(bench.control->get_direct_mem_ptr(payload, dmi));
    std::array<std::uint8_t, 8> words{1, 0, 0, 0};
    payload.set_write();
    payload.set_address(reg::control);  // a debugger does not reset the machine
    payload.set_data_ptr(words.data());
    payload.set_data_length(4);
    bench.open_queue(0, 16, 3);
    CHECK(bench.control->transport_dbg(payload) == 4);
    CHECK(bench.read(reg::queue_entries) == 16);
    payload.set_read();
    payload.set_address(reg::id);
    payload.set_data_length(8);
    CHECK(bench.control->transport_dbg(payload) == 8);
    CHECK(std::string(words.begin(), words.begin() + 4) == "NIBL");
    CHECK(words[4] == descriptor_version);
  });
}

TEST_CASE("non-blocking register accesses are completed at once") {
  drive([](MachineBench& bench) {
    std::array<std::uint8_t, 4> word{};
    PayloadPool pool;
    PooledPayload& payload = pool.allocate(tlm::TLM_READ_COMMAND, reg::id, word.data(), 4);
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    CHECK(bench.control->nb_transport_fw(payload, phase, delay) == tlm::TLM_COMPLETED);
    CHECK(payload.is_response_ok());
    CHECK(word[0] == 'N');
    CHECK(delay == sc_core::sc_time(2, sc_core::SC_NS));
    payload.release();
  });
}

TEST_CASE("more commands than the ring has entries run in order, posted in bursts") {
  drive([](MachineBench& bench) {
    bench.open_queue(0x3000, 4, 1);
    std::vector<std::uint32_t> expected;
    std::uint32_t tag = 100, completed = 0;
    for (const unsigned burst : {1u, 4u, 3u, 2u, 4u, 4u, 1u}) {
      for (unsigned i = 0; i < burst; ++i) {
        Descriptor command = i % 2 == 0 ? nop(tag) : small_gemm(bench);
        command.tag = tag;
        command.interrupt = i + 1 == burst;
        bench.post(command);
        expected.push_back(tag++);
      }
      bench.ring();
      CHECK(bench.wait_interrupt() == 1);
      completed += burst;
      CHECK(bench.read(reg::completed) == completed);
      CHECK(bench.status_word(completed - 1) == CommandStatus::done);
    }
    CHECK(bench.tags == expected);
    CHECK(bench.read(reg::status) == 0);
  });
}

TEST_CASE("a doorbell rung while the machine is busy is not lost") {
  drive([](MachineBench& bench) {
    bench.open_queue(0, 8, 0);
    for (std::uint32_t i = 0; i < 8; ++i) {
      bench.post(small_gemm(bench));
      bench.ring();
      sc_core::wait(sc_core::sc_time(static_cast<double>(37 * i), sc_core::SC_NS));
    }
    bench.ring();  // the same count again
    while (bench.read(reg::completed) < 8)
      sc_core::wait(sc_core::sc_time(100, sc_core::SC_NS));
    sc_core::wait(sc_core::sc_time(10, sc_core::SC_US));
    CHECK(bench.commands.size() == 8);
    CHECK(bench.read(reg::status) == 0);
  });
}

TEST_CASE("the ring may lie above 4 GiB") {
  ScriptedMemory memory("memory", std::uint64_t{1} << 40);
  MachineBench bench("bench", mant_config(), memory.target, memory, [](MachineBench& b) {
    b.open_queue(0x7F12345600, 2);
    for (int i = 0; i < 5; ++i)
      CHECK(b.perform(nop(1)).status == CommandStatus::done);
  });
  sc_core::sc_start();
  REQUIRE(bench.finished);
}

TEST_CASE("an impossible queue, or a doorbell ahead of it, stops the machine with an error interrupt") {
  struct Queue {
    std::uint32_t entries, doorbell;
  };
  Machines machines;
  for (const Queue queue : {Queue{0, 1}, Queue{3, 1}, Queue{8192, 1}, Queue{4, 5}, Queue{4, ~0u}}) {
    machines.add(mant_config(), [queue](MachineBench& bench) {
      CAPTURE(queue.entries, queue.doorbell);
      bench.open_queue(0, 16);
      bench.post(nop(1));
      bench.write(reg::queue_entries, queue.entries);
      bench.write(reg::doorbell, queue.doorbell);
      CHECK(bench.wait_interrupt() == 2);
      CHECK(bench.read(reg::status) == 2);
      CHECK(bench.read(reg::completed) == 0);
      CHECK(bench.commands.empty());
      CHECK(bench.memory_monitor.requests() == 0);
      // Only a reset helps.
      bench.write(reg::queue_entries, 16);
      bench.write(reg::doorbell, 1);
      sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
      CHECK(bench.commands.empty());
      bench.write(reg::control, 1);
      bench.open_queue(0, 16);
      CHECK(bench.perform(nop(2)).status == CommandStatus::done);
    });
  }
  machines.run();
}

TEST_CASE("changing the queue while a command runs concerns the next command") {
  drive([](MachineBench& bench) {
    bench.open_queue(0, 16, 3);
    bench.post(small_gemm(bench));
    bench.ring();
    sc_core::wait(sc_core::sc_time(100, sc_core::SC_NS));
    REQUIRE(bench.read(reg::status) == 1);
    bench.write(reg::queue_base_low, 0x8000);
    bench.write(reg::queue_entries, 0);
    CHECK(bench.wait_interrupt() == 1);
    CHECK(bench.status_word(0) == CommandStatus::done);
  });
}

TEST_CASE("interrupts: enable gates the wire, status records and clears bit by bit") {
  drive([](MachineBench& bench) {
    const sc_core::sc_time settle(100, sc_core::SC_US);
    bench.open_queue(0, 16, 0);
    bench.post(nop(1));
    bench.ring();
    sc_core::wait(settle);
    CHECK_FALSE(bench.irq.read());
    CHECK(bench.read(reg::interrupt_status) == 1);
    bench.write(reg::interrupt_enable, 2);
    sc_core::wait(settle);
    CHECK_FALSE(bench.irq.read());
    bench.write(reg::interrupt_enable, 1);  // late, but not lost
    sc_core::wait(settle);
    CHECK(bench.irq.read());
    bench.write(reg::interrupt_status, 2);  // another bit
    sc_core::wait(settle);
    CHECK(bench.irq.read());
    bench.write(reg::interrupt_status, 0);
    sc_core::wait(settle);
    CHECK(bench.irq.read());
    bench.write(reg::interrupt_status, 1);
    sc_core::wait(settle);
    CHECK_FALSE(bench.irq.read());
    CHECK(bench.read(reg::interrupt_status) == 0);

    Descriptor silent = nop(2);
    silent.interrupt = false;
    bench.post(silent);
    bench.ring();
    sc_core::wait(settle);
    CHECK(bench.read(reg::completed) == 2);
    CHECK(bench.read(reg::interrupt_status) == 0);

    Descriptor bad = small_gemm(bench);
    bad.m = 0;
    bad.interrupt = false;  // an error is told all the same
    bench.post(bad);
    bench.ring();
    sc_core::wait(settle);
    CHECK(bench.read(reg::interrupt_status) == 2);
    CHECK_FALSE(bench.irq.read());
    bench.write(reg::interrupt_enable, 2);
    sc_core::wait(settle);
    CHECK(bench.irq.read());
  });
}

TEST_CASE("the machine is busy while a command runs and idle after it") {
  drive([](MachineBench& bench) {
    bench.open_queue();
    bench.post(small_gemm(bench));
    CHECK(bench.read(reg::status) == 0);
    bench.ring();
    sc_core::wait(sc_core::sc_time(50, sc_core::SC_NS));
    CHECK(bench.read(reg::status) == 1);
    bench.wait_interrupt();
    CHECK(bench.read(reg::status) == 0);
  });
}

TEST_CASE("a reset ends a command at any moment; the next one is correct") {
  Random random(30);
  Machines machines;
  std::map<std::string, std::vector<std::uint64_t>> cycles;
  for (const std::string fidelity : {"transaction", "cycle"}) {
    const SystolicConfig config = mant_config({"fidelity=" + fidelity});
    Descriptor shape = gemm_command(config, 20, 128, 64);
    shape.tiling = {10, 64, 64, LoopOrder::nmk};
    const GemmCase correct = functional(shape, random);
    auto& mine = cycles[fidelity];
    for (const double delay_ns : {0.0, 1.0, 19.0, 20.0, 21.0, 40.0, 55.5, 60.0, 200.0, 333.3, 500.0, 1200.0, 40001.0}) {
      machines.add(config, [delay_ns, correct, &mine](MachineBench& bench) {
        CAPTURE(delay_ns);
        bench.open_queue();
        Descriptor lengthy = long_gemm(bench);
        bench.post(lengthy);
        bench.post(nop(2));
        bench.ring();
        sc_core::wait(sc_core::sc_time(delay_ns, sc_core::SC_NS));
        bench.write(reg::control, 1);
        // Registers have their reset values at once; the machine may still be waiting for memory.
        for (const std::uint64_t offset : {reg::doorbell, reg::completed, reg::queue_base_low, reg::queue_entries,
                                           reg::interrupt_enable, reg::interrupt_status})
          CHECK(bench.read(offset) == 0);
        CHECK((bench.read(reg::status) & 2) == 0);
        CHECK(bench.commands.empty());
        // The next commands may be posted without waiting for that.
        correct.place(bench);
        bench.open_queue(0x2000);
        CHECK(bench.perform(correct.command).status == CommandStatus::done);
        CHECK((correct.result(bench) == correct.expected));
        CHECK(bench.tags.size() == 1);
        CHECK(bench.read(reg::completed) == 1);
        mine.push_back(bench.commands.at(0).cycles);
      });
    }
  }
  machines.run();
  for (const auto& entry : cycles) {
    CHECK(entry.second.size() == 13);
    CHECK(std::count(entry.second.begin(), entry.second.end(), entry.second.front()) == 13);
  }
}

TEST_CASE("a reset of an idle machine and a second reset do no harm") {
  drive([](MachineBench& bench) {
    bench.write(reg::control, 1);
    bench.write(reg::control, 0);
    bench.open_queue();
    CHECK(bench.perform(small_gemm(bench)).status == CommandStatus::done);
    bench.write(reg::control, 1);
    bench.open_queue();
    bench.post(long_gemm(bench));
    bench.ring();
    sc_core::wait(sc_core::sc_time(1, sc_core::SC_US));
    bench.write(reg::control, 1);
    bench.write(reg::control, 1);
    while (bench.read(reg::status) != 0)
      sc_core::wait(sc_core::sc_time(10, sc_core::SC_NS));
    bench.write(reg::control, 1);
    bench.open_queue();
    CHECK(bench.perform(small_gemm(bench)).status == CommandStatus::done);
  });
}

TEST_CASE("vector commands run, wait for memory and are reset") {
  drive([](MachineBench& bench) {
    Descriptor command;
    command.opcode = Opcode::vector;
    command.timing_only = true;
    command.function = static_cast<std::uint32_t>(VectorFunction::softmax);
    command.elements = 655360;  // ten chunks
    command.inputs = 1;
    command.input_bytes[0] = 1310720;
    command.output_bytes = 655360;
    command.a.address = 0x10000;
    command.c.address = 0x200000;
    command.c.format = Format::parse("int8-g64");
    bench.open_queue();
    const auto outcome = bench.perform(command);
    CHECK(outcome.status == CommandStatus::done);
    CHECK(outcome.counters.vector_operations == 655360 * 8);
    CHECK(outcome.counters.compute_cycles == 655360 / 64 * 8);
    CHECK(outcome.counters.read_bytes[static_cast<unsigned>(Stream::vector)] == 1310720);
    CHECK(outcome.counters.write_bytes[static_cast<unsigned>(Stream::vector)] == 655360);
    bench.post(command);
    bench.ring();
    sc_core::wait(sc_core::sc_time(5, sc_core::SC_US));
    bench.write(reg::control, 1);
    bench.open_queue();
    CHECK(bench.perform(command).counters.cycles == outcome.counters.cycles);
  });
}
