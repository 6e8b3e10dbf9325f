// SPDX-License-Identifier: Apache-2.0
// GEMMs on several multiprocessors behind one L2 cache and a memory: results to the bit, bytes, and time at both
// fidelities.
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "accelerators/simt/simt_gemm_engine.h"
#include "accelerators/tile_buffers.h"
#include "core/config_node.h"
#include "core/units.h"
#include "formats/quantizer.h"
#include "formats/rounding.h"
#include "memory/memory_system.h"
#include "pe/pe_library.h"
#include "testbenches/support/monitored_links.h"
#include "workloads/synthetic.h"

using namespace nibble;

namespace {

SimtConfig volta(unsigned multiprocessors, Fidelity fidelity) {
  SimtConfig config;
  config.name = "volta";
  config.clock_mhz = 1530;
  config.multiprocessors = multiprocessors;
  config.fidelity = fidelity;
  GemmKernelConfig kernel;
  kernel.warps_m = kernel.warps_n = 2;
  GemmKernelConfig small = kernel;
  small.tile_m = small.tile_n = 64;
  TensorCoreMode fp16{&find_pe("fp16"), {}, {kernel, small}};
  fp16.geometry.mma_k = 4;
  TensorCoreMode packed = fp16;
  packed.pe = &find_pe("fp_int");
  packed.geometry.packing = WeightPacking::along_n;
  packed.geometry.w_bits = 4;
  packed.geometry.adder_trees = 2;
  packed.geometry.step_n = 8;
  packed.geometry.c_buffer_bits = 1024;
  config.modes = {fp16, packed};
  return config;
}

class SimtBench : public sc_core::sc_module {
 private:
  const SimtConfig config_;

 public:
  SimtBench(sc_core::sc_module_name name, const SimtConfig& config, const std::string& memory_yaml)
      : sc_module(name),
        config_(config),
        clock(config.clock_mhz),
        memory(make_memory("memory", ConfigNode::parse(memory_yaml, "memory"), nullptr)),
        dma("dma", dma_config()),
        writer("writer", dma, clock),
        engine(config_, dma, writer, clock) {
    monitored.bind(dma.memory, memory->target);
    SC_THREAD(run);
  }
  static DmaConfig dma_config() {
    DmaConfig config;
    config.max_outstanding = 256;
    config.transaction_bytes = 65536;
    return config;
  }
  CommandStatus perform(const Descriptor& descriptor) {
    command = descriptor;
    counters = {};
    if (sc_core::sc_get_status() == sc_core::SC_ELABORATION)
      sc_core::sc_start(sc_core::SC_ZERO_TIME);  // the processes wait
    go_.notify(sc_core::SC_ZERO_TIME);
    sc_core::sc_start();
    return status;
  }

  void put(std::uint64_t address, std::vector<std::uint8_t> bytes) {
    REQUIRE(debug(tlm::TLM_WRITE_COMMAND, address, bytes) == bytes.size());
  }
  std::vector<std::uint8_t> get(std::uint64_t address, std::size_t length) {
    std::vector<std::uint8_t> bytes(length);
    REQUIRE(debug(tlm::TLM_READ_COMMAND, address, bytes) == length);
    return bytes;
  }

  /// A result in memory, row by row.
  std::vector<float> halves(const OperandDescriptor& operand) {
    const OperandLayout layout = operand.layout(0);
    return unpack_results(layout, operand.format, get(operand.address, layout.bytes()));
  }

  MachineClock clock;
  std::unique_ptr<MemorySystem> memory;
  test::MonitoredLinks monitored;
  DmaEngine dma;
  ResultWriter writer;
  SimtGemmEngine engine;
  Descriptor command;
  CommandCounters counters;
  CommandStatus status = CommandStatus::pending;

