// SPDX-License-Identifier: Apache-2.0
/// adaptive_quad.sv against the steps of pe/ant_pe.h and pe/olive_pe.h: runs in four ways to fuse, types, outliers,
/// stalls, resets; every code with every partner.
#include <array>

#include "formats/adaptive_types.h"
#include "pe/ant_pe.h"
#include "pe/olive_pe.h"
#include "quad_bench.h"
#include "rtl_ant_quad.h"
#include "rtl_olive_quad.h"

using namespace nibble;

namespace {

/// What one row or column gets in a cycle.
struct Operand {
  std::uint32_t part = 0, kind = 0, code = 0, partner = 0;
};
/// Operands of two rows and two columns, of which row 1 and column 1 enter a cycle later.
struct Step {
  bool valid = false, last = false;
  std::uint32_t fuse = 0;
  std::array<Operand, 2> x{}, w{};
};

template <class Module, bool olive>
class AdaptiveBench : public QuadBench<Step, std::int32_t, 2> {
 public:
  Pin<2> fuse{"fuse"}, total_valid{"total_valid"};
  Pin<4> x_part{"x_part"}, x_kind{"x_kind"}, w_part{"w_part"}, w_kind{"w_kind"};
  Pin<8> x_code{"x_code"}, x_partner{"x_partner"}, w_code{"w_code"}, w_partner{"w_partner"};
  Pin<64> total{"total"};

  AdaptiveBench(const char* name, std::uint64_t seed) : QuadBench(name, seed) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid_in);
    NIBBLE_BIND(dut, last_in);
    NIBBLE_BIND(dut, fuse);
    NIBBLE_BIND(dut, x_part);
    NIBBLE_BIND(dut, x_kind);
    NIBBLE_BIND(dut, x_code);
    NIBBLE_BIND(dut, x_partner);
    NIBBLE_BIND(dut, w_part);
    NIBBLE_BIND(dut, w_kind);
    NIBBLE_BIND(dut, w_code);
    NIBBLE_BIND(dut, w_partner);
    NIBBLE_BIND(dut, done);
    NIBBLE_BIND(dut, sum);
    NIBBLE_BIND(dut, total_valid);
    NIBBLE_BIND(dut, total);
  }

 private:
  static ExponentInteger decoded(const Operand& operand) {
    const auto code = static_cast<std::uint8_t>(operand.code), partner = static_cast<std::uint8_t>(operand.partner);
    const auto wide = static_cast<std::int8_t>(operand.part == 1 ? (code >= 8 ? code - 16 : code) * 16 : code);
    if (operand.part == 1) return high_nibble(wide);
    if (operand.part == 2) return low_nibble(wide);
    const auto kind = static_cast<std::uint8_t>(operand.kind);
    return olive ? olive_decode(kind, code, partner).first : ant_decode(kind, code);
  }

  Operand random_operand(std::uint32_t part, std::uint32_t kind) {
    Operand operand{part, kind, static_cast<std::uint32_t>(random.below(16)),
                    static_cast<std::uint32_t>(random.below(16))};
    if (extreme_) operand.code = part == 1 ? 8 : part == 2 ? 15 : olive ? 7 : 15;
    if (extreme_ || once_in(4)) operand.partner = olive_victim;
    return operand;
  }

  /// What fused PEs see belongs together: rows the halves of one INT8 activation, columns those of one weight.
  Step draw() override {
    Step step;
    if (this->fresh()) {
      fuse_ = static_cast<std::uint32_t>(random.below(4));
      extreme_ = once_in(10);
      for (std::uint32_t& kind : kinds_)
        kind = static_cast<std::uint32_t>(random.below(olive ? olive_type_count : ant_type_count));
    }
    step.valid = !once_in(4);
    step.last = once_in(6);
    step.fuse = fuse_;
    const bool x_wide = (fuse_ & 1) != 0, w_wide = (fuse_ & 2) != 0;
    for (unsigned i = 0; i < 2; ++i) {
      step.x[i] = random_operand(x_wide ? 1 + i : 0, kinds_[i]);
      step.w[i] = random_operand(w_wide ? 1 + i : 0, kinds_[2 + i]);
    }
    return step;
  }

  void write(const Step& step, const Step& late) override {
    fuse.write(step.fuse);
    x_part.write(both_halves(step.x[0].part, late.x[1].part, 2));
    x_kind.write(both_halves(step.x[0].kind, late.x[1].kind, 2));
    x_code.write(both_halves(step.x[0].code, late.x[1].code, 4));
    x_partner.write(both_halves(step.x[0].partner, late.x[1].partner, 4));
    w_part.write(both_halves(step.w[0].part, late.w[1].part, 2));
    w_kind.write(both_halves(step.w[0].kind, late.w[1].kind, 2));
    w_code.write(both_halves(step.w[0].code, late.w[1].code, 4));
    w_partner.write(both_halves(step.w[0].partner, late.w[1].partner, 4));
  }

  void accumulate(const Step& step) override {
    for (unsigned pe = 0; pe < 4; ++pe) {
      const ExponentInteger x = decoded(step.x[pe / 2]), w = decoded(step.w[pe % 2]);
      sums()[pe] = olive ? olive_step(sums()[pe], x, w) : ant_step(sums()[pe], x, w);
    }
  }
  void finish_run(const Step& step, std::uint64_t first) override {
    const auto& s = sums();
    if (step.fuse == 1 || step.fuse == 2) {
      const unsigned second = step.fuse == 1 ? 2 : 1;  // the other half of total 0
      expect_total(0, first + 2, s[0] + s[second]);
      expect_total(1, first + 3, s[3 - second] + s[3]);
    } else if (step.fuse == 3) {
      expect_total(1, first + 3, s[0] + s[1] + s[2] + s[3]);
    }
  }

  std::uint64_t latency() const override { return (olive ? olive_pe_timing() : ant_pe_timing()).mode("w4a4").latency; }
  bool total_seen(unsigned i) const override { return pin_field(total_valid.read(), i, 1) != 0; }
  std::int64_t total_value(unsigned i) const override { return sign_extended(pin_field(total.read(), 32 * i, 32), 32); }

  Module dut{"dut"};
  std::array<std::uint32_t, 4> kinds_{};
  std::uint32_t fuse_ = 0;
  bool extreme_ = false;
};

}  // namespace

TEST_CASE("ant_quad: random runs in four ways to fuse, types, stalls and resets") {
  AdaptiveBench<rtl_ant_quad, false> bench("ant_quad", 51);
  bench.run(random_cycles());
  bench.finish(6 * random_cycles());
}

TEST_CASE("olive_quad: random runs with outliers and victims in four ways to fuse, stalls and resets") {
  AdaptiveBench<rtl_olive_quad, true> bench("olive_quad", 52);
  bench.run(random_cycles());
  bench.finish(6 * random_cycles());
}
