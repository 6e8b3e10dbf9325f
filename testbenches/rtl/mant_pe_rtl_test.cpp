// SPDX-License-Identifier: Apache-2.0
/// mant_pe.sv against mant_step: every register, every cycle, random everything.
#include <deque>

#include "pe/mant_pe.h"
#include "rtl_bench.h"
#include "rtl_mant_pe.h"

using namespace nibble;

namespace {

constexpr std::uint32_t row = 32;  // an even row: the high nibbles of w8a8

/// The registers of one PE, from the functions of pe/mant_pe.h.
struct PeModel {
  bool valid = false, first = false, wide = false;
  std::int8_t x = 0;
  MantSums sums;
  std::uint8_t active = 0, shadow = 0;
  bool active_int4 = false, shadow_int4 = false, moving = false;
  std::uint32_t destination = 0;

  struct Inputs {
    bool valid = false, first = false, wide = false;
    std::int8_t x = 0;
    MantSums above;
    bool weight = false, int4 = false;
    std::uint32_t destination = 0;
    std::uint8_t code = 0;
  };

  void step(const Inputs& in) {
    valid = in.valid;
    if (in.valid) {
      first = in.first;
      wide = in.wide;
      x = in.x;
      if (in.first) {
        active = shadow;
        active_int4 = shadow_int4;
      }
      if (in.wide) {
        sums = in.above;
        sums.sac += in.x * (active >= 8 ? active - 16 : active);
      } else {
        sums = mant_step(in.above, in.x, active, active_int4);
      }
    }
    moving = in.weight && in.destination != row;
    if (in.weight) {
      shadow = in.code;
      shadow_int4 = in.int4;
      destination = in.destination;
    }
  }
};

class PeBench : public RtlBench {
 public:
  Pin<1> valid_in{"valid_in"}, first_in{"first_in"}, wide_in{"wide_in"}, weight_in{"weight_in"};
  Pin<1> weight_int4_in{"weight_int4_in"}, valid_out{"valid_out"}, first_out{"first_out"}, wide_out{"wide_out"};
  Pin<1> weight_out{"weight_out"}, weight_int4_out{"weight_int4_out"};
  Pin<8> x_in{"x_in"}, x_out{"x_out"};
  Pin<18> p1_in{"p1_in"}, p1_out{"p1_out"};
  Pin<22> p2_in{"p2_in"}, p2_out{"p2_out"};
  Pin<6> weight_row_in{"weight_row_in"}, weight_row_out{"weight_row_out"};
  Pin<4> weight_code_in{"weight_code_in"}, weight_code_out{"weight_code_out"};

