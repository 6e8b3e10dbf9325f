// SPDX-License-Identifier: Apache-2.0
// Weight-stationary systolic array of M-ANT PEs with the feet of its columns. Twin of accelerators/stationary_array_cycle.h,
// cycle for cycle: what enters with the inputs of cycle t, row r, column c meets in cycle t + r + c.
//
// Activations: one row of A per cycle, `activation_valid` or not; the array skews it, row r by r cycles. `first` marks the
//   first row of a pass, which makes the shadow weights the active ones as it goes by; `wide` chooses w8a8. `last` ends the
//   groups of the columns with this pass (mant_column_foot.sv), `activation_scale` is the row's sx.
// Weights: one row of the array per cycle in any pauses, bottom row first, all of them between two firsts; the array skews
//   them, column c by c cycles. A load may begin in the cycle of a `first`. In w8a8 even rows take the high nibbles.
// Columns: type byte and sw of the next pass enter together, skewed by the array, not earlier than ROWS cycles after the
//   `first` of the pass before and not later than ROWS - 1 cycles after their own.
// Sums leave column c ROWS + c cycles after their activations entered; `sum_valid`, `p1`, `p2` show the registers of the
//   last row. One cycle later the group sum of an unfinished group is at `group_sum`; of a finished one the accumulator is
//   asked for three cycles later (`accumulate`) and the result registered four cycles later (`result_valid`, `result`).
`default_nettype none

module mant_array #(
    parameter int ROWS = 64,
    parameter int COLUMNS = 32,
    localparam int ROW_BITS = $clog2(ROWS)
) (
    input  wire logic                     clk,
    input  wire logic                     reset,
    input  wire logic                     activation_valid,
    input  wire logic                     activation_first,
    input  wire logic                     activation_wide,
    input  wire logic                     activation_last,
    input  wire logic [15:0]              activation_scale,
    input  wire logic [ROWS-1:0][7:0]     activation,
    input  wire logic                     weight_valid,
    input  wire logic [ROW_BITS-1:0]      weight_row,
    input  wire logic [COLUMNS-1:0][3:0]  weight_code,
    input  wire logic [COLUMNS-1:0]       weight_int4,
    input  wire logic                     column_valid,
    input  wire logic [COLUMNS-1:0][7:0]  column_type,
    input  wire logic [COLUMNS-1:0][15:0] column_scale,
    input  wire logic [COLUMNS-1:0][25:0] group_sum_in,
    input  wire logic [COLUMNS-1:0][31:0] accumulator_in,
    output logic [COLUMNS-1:0]            sum_valid,
    output logic [COLUMNS-1:0][17:0]      p1,
    output logic [COLUMNS-1:0][21:0]      p2,
    output logic [COLUMNS-1:0]            group_sum_valid,
    output logic [COLUMNS-1:0][25:0]      group_sum,
    output logic [COLUMNS-1:0]            accumulate,
    output logic [COLUMNS-1:0]            result_valid,
    output logic [COLUMNS-1:0][31:0]      result
);
  // What leaves the last column and, of the weights, the last row goes nowhere.
  // verilator lint_off UNUSEDSIGNAL
  logic [COLUMNS:0][ROWS-1:0] valid_at, first_at, wide_at;
  logic [COLUMNS:0][ROWS-1:0][7:0] x_at;
  logic [ROWS:0][COLUMNS-1:0] weight_at, int4_at;
  logic [ROWS:0][COLUMNS-1:0][ROW_BITS-1:0] row_at;
  logic [ROWS:0][COLUMNS-1:0][3:0] code_at;
  // verilator lint_on UNUSEDSIGNAL
  logic [ROWS:0][COLUMNS-1:0][17:0] p1_at;
  logic [ROWS:0][COLUMNS-1:0][21:0] p2_at;

  // Skew of the activations
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    if (r == 0) begin : g_direct
      assign valid_at[0][r] = activation_valid;
      assign first_at[0][r] = activation_first;
      assign wide_at[0][r] = activation_wide;
      assign x_at[0][r] = activation[r];
    end else begin : g_skew
      logic [r-1:0][7:0] x;
      logic valid, first, wide;
      always_ff @(posedge clk) begin
        valid <= reset ? 1'b0 : valid_at[0][r-1];
        first <= first_at[0][r-1];
        wide <= wide_at[0][r-1];
        for (int i = r - 1; i > 0; i--) x[i] <= x[i-1];
        x[0] <= activation[r];
      end
      assign valid_at[0][r] = valid;
      assign first_at[0][r] = first;
      assign wide_at[0][r] = wide;
      assign x_at[0][r] = x[r-1];
    end
  end

  // Skew of the weights and of what belongs to a column
  logic [COLUMNS-1:0] column_valid_at;
  logic [COLUMNS-1:0][7:0] type_at;
  logic [COLUMNS-1:0][15:0] scale_at;
  for (genvar c = 0; c < COLUMNS; c++) begin : g_column
    if (c == 0) begin : g_direct
      assign weight_at[0][c] = weight_valid;
      assign row_at[0][c] = weight_row;
      assign code_at[0][c] = weight_code[c];
      assign int4_at[0][c] = weight_int4[c];
      assign column_valid_at[c] = column_valid;
      assign type_at[c] = column_type[c];
      assign scale_at[c] = column_scale[c];
    end else begin : g_skew
      logic weight, column;
      logic [ROW_BITS-1:0] row;
      logic [c-1:0][28:0] delayed;
      always_ff @(posedge clk) begin
        weight <= reset ? 1'b0 : weight_at[0][c-1];
        column <= reset ? 1'b0 : column_valid_at[c-1];
        row <= row_at[0][c-1];
        for (int i = c - 1; i > 0; i--) delayed[i] <= delayed[i-1];
        delayed[0] <= {weight_code[c], weight_int4[c], column_type[c], column_scale[c]};
      end
      assign weight_at[0][c] = weight;
      assign row_at[0][c] = row;
      assign column_valid_at[c] = column;
      assign {code_at[0][c], int4_at[0][c], type_at[c], scale_at[c]} = delayed[c-1];
    end
  end

  assign p1_at[0] = '0;
  assign p2_at[0] = '0;
  for (genvar r = 0; r < ROWS; r++) begin : g_pe_row
    for (genvar c = 0; c < COLUMNS; c++) begin : g_pe
      mant_pe #(
          .ROW(r),
          .ROW_BITS(ROW_BITS)
      ) pe (
          .clk(clk),
          .reset(reset),
          .valid_in(valid_at[c][r]),
          .first_in(first_at[c][r]),
          .wide_in(wide_at[c][r]),
          .x_in(x_at[c][r]),
          .valid_out(valid_at[c+1][r]),
          .first_out(first_at[c+1][r]),
          .wide_out(wide_at[c+1][r]),
          .x_out(x_at[c+1][r]),
          .p1_in(p1_at[r][c]),
          .p2_in(p2_at[r][c]),
          .p1_out(p1_at[r+1][c]),
          .p2_out(p2_at[r+1][c]),
          .weight_in(weight_at[r][c]),
          .weight_row_in(row_at[r][c]),
          .weight_code_in(code_at[r][c]),
          .weight_int4_in(int4_at[r][c]),
          .weight_out(weight_at[r+1][c]),
          .weight_row_out(row_at[r+1][c]),
          .weight_code_out(code_at[r+1][c]),
          .weight_int4_out(int4_at[r+1][c])
      );
    end
  end
  assign p1 = p1_at[ROWS];
  assign p2 = p2_at[ROWS];

  // What the feet need of a row of activations goes around the array and then along the feet.
  logic [ROWS+COLUMNS-2:0] last_at;
  logic [ROWS+COLUMNS-2:0][15:0] row_scale_at;
  always_ff @(posedge clk) begin
    last_at <= {last_at[ROWS+COLUMNS-3:0], activation_last};
    row_scale_at <= {row_scale_at[ROWS+COLUMNS-3:0], activation_scale};
  end

  for (genvar c = 0; c < COLUMNS; c++) begin : g_foot
    logic [7:0] next_type, active_type, group_type;
    logic [15:0] next_scale, active_scale, weight_scale;
    assign sum_valid[c] = valid_at[c+1][ROWS-1];
    assign group_type = first_at[c+1][ROWS-1] ? next_type : active_type;
    assign weight_scale = first_at[c+1][ROWS-1] ? next_scale : active_scale;
    always_ff @(posedge clk) begin
      if (column_valid_at[c]) begin
        next_type <= type_at[c];
        next_scale <= scale_at[c];
      end
      if (sum_valid[c]) begin
        active_type <= group_type;
        active_scale <= weight_scale;
      end
    end
    mant_column_foot foot (
        .clk(clk),
        .reset(reset),
        .valid_in(sum_valid[c]),
        .last_in(last_at[ROWS+c-1]),
        .wide_in(wide_at[c+1][ROWS-1]),
        .p1_in(p1[c]),
        .p2_in(p2[c]),
        .group_sum_in(group_sum_in[c]),
        .group_type(group_type),
        .activation_scale(row_scale_at[ROWS+c-1]),
        .weight_scale(weight_scale),
        .group_sum_valid(group_sum_valid[c]),
        .group_sum(group_sum[c]),
        .accumulate(accumulate[c]),
        .accumulator_in(accumulator_in[c]),
        .valid_out(result_valid[c]),
        .accumulator_out(result[c])
    );
  end
endmodule

`default_nettype wire
