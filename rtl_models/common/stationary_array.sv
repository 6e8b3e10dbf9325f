// SPDX-License-Identifier: Apache-2.0
// A weight-stationary systolic array of any PE: skew, travel of operands and control, shadow weights, sums that move down. Twin of
// accelerators/stationary_array_cycle.h, cycle for cycle: what enters with the inputs of cycle t, row r, column c meets in cycle
// t + r + c.
//
// KIND chooses the PE, and with it what the bits are:
//   0  mant_pe       mode: wide; x: 8 bits; weight: int4 1, code 4; sum: p2 22, p1 18, the first named in the high bits
//   1  bitfusion_pe  mode: w_width 2, a_width 2; x, weight: 32 bits; sum: 31
//
// Activations: one row of A per cycle, `valid` or not; the array skews it, row r by r cycles. `first` marks the first row of a
//   pass, which makes the shadow weights the active ones as it goes by.
// Weights: one row of the array per cycle in any pauses, bottom row first, all of them between two firsts; the array skews
//   them, column c by c cycles. A load may begin in the cycle of a `first`.
// Sums leave column c ROWS + c cycles after their activations entered: `sum_valid`, `sum` and the control that came with them are
//   the registers of the last row.
`default_nettype none

module stationary_array #(
    parameter int KIND = 1,
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter int MODE = 4,
    parameter int STREAM = 32,
    parameter int WEIGHT = 32,
    parameter int SUM = 31,
    localparam int ROW_BITS = $clog2(ROWS)
) (
    input  wire logic                      clk,
    input  wire logic                      reset,
    input  wire logic                      valid,
    input  wire logic                      first,
    input  wire logic [MODE-1:0]           mode,
    input  wire logic [ROWS*STREAM-1:0]    x,
    input  wire logic                      weight_valid,
    input  wire logic [ROW_BITS-1:0]       weight_row,
    input  wire logic [COLUMNS*WEIGHT-1:0] weight,
    output logic [COLUMNS-1:0]             sum_valid,
    output logic [COLUMNS-1:0]             sum_first,
    output logic [COLUMNS*MODE-1:0]        sum_mode,
    output logic [COLUMNS*SUM-1:0]         sum
);
  localparam int PLACE = ROW_BITS + WEIGHT;
  // What leaves the last column and, of the weights, the last row goes nowhere.
  // verilator lint_off UNUSEDSIGNAL
  logic [COLUMNS:0][ROWS-1:0] valid_at, first_at;
  logic [COLUMNS:0][ROWS-1:0][MODE-1:0] mode_at;
  logic [COLUMNS:0][ROWS-1:0][STREAM-1:0] x_at;
  logic [ROWS:0][COLUMNS-1:0] weight_at;
  logic [ROWS:0][COLUMNS-1:0][PLACE-1:0] place_at;
  // verilator lint_on UNUSEDSIGNAL
  logic [ROWS:0][COLUMNS-1:0][SUM-1:0] sum_at;

  logic [COLUMNS-1:0][PLACE-1:0] placed;
  always_comb begin
    for (int c = 0; c < COLUMNS; c++) placed[c] = {weight_row, weight[WEIGHT*c+:WEIGHT]};
  end
  skew #(.LANES(ROWS), .WIDTH(1), .RESET(1)) skew_valid (.*, .in({ROWS{valid}}), .out(valid_at[0]));
  skew #(.LANES(ROWS), .WIDTH(1)) skew_first (.*, .in({ROWS{first}}), .out(first_at[0]));
  skew #(.LANES(ROWS), .WIDTH(MODE)) skew_mode (.*, .in({ROWS{mode}}), .out(mode_at[0]));
  skew #(.LANES(ROWS), .WIDTH(STREAM)) skew_x (.*, .in(x), .out(x_at[0]));
  skew #(.LANES(COLUMNS), .WIDTH(1), .RESET(1)) skew_weight (.*, .in({COLUMNS{weight_valid}}), .out(weight_at[0]));
  skew #(.LANES(COLUMNS), .WIDTH(PLACE)) skew_place (.*, .in(placed), .out(place_at[0]));
  assign sum_at[0] = '0;

  for (genvar r = 0; r < ROWS; r++) begin : g_row
    for (genvar c = 0; c < COLUMNS; c++) begin : g_pe
      stationary_pe #(
          .KIND(KIND),
          .ROW(r),
          .ROW_BITS(ROW_BITS),
          .MODE(MODE),
          .STREAM(STREAM),
          .WEIGHT(WEIGHT),
          .SUM(SUM)
      ) pe (
          .*,
          .valid_in(valid_at[c][r]),
          .first_in(first_at[c][r]),
          .mode_in(mode_at[c][r]),
          .x_in(x_at[c][r]),
          .valid_out(valid_at[c+1][r]),
          .first_out(first_at[c+1][r]),
          .mode_out(mode_at[c+1][r]),
          .x_out(x_at[c+1][r]),
          .sum_in(sum_at[r][c]),
          .sum_out(sum_at[r+1][c]),
          .weight_in(weight_at[r][c]),
          .weight_row_in(place_at[r][c][PLACE-1:WEIGHT]),
          .weight_word_in(place_at[r][c][WEIGHT-1:0]),
          .weight_out(weight_at[r+1][c]),
          .weight_row_out(place_at[r+1][c][PLACE-1:WEIGHT]),
          .weight_word_out(place_at[r+1][c][WEIGHT-1:0])
      );
    end
  end
  for (genvar c = 0; c < COLUMNS; c++) begin : g_column
    assign sum_valid[c] = valid_at[c+1][ROWS-1];
    assign sum_first[c] = first_at[c+1][ROWS-1];
    assign sum_mode[MODE*c+:MODE] = mode_at[c+1][ROWS-1];
  end
  assign sum = sum_at[ROWS];
endmodule

`default_nettype wire
