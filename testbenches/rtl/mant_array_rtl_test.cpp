// SPDX-License-Identifier: Apache-2.0
/// mant_array.sv, 4 x 4, against accelerators/stationary_array_cycle.h cycle for cycle, with the feet of its columns
/// against mant_foot: passes of random lengths and modes, back to back and apart, weight loads that pause, stalls,
/// resets.
#include <array>
#include <deque>

#include "pe/mant_pe.h"
#include "rtl_float.h"
#include "rtl_mant_array.h"
#include "stationary_bench.h"
#include "testbenches/accelerators/mant_array_cycle.h"

using namespace nibble;
using namespace nibble::test;

namespace {

constexpr unsigned columns = 4;

template <class Value>
using Columns = std::array<Value, columns>;

/// What the controller decides for one pass.
struct Pass {
  bool wide = false, last = true;
  std::array<std::uint8_t, columns> type{};
  std::array<std::uint16_t, columns> scale{};
};

class ArrayBench : public StationaryBench<MantArithmetic> {
 public:
  Pin<1> activation_valid{"activation_valid"}, activation_first{"activation_first"}, weight_valid{"weight_valid"};
  Pin<1> activation_wide{"activation_wide"}, activation_last{"activation_last"}, column_valid{"column_valid"};
  Pin<16> activation_scale{"activation_scale"};
  Pin<8 * rows> activation{"activation"};
  Pin<2> weight_row{"weight_row"};
  Pin<4 * columns> weight_code{"weight_code"};
  Pin<columns> weight_int4{"weight_int4"}, sum_valid{"sum_valid"}, group_sum_valid{"group_sum_valid"};
  Pin<columns> accumulate{"accumulate"}, result_valid{"result_valid"};
  Pin<8 * columns> column_type{"column_type"};
  Pin<16 * columns> column_scale{"column_scale"};
  Pin<26 * columns> group_sum_in{"group_sum_in"}, group_sum{"group_sum"};
  Pin<32 * columns> accumulator_in{"accumulator_in"}, result{"result"};
  Pin<18 * columns> p1{"p1"};
  Pin<22 * columns> p2{"p2"};