 private:
  SC_HAS_PROCESS(SimtBench);
  std::size_t debug(tlm::tlm_command access, std::uint64_t address, std::vector<std::uint8_t>& bytes) {
    tlm::tlm_generic_payload payload;
    payload.set_command(access);
    payload.set_address(address);
    payload.set_data_ptr(bytes.data());
    payload.set_data_length(static_cast<unsigned>(bytes.size()));
    payload.set_streaming_width(static_cast<unsigned>(bytes.size()));
    return dma.memory->transport_dbg(payload);
  }
  void run() {
    while (true) {
      wait(go_);
      status = engine.check(command);
      if (status == CommandStatus::pending) status = engine.run(command, counters, abort_);
    }
  }
  sc_core::sc_event go_;
  const bool abort_ = false;
};

const char* const fast_memory =
    "{kind: flat, summary: fast, source: none, bandwidth_gbps: 900, latency_ns: 100, capacity_mib: 256, "
    "burst_bytes: 32, read_pj_per_bit: unknown, write_pj_per_bit: unknown, background_mw: unknown, "
    "sources: {latency_ns: a round number}}";

OperandDescriptor operand(const std::string& format, std::uint32_t rows, std::uint32_t columns, std::uint64_t address) {
  OperandDescriptor out;
  out.address = address;
  out.format = Format::parse(format);
  out.rows = rows;
  out.columns = columns;
  out.block_rows = std::min<std::uint32_t>(rows, 64);
  out.column_block = 32;
  return out;
}

Descriptor gemm_command(std::uint32_t m, std::uint32_t k, std::uint32_t n, const std::string& weight_format,
                        std::uint64_t tile = 64) {
  Descriptor command;
  command.opcode = Opcode::gemm;
  command.timing_only = true;
  command.m = m;
  command.k = k;
  command.n = n;
  command.a = operand("fp16", m, k, 0);
  command.w = operand(weight_format, n, k, 64 * mib);
  command.c = operand("fp16", m, n, 128 * mib);
  command.tiling = {tile, 32, tile, LoopOrder::mnk};
  return command;
}

QuantizedTensor random_operand(const std::string& format, std::size_t rows, std::size_t columns, std::uint64_t seed) {
  SyntheticTensor request;
  request.rows = rows;
  request.columns = columns;
  request.seed = seed;
  return encode(make_synthetic(request), Format::parse(format));
}

void check_halves(const std::vector<float>& result, const std::vector<float>& accumulators) {
  const Fp16Output expected = fp16_output(accumulators);
  REQUIRE(result.size() == expected.bits.size());
  for (std::size_t i = 0; i < result.size(); ++i)
    REQUIRE(fp16_bits(result[i]) == expected.bits[i]);
}

}  // namespace

TEST_CASE("results are those of the PE to the bit, whatever computes the time", "[simt]") {
  // All modules exist before the simulation starts.
  SimtBench transaction("transaction", volta(3, Fidelity::transaction), fast_memory);
  SimtBench cycle("cycle", volta(3, Fidelity::cycle), fast_memory);
  for (SimtBench* bench : {&transaction, &cycle}) {
    for (const std::string weights : {"fp16", "int4-g32", "int4-g128"}) {
      CAPTURE(bench->name(), weights);
      Descriptor command = gemm_command(150, 256, 192, weights);
      command.timing_only = false;
      const QuantizedTensor a = random_operand("fp16", command.m, command.k, 7);
      const QuantizedTensor w = random_operand(weights, command.n, command.k, 8);
      bench->put(command.a.address, pack_operand(command.a.layout(0), a));
      bench->put(command.w.address, pack_operand(command.w.layout(0), w));
      REQUIRE(bench->perform(command) == CommandStatus::done);
      std::vector<float> expected;
      gemm(find_pe(weights == "fp16" ? "fp16" : "fp_int"), a, w, expected);
      check_halves(bench->halves(command.c), expected);
    }
  }
}

