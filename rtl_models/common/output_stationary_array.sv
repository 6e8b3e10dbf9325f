// SPDX-License-Identifier: Apache-2.0
// An output-stationary systolic array of any PE: skew, travel of operands and control, chains of results. Twin of
// accelerators/output_stationary_array_cycle.h, cycle for cycle: the operands that enter with the inputs of cycle t meet in
// PE (r, c) in cycle t + r + c; a column's chain hands out its results from the lowest PE in use upwards.
//
// KIND chooses the PE, and with it what the bits of an operand are:
//   0  integer_pe   x: LEFT bits, w: TOP bits; results of SUM bits
//   1  fp16_pe      x, w: 16 bits; results of 32
//   2  bfp_pe       left:  mode 2, group_last, weight_last, a_exponent 5, a_sign LANES, a_magnitude 8 * LANES
//                   top:   b_exponent 5, weight_scale 16, b_sign LANES, b_nibble 4 * LANES, the first named in the high bits
//   3  adaptive_pe  exponent 3, integer 5 from both sides; results of 32
//   4  tender_pe    left: rescale 1, x 5; top: w 5; results of 32
//   5  anda_pe      left: group_last, bits 4, exponent 5, signs LANES, plane LANES; top: weight_scale 16, w 4 * LANES
//   6  bitmod_pe    left: group_last, activations 4 * 16; top: scale 27, significance 3, exponents 4 * 3, negative 4, term 4
// The exponents and scales of 5 and 6 enter with the last operands of a group.
//
// A step: `rows` and `columns` say which rows and columns of PEs have operands, from row 0 and column 0 on without a gap;
// `last` ends the outputs. DONE is the cycles from a PE's last operands to its result: a pass may end when the results of the
// one before have begun to move (accelerators/output_stationary_array_cycle.h, accepts()).
`default_nettype none

module output_stationary_array #(
    parameter int KIND = 0,
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter int LEFT = 8,
    parameter int TOP = 8,
    parameter int SUM = 32,
    parameter int LANES = 32,
    parameter int DONE = 1
) (
    input  wire logic                    clk,
    input  wire logic                    reset,
    input  wire logic [ROWS-1:0]         rows,
    input  wire logic [COLUMNS-1:0]      columns,
    input  wire logic                    last,
    input  wire logic [ROWS*LEFT-1:0]    left,
    input  wire logic [COLUMNS*TOP-1:0]  top,
    output logic [COLUMNS-1:0]           result_valid,
    output logic [COLUMNS*SUM-1:0]       result
);
  // Control of a row: valid, last, bottom (the lowest row in use), from the high bit.
  logic [3*ROWS-1:0] control, control_skewed;
  logic [COLUMNS-1:0] columns_skewed;
  logic [ROWS*LEFT-1:0] left_skewed;
  logic [COLUMNS*TOP-1:0] top_skewed;
  logic [ROWS:0] rows_and_below;
  assign rows_and_below = {1'b0, rows};
  always_comb begin
    for (int r = 0; r < ROWS; r++) control[3*r+:3] = {rows[r], last, !rows_and_below[r+1]};
  end
  skew #(.LANES(ROWS), .WIDTH(3), .RESET(1)) skew_control (.clk(clk), .reset(reset), .in(control), .out(control_skewed));
  skew #(.LANES(ROWS), .WIDTH(LEFT)) skew_left (.clk(clk), .reset(reset), .in(left), .out(left_skewed));
  skew #(.LANES(COLUMNS), .WIDTH(1), .RESET(1)) skew_columns (.clk(clk), .reset(reset), .in(columns), .out(columns_skewed));
  skew #(.LANES(COLUMNS), .WIDTH(TOP)) skew_top (.clk(clk), .reset(reset), .in(top), .out(top_skewed));

  // Between the PEs; what enters PE (r, c) from the left is in place c * ROWS + r, what enters it from above in place
  // r * COLUMNS + c. What leaves the last column and the last row goes nowhere.
  // verilator lint_off UNUSEDSIGNAL
  logic [(COLUMNS+1)*ROWS*3-1:0] control_at;
  logic [(COLUMNS+1)*ROWS*LEFT-1:0] left_at;
  logic [(ROWS+1)*COLUMNS-1:0] column_at;
  logic [(ROWS+1)*COLUMNS*TOP-1:0] top_at;
  // verilator lint_on UNUSEDSIGNAL
  assign control_at[3*ROWS-1:0] = control_skewed;
  assign left_at[LEFT*ROWS-1:0] = left_skewed;
  assign column_at[COLUMNS-1:0] = columns_skewed;
  assign top_at[TOP*COLUMNS-1:0] = top_skewed;

  for (genvar c = 0; c < COLUMNS; c++) begin : g_column
    logic [ROWS-1:0] done, bottom;
    logic [ROWS*SUM-1:0] sum;
    for (genvar r = 0; r < ROWS; r++) begin : g_pe
      localparam int FROM_LEFT = c * ROWS + r, TO_RIGHT = (c + 1) * ROWS + r;
      localparam int FROM_TOP = r * COLUMNS + c, TO_BOTTOM = (r + 1) * COLUMNS + c;
      logic [2:0] entering, leaving;
      logic valid, column_leaving;
      logic [DONE-1:0] bottom_line;
      assign entering = control_at[3*FROM_LEFT+:3];
      assign valid = entering[2] & column_at[FROM_TOP];
      assign control_at[3*TO_RIGHT+:3] = leaving;
      assign column_at[TO_BOTTOM] = column_leaving;
      assign bottom[r] = bottom_line[DONE-1];
      always_ff @(posedge clk) begin
        leaving <= reset ? 3'b0 : entering;
        column_leaving <= column_at[FROM_TOP] & !reset;
        bottom_line <= DONE'({bottom_line, entering[0]});
      end
      operand_pe #(
          .KIND(KIND),
          .LEFT(LEFT),
          .TOP(TOP),
          .SUM(SUM),
          .LANES(LANES)
      ) pe (
          .clk(clk),
          .reset(reset),
          .valid_in(valid),
          .last_in(entering[1]),
          .x_in(left_at[LEFT*FROM_LEFT+:LEFT]),
          .w_in(top_at[TOP*FROM_TOP+:TOP]),
          .x_out(left_at[LEFT*TO_RIGHT+:LEFT]),
          .w_out(top_at[TOP*TO_BOTTOM+:TOP]),
          .done(done[r]),
          .result(sum[SUM*r+:SUM])
      );
    end
    result_chain #(
        .ROWS(ROWS),
        .WIDTH(SUM)
    ) chain (
        .clk(clk),
        .reset(reset),
        .done(done),
        .bottom(bottom),
        .result_in(sum),
        .valid(result_valid[c]),
        .result(result[SUM*c+:SUM])
    );
  end
endmodule

`default_nettype wire
