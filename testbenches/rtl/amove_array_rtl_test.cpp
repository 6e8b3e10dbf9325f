// SPDX-License-Identifier: Apache-2.0
/// amove_array.sv, 2 x 2 tiles, against the cycle model of the arrays with amove_step and amove_foot.
#include "array_arithmetics.h"
#include "output_stationary_bench.h"
#include "rtl_amove_array.h"

using namespace nibble;

namespace {

class AmoveArrayBench : public OutputStationaryBench<AmoveArithmetic> {
 public:
  Pin<1> valid{"valid"}, last{"last"}, output_last{"output_last"};
  Pin<1> row_scale_valid{"row_scale_valid"}, row_scale_slot{"row_scale_slot"};
  Pin<1> column_scale_valid{"column_scale_valid"}, column_scale_slot{"column_scale_slot"};
  Pin<16> left{"left"}, top{"top"};
  Pin<32> row_scale{"row_scale"}, column_scale{"column_scale"};
  Pin<10> exponent{"exponent"};
  Pin<64> result{"result"};

  AmoveArrayBench() : OutputStationaryBench<AmoveArithmetic>("amove_array", 35) {
    NIBBLE_BIND(dut, clk);
    NIBBLE_BIND(dut, reset);
    NIBBLE_BIND(dut, valid);
    NIBBLE_BIND(dut, last);
    NIBBLE_BIND(dut, output_last);
    NIBBLE_BIND(dut, left);
    NIBBLE_BIND(dut, top);
    NIBBLE_BIND(dut, row_scale_valid);
    NIBBLE_BIND(dut, row_scale_slot);
    NIBBLE_BIND(dut, row_scale);
    NIBBLE_BIND(dut, column_scale_valid);
    NIBBLE_BIND(dut, column_scale_slot);
    NIBBLE_BIND(dut, column_scale);
    NIBBLE_BIND(dut, exponent);
    NIBBLE_BIND(dut, result_valid);
    NIBBLE_BIND(dut, result);
  }

 private:
  void drive(const Model::Step& step, unsigned) override {
    std::uint32_t x[array_rows], w[array_columns];
    for (unsigned i = 0; i < array_rows; ++i) {
      x[i] = step.valid ? pin_bits(step.left[i].value, 4) : static_cast<std::uint32_t>(random.below(16));
      w[i] = step.valid ? pin_bits(step.top[i].value, 4) : static_cast<std::uint32_t>(random.below(16));
    }
    valid.write(step.valid);
    last.write(step.valid ? step.left[0].last : once_in(2));
    output_last.write(step.valid ? step.last : once_in(2));
    left.write(packed_lanes<array_rows, 4>(x));
    top.write(packed_lanes<array_columns, 4>(w));
    exponent.write(pin_bits(exponent_of_products, 10));
    // Scales in the first four cycles of a cluster: the tiles' rows, then their columns.
    const unsigned at = arithmetic_.index - 1;
    const bool of_rows = step.valid && at < 2, of_columns = step.valid && (at == 2 || at == 3);
    std::uint32_t rows[2], columns[2];
    for (unsigned tile = 0; tile < 2; ++tile) {
      rows[tile] = columns[tile] = static_cast<std::uint32_t>(random.below(65536));
      if (of_rows) rows[tile] = arithmetic_.scales[2 * tile + at].pins();
      if (of_columns) columns[tile] = arithmetic_.scales[array_rows + 2 * tile + at - 2].pins();
    }
    row_scale_valid.write(of_rows);
    column_scale_valid.write(of_columns);
    row_scale_slot.write(of_rows ? at == 1 : once_in(2));
    column_scale_slot.write(of_columns ? at == 3 : once_in(2));
    row_scale.write(packed_lanes<2, 16>(rows));
    column_scale.write(packed_lanes<2, 16>(columns));
  }
  std::uint32_t shown(unsigned column) override { return pin_field(result.read(), 16 * column, 16); }

  rtl_amove_array dut{"dut"};
};

}  // namespace

TEST_CASE("amove_array: 2 x 2 tiles equal the cycle model, cycle for cycle") {
  AmoveArrayBench bench;
  bench.run(random_cycles());
  bench.finish(4 * random_cycles());
}
