// SPDX-License-Identifier: Apache-2.0
/// Vector commands with data on a machine: results in chunks of any size, refusals, and damage that does no harm.
#include <algorithm>
#include <functional>

#include "formats/rounding.h"
#include "pe/vector_functions.h"
#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/machines.h"
#include "testbenches/accelerators/sanitized.h"
#include "testbenches/formats/random_tensor.h"

using namespace nibble;
using namespace nibble::test;
namespace reg = nibble::control_register;

namespace {

OperandDescriptor fp16_at(std::uint64_t address, std::uint32_t rows, std::uint32_t columns, std::uint32_t block_rows) {
  OperandDescriptor operand;
  operand.address = address;
  operand.rows = rows;
  operand.columns = columns;
  operand.block_rows = block_rows;
  operand.format = Format::parse("fp16");
  return operand;
}

constexpr std::uint32_t rows = 50, columns = 96;

Descriptor command_of(VectorFunction function, std::uint32_t inputs = 1) {
  Descriptor d;
  d.opcode = Opcode::vector;
  d.function = static_cast<std::uint32_t>(function);
  d.inputs = inputs;
  d.m = rows;
  d.k = d.n = columns;
  d.elements = rows * columns;
  d.input_bytes[0] = d.output_bytes = 2 * d.elements;
  d.input_bytes[1] = inputs > 1 ? 2 * d.elements : 0;
  d.a = fp16_at(0x10000, rows, columns, 16);
  d.w = fp16_at(0x20000, rows, columns, 7);
  d.c = fp16_at(0x30000, rows, columns, 32);
  d.p = fp16_at(0x40000, 2, columns, 1);
  d.parameter = 0.125F;
  d.tokens = rows;
  return d;
}

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  std::vector<float> values = random_tensor({1, count}, seed).values;
  for (float& value : values)
    value = round_fp16(value);
  return values;
}

void put(MachineBench& bench, const OperandDescriptor& operand, const std::vector<float>& values) {
  bench.put(
      operand.address,
      pack_operand(operand.layout(0), encode({"operand", {operand.rows, operand.columns}, values}, operand.format)));
}

std::vector<float> result(MachineBench& bench, const OperandDescriptor& c) {
  return unpack_results(c.layout(0), c.format, bench.get(c.address, c.layout(0).bytes()));
}

using RowFunction = std::function<void(const float* a, const float* w, const float* p, std::size_t row, float* out)>;

/// On machines whose buffers hold a row, a few, and all.
void check_rows(const Descriptor& command, const RowFunction& function) {
  const auto a = random_values(rows * columns, 1), w = random_values(rows * columns, 2),
             p = random_values(2 * columns, 3);
  std::vector<float> expected(rows * columns);
  for (std::size_t row = 0; row < rows; ++row)
    function(&a[row * columns], &w[row * columns], p.data(), row, &expected[row * columns]);
  Machines machines;
  for (const std::string kib : {"2", "3", "128"}) {
    machines.add(mant_config({"buffers.activation_kib=" + kib, "buffers.output_kib=" + kib}), [=](MachineBench& bench) {
      CAPTURE(kib);
      put(bench, command.a, a);
      put(bench, command.w, w);
      if (command.p.address != command.a.address) put(bench, command.p, p);
      bench.open_queue();
      const auto outcome = bench.perform(command);
      CHECK(outcome.status == CommandStatus::done);
      CHECK((result(bench, command.c) == expected));
      // Conservation: inputs once, results once.
      const auto stream = static_cast<unsigned>(Stream::vector);
      CHECK(outcome.counters.write_bytes[stream] == 2 * rows * columns);
      CHECK(outcome.counters.read_bytes[stream] >= command.inputs * 2 * rows * columns);
    });
  }
  machines.run();
}

constexpr std::size_t lanes = 64;

}  // namespace

TEST_CASE("norms in chunks of any size") {
  check_rows(command_of(VectorFunction::layer_norm),
             [](const float* a, const float*, const float* p, std::size_t, float* out) {
               layer_norm(a, columns, p, p + columns, 0.125F, lanes, out);
             });
}

TEST_CASE("norms of parts of a row") {
  Descriptor command = command_of(VectorFunction::rms_norm);
  command.n = 32;
  check_rows(command, [](const float* a, const float*, const float* p, std::size_t, float* out) {
    for (std::size_t part = 0; part < columns; part += 32)
      rms_norm(a + part, 32, p, 0.125F, lanes, out + part);
  });
}

