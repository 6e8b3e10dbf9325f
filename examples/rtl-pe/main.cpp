// SPDX-License-Identifier: Apache-2.0
/// A Verilated RTL PE in the loop of a TLM machine: one product, its first rows computed by the SystemVerilog PE at pin
/// level, the others by the int8-array at the same time, both on the same operands in the same DRAM. The whole has to
/// be the PE's product to the bit.
#include <Vinteger_unit.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <cstdio>
#include <cstring>
#include <systemc>
#include <vector>

#include "accelerators/accelerator.h"
#include "accelerators/host.h"
#include "accelerators/platform.h"
#include "accelerators/tile_buffers.h"
#include "formats/rounding.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "pe/pe_library.h"
#include "transport/links.h"
#include "workloads/synthetic.h"

using namespace nibble;
template <class T>
using Signal = sc_core::sc_signal<T>;

constexpr std::uint32_t m = 12, k = 96, n = 16, rtl_rows = 3;
constexpr std::uint64_t a_at = 0x10000, w_at = 0x20000, c_at = 0x30000;

OperandDescriptor operand(const char* format, std::uint64_t address, std::uint32_t rows, std::uint32_t columns) {
  OperandDescriptor out;
  out.format = Format::parse(format);
  out.address = address;
  out.rows = rows;
  out.columns = columns;
  return out;  // rows in blocks of one: rows of C lie one behind the other
}
const OperandDescriptor a = operand("int8-channel", a_at, m, k), w = operand("int8-channel", w_at, n, k),
                        c = operand("fp32", c_at, m, n);

/// Fetches A and W over its memory socket, streams them through the PE's pins, a pair per cycle, and writes C.
class RtlUnit : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<RtlUnit> memory{"memory"};
  bool failed = false;

  explicit RtlUnit(sc_core::sc_module_name name) : sc_module(name) {
    SC_HAS_PROCESS(RtlUnit);
    pe_.clk(clock_), pe_.reset(reset_), pe_.valid_in(valid_), pe_.last_in(last_), pe_.x_in(x_), pe_.w_in(w_);
    pe_.activation_scale(x_scale_), pe_.weight_scale(w_scale_), pe_.accumulator_in(zero_), pe_.sum(sum_);
    pe_.valid_out(open_[0]), pe_.last_out(open_[1]), pe_.x_out(x_out_), pe_.w_out(w_out_), pe_.done(open_[2]);
    pe_.accumulate(open_[3]), pe_.result_valid(result_valid_), pe_.result(result_);
    SC_THREAD(run);
  }

 private:
  void transfer(tlm::tlm_command command, std::uint64_t address, void* data, std::size_t bytes) {
    tlm::tlm_generic_payload payload;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char*>(data));
    payload.set_data_length(static_cast<unsigned>(bytes));
    payload.set_streaming_width(static_cast<unsigned>(bytes));
    memory->b_transport(payload, delay);
    wait(delay);
    failed = failed || !payload.is_response_ok();
  }
  QuantizedTensor fetch(const OperandDescriptor& operand) {
    const TileRange all{0, operand.rows, 0, operand.columns};
    std::vector<std::uint8_t> bytes(operand.bytes());
    transfer(tlm::TLM_READ_COMMAND, operand.address, bytes.data(), bytes.size());
    return unpack_tile(operand.layout(0), operand.format, all, bytes);
  }
  /// One row of A with one row of W.
  std::uint32_t dot(const QuantizedTensor& left, std::size_t row, const QuantizedTensor& right, std::size_t column) {
    x_scale_ = fp16_bits(left.scales[row]), w_scale_ = fp16_bits(right.scales[column]);
    for (std::size_t i = 0; i < k; ++i) {
      valid_ = true, last_ = i + 1 == k;
      x_ = static_cast<std::uint8_t>(left.codes[row * k + i]),
      w_ = static_cast<std::uint8_t>(right.codes[column * k + i]);
      wait(clock_.negedge_event());
    }
    valid_ = false;
    while (!result_valid_.read())
      wait(clock_.negedge_event());
    return result_.read();
  }
  void run() {
    reset_ = true;
    wait(clock_.negedge_event()), wait(clock_.negedge_event());
    reset_ = false;
    const QuantizedTensor left = fetch(a), right = fetch(w);
    wait(clock_.negedge_event());  // pins change between the rising edges
    for (std::uint32_t row = 0; row < rtl_rows; ++row) {
      std::uint32_t results[n];
      for (std::uint32_t column = 0; column < n; ++column)
        results[column] = dot(left, row, right, column);
      transfer(tlm::TLM_WRITE_COMMAND, c_at + row * sizeof results, results, sizeof results);
      wait(clock_.negedge_event());
    }
  }

  sc_core::sc_clock clock_{"clock", sc_core::sc_time(2, sc_core::SC_NS)};
  Signal<bool> reset_, valid_, last_, result_valid_, open_[4];
  Signal<std::uint32_t> x_, w_, x_out_, w_out_, sum_, x_scale_, w_scale_, zero_, result_;
  Vinteger_unit pe_{"pe"};
};

