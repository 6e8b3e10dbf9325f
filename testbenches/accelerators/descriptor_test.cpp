// SPDX-License-Identifier: Apache-2.0
/// Command descriptors as bytes: nothing is lost, garbage is refused, no byte pattern does harm.
#include "accelerators/descriptor.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "core/random.h"

using namespace nibble;

namespace {

using Packed = std::array<std::uint8_t, descriptor_bytes>;

std::uint32_t word(Random& random) {
  return static_cast<std::uint32_t>(random.next());
}

OperandDescriptor random_operand(Random& random) {
  static const char* const formats[] = {"fp16",        "fp32",      "int8-g64", "int8-channel",
                                        "int8-g65521", "mant4-g64", "mant4-g1"};
  OperandDescriptor operand;
  operand.address = random.next();
  operand.instance_stride = random.next();
  operand.rows = word(random);
  operand.columns = word(random);
  operand.block_rows = word(random);
  operand.format = Format::parse(formats[random.below(std::size(formats))]);
  return operand;
}

Descriptor random_descriptor(Random& random, Opcode opcode) {
  Descriptor d;
  d.opcode = opcode;
  d.timing_only = random.below(2) != 0;
  d.interrupt = random.below(2) != 0;
  d.tag = word(random);
  for (auto* extent : {&d.m, &d.k, &d.n, &d.count, &d.past, &d.rows_per_token})
    *extent = word(random);
  d.causal = static_cast<CausalMask>(random.below(3));
  d.tiling.order = all_loop_orders[random.below(6)];
  d.a = random_operand(random);
  d.w = random_operand(random);
  d.c = random_operand(random);
  d.inputs = word(random) & 0xFFFF;
  d.function = word(random);
  if (opcode == Opcode::gemm) {
    d.window_k = word(random);
    d.window.address = random.next();
    d.window.instance_stride = random.next();
    d.scratch_address = random.next();
    d.stream_bytes = random.next();
    for (auto* extent : {&d.tiling.m, &d.tiling.k, &d.tiling.n})
      *extent = word(random);
  } else {
    d.elements = random.next();
    d.input_bytes[0] = random.next();
    d.input_bytes[1] = random.next();
    d.output_bytes = random.next();
  }
  return d;
}

void check_equal(const OperandDescriptor& a, const OperandDescriptor& b) {
  CHECK(a.address == b.address);
  CHECK(a.instance_stride == b.instance_stride);
  CHECK(a.rows == b.rows);
  CHECK(a.columns == b.columns);
  CHECK(a.block_rows == b.block_rows);
  CHECK(a.format == b.format);
}

void check_equal(const Descriptor& a, const Descriptor& b) {
  CHECK(a.opcode == b.opcode);
  CHECK(a.timing_only == b.timing_only);
  CHECK(a.interrupt == b.interrupt);
  CHECK(a.tag == b.tag);
  CHECK(a.m == b.m);
  CHECK(a.k == b.k);
  CHECK(a.n == b.n);
  CHECK(a.count == b.count);
  CHECK(a.causal == b.causal);
  CHECK(a.past == b.past);
  CHECK(a.rows_per_token == b.rows_per_token);
  check_equal(a.a, b.a);
  check_equal(a.w, b.w);
  check_equal(a.c, b.c);
  CHECK(a.window_k == b.window_k);
  CHECK(a.window.address == b.window.address);
  CHECK(a.window.instance_stride == b.window.instance_stride);
  CHECK(a.scratch_address == b.scratch_address);
  CHECK(a.stream_bytes == b.stream_bytes);
  CHECK(a.tiling.m == b.tiling.m);
  CHECK(a.tiling.k == b.tiling.k);
  CHECK(a.tiling.n == b.tiling.n);
  CHECK(a.tiling.order == b.tiling.order);
  CHECK(a.function == b.function);
  CHECK(a.inputs == b.inputs);
  CHECK(a.elements == b.elements);
  CHECK(a.input_bytes[0] == b.input_bytes[0]);
  CHECK(a.input_bytes[1] == b.input_bytes[1]);
  CHECK(a.output_bytes == b.output_bytes);
}

/// A descriptor that unpacks, with one byte changed.
bool accepts(std::size_t offset, std::uint8_t value) {
  Descriptor d;
  d.opcode = Opcode::gemm;
  for (auto* operand : {&d.a, &d.w, &d.c})
    operand->format = Format::parse("int8-g64");
  Packed bytes = d.pack();
  bytes[offset] = value;
  Descriptor out;
  return Descriptor::unpack(bytes, out);
}

/// Offsets of single-byte fields; the format of operand i starts at operand_formats + i * operand_bytes.
constexpr std::size_t version_at = 0, opcode_at = 1, causal_at = 32, order_at = 33;
constexpr std::size_t operand_formats = 40 + 28, operand_bytes = 36;

}  // namespace