TEST_CASE("silu in chunks of any size") {
  check_rows(command_of(VectorFunction::silu_gate, 2),
             [](const float* a, const float* w, const float*, std::size_t, float* out) {
               for (std::size_t i = 0; i < columns; ++i)
                 out[i] = round_fp16(silu(a[i]) * w[i]);
             });
}

TEST_CASE("gelu by erf in chunks of any size") {
  Descriptor command = command_of(VectorFunction::gelu_gate, 2);
  command.alternative = true;
  check_rows(command, [](const float* a, const float* w, const float*, std::size_t, float* out) {
    for (std::size_t i = 0; i < columns; ++i)
      out[i] = round_fp16(gelu(a[i], GeluForm::erf) * w[i]);
  });
}

TEST_CASE("bias in chunks of any size") {
  check_rows(command_of(VectorFunction::bias_add),
             [](const float* a, const float*, const float* p, std::size_t, float* out) {
               for (std::size_t i = 0; i < columns; ++i)
                 out[i] = round_fp16(a[i] + p[i]);
             });
}

TEST_CASE("third summand in chunks of any size") {
  Descriptor command = command_of(VectorFunction::residual_add, 2);
  command.p = command.a;
  check_rows(command, [](const float* a, const float* w, const float*, std::size_t, float* out) {
    for (std::size_t i = 0; i < columns; ++i)
      out[i] = round_fp16(a[i] + w[i] + a[i]);
  });
}

TEST_CASE("a windowed softmax of two query heads per token") {
  Descriptor command = command_of(VectorFunction::softmax);
  command.causal = CausalMask::scores;
  command.past = 10;
  command.rows_per_token = 2;
  command.window = 12;
  command.c.block_rows = rows;  // what is behind the last row's columns is not written
  const std::size_t seen = 10 + (rows - 1) / 2 + 1, written = 64;
  const auto a = random_values(rows * columns, 1);
  drive([&](MachineBench& bench) {
    put(bench, command.a, a);
    put(bench, command.c, std::vector<float>(rows * columns, 7.0F));
    bench.open_queue();
    REQUIRE(bench.perform(command).status == CommandStatus::done);
    const std::vector<float> got = result(bench, command.c);
    REQUIRE(seen <= written);
    for (std::size_t row = 0; row < rows; ++row) {
      std::vector<float> expected(columns, 7.0F);
      const std::size_t end = 10 + row / 2 + 1;
      softmax(&a[row * columns], written, end > 12 ? end - 12 : 0, end, 0.125F, lanes, expected.data());
      CAPTURE(row);
      CHECK(std::equal(expected.begin(), expected.end(), got.begin() + static_cast<std::ptrdiff_t>(row * columns)));
    }
  });
}

TEST_CASE("an embedding gathers rows, and a number beyond the table ends it") {
  Descriptor command = command_of(VectorFunction::embedding);
  command.a = fp16_at(0x50000, 300, columns, 1);
  command.p = fp16_at(0x40000, rows, 1, 1);
  const auto table = random_values(300 * columns, 4);
  drive([&](MachineBench& bench) {
    put(bench, command.a, table);
    std::vector<std::uint8_t> numbers;
    std::vector<float> expected;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const std::uint32_t token = (row * 77 + 299) % 300;
      numbers.insert(numbers.end(),
                     {static_cast<std::uint8_t>(token & 255), static_cast<std::uint8_t>(token >> 8), 0, 0});
      expected.insert(expected.end(), table.begin() + token * columns, table.begin() + (token + 1) * columns);
    }
    bench.put(command.p.address, numbers);
    bench.open_queue();
    REQUIRE(bench.perform(command).status == CommandStatus::done);
    CHECK((result(bench, command.c) == expected));
    numbers[4 * 49] = 44;
    numbers[4 * 49 + 1] = 1;  // 300
    bench.put(command.p.address, numbers);
    CHECK(bench.perform(command).status == CommandStatus::bad_operand);
  });
}