int sc_main(int, char**) {
  const PlatformConfig config = PlatformConfig::from(ConfigNode::load("accelerators", "int8-array"));
  Accelerator machine("machine", *config.machine);
  Host host("host", 0, 16);
  RtlUnit rtl("rtl");
  const auto memory = make_memory("memory", config.memory, nullptr);
  Router router("router", RouterConfig::single_target(3, memory->capacity_bytes()));
  Signal<bool> irq("irq");
  Links links;  // the environment variable NIBBLE_PROBES puts probes on them
  links.bind("host.control", host.control, machine.control);
  machine.irq.bind(irq), host.irq.bind(irq);
  links.bind("machine.memory", machine.memory, router.target(0));
  links.bind("host.memory", host.memory, router.target(1));
  links.bind("rtl.memory", rtl.memory, router.target(2));
  links.bind("router.memory", router.initiator(0), memory->target);

  const auto matrix = [](std::size_t rows, std::uint64_t seed) {
    SyntheticTensor request;
    request.rows = rows, request.columns = k, request.seed = seed;
    return encode(make_synthetic(request), Format::parse("int8-channel"));
  };
  const QuantizedTensor left = matrix(m, 1), right = matrix(n, 2);
  Descriptor command;
  command.opcode = Opcode::gemm;
  command.m = m - rtl_rows, command.k = k, command.n = n;
  command.tiling = {m - rtl_rows, k, n, LoopOrder::mnk};
  // The machine's A and C begin behind the rows of the RTL; the scales are a table of their own, so A is copied.
  const OperandDescriptor rest = operand("int8-channel", 0x40000, m - rtl_rows, k);
  command.a = rest, command.w = w, command.c = operand("fp32", c_at + std::uint64_t{4} * rtl_rows * n, m - rtl_rows, n);
  SyntheticTensor whole;
  whole.rows = m, whole.columns = k, whole.seed = 1;
  Tensor tail = make_synthetic(whole);
  tail.values.erase(tail.values.begin(), tail.values.begin() + rtl_rows * k);
  tail.shape[0] = m - rtl_rows;

  unsigned posted = 0;
  host.run([&]() { return posted++ == 0 ? std::optional<Descriptor>(command) : std::nullopt; });
  host.stop_at_end(false);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);  // elaborated: memory can be filled
  host.write_memory(a_at, pack_operand(a.layout(0), left));
  host.write_memory(w_at, pack_operand(w.layout(0), right));
  host.write_memory(rest.address, pack_operand(rest.layout(0), encode(tail, rest.format)));
  sc_core::sc_start(sc_core::sc_time(100, sc_core::SC_US));
  links.finish(true);

  std::vector<float> expected;
  gemm(find_pe("int8"), left, right, expected);
  const std::vector<float> result = unpack_results(c.layout(0), c.format, host.read_memory(c_at, c.bytes()));
  const bool equal = result.size() == expected.size() &&
                     std::memcmp(result.data(), expected.data(), expected.size() * sizeof(float)) == 0;
  std::printf("%u rows by the RTL PE, %u by the machine (%s): %s\n", rtl_rows, m - rtl_rows, to_string(host.status()),
              equal ? "the PE's product to the bit" : "WRONG");
  return equal && !rtl.failed && host.status() == CommandStatus::done ? 0 : 1;
}