TEST_CASE("every cycle has a cause and every byte is moved", "[simt]") {
  SimtBench transaction("transaction", volta(4, Fidelity::transaction), fast_memory);
  SimtBench cycle("cycle", volta(4, Fidelity::cycle), fast_memory);
  for (SimtBench* bench : {&transaction, &cycle}) {
    CAPTURE(bench->name());
    const Descriptor command = gemm_command(256, 512, 384, "int4-g32");
    REQUIRE(bench->perform(command) == CommandStatus::done);
    const CommandCounters& counters = bench->counters;
    CHECK(counters.compute_cycles + counters.fill_drain_cycles + counters.memory_stall_cycles +
              counters.output_stall_cycles ==
          counters.cycles);
    CHECK(counters.jobs == 4 * 6);
    CHECK(counters.macs() == std::uint64_t{256} * 512 * 384);
    // Both operands fit the L2 cache: memory is asked for each byte once, the multiprocessors for each tile's.
    CHECK(counters.read_bytes[static_cast<unsigned>(Stream::activation)] == command.a.layout(0).bytes());
    CHECK(counters.read_bytes[static_cast<unsigned>(Stream::weight)] == command.w.layout(0).bytes());
    CHECK(counters.write_bytes[static_cast<unsigned>(Stream::output)] == command.c.layout(0).bytes());
    const L2Counters& l2 = bench->engine.l2_counters();
    CHECK(l2.hits + l2.merged + l2.misses == l2.reads);
    CHECK(l2.read_bytes == 6 * command.a.layout(0).bytes() + 4 * command.w.layout(0).bytes());
    // Never faster than the tensor cores: INT4 words at 256 products per block and cycle.
    CHECK(counters.cycles >= counters.macs() / (4 * 4 * 256));
  }
}

TEST_CASE("what does not fit the L2 cache is fetched again", "[simt]") {
  SimtConfig config = volta(2, Fidelity::transaction);
  config.l2.capacity_bytes = 64 * kib;
  SimtBench bench("bench", config, fast_memory);
  const Descriptor command = gemm_command(512, 1024, 256, "fp16");
  REQUIRE(bench.perform(command) == CommandStatus::done);
  CHECK(bench.counters.read_bytes[static_cast<unsigned>(Stream::activation)] > 2 * command.a.layout(0).bytes());
  CHECK(bench.engine.l2_counters().evictions > 0);
}

TEST_CASE("an earlier command's results are read from memory, not from a stale segment", "[simt]") {
  SimtBench bench("bench", volta(2, Fidelity::transaction), fast_memory);
  std::uint64_t seed = 1;
  Descriptor first = gemm_command(64, 128, 128, "fp16");
  first.timing_only = false;
  Descriptor second = gemm_command(64, 128, 64, "fp16");
  second.timing_only = false;
  second.a = first.c;  // a chain: C of the first is A of the second
  second.a.column_block = first.c.column_block;
  second.c.address = 192 * mib;
  for (int pass = 0; pass < 2; ++pass) {
    const QuantizedTensor a = random_operand("fp16", 64, 128, seed++);
    const QuantizedTensor w = random_operand("fp16", 128, 128, seed++);
    bench.put(first.a.address, pack_operand(first.a.layout(0), a));
    bench.put(first.w.address, pack_operand(first.w.layout(0), w));
    REQUIRE(bench.perform(first) == CommandStatus::done);
    REQUIRE(bench.perform(second) == CommandStatus::done);
    const std::vector<float> between = bench.halves(first.c);
    QuantizedTensor chained = a;
    chained.values = between;
    QuantizedTensor weights = w;
    weights.shape = {64, 128};
    weights.values.resize(64 * 128);
    std::vector<float> expected;
    gemm(find_pe("fp16"), chained, weights, expected);
    check_halves(bench.halves(second.c), expected);
  }
}

TEST_CASE("a causal mask skips thread blocks and the ends of reductions", "[simt]") {
  SimtBench bench("bench", volta(2, Fidelity::transaction), fast_memory);
  Descriptor scores = gemm_command(256, 128, 256, "fp16");
  scores.causal = CausalMask::scores;
  REQUIRE(bench.perform(scores) == CommandStatus::done);
  CHECK(bench.counters.jobs == 1 + 2 + 3 + 4);
  Descriptor context = gemm_command(256, 256, 64, "fp16");
  context.causal = CausalMask::context;
  REQUIRE(bench.perform(context) == CommandStatus::done);
  CHECK(bench.counters.jobs == 4);
  CHECK(bench.counters.macs() == std::uint64_t{64} * 64 * (64 + 128 + 192 + 256));
}

