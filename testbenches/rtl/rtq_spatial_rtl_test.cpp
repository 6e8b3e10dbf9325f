// SPDX-License-Identifier: Apache-2.0
/// rtq_spatial.sv and rtq_scale.sv against the functions of pe/rtq.h: registers, scales, types, limits and codes, bit
/// for bit, in the cycles that rtq_timing() promises.
#include <array>
#include <deque>
#include <map>
#include <optional>

#include "rtl_rtq_scale.h"
#include "rtl_rtq_spatial.h"
#include "rtq_bench.h"

using namespace nibble;

namespace {

constexpr unsigned columns = 8, lanes = 32, tags = 8;

class SpatialBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, first{"first"}, last{"last"}, int8{"int8"}, eight{"eight"}, part{"part"};
  Pin<1> request{"request"}, valid_out{"valid_out"}, int8_out{"int8_out"};
  Pin<tags> tag_in{"tag_in"}, part_tag{"part_tag"}, request_tag{"request_tag"}, tag_out{"tag_out"};
  Pin<rtq_register_bits> registers_in{"registers_in"}, registers_out{"registers_out"};
  Pin<columns> present{"present"};
  Pin<16 * columns> values{"values"};
  Pin<16 * lanes> group_values{"group_values"};
  Pin<15> scale{"scale"};
  Pin<8> stored_type{"stored_type"};
  Pin<8 * lanes> codes{"codes"};

