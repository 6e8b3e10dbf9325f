// SPDX-License-Identifier: Apache-2.0
/// The driver and the platform that docs/programming.md shows, on a real machine: results, polling, errors, reset.
#include <tlm_utils/simple_initiator_socket.h>

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "accelerators/accelerator.h"
#include "accelerators/descriptor.h"
#include "accelerators/platform.h"
#include "accelerators/tile_buffers.h"
#include "core/config_node.h"
#include "formats/rounding.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "pe/gemm.h"
#include "pe/pe_library.h"
#include "transport/links.h"
#include "workloads/synthetic.h"

using namespace nibble;
namespace reg = nibble::control_register;

namespace {

/// A processor: blocking register accesses, debug accesses to memory.
struct Processor : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<Processor> control{"control"}, memory{"memory"};
  sc_core::sc_in<bool> irq{"irq"};
  std::function<void(Processor&)> program;

  explicit Processor(sc_core::sc_module_name name) : sc_module(name) {
    SC_HAS_PROCESS(Processor);
    SC_THREAD(run);
  }
  void run() {
    program(*this);
    sc_core::sc_stop();
  }
  std::uint32_t access(tlm::tlm_command command, std::uint64_t offset, std::uint32_t value) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    payload.set_command(command);
    payload.set_address(offset);
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));  // the test runs on little-endian hosts
    payload.set_data_length(4);
    payload.set_streaming_width(4);
    control->b_transport(payload, delay);
    CHECK(payload.is_response_ok());
    sc_core::wait(delay);
    return value;
  }
  std::uint32_t read(std::uint64_t offset) { return access(tlm::TLM_READ_COMMAND, offset, 0); }
  void write(std::uint64_t offset, std::uint32_t value) { access(tlm::TLM_WRITE_COMMAND, offset, value); }
  void debug(tlm::tlm_command command, std::uint64_t address, std::uint8_t* data, std::size_t bytes) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(data);
    payload.set_data_length(static_cast<unsigned>(bytes));
    payload.set_streaming_width(static_cast<unsigned>(bytes));
    REQUIRE(memory->transport_dbg(payload) == bytes);
  }
  template <class Bytes>
  void store(std::uint64_t address, Bytes bytes) {
    debug(tlm::TLM_WRITE_COMMAND, address, bytes.data(), bytes.size());
  }
  std::vector<std::uint8_t> fetch(std::uint64_t address, std::size_t bytes) {
    std::vector<std::uint8_t> out(bytes);
    debug(tlm::TLM_READ_COMMAND, address, out.data(), bytes);
    return out;
  }
  std::uint32_t fetch_word(std::uint64_t address) {
    const auto bytes = fetch(address, 4);
    return static_cast<std::uint32_t>(bytes[0] | bytes[1] << 8 | bytes[2] << 16) | std::uint32_t{bytes[3]} << 24;
  }
};

/// Runs `program` on a platform of one processor, one machine and one memory.
void simulate(const std::function<void(Processor&)>& program) {
  Processor processor("processor");
  processor.program = program;
  // excerpt: platform
  PlatformConfig config = PlatformConfig::from(ConfigNode::load(find_config("accelerators", "mant")));
  Accelerator machine("machine", *config.machine);
  std::unique_ptr<MemorySystem> memory = make_memory("memory", config.memory, nullptr);
  Router router("router", RouterConfig::single_target(2, memory->capacity_bytes()));
  sc_core::sc_signal<bool> irq("irq");

  Links links;  // or bind the sockets yourself; through Links, probes may stand between
  links.bind("machine.memory", machine.memory, router.target(0));
  links.bind("processor.memory", processor.memory, router.target(1));
  links.bind("router.memory", router.initiator(0), memory->target);
  links.bind("processor.control", processor.control, machine.control);
  machine.irq.bind(irq);
  processor.irq.bind(irq);
  // end excerpt
  sc_core::sc_start();
  links.finish(true);
}

constexpr std::uint64_t ring = 0x1000, a_address = 0x10000, w_address = 0x20000, c_address = 0x30000;

Tensor random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  SyntheticTensor request;
  request.rows = rows;
  request.columns = columns;
  request.seed = seed;
  return make_synthetic(request);
}

OperandDescriptor operand(const char* format, std::uint64_t address, std::uint32_t rows, std::uint32_t columns) {
  OperandDescriptor out;
  out.format = Format::parse(format);
  out.address = address;
  out.rows = rows;
  out.columns = columns;
  out.block_rows = rows;
  return out;
}

/// C[4, 8] = A[4, 128] x W[8, 128]^T in one tile.
Descriptor small_gemm() {
  Descriptor command;
  command.opcode = Opcode::gemm;
  command.m = 4;
  command.k = 128;
  command.n = 8;
  command.a = operand("int8-g64", a_address, 4, 128);
  command.w = operand("mant4-g64", w_address, 8, 128);
  command.c = operand("fp16", c_address, 4, 8);
  command.tiling = {4, 128, 8, LoopOrder::mnk};
  return command;
}

void program_queue(Processor& host) {
  host.write(reg::queue_base_low, static_cast<std::uint32_t>(ring));
  host.write(reg::queue_base_high, 0);
  host.write(reg::queue_entries, 16);
}

}  // namespace