  explicit PeBench(std::uint64_t seed = 1) : RtlBench("mant_pe", seed) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, first_in);
    NIBBLE_BIND(dut, wide_in);
    NIBBLE_BIND(dut, x_in);
    NIBBLE_BIND(dut, valid_out);
    NIBBLE_BIND(dut, first_out);
    NIBBLE_BIND(dut, wide_out);
    NIBBLE_BIND(dut, x_out);
    NIBBLE_BIND(dut, p1_in);
    NIBBLE_BIND(dut, p2_in);
    NIBBLE_BIND(dut, p1_out);
    NIBBLE_BIND(dut, p2_out);
    NIBBLE_BIND(dut, weight_in);
    NIBBLE_BIND(dut, weight_row_in);
    NIBBLE_BIND(dut, weight_code_in);
    NIBBLE_BIND(dut, weight_int4_in);
    NIBBLE_BIND(dut, weight_out);
    NIBBLE_BIND(dut, weight_row_out);
    NIBBLE_BIND(dut, weight_code_out);
    NIBBLE_BIND(dut, weight_int4_out);
  }

 protected:
  PeModel::Inputs random_inputs() {
    PeModel::Inputs in;
    const std::uint64_t bits = random.next();
    in.valid = (bits & 3) != 0;
    in.first = (bits >> 2 & 7) == 0;
    // A mode lasts a while and changes with the operands in flight.
    if (once_in(32)) wide_ = !wide_;
    in.wide = wide_;
    in.x = static_cast<std::int8_t>(bits >> 8);
    // What 63 PEs above can hand down, so that the registers come to their limits and never beyond.
    in.above.mac = static_cast<std::int32_t>(random.below(2 * 63 * 896 + 1)) - 63 * 896;
    in.above.sac = static_cast<std::int32_t>(random.below(2 * 63 * 16384 + 1)) - 63 * 16384;
    if ((bits >> 40 & 7) == 0) {
      const bool negative = (bits >> 43 & 1) != 0;
      in.x = (bits >> 44 & 1) != 0 ? -128 : 127;
      in.above = negative ? MantSums{-63 * 896, -63 * 16384} : MantSums{63 * 896, 63 * 16384};
    }
    in.weight = (bits >> 16 & 3) == 0;
    in.int4 = (bits >> 18 & 1) != 0;
    in.destination = (bits >> 20 & 1) != 0 ? row : static_cast<std::uint32_t>(bits >> 22 & 63);
    in.code = static_cast<std::uint8_t>(bits >> 32 & 15);
    return in;
  }

  void cycle() override {
    if (now() > 0) compare();
    const bool restart = now() < 2 || once_in(500);
    const PeModel::Inputs in = random_inputs();
    reset.write(restart);
    valid_in.write(in.valid);
    first_in.write(in.first);
    wide_in.write(in.wide);
    x_in.write(pin_bits(in.x, 8));
    p1_in.write(pin_bits(in.above.mac, 18));
    p2_in.write(pin_bits(in.above.sac, 22));
    weight_in.write(in.weight);
    weight_row_in.write(in.destination);
    weight_code_in.write(in.code);
    weight_int4_in.write(in.int4);
    if (restart) {
      model_ = PeModel();
    } else {
      model_.step(in);
    }
  }

  void compare() {
    expect("valid_out", valid_out.read(), model_.valid);
    expect("first_out", first_out.read(), model_.first);
    expect("wide_out", wide_out.read(), model_.wide);
    expect("x_out", sign_extended(x_out.read(), 8), std::int32_t{model_.x});
    expect("p1_out", sign_extended(p1_out.read(), 18), model_.sums.mac);
    expect("p2_out", sign_extended(p2_out.read(), 22), model_.sums.sac);
    expect("weight_out", weight_out.read(), model_.moving);
    expect("weight_row_out", weight_row_out.read(), model_.destination);
    expect("weight_code_out", weight_code_out.read(), std::uint32_t{model_.shadow});
    expect("weight_int4_out", weight_int4_out.read(), model_.shadow_int4);
  }

 private:
  rtl_mant_pe dut{"dut"};
  PeModel model_;
  bool wide_ = false;
};

/// Every activation with every code, INT4 or not, in both modes, in consecutive cycles.
class EveryProduct : public PeBench {
 protected:
  void cycle() override {
    if (now() > 2) compare();
    const std::uint64_t count = now() / 2;  // one cycle to place the weight, one to use it
    reset.write(now() == 0);
    const auto x = static_cast<std::int8_t>(count & 255);
    const auto code = static_cast<std::uint8_t>(count >> 8 & 15);
    const bool int4 = (count >> 12 & 1) != 0, wide = (count >> 13 & 1) != 0, place = now() % 2 == 0;
    valid_in.write(!place);
    first_in.write(true);
    wide_in.write(wide);
    x_in.write(pin_bits(x, 8));
    p1_in.write(0);
    p2_in.write(0);
    weight_in.write(place);
    weight_row_in.write(row);
    weight_code_in.write(code);
    weight_int4_in.write(int4);
    if (place) return;
    expected_ = wide ? MantSums{0, x * (code >= 8 ? code - 16 : code)} : mant_step(MantSums(), x, code, int4);
  }

 private:
  void compare() {
    expect("p1_out", sign_extended(p1_out.read(), 18), expected_.mac);
    expect("p2_out", sign_extended(p2_out.read(), 22), expected_.sac);
  }
  MantSums expected_;
};

}  // namespace

TEST_CASE("mant_pe: random operands, weights, stalls, modes and resets") {
  PeBench bench;
  bench.run(random_cycles());
  bench.finish(random_cycles());
}

TEST_CASE("mant_pe: every activation with every code, type and mode") {
  EveryProduct bench;
  bench.run(2 * 256 * 16 * 4 + 1);
  bench.finish(2 * 256 * 16 * 4);
}

TEST_CASE("mant_pe: latency and initiation interval are those of the timing descriptor") {
  // The benches above compare in the cycle after each operand and give a new operand every cycle.
  for (const char* mode : {"w4a8", "w8a8"}) {
    CHECK(mant_pe_timing().mode(mode).latency == 1);
    CHECK(mant_pe_timing().mode(mode).initiation_interval == 1);
    CHECK(mant_pe_timing().mode(mode).lanes == 1);
  }
  CHECK(mant_pe_timing().mode("w8a8").pes_fused == 2);
}