  SpatialBench() : RtlBench("rtq_spatial", 31) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, first);
    NIBBLE_BIND(dut, last);
    NIBBLE_BIND(dut, int8);
    NIBBLE_BIND(dut, eight);
    NIBBLE_BIND(dut, tag_in);
    NIBBLE_BIND(dut, registers_in);
    NIBBLE_BIND(dut, present);
    NIBBLE_BIND(dut, values);
    NIBBLE_BIND(dut, part);
    NIBBLE_BIND(dut, part_tag);
    NIBBLE_BIND(dut, registers_out);
    NIBBLE_BIND(dut, request);
    NIBBLE_BIND(dut, request_tag);
    NIBBLE_BIND(dut, group_values);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, int8_out);
    NIBBLE_BIND(dut, tag_out);
    NIBBLE_BIND(dut, scale);
    NIBBLE_BIND(dut, stored_type);
    NIBBLE_BIND(dut, codes);
  }

 private:
  struct Group {
    bool int8 = false, eight = false, last = false;
    std::vector<std::uint16_t> values;
    RtqRegisters registers;
    RtqGroupSource source;
    explicit Group(Random& random) : source(random) {}
  };
  /// A row on its way over the columns.
  struct Row {
    std::array<std::uint16_t, columns> x{};
    std::uint32_t present = 0;
  };
  struct Due {
    std::uint64_t cycle = 0;
    std::uint32_t tag = 0;
  };

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(700);
    reset.write(restart);
    rows_.push_front({});
    rows_.resize(columns);
    enter(restart);
    if (restart) {
      groups_.clear();
      waiting_.clear();
      parts_.clear();
      codes_.clear();
      pipeline_ = GroupPipeline(rtq_timing());
    }
    PinWords<16 * columns> words;
    std::uint32_t mask = 0;
    for (unsigned c = 0; c < columns; ++c) {
      words.set(16 * c, 16, rows_[c].x[c]);
      mask |= rows_[c].present & 1U << c;
    }
    values.write(words.pin());
    present.write(mask);
  }

  /// A row begins a group or goes on with one whose registers are back. Inputs move on when nothing is valid.
  void enter(bool restart) {
    const bool go = !once_in(6);
    valid_in.write(go);
    const bool anew = waiting_.empty() || (waiting_.size() < 20 && once_in(2));
    first.write(anew);
    Group scratch(random);
    const bool counts = go && !restart;
    Group* group = &scratch;
    std::uint32_t tag = next_tag_;
    if (!anew) {
      tag = waiting_.front();
      if (counts) waiting_.pop_front();
      group = &groups_.at(tag);
    } else {
      scratch.int8 = once_in(2);
      scratch.eight = once_in(2);
      if (counts) {
        next_tag_ = (next_tag_ + 1) % (1U << tags);
        group = &groups_.emplace(tag, scratch).first->second;
      }
    }
    PinWords<rtq_register_bits> registers;
    put_registers(registers, 0, anew ? RtqRegisters{0x1234, 5.5F, 2.0F, 3} : group->registers);
    registers_in.write(registers.pin());
    tag_in.write(tag);
    int8.write(group->int8);
    eight.write(group->eight);
    Row& row = rows_.front();
    const bool ends = once_in(3) || group->values.size() + columns == lanes;
    const unsigned count = ends ? 1 + static_cast<unsigned>(random.below(columns)) : columns;
    last.write(ends);
    for (unsigned c = 0; c < columns; ++c)
      row.x[c] = group->source.next();
    row.present = (1U << count) - 1;
    if (!counts) return;
    group->last = ends;
    group->values.insert(group->values.end(), row.x.begin(), row.x.begin() + count);
    group->registers = rtq_registers(group->values);
    const std::uint64_t end = now() + columns - 1;  // the row's last column
    if (ends) {
      codes_.push_back({pipeline_.accept(end), tag});
    } else {
      parts_.push_back({end + 1, tag});
    }
  }

  void compare() {
    compare_part();
    if (asked_) {
      PinWords<16 * lanes> words;
      const auto found = groups_.find(*asked_);
      for (unsigned i = 0; i < lanes; ++i) {
        const bool there = found != groups_.end() && i < found->second.values.size();
        words.set(16 * i, 16, there ? found->second.values[i] : 0);
      }
      group_values.write(words.pin());
    }
    asked_.reset();
    if (request.read()) asked_ = request_tag.read();

    const bool expected = !codes_.empty() && codes_.front().cycle == now();
    expect("valid_out", valid_out.read(), expected);
    if (!expected) return;
    const std::uint32_t tag = codes_.front().tag;
    codes_.pop_front();
    const Group& group = groups_.at(tag);
    expect("tag_out", tag_out.read(), tag);
    expect("int8_out", int8_out.read(), group.int8);
    const RtqScale wanted =
        rtq_group_scale(group.registers, group.int8, group.eight ? RtqRule::variance8 : RtqRule::variance);
    expect("scale", scale.read(), static_cast<std::uint32_t>(fp16_bits(wanted.scale)));
    if (!group.int8) expect("stored_type", stored_type.read(), static_cast<std::uint32_t>(wanted.type));
    for (unsigned i = 0; i < group.values.size(); ++i) {
      const std::uint32_t code = group.int8 ? pin_bits(rtq_int8_code(group.values[i], wanted.scale), 8)
                                            : rtq_mant_code(group.values[i], wanted);
      expect("code", pin_field(codes.read(), 8 * i, 8), code);
    }
    groups_.erase(tag);
  }

  void compare_part() {
    const bool expected = !parts_.empty() && parts_.front().cycle == now();
    expect("part", part.read(), expected);
    if (!expected) return;
    const std::uint32_t tag = parts_.front().tag;
    parts_.pop_front();
    expect("part_tag", part_tag.read(), tag);
    const RtqRegisters& wanted = groups_.at(tag).registers;
    const auto& rtl = registers_out.read();
    expect("largest", pin_field(rtl, 0, 15), static_cast<std::uint32_t>(wanted.largest));
    expect("sum", pin_field(rtl, 15, 32), float_bits(wanted.sum));
    expect("squares", pin_field(rtl, 47, 32), float_bits(wanted.squares));
    expect("count", pin_field(rtl, 79, 9), static_cast<std::uint32_t>(wanted.count));
    waiting_.push_back(tag);
  }

  rtl_rtq_spatial dut{"dut"};
  std::map<std::uint32_t, Group> groups_;  ///< by tag
  std::deque<std::uint32_t> waiting_;      ///< tags of groups whose registers are back
  std::deque<Row> rows_;                   ///< row i entered i cycles ago
  std::deque<Due> parts_, codes_;
  GroupPipeline pipeline_{rtq_timing()};
  std::optional<std::uint32_t> asked_;
  std::uint32_t next_tag_ = 0;
};

