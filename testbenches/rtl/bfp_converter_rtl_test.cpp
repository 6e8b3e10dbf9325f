// SPDX-License-Identifier: Apache-2.0
/// bfp_converter_lane.sv against bfp_convert and bfp_pack: every record, bit for bit, three cycles after its values.
#include <algorithm>
#include <array>
#include <deque>

#include "pe/bfp_converter.h"
#include "rtl_bench.h"
#include "rtl_bfp_converter_lane.h"
#include "rtl_float.h"

using namespace nibble;

namespace {

constexpr unsigned group = bfp_converter_group;
constexpr unsigned record_bits = 9 * group + 5;

class ConverterBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, narrow{"narrow"}, nearest{"nearest"}, valid_out{"valid_out"}, narrow_out{"narrow_out"};
  Pin<16 * group> values{"values"};
  Pin<record_bits> record{"record"};

  ConverterBench() : RtlBench("bfp_converter_lane", 11) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, narrow);
    NIBBLE_BIND(dut, nearest);
    NIBBLE_BIND(dut, values);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, narrow_out);
    NIBBLE_BIND(dut, record);
  }

 private:
  struct Due {
    std::uint64_t cycle = 0;
    BfpRecord record;
  };

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(500);
    reset.write(restart);
    const bool valid = !once_in(5), four = once_in(2), round = once_in(2);
    std::array<std::uint16_t, group> x{};
    const std::size_t count = once_in(4) ? 1 + random.below(group) : group;
    // Exponents far apart, or within a few of the largest; one sign, or both.
    const auto top = static_cast<std::uint16_t>(1 + random.below(30));
    const bool near = !once_in(4);
    for (std::size_t i = 0; i < count; ++i)
      x[i] = near ? close_to(top) : random_fp16(random);
    std::uint32_t lanes[group];
    for (unsigned i = 0; i < group; ++i)
      lanes[i] = x[i];
    values.write(packed_lanes<group, 16>(lanes));
    valid_in.write(valid);
    narrow.write(four);
    nearest.write(round);
    if (restart) due_.clear();
    if (!valid || restart) return;
    const BfpGroup converted =
        bfp_convert(x.data(), count, four ? 4 : 8, round ? BfpRounding::nearest : BfpRounding::truncate);
    due_.push_back({now() + bfp_converter_timing().latency, bfp_pack(converted)});
  }

  std::uint16_t close_to(std::uint16_t top) {
    const std::uint64_t bits = random.next();
    const auto below = static_cast<std::uint16_t>(bits & 15);
    const auto field = static_cast<std::uint16_t>(top > below ? top - below : 0);
    // Fractions of few bits make ties, all ones make the mantissa saturate.
    auto fraction = static_cast<std::uint16_t>(bits >> 8 & 0x3FF);
    if ((bits >> 20 & 3) == 0) fraction &= 0x3F8;
    if ((bits >> 20 & 3) == 1) fraction |= 0x3F0;
    return static_cast<std::uint16_t>((bits >> 63) << 15 | static_cast<unsigned>(field) << 10 | fraction);
  }

  void compare() {
    const bool expected = !due_.empty() && due_.front().cycle == now();
    expect("valid_out", valid_out.read(), expected);
    if (!expected) return;
    const BfpRecord& wanted = due_.front().record;
    expect("narrow_out", narrow_out.read(), wanted.bits == 4);
    const auto& rtl = record.read();
    for (unsigned low = 0; low < record_bits; low += 32) {
      std::uint32_t word = 0;
      for (unsigned i = low / 8; i < low / 8 + 4 && i < wanted.bytes.size(); ++i)
        word |= static_cast<std::uint32_t>(wanted.bytes[i]) << (8 * i - low);
      expect("word of the record", pin_field(rtl, low, std::min(32U, record_bits - low)), word);
    }
    due_.pop_front();
  }

  rtl_bfp_converter_lane dut{"dut"};
  std::deque<Due> due_;
};

}  // namespace

TEST_CASE("bfp_converter_lane: random groups, both widths and roundings, gaps and resets") {
  REQUIRE(bfp_converter_timing().latency == 3);
  REQUIRE(bfp_converter_timing().groups_per_cycle == bfp_converter_lanes);
  ConverterBench bench;
  bench.run(random_cycles());
  bench.finish(5 * random_cycles());
}