TEST_CASE("the driver of docs/programming.md gets the product of the PE") {
  const QuantizedTensor activations = encode(random_matrix(4, 128, 1), Format::parse("int8-g64"));
  const QuantizedTensor weights = encode(random_matrix(8, 128, 2), Format::parse("mant4-g64"));
  std::vector<float> result;
  simulate([&](Processor& host) {
    // excerpt: driver
    // Who is there?
    REQUIRE(host.read(reg::id) == reg::id_value);
    REQUIRE(host.read(reg::version) == descriptor_version);
    // A ring of 16 slots; interrupts on completion and error.
    host.write(reg::queue_base_low, static_cast<std::uint32_t>(ring));
    host.write(reg::queue_base_high, static_cast<std::uint32_t>(ring >> 32));
    host.write(reg::queue_entries, 16);
    host.write(reg::interrupt_enable, 3);
    // Operands and the first descriptor, then the doorbell: one posted so far.
    const Descriptor command = small_gemm();
    host.store(command.a.address, pack_operand(command.a.layout(0), activations));
    host.store(command.w.address, pack_operand(command.w.layout(0), weights));
    host.store(ring, command.pack());
    host.write(reg::doorbell, 1);
    // The interrupt; clear what has been seen.
    sc_core::wait(host.irq.posedge_event());
    const std::uint32_t causes = host.read(reg::interrupt_status);
    host.write(reg::interrupt_status, causes);
    // Everything up to `completed` is finished: status, then results.
    REQUIRE(causes == 1);
    REQUIRE(host.read(reg::completed) == 1);
    REQUIRE(host.fetch_word(ring + Descriptor::status_offset) == static_cast<std::uint32_t>(CommandStatus::done));
    const OperandLayout c = command.c.layout(0);
    result = unpack_results(c, command.c.format, host.fetch(c.base, c.bytes()));
    // end excerpt
    CHECK_FALSE(host.irq.read());
  });
  std::vector<float> accumulators;
  gemm(find_pe("mant"), activations, weights, accumulators);
  const Fp16Output expected = fp16_output(accumulators);
  REQUIRE(result.size() == expected.bits.size());
  for (std::size_t i = 0; i < result.size(); ++i)
    CHECK(result[i] == fp16_value(expected.bits[i]));
}

TEST_CASE("polling works without interrupts") {
  simulate([](Processor& host) {
    program_queue(host);
    Descriptor command = small_gemm();
    command.timing_only = true;
    host.store(ring, command.pack());
    host.store(ring + descriptor_bytes, command.pack());
    host.write(reg::doorbell, 2);
    while (host.read(reg::completed) != 2)
      CHECK_FALSE(host.irq.read());
    CHECK(host.read(reg::status) == 0);
    CHECK(host.read(reg::interrupt_status) == 1);
  });
}

TEST_CASE("an error stops the machine until it is reset") {
  simulate([](Processor& host) {
    program_queue(host);
    host.write(reg::interrupt_enable, 2);
    Descriptor command = small_gemm();
    command.w.format = Format::parse("int4-g64");
    host.store(ring, command.pack());
    host.store(ring + descriptor_bytes, small_gemm().pack());
    host.write(reg::doorbell, 2);
    sc_core::wait(host.irq.posedge_event());
    CHECK(host.read(reg::interrupt_status) == 2);
    CHECK(host.read(reg::status) == 2);
    CHECK(host.read(reg::completed) == 1);
    CHECK(host.fetch_word(ring + Descriptor::status_offset) == static_cast<std::uint32_t>(CommandStatus::bad_format));
    host.write(reg::doorbell, 3);
    sc_core::wait(1, sc_core::SC_US);
    CHECK(host.read(reg::completed) == 1);

    host.write(reg::control, 1);
    for (const auto offset : {reg::status, reg::queue_entries, reg::doorbell, reg::completed, reg::interrupt_enable,
                              reg::interrupt_status, reg::queue_base_low})
      CHECK(host.read(offset) == 0);
    program_queue(host);
    command = small_gemm();
    command.timing_only = true;
    host.store(ring, command.pack());
    host.write(reg::doorbell, 1);
    while (host.read(reg::completed) != 1) {
    }
    CHECK(host.fetch_word(ring + Descriptor::status_offset) == static_cast<std::uint32_t>(CommandStatus::done));
  });
}

TEST_CASE("reset gives a running command up and takes the next one") {
  simulate([](Processor& host) {
    program_queue(host);
    host.write(reg::interrupt_enable, 3);
    Descriptor command = small_gemm();
    command.timing_only = true;
    command.count = 1000;
    host.store(ring, command.pack());
    host.write(reg::doorbell, 1);
    sc_core::wait(10, sc_core::SC_US);
    CHECK(host.read(reg::status) == 1);
    host.write(reg::control, 1);
    CHECK(host.read(reg::interrupt_enable) == 0);
    CHECK(host.read(reg::status) == 1);
    // Programmed again at once: the next command begins when memory has answered the lost one.
    program_queue(host);
    command.count = 1;
    command.tag = 2;
    host.store(ring, command.pack());
    host.write(reg::doorbell, 1);
    while (host.read(reg::completed) != 1) {
    }
    CHECK(host.read(reg::status) == 0);
    CHECK(host.fetch_word(ring + Descriptor::status_offset) == static_cast<std::uint32_t>(CommandStatus::done));
  });
}

TEST_CASE("an impossible queue stops the machine without a command") {
  simulate([](Processor& host) {
    struct Queue {
      std::uint32_t entries, doorbell;
    };
    for (const Queue queue : {Queue{0, 1}, Queue{3, 1}, Queue{8192, 1}, Queue{16, 17}}) {
      CAPTURE(queue.entries, queue.doorbell);
      program_queue(host);
      host.write(reg::queue_entries, queue.entries);
      host.write(reg::doorbell, queue.doorbell);
      sc_core::wait(1, sc_core::SC_US);
      CHECK(host.read(reg::completed) == 0);
      CHECK(host.read(reg::status) == 2);
      CHECK(host.read(reg::interrupt_status) == 2);
      host.write(reg::control, 1);
      CHECK(host.read(reg::status) == 0);
    }
  });
}