class ScaleBench : public RtlBench {
 public:
  static constexpr unsigned latency = 9;  // of the 12 cycles of scale and type; the others read values and code them
  Pin<1> valid_in{"valid_in"}, int8{"int8"}, eight{"eight"}, tag_in{"tag_in"};
  Pin<15> largest{"largest"}, scale{"scale"};
  Pin<32> sum{"sum"}, squares{"squares"};
  Pin<9> count{"count"};
  Pin<1> valid_out{"valid_out"}, int8_out{"int8_out"}, tag_out{"tag_out"};
  Pin<8> stored_type{"stored_type"};
  Pin<7 * 15> limits{"limits"};

  ScaleBench() : RtlBench("rtq_scale", 32) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, int8);
    NIBBLE_BIND(dut, eight);
    NIBBLE_BIND(dut, tag_in);
    NIBBLE_BIND(dut, largest);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, squares);
    NIBBLE_BIND(dut, count);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, int8_out);
    NIBBLE_BIND(dut, tag_out);
    NIBBLE_BIND(dut, scale);
    NIBBLE_BIND(dut, stored_type);
    NIBBLE_BIND(dut, limits);
  }

 private:
  struct Due {
    std::uint64_t cycle = 0;
    bool int8 = false, tag = false;
    RtqScale scale;
  };

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 1 || once_in(500);
    reset.write(restart);
    const bool valid = !once_in(5), eight_ways = once_in(2), eight_bits = once_in(4), tag = once_in(2);
    const std::uint64_t draw = random.below(8);
    const std::size_t length = draw == 0 ? 1 + random.below(256) : draw == 1 ? 64 : 1 + random.below(24);
    source_.next_group();
    group_.clear();
    for (std::size_t i = 0; i < length; ++i)
      group_.push_back(source_.next());
    const RtqRegisters registers = rtq_registers(group_);
    valid_in.write(valid);
    int8.write(eight_bits);
    eight.write(eight_ways);
    tag_in.write(tag);
    largest.write(registers.largest);
    sum.write(float_bits(registers.sum));
    squares.write(float_bits(registers.squares));
    count.write(registers.count);
    if (restart) due_.clear();
    if (!valid || restart) return;
    const RtqScale wanted = rtq_group_scale(registers, eight_bits, eight_ways ? RtqRule::variance8 : RtqRule::variance);
    due_.push_back({now() + latency, eight_bits, tag, wanted});
  }

  void compare() {
    const bool expected = !due_.empty() && due_.front().cycle == now();
    expect("valid_out", valid_out.read(), expected);
    if (!expected) return;
    const Due due = due_.front();
    due_.pop_front();
    expect("int8_out", int8_out.read(), due.int8);
    expect("tag_out", tag_out.read(), due.tag);
    expect("scale", scale.read(), static_cast<std::uint32_t>(fp16_bits(due.scale.scale)));
    if (due.int8) return;
    expect("stored_type", stored_type.read(), static_cast<std::uint32_t>(due.scale.type));
    if (due.scale.scale == 0) return;
    // A limit is the largest magnitude of its index: the next one is of a higher index.
    for (unsigned i = 0; i < 7; ++i) {
      const auto limit = static_cast<std::uint16_t>(pin_field(limits.read(), 15 * i, 15));
      expect("index at a limit", (rtq_mant_code(limit, due.scale) & 7U) <= i, true);
      expect("index above a limit", (rtq_mant_code(static_cast<std::uint16_t>(limit + 1), due.scale) & 7U) > i, true);
    }
  }

  rtl_rtq_scale dut{"dut"};
  RtqGroupSource source_{random};
  std::vector<std::uint16_t> group_;
  std::deque<Due> due_;
};

}  // namespace

TEST_CASE("rtq_spatial: groups in parts and back to back, both formats and rules, gaps and resets") {
  REQUIRE(rtq_timing().latency == 13);
  REQUIRE(rtq_timing().groups_per_cycle == 1);
  SpatialBench bench;
  bench.run(random_cycles());
  bench.finish(4 * random_cycles());
}

TEST_CASE("rtq_scale: groups of 1 to 256 elements, every type, the limits of its codes") {
  ScaleBench bench;
  bench.run(random_cycles());
  bench.finish(8 * random_cycles());
}