TEST_CASE("transaction and cycle fidelity agree on bytes, instructions and registers, and within 9 % in time",
          "[simt]") {
  struct Shape {
    std::uint32_t m, k, n;
    const char* weights;
    std::uint64_t tile;
  };
  SimtBench slices("slices", volta(4, Fidelity::transaction), fast_memory);
  SimtBench warps("warps", volta(4, Fidelity::cycle), fast_memory);
  for (const Shape& shape :
       {Shape{512, 1024, 512, "fp16", 128}, Shape{128, 2048, 256, "fp16", 128}, Shape{64, 512, 640, "fp16", 64},
        Shape{512, 1024, 512, "int4-g32", 128}, Shape{100, 1024, 512, "int4-g128", 64},
        Shape{16, 2048, 1024, "int4-g32", 64}, Shape{1024, 128, 1024, "fp16", 128}}) {
    CAPTURE(shape.m, shape.k, shape.n, shape.weights, shape.tile);
    const Descriptor command = gemm_command(shape.m, shape.k, shape.n, shape.weights, shape.tile);
    REQUIRE(slices.perform(command) == CommandStatus::done);
    REQUIRE(warps.perform(command) == CommandStatus::done);
    // Grids of several waves differ by less than 1 %; ends of grids, where few thread blocks are left, by more.
    const auto transaction = static_cast<double>(slices.counters.cycles);
    const auto cycle = static_cast<double>(warps.counters.cycles);
    CAPTURE(transaction, cycle);
    CHECK(transaction == Approx(cycle).epsilon(0.09));
    CHECK(slices.counters.read_bytes == warps.counters.read_bytes);
    CHECK(slices.counters.write_bytes == warps.counters.write_bytes);
    CHECK(slices.counters.simt.instructions == warps.counters.simt.instructions);
    CHECK(slices.counters.simt.register_reads == warps.counters.simt.register_reads);
    CHECK(slices.counters.simt.register_writes == warps.counters.simt.register_writes);
    CHECK(slices.counters.simt.shared_read_bytes == warps.counters.simt.shared_read_bytes);
    CHECK(slices.counters.simt.shared_written_bytes == warps.counters.simt.shared_written_bytes);
  }
}

TEST_CASE("commands that no kernel computes are refused", "[simt]") {
  SimtBench bench("bench", volta(1, Fidelity::transaction), fast_memory);
  Descriptor command = gemm_command(64, 64, 64, "fp16", 96);
  CHECK(bench.engine.check(command) == CommandStatus::bad_shape);
  command = gemm_command(64, 64, 64, "mant4-g64");
  CHECK(bench.engine.check(command) == CommandStatus::bad_format);
  command = gemm_command(64, 64, 64, "fp16");
  command.c.format = Format::parse("int8-g64");
  CHECK(bench.engine.check(command) == CommandStatus::bad_format);
  command = gemm_command(64, 64, 64, "fp16");
  command.m = 128;
  CHECK(bench.engine.check(command) == CommandStatus::bad_shape);
  command = gemm_command(64, 96, 64, "int4-g48");
  CHECK(bench.engine.check(command) == CommandStatus::bad_shape);
  command = gemm_command(64, 64, 64, "fp16");
  CHECK(bench.engine.check(command) == CommandStatus::pending);
}

TEST_CASE("an error response of the memory ends the command", "[simt]") {
  SimtBench transaction("transaction", volta(2, Fidelity::transaction), fast_memory);
  SimtBench cycle("cycle", volta(2, Fidelity::cycle), fast_memory);
  for (SimtBench* bench : {&transaction, &cycle}) {
    Descriptor command = gemm_command(256, 512, 256, "fp16");
    command.w.address = 256 * mib - 4096;  // runs beyond the capacity
    CHECK(bench->perform(command) == CommandStatus::bus_error);
    CHECK(bench->perform(gemm_command(64, 64, 64, "fp16")) == CommandStatus::done);
  }
}

TEST_CASE("clusters choose the mode where decoders rebuild their scales", "[simt]") {
  const SimtConfig config = SimtConfig::from(ConfigNode::load("accelerators", "amove-tensor-core"));
  const Format wide = Format::parse("amove4-g128c16"), narrow = Format::parse("amove4-g32c4");
  CHECK(config.mode_for(wide, wide) == &config.modes.at(0));
  CHECK(config.mode_for(narrow, narrow) == &config.modes.at(1));
  CHECK(config.mode_for(Format::parse("amove4-g32c2"), Format::parse("amove4-g32c2")) == nullptr);
}