TEST_CASE("data that is none, and shapes that do not fit, end with the status that says why") {
  struct Refusal {
    const char* what;
    CommandStatus status;
    std::function<void(Descriptor&)> change;
  };
  const auto shape = CommandStatus::bad_shape;
  const Descriptor good = command_of(VectorFunction::layer_norm);
  Machines machines;
  for (const Refusal& refusal : std::vector<Refusal>{
           {"no rows", shape, [](Descriptor& d) { d.m = 0; }},
           {"no instances", shape, [](Descriptor& d) { d.count = 0; }},
           {"parts that do not fill a row", shape, [](Descriptor& d) { d.n = 64; }},
           {"an operand that is too small", shape, [](Descriptor& d) { d.a.rows = rows - 1; }},
           {"a result that is too small", shape, [](Descriptor& d) { d.c.columns = columns - 1; }},
           {"no shifts", shape, [](Descriptor& d) { d.p.rows = 1; }},
           {"gains that are too few", shape, [](Descriptor& d) { d.p.columns = columns - 1; }},
           {"blocks of no rows", shape, [](Descriptor& d) { d.a.block_rows = 0; }},
           {"a second input", shape, [](Descriptor& d) { d.inputs = 2, d.input_bytes[1] = 2; }},
           {"positions without sequences", shape,
            [](Descriptor& d) { d.a.arrangement = Arrangement::positions, d.tokens = 0; }},
           {"heads that do not fill a row", shape,
            [](Descriptor& d) { d.c.arrangement = Arrangement::heads, d.c.columns = 50, d.rows_per_token = 1; }},
           {"values of no policy", shape, [](Descriptor& d) { d.c.arrangement = Arrangement::values, d.policy = 9; }},
           {"values of groups without a policy", shape,
            [](Descriptor& d) {
              d.c.arrangement = Arrangement::values;
              d.c.format = Format::parse("mant4-g64");
              d.c.rows = columns;
              d.c.columns = 64;
            }},
           {"keys as an input", shape, [](Descriptor& d) { d.a.arrangement = Arrangement::token_major; }},
           {"a result format of another machine", CommandStatus::bad_format,
            [](Descriptor& d) { d.c.format = Format::parse("bfp8-g32"); }},
           {"a row beyond the buffer", CommandStatus::tile_too_large,
            [](Descriptor& d) { d.k = d.n = d.a.columns = d.c.columns = d.p.columns = 1 << 20; }},
           {"gains that are NaN", CommandStatus::bad_operand, [](Descriptor& d) { d.p.address = 0x60000; }},
           {"an operand beyond memory", CommandStatus::bus_error,
            [](Descriptor& d) { d.a.address = Machines::capacity; }},
           {"a result beyond memory", CommandStatus::bus_error,
            [](Descriptor& d) { d.c.address = Machines::capacity - 8; }}}) {
    machines.add(mant_config({}), [=](MachineBench& bench) {
      CAPTURE(refusal.what);
      bench.put(0x60000, std::vector<std::uint8_t>(4 * columns, 0xFF));
      Descriptor bad = good;
      refusal.change(bad);
      bench.open_queue();
      CHECK(to_string(bench.perform(bad).status) == std::string(to_string(refusal.status)));
      bench.write(reg::control, 1);
      bench.open_queue();
      CHECK(bench.perform(good).status == CommandStatus::done);
    });
  }
  machines.run();
}

TEST_CASE("thousands of damaged commands with data end with a status or run, and never harm the machine") {
  Machines machines;
  constexpr int commands = sanitized ? 150 : 600;
  for (const VectorFunction function : {VectorFunction::none, VectorFunction::layer_norm, VectorFunction::softmax,
                                        VectorFunction::rotary, VectorFunction::residual_add}) {
    machines.add(mant_config({}), [function](MachineBench& bench) {
      Random random(static_cast<std::uint64_t>(function) + 5);
      Descriptor good = command_of(function, function == VectorFunction::residual_add ? 2 : 1);
      good.rotated = columns;
      unsigned ended = 0, refusals = 0;
      for (int i = 0; i < commands; ++i) {
        CAPTURE(i);
        auto bytes = good.pack();
        for (std::uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
          const std::uint64_t at = 2 + random.below(Descriptor::status_offset - 2);
          bytes[at] = random.below(3) == 0 ? static_cast<std::uint8_t>(random.next())
                                           : static_cast<std::uint8_t>(bytes[at] ^ 1u << random.below(8));
        }
        const auto causes = bench.attempt(bytes, sc_core::sc_time(30, sc_core::SC_US));
        ended += causes.has_value();
        refusals += causes == 2;
      }
      CHECK(ended > commands / 2);
      CHECK(refusals > commands / 8);
    });
  }
  machines.run();
}
