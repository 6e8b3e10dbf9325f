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
  static const char* const formats[] = {"fp16",       "fp32",           "bf16",         "int8-g64",      "int8-channel",
                                        "int2-g32",   "int8-g65521",    "int5-tensor",  "mant4-g64",     "mant4-g1",
                                        "bfp8-g32",   "bfp4-g65536",    "ant4-channel", "olive4-tensor", "mxfp6-g32",
                                        "mxint8-g32", "amove4-g128c16", "amove2-g4c1",  "nvfp4-g16",     "tender8-d8",
                                        "tender4-d1", "anda15-g64",     "bitmod4-g128"};
  OperandDescriptor operand;
  operand.address = random.next();
  operand.instance_stride = random.next();
  operand.rows = word(random);
  operand.columns = word(random);
  operand.block_rows = word(random);
  operand.format = Format::parse(formats[random.below(std::size(formats))]);
  if (operand.format.grouping != Grouping::group) operand.column_block = 1 + word(random) / 2;
  operand.arrangement = static_cast<Arrangement>(random.below(7));
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
    d.window = word(random);
    for (auto* operand : {&d.a, &d.w, &d.c})
      operand->exponent = static_cast<std::int32_t>(random.below(65536)) - 32768;
    d.options.accumulate_fp32 = random.below(2) != 0;
    d.options.product_fp16 = random.below(2) != 0;
    d.options.aligned_bits = static_cast<unsigned>(random.below(16));
    for (auto& part : d.continuations) {
      // Its groups are W's.
      const Format format = random.below(2) != 0 ? d.w.format : window_format();
      part = {1 + word(random) / 2, random.next(), random.next(), format, static_cast<Arrangement>(random.below(7))};
    }
    d.scratch_address = random.next();
    d.stream_bytes = random.next();
    for (auto* extent : {&d.tiling.m, &d.tiling.k, &d.tiling.n})
      *extent = word(random);
  } else {
    d.elements = random.next();
    d.input_bytes[0] = random.next();
    d.input_bytes[1] = random.next();
    d.output_bytes = random.next();
    if (d.timing_only || opcode != Opcode::vector) return d;
    d.p = random_operand(random);
    d.parameter = static_cast<float>(random.uniform());
    d.tokens = word(random);
    d.rotated = word(random) & 0xFFFF;
    d.alternative = random.below(2) != 0;
    d.policy = static_cast<std::uint8_t>(random.below(16));
    d.c.exponent = static_cast<std::int32_t>(random.below(256)) - 128;
    d.window = word(random);
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
  CHECK(a.exponent == b.exponent);
  CHECK(a.column_block == b.column_block);
  CHECK(a.arrangement == b.arrangement);
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
  CHECK(a.window == b.window);
  check_equal(a.a, b.a);
  check_equal(a.w, b.w);
  check_equal(a.c, b.c);
  CHECK(a.options.accumulate_fp32 == b.options.accumulate_fp32);
  CHECK(a.options.product_fp16 == b.options.product_fp16);
  CHECK(a.options.aligned_bits == b.options.aligned_bits);
  for (std::size_t i = 0; i < continuation_count; ++i) {
    CHECK(a.continuations[i].k == b.continuations[i].k);
    CHECK(a.continuations[i].address == b.continuations[i].address);
    CHECK(a.continuations[i].instance_stride == b.continuations[i].instance_stride);
    CHECK(a.continuations[i].format == b.continuations[i].format);
    CHECK(a.continuations[i].arrangement == b.continuations[i].arrangement);
  }
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
  check_equal(a.p, b.p);
  CHECK(a.parameter == b.parameter);
  CHECK(a.tokens == b.tokens);
  CHECK(a.rotated == b.rotated);
  CHECK(a.alternative == b.alternative);
  CHECK(a.policy == b.policy);
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
constexpr std::size_t version_at = 0, opcode_at = 1, flags_at = 2, order_free_at = 3, causal_at = 32, order_at = 33;
constexpr std::size_t third_operand = 192, arrangement_at = 11;
constexpr std::size_t operand_bytes = 40, operand_formats = 40 + 28, group_at = 0, cluster_at = 4, family_at = 8,
                      bits_at = 9, grouping_at = 10;

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

TEST_CASE("parts of W: their extents, where they begin, and their layout in blocks of W") {
  Descriptor d;
  d.opcode = Opcode::gemm;
  d.n = 96;
  d.k = 32;
  d.w.format = Format::parse("bfp8-g32");
  d.w.block_rows = 16;
  d.continuations[0] = {640, 4096, 7, Format::parse("bfp4-g32")};
  d.continuations[1] = {17, 8192, 0, window_format()};
  Descriptor out;
  REQUIRE(Descriptor::unpack(d.pack(), out));
  CHECK(reduction_of(out) == 32 + 640 + 17);
  CHECK(segment_begin(out, 0) == 0);
  CHECK(segment_begin(out, 1) == 32);
  CHECK(segment_begin(out, 2) == 672);
  const OperandDescriptor middle = weight_segment(out, 1), window = weight_segment(out, 2);
  CHECK(middle.format == Format::parse("bfp4-g32"));
  CHECK(middle.address == 4096);
  CHECK(middle.instance_stride == 7);
  CHECK(window.rows == 96);
  CHECK(window.columns == 17);
  CHECK(window.block_rows == 16);
  out.w.block_rows = 256;
  CHECK(weight_segment(out, 2).block_rows == 96);
  CHECK(window.format == Format::parse("int8-channel"));
}

TEST_CASE("fields of 8 bytes lie at multiples of 8, of 4 bytes at multiples of 4") {
  // Each address and stride differs from a blank descriptor in eight aligned bytes of its own.
  Descriptor blank;
  blank.opcode = Opcode::gemm;
  const Packed before = blank.pack();
  const auto check = [&](const Descriptor& changed, std::size_t bytes) {
    const Packed after = changed.pack();
    std::size_t first = 0;
    while (before[first] == after[first])
      ++first;
    CHECK(first % bytes == 0);
    for (std::size_t i = 0; i < descriptor_bytes; ++i)
      CHECK((before[i] != after[i]) == (i >= first && i < first + bytes));
  };
  for (const auto operand : {&Descriptor::a, &Descriptor::w, &Descriptor::c}) {
    Descriptor d = blank;
    (d.*operand).address = ~std::uint64_t{0};
    check(d, 8);
    d = blank;
    (d.*operand).instance_stride = ~std::uint64_t{0};
    check(d, 8);
    d = blank;
    (d.*operand).columns = ~0u;
    check(d, 4);
  }
  for (const auto field : {&Descriptor::scratch_address, &Descriptor::stream_bytes}) {
    Descriptor d = blank;
    d.*field = ~std::uint64_t{0};
    check(d, 8);
  }
  for (std::size_t i = 0; i < continuation_count; ++i) {
    Descriptor d = blank;
    d.continuations[i].address = ~std::uint64_t{0};
    check(d, 8);
    d = blank;
    d.continuations[i].k = ~0u;
    check(d, 4);
  }
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
    CHECK(accepts(flags_at, byte) == (value <= 3));
    CHECK(accepts(order_free_at, byte));
    CHECK(accepts(causal_at, byte) == (value <= 2));
    CHECK(accepts(order_at, byte) == (value <= 5));
    for (std::size_t operand = 0; operand < 3; ++operand) {
      const std::size_t format = operand_formats + operand * operand_bytes;
      // Of 8 bits in groups of 64 there are INT8, BFP8 and Anda's.
      CHECK(accepts(format + family_at, byte) == (value == static_cast<unsigned>(FormatFamily::integer) ||
                                                  value == static_cast<unsigned>(FormatFamily::bfp) ||
                                                  value == static_cast<unsigned>(FormatFamily::anda)));
      CHECK(accepts(format + bits_at, byte) == (value >= 2 && value <= 8));
      const bool grouping = value >= 1 && value <= static_cast<unsigned>(Grouping::tensor);
      CHECK(accepts(format + grouping_at, byte) == grouping);
      CHECK(accepts(format + group_at, byte) == (value != 0));  // groups of no elements
      CHECK(accepts(format + cluster_at, byte));                // INT has no clusters
      CHECK(accepts(format + arrangement_at, byte) ==
            ((value & 8) == 0 && value >> 4 <= static_cast<unsigned>(Arrangement::keys)));
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
      bytes[flags_at] %= 4;
      bytes[causal_at] %= 3;
      bytes[order_at] %= 6;
      for (std::size_t operand = 0; operand < 3; ++operand) {
        static const char* const names[] = {"fp16", "int8-g64", "amove4-g32c4", "bfp4-g32", "olive4-channel"};
        Descriptor d;
        d.opcode = Opcode::gemm;
        d.a.format = Format::parse(names[random.below(std::size(names))]);
        const Packed good = d.pack();
        const std::size_t format = operand_formats + operand * operand_bytes;
        std::copy_n(&good[operand_formats], 12, &bytes[format]);
      }
      // Continuations of nothing, with known enumerators.
      for (const std::size_t part : {std::size_t{200}, std::size_t{224}}) {
        std::fill_n(&bytes[part + 16], 4, std::uint8_t{0});
        bytes[part + 20] %= static_cast<unsigned>(FormatFamily::olive4) + 1;
        bytes[part + 21] = static_cast<std::uint8_t>(bytes[part + 21] % 32 + 1);
        bytes[part + 22] %= static_cast<unsigned>(Grouping::tensor) + 1;
        bytes[part + 23] = static_cast<std::uint8_t>(bytes[part + 23] % 7 << 4);
      }
      if (bytes[opcode_at] != static_cast<unsigned>(Opcode::gemm))
        std::fill_n(&bytes[third_operand + 16], 4, std::uint8_t{0});
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
