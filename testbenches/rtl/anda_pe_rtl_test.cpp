// SPDX-License-Identifier: Apache-2.0
/// anda_pe.sv against anda_plane and anda_foot of pe/anda_pe.h: groups of every length of mantissas, any number of
/// lanes in use, scales, stalls, resets.
#include <array>
#include <deque>

#include "pe/anda_pe.h"
#include "rtl_anda_pe.h"
#include "rtl_bench.h"
#include "rtl_float.h"

using namespace nibble;

namespace {

class AndaBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, last_in{"last_in"}, take{"take"}, output_last{"output_last"},
      result_valid{"result_valid"};
  Pin<64> plane{"plane"}, signs{"signs"};
  Pin<256> w_in{"w_in"};
  Pin<25> sum{"sum"};
  Pin<5> exponent{"exponent"};
  Pin<4> bits{"bits"};
  Pin<16> weight_scale{"weight_scale"};
  Pin<32> result{"result"};

  AndaBench() : RtlBench("anda_pe", 65) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, last_in);
    NIBBLE_BIND(dut, plane);
    NIBBLE_BIND(dut, signs);
    NIBBLE_BIND(dut, w_in);
    NIBBLE_BIND(dut, take);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, exponent);
    NIBBLE_BIND(dut, bits);
    NIBBLE_BIND(dut, weight_scale);
    NIBBLE_BIND(dut, output_last);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result);
    plan();
  }

 private:
  /// A finished group: its sum, and what is asked for with it.
  struct Group {
    std::uint64_t cycle = 0;
    std::int32_t sum = 0;
    std::uint32_t exponent = 0, bits = 0, weight_scale = 0;
    bool output_last = false;
  };
  struct Due {
    std::uint64_t cycle = 0;
    float value = 0;
  };

  /// The next group: weights and signs hold for all of its planes.
  void plan() {
    bits_ = anda_shortest + static_cast<unsigned>(random.below(anda_longest - anda_shortest + 1));
    extreme_ = once_in(6);
    signs_ = extreme_ ? (once_in(2) ? ~std::uint64_t{0} : 0) : random.next();
    for (unsigned i = 0; i < anda_lanes; ++i)
      weights_[i] = static_cast<std::int8_t>(extreme_ ? -8 : static_cast<int>(random.below(16)) - 8);
    std::array<std::uint32_t, 8> words{};
    for (unsigned i = 0; i < anda_lanes; ++i)
      words[i / 8] |= pin_bits(weights_[i], 4) << (4 * (i % 8));
    for (unsigned i = 0; i < words.size(); ++i)
      packed_.set_word(static_cast<int>(i), words[i]);
    at_ = 0;
    sum_ = 0;
  }

  void cycle() override {
    if (now() > 0) compare();
    supply();
    const bool restart = now() < 1 || once_in(1500), valid = !once_in(6);
    // Planes of few bits, of all, of any: tails of a row leave lanes at zero.
    const std::uint64_t any = random.next();
    const std::uint64_t bits_now = extreme_     ? ~std::uint64_t{0}
                                   : once_in(3) ? any & random.next() & random.next()
                                                : any;
    const bool ends = at_ + 1 == bits_;
    reset.write(restart);
    valid_in.write(valid);
    last_in.write(ends);
    plane.write(bits_now);
    signs.write(signs_);
    w_in.write(packed_);
    if (restart) {
      groups_.clear();
      results_.clear();
      accumulator_ = 0;
      plan();
    } else if (valid) {
      sum_ = anda_plane(sum_, bits_now, signs_, weights_.data(), anda_lanes);
      ++at_;
      if (ends) end_group();
    }
  }

  void end_group() {
    Group group;
    const PeTiming& timing = anda_pe_timing();
    group.cycle = now() + timing.mode("m" + std::to_string(bits_)).latency;
    group.sum = sum_;
    group.exponent = 1 + static_cast<std::uint32_t>(random.below(30));
    group.bits = bits_;
    group.weight_scale = random_fp16(random);
    group.output_last = once_in(3);
    groups_.push_back(group);
    accumulator_ = anda_foot(accumulator_, sum_, static_cast<int>(group.exponent), bits_,
                             fp16_value(static_cast<std::uint16_t>(group.weight_scale)));
    if (group.output_last) {
      results_.push_back({group.cycle + timing.foot_latency, accumulator_});
      accumulator_ = 0;
    }
    plan();
  }

  /// What is read late: noise where nothing is asked for.
  void supply() {
    const bool asked = !groups_.empty() && groups_.front().cycle == now();
    exponent.write(asked ? groups_.front().exponent : static_cast<std::uint32_t>(random.below(32)));
    bits.write(asked ? groups_.front().bits : static_cast<std::uint32_t>(random.below(16)));
    weight_scale.write(asked ? groups_.front().weight_scale : static_cast<std::uint32_t>(random.below(65536)));
    output_last.write(asked ? groups_.front().output_last : once_in(2));
    if (asked) groups_.pop_front();
  }

  void compare() {
    const bool asked = !groups_.empty() && groups_.front().cycle == now();
    expect("take", take.read(), asked);
    if (asked) expect("sum", sign_extended(sum.read(), 25), groups_.front().sum);
    const bool expected = !results_.empty() && results_.front().cycle == now();
    expect("result_valid", result_valid.read(), expected);
    if (!expected) return;
    expect("result", result.read(), rtl_float(results_.front().value));
    results_.pop_front();
  }

  rtl_anda_pe dut{"dut"};
  std::array<std::int8_t, anda_lanes> weights_{};
  PinType<256> packed_;
  std::uint64_t signs_ = 0;
  unsigned bits_ = 4, at_ = 0;
  std::int32_t sum_ = 0;
  float accumulator_ = 0;
  bool extreme_ = false;
  std::deque<Group> groups_;
  std::deque<Due> results_;
};

}  // namespace

TEST_CASE("anda_pe: random planes, groups of every length, scales, stalls and resets") {
  for (unsigned length = anda_shortest; length <= anda_longest; ++length)
    REQUIRE(anda_pe_timing().mode("m" + std::to_string(length)).initiation_interval == length);
  AndaBench bench;
  bench.run(random_cycles());
  bench.finish(2 * random_cycles());
}
