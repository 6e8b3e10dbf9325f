// SPDX-License-Identifier: Apache-2.0
/// Records of values in memory, token by token, against the cache objects: the operands that a GEMM reads are theirs.
#include "accelerators/value_record.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "accelerators/tile_buffers.h"
#include "formats/grouped_kv_cache.h"
#include "formats/kv_policies.h"
#include "testbenches/formats/kv_tokens.h"

using namespace nibble;

namespace {

struct Policy {
  const char* object;
  KvPolicy policy;
  const char *format, *demoted;
};

constexpr std::uint64_t base = 4096, channels = 20, capacity = 256;

class Memory {
 public:
  std::vector<std::uint8_t> read(const std::vector<MemoryRun>& runs) const {
    std::vector<std::uint8_t> out;
    for (const MemoryRun& run : runs) {
      for (std::uint64_t row = 0; row < run.rows; ++row) {
        const auto first = bytes_.begin() + static_cast<std::ptrdiff_t>(run.address + row * run.stride);
        out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(run.row_bytes));
      }
    }
    return out;
  }
  void write(const ValueRecord::Update& update, std::uint64_t end) {
    std::size_t at = 0;
    for (const MemoryRun& run : update.runs) {
      REQUIRE(run.rows == 1);
      REQUIRE(run.address >= base);
      REQUIRE(run.address + run.row_bytes <= end);
      std::copy_n(update.bytes.begin() + static_cast<std::ptrdiff_t>(at), run.row_bytes,
                  bytes_.begin() + static_cast<std::ptrdiff_t>(run.address));
      at += run.row_bytes;
    }
    REQUIRE(at == update.bytes.size());
  }

 private:
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(1 << 18, 0xA5);
};

/// An operand of the record as the machine's loader sees it.
QuantizedTensor loaded(const Memory& memory, const OperandDescriptor& operand) {
  const TileRange all{0, operand.rows, 0, operand.columns};
  return unpack_tile(operand, 0, all, memory.read(tile_runs(operand, 0, all)));
}

void check_equal(const QuantizedTensor& got, const QuantizedTensor& expected) {
  CHECK(got.shape == expected.shape);
  CHECK(got.codes == expected.codes);
  CHECK(got.scales == expected.scales);
  CHECK(got.types == expected.types);
  CHECK(got.exponents == expected.exponents);
  CHECK(got.base_scales == expected.base_scales);
  CHECK(got.residuals == expected.residuals);
  CHECK(got.cluster_codes == expected.cluster_codes);
  CHECK(got.values == expected.values);
}

std::unique_ptr<KvCache> object_of(const Policy& policy) {
  if (std::string(policy.object) != "grouped") return make_kv_cache(policy.object, channels);
  GroupedKvOptions options;
  options.keys = options.values = Format::parse(policy.format);
  return std::make_unique<GroupedKvCache>(channels, options);
}

/// Demoted blocks are written by commands of their own: here with the cache's operand.
void demote(Memory& memory, const ValueRecord& record, const OperandDescriptor& place, const Policy& policy,
            const KvSegment& segment) {
  const OperandDescriptor part =
      record.part(place, Format::parse(policy.demoted), segment.first_token, segment.operand.columns());
  const auto bytes = pack_operand(part.layout(0), segment.operand);
  memory.write({{{part.address, bytes.size(), 1, bytes.size(), false}}, bytes}, base + record.bytes());
}

void grow(const Policy& policy, std::size_t prompt, std::size_t tokens) {
  CAPTURE(policy.object, policy.format, prompt);
  const Format format = Format::parse(policy.format);
  const ValueRecord record(policy.policy, format, Format::parse(policy.demoted), channels, capacity);
  const std::unique_ptr<KvCache> cache = object_of(policy);
  const Tensor all = rounded_fp16(random_tokens(tokens, channels, 40 + prompt));
  OperandDescriptor place;
  place.address = base;
  Memory memory;
  for (std::size_t past = 0; past < tokens;) {
    const std::size_t count = past == 0 ? prompt : 1;
    const Tensor entering = tokens_between(all, past, past + count);
    if (past == 0) {
      cache->append_prompt(entering, entering);
      cache->end_prompt();
    } else {
      cache->append(entering.values, entering.values);
    }
    memory.write(record.append(base, past, entering.values, memory.read(record.state(base, past, count))),
                 base + record.bytes());
    past += count;
    const std::uint64_t window = policy.policy == KvPolicy::mant ? past % record.group() : 0;
    for (const KvSegment& segment : cache->values()) {
      CAPTURE(past, segment.first_token);
      if (policy.policy == KvPolicy::harmonia && segment.operand.format != format)
        demote(memory, record, place, policy, segment);
      const bool open = window != 0 && segment.first_token == past - window;
      check_equal(loaded(memory, open ? record.window(place, window)
                                      : record.part(place, segment.operand.format, segment.first_token,
                                                    segment.operand.columns())),
                  segment.operand);
    }
  }
}

}  // namespace

TEST_CASE("records of every policy hold the operands of the cache objects after every token") {
  for (const Policy& policy :
       {Policy{"mant", KvPolicy::mant, "mant4-g64", "fp16"},
        Policy{"harmonia", KvPolicy::harmonia, "bfp8-g32", "bfp4-g32"},
        Policy{"amove", KvPolicy::open_fp16, "amove4-g32c4", "fp16"},
        Policy{"grouped", KvPolicy::open_fp16, "int8-g64", "fp16"}, Policy{"fp16", KvPolicy::plain, "fp16", "fp16"},
        Policy{"int8", KvPolicy::plain, "int8-channel", "fp16"}}) {
    for (const std::size_t prompt : {1U, 31U, 62U, 64U, 65U, 127U, 160U})
      grow(policy, prompt, prompt + 70);
  }
}

TEST_CASE("a channel that was zero takes its scale from the first value that is not") {
  const ValueRecord record(KvPolicy::plain, Format::parse("int8-channel"), Format::parse("fp16"), 2, 8);
  Memory memory;
  memory.write(record.append(base, 0, {0, 4, 0, -8}, {}), base + record.bytes());
  const auto held = memory.read(record.state(base, 2, 1));
  memory.write(record.append(base, 2, {3, 16}, held), base + record.bytes());
  OperandDescriptor place;
  place.address = base;
  const QuantizedTensor values = loaded(memory, record.part(place, Format::parse("int8-channel"), 0, 3));
  CHECK(values.codes == std::vector<std::int16_t>{0, 0, 127, 64, -127, 127});
  CHECK(values.scales[0] == round_fp16(3.0F / 127));
}