  ArrayBench() : StationaryBench("mant_array", 3) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, activation_valid);
    NIBBLE_BIND(dut, activation_first);
    NIBBLE_BIND(dut, activation_wide);
    NIBBLE_BIND(dut, activation_last);
    NIBBLE_BIND(dut, activation_scale);
    NIBBLE_BIND(dut, activation);
    NIBBLE_BIND(dut, weight_valid);
    NIBBLE_BIND(dut, weight_row);
    NIBBLE_BIND(dut, weight_code);
    NIBBLE_BIND(dut, weight_int4);
    NIBBLE_BIND(dut, column_valid);
    NIBBLE_BIND(dut, column_type);
    NIBBLE_BIND(dut, column_scale);
    NIBBLE_BIND(dut, group_sum_in);
    NIBBLE_BIND(dut, accumulator_in);
    NIBBLE_BIND(dut, sum_valid);
    NIBBLE_BIND(dut, p1);
    NIBBLE_BIND(dut, p2);
    NIBBLE_BIND(dut, group_sum_valid);
    NIBBLE_BIND(dut, group_sum);
    NIBBLE_BIND(dut, accumulate);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result);
    restart();
  }

 private:
  /// A row of activations on its way, by tag.
  struct Row {
    Pass pass;
    std::uint16_t scale = 0;
  };
  /// A finished group sum on its way through a foot: the result is registered four edges after the sum.
  struct Pending {
    bool valid = false, last = false;
    std::int32_t sum = 0;
    float activation_scale = 0, weight_scale = 0;
  };

  void plan() override {
    next_ = Pass();
    next_.wide = once_in(3);
    next_.last = !once_in(4);
    for (unsigned c = 0; c < columns; ++c) {
      next_.type[c] = once_in(4) ? mant_int4_type : static_cast<std::uint8_t>(random.below(128));
      next_.scale[c] = random_fp16(random);
    }
  }
  bool may_begin() const override { return columns_placed_; }
  void begin() override {
    current_ = next_;
    columns_placed_ = false;
    column_due_ = now() + random.below(rows);
    if (begun_ > 0) column_due_ = std::max(column_due_, begun_ + rows);
    begun_ = now();
    place_columns();
  }

  MantArithmetic::Streamed streamed(const StreamRow& row) override {
    const bool low = row.valid && current_.wide && row.x.size() % 2 == 1;  // the other half of the same weights
    return {low ? row.x.back().x : static_cast<std::int8_t>(random.next() >> 40), row.valid && current_.wide};
  }
  MantArithmetic::Stationary stationary(const LoadRow&, unsigned column) override {
    return {static_cast<std::uint8_t>(random.below(16)), next_.type[column] == mant_int4_type};
  }

  void prepare() override {
    drive_feet();
    drive_columns();
  }
  void cleared() override {
    in_flight_.clear();
    first_tag_ = next_tag_;
    feet_ = {};
    out_valid_ = {};
    begun_ = 0;
    columns_placed_ = true;
  }

  void drive(const StreamRow& row, const LoadRow& load) override {
    const std::uint16_t scale = random_fp16(random);
    if (row.valid) {
      if (in_flight_.empty()) first_tag_ = row.tag;
      next_tag_ = row.tag + 1;
      in_flight_.push_back({current_, scale});
      if (in_flight_.size() > rows + columns + 2) {
        in_flight_.pop_front();
        ++first_tag_;
      }
    }
    activation_valid.write(row.valid);
    activation_first.write(row.first);
    activation_wide.write(row.valid ? current_.wide : once_in(2));
    activation_last.write(row.valid ? current_.last : once_in(2));
    activation_scale.write(scale);
    std::uint32_t x[rows], codes[columns], int4[columns];
    for (unsigned r = 0; r < rows; ++r)
      x[r] = pin_bits(row.x[r].x, 8);
    for (unsigned c = 0; c < columns; ++c) {
      codes[c] = load.w[c].code;
      int4[c] = load.w[c].int4;
    }
    activation.write(packed_lanes<rows, 8>(x));
    weight_valid.write(load.valid);
    weight_row.write(static_cast<std::uint32_t>(load.row));
    weight_code.write(packed_lanes<columns, 4>(codes));
    weight_int4.write(packed_lanes<columns, 1>(int4));
  }

  /// Type and scale of the pass that has begun, in the cycle drawn for them.
  void drive_columns() {
    column_valid.write(false);
    std::uint32_t types[columns], scales[columns];
    for (unsigned c = 0; c < columns; ++c) {
      types[c] = static_cast<std::uint32_t>(random.below(256));
      scales[c] = random_fp16(random);
    }
    column_type.write(packed_lanes<columns, 8>(types));
    column_scale.write(packed_lanes<columns, 16>(scales));
    place_columns();
  }

  void place_columns() {
    if (columns_placed_ || now() != column_due_) return;
    std::uint32_t types[columns], scales[columns];
    for (unsigned c = 0; c < columns; ++c) {
      types[c] = current_.type[c];
      scales[c] = current_.scale[c];
    }
    column_valid.write(true);
    column_type.write(packed_lanes<columns, 8>(types));
    column_scale.write(packed_lanes<columns, 16>(scales));
    columns_placed_ = true;
  }

  /// Sums that have left the array meet what earlier passes left and, three cycles later, the accumulator.
  void drive_feet() {
    std::uint32_t carried[columns], accumulators[columns];
    for (unsigned c = 0; c < columns; ++c) {
      auto& foot = feet_[c];
      const Pending& oldest = foot[2];
      const float product = mant_foot(0.0F, oldest.sum, oldest.activation_scale, oldest.weight_scale);
      accumulators[c] = near_addend(random, float_bits(product), float_bits(out_[c]));
      out_valid_[c] = oldest.valid && oldest.last;
      if (out_valid_[c]) {
        out_[c] = mant_foot(float_from_bits(accumulators[c]), oldest.sum, oldest.activation_scale, oldest.weight_scale);
      }
      foot[2] = foot[1];
      foot[1] = foot[0];
      foot[0] = Pending();
      const auto limit = std::int64_t{3} * 8331264;
      const std::int64_t earlier = static_cast<std::int64_t>(random.below(2 * limit + 1)) - limit;
      carried[c] = pin_bits(earlier, 26);
      if (!seen(c).valid) continue;
      const Row& row = in_flight_[seen(c).tag - first_tag_];
      foot[0].valid = true;
      foot[0].last = row.pass.last;
      foot[0].sum = static_cast<std::int32_t>(earlier) +
                    (row.pass.wide ? seen(c).sum.mac : mant_group_sum(seen(c).sum, row.pass.type[c]));
      foot[0].activation_scale = fp16_value(row.scale);
      foot[0].weight_scale = fp16_value(row.pass.scale[c]);
    }
    group_sum_in.write(packed_lanes<columns, 26>(carried));
    accumulator_in.write(packed_lanes<columns, 32>(accumulators));
  }

  void compare() override {
    for (unsigned c = 0; c < columns; ++c) {
      expect("sum_valid", pin_field(sum_valid.read(), c, 1) != 0, seen(c).valid);
      if (seen(c).valid) compare_sums(c);
      const Pending& foot = feet_[c][0];
      expect("group_sum_valid", pin_field(group_sum_valid.read(), c, 1) != 0, foot.valid && !foot.last);
      if (foot.valid) expect("group_sum", sign_extended(pin_field(group_sum.read(), 26 * c, 26), 26), foot.sum);
      expect("accumulate", pin_field(accumulate.read(), c, 1) != 0, feet_[c][2].valid && feet_[c][2].last);
      expect("result_valid", pin_field(result_valid.read(), c, 1) != 0, out_valid_[c]);
      if (out_valid_[c]) expect("result", pin_field(result.read(), 32 * c, 32), rtl_float(out_[c]));
    }
  }

  /// The model adds the high nibbles of w8a8 sixteen times at once, the RTL keeps them in P2 until the foot.
  void compare_sums(unsigned c) {
    const std::int32_t rtl_p1 = sign_extended(pin_field(p1.read(), 18 * c, 18), 18);
    const std::int32_t rtl_p2 = sign_extended(pin_field(p2.read(), 22 * c, 22), 22);
    if (in_flight_[seen(c).tag - first_tag_].pass.wide) {
      expect("16 p2 + p1", 16 * rtl_p2 + rtl_p1, seen(c).sum.mac);
    } else {
      expect("p1", rtl_p1, seen(c).sum.mac);
      expect("p2", rtl_p2, seen(c).sum.sac);
    }
  }

  rtl_mant_array dut{"dut"};
  std::deque<Row> in_flight_;  ///< rows of activations by tag
  std::uint64_t first_tag_ = 0, next_tag_ = 0;
  Columns<std::array<Pending, 3>> feet_{};  ///< in the first three stages of the feet
  Columns<bool> out_valid_{};               ///< in the fourth
  Columns<float> out_{};
  Pass current_, next_;
  std::uint64_t begun_ = 0, column_due_ = 0;  ///< begun_: 0 before the first pass
  bool columns_placed_ = true;
};

}  // namespace

TEST_CASE("mant_array: 4 x 4 PEs with feet equal the cycle model, cycle for cycle") {
  ArrayBench bench;
  bench.run(random_cycles());
  bench.finish(16 * random_cycles());
}