TEST_CASE("a descriptor survives its bytes, field by field") {
  Random random(1);
  for (const Opcode opcode : {Opcode::gemm, Opcode::vector, Opcode::nop}) {
    for (int i = 0; i < 200; ++i) {
      const Descriptor d = random_descriptor(random, opcode);
      Descriptor out;
      REQUIRE(Descriptor::unpack(d.pack(), out));
      check_equal(d, out);
      CHECK(out.pack() == d.pack());
    }
  }
}

TEST_CASE("the open window of an unpacked GEMM is INT8 per channel, n rows of window_k") {
  Descriptor d;
  d.opcode = Opcode::gemm;
  d.n = 96;
  d.window_k = 17;
  Descriptor out;
  REQUIRE(Descriptor::unpack(d.pack(), out));
  CHECK(out.window.rows == 96);
  CHECK(out.window.columns == 17);
  CHECK(out.window.block_rows == 96);
  CHECK(out.window.format == Format::parse("int8-channel"));
}

TEST_CASE("the status word is not part of what a host packs") {
  Descriptor d;
  d.opcode = Opcode::gemm;
  d.tag = ~0u;
  d.stream_bytes = ~std::uint64_t{0};
  d.tiling.n = ~0u;
  const Packed bytes = d.pack();
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(bytes[Descriptor::status_offset + i] == 0);
}

TEST_CASE("unknown versions, opcodes, masks, orders and formats are refused") {
  REQUIRE(accepts(version_at, descriptor_version));
  for (unsigned value = 0; value < 256; ++value) {
    const auto byte = static_cast<std::uint8_t>(value);
    CAPTURE(value);
    CHECK(accepts(version_at, byte) == (value == descriptor_version));
    CHECK(accepts(opcode_at, byte) == (value <= 2));
    CHECK(accepts(causal_at, byte) == (value <= 2));
    CHECK(accepts(order_at, byte) == (value <= 5));
    for (std::size_t operand = 0; operand < 3; ++operand) {
      const std::size_t format = operand_formats + operand * operand_bytes;
      CHECK(accepts(format, byte) == (value <= static_cast<unsigned>(FormatFamily::olive4)));
      CHECK(accepts(format + 1, byte) == (value >= 1 && value <= 32));
      CHECK(accepts(format + 2, byte) == (value <= static_cast<unsigned>(Grouping::tensor)));
      CHECK(accepts(format + 4, byte) == (value != 0));  // groups of no elements
    }
  }
}

TEST_CASE("100000 random byte patterns unpack or are refused, and what unpacks packs to itself") {
  Random random(2);
  unsigned unpacked = 0;
  for (int i = 0; i < 100000; ++i) {
    Packed bytes;
    for (auto& byte : bytes)
      byte = static_cast<std::uint8_t>(random.next());
    if (i % 2 == 0) {  // every other one gets past the enumerators
      bytes[version_at] = descriptor_version;
      bytes[opcode_at] %= 3;
      bytes[causal_at] %= 3;
      bytes[order_at] %= 6;
      for (std::size_t operand = 0; operand < 3; ++operand) {
        std::uint8_t* format = &bytes[operand_formats + operand * operand_bytes];
        format[0] %= static_cast<unsigned>(FormatFamily::olive4) + 1;
        format[1] = static_cast<std::uint8_t>(format[1] % 32 + 1);
        format[2] %= static_cast<unsigned>(Grouping::tensor) + 1;
      }
    }
    Descriptor out, again;
    if (!Descriptor::unpack(bytes, out)) continue;
    ++unpacked;
    const Packed packed = out.pack();
    REQUIRE(Descriptor::unpack(packed, again));
    REQUIRE(again.pack() == packed);
  }
  CHECK(unpacked >= 49990);
}

TEST_CASE("every command status has words of its own") {
  std::vector<std::string> texts;
  for (const CommandStatus status :
       {CommandStatus::pending, CommandStatus::done, CommandStatus::bad_opcode, CommandStatus::bad_shape,
        CommandStatus::bad_format, CommandStatus::tile_too_large, CommandStatus::bus_error, CommandStatus::no_data_path,
        CommandStatus::bad_operand}) {
    texts.emplace_back(to_string(status));
    CHECK_FALSE(texts.back().empty());
    CHECK(std::count(texts.begin(), texts.end(), texts.back()) == 1);
  }
  CHECK(std::string(to_string(static_cast<CommandStatus>(77))) == "unknown");
}
