// SPDX-License-Identifier: Apache-2.0
// Weight-stationary systolic array of M-ANT PEs (common/stationary_array.sv) with the feet of its columns.
//
// Activations: `wide` chooses w8a8. `last` ends the groups of the columns with this pass (mant_column_foot.sv),
//   `activation_scale` is the row's sx. Weights: in w8a8 even rows take the high nibbles.
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
  logic [COLUMNS-1:0] sum_first, sum_wide;
  logic [COLUMNS-1:0][4:0] weight;
  logic [COLUMNS-1:0][39:0] sum;
  always_comb begin
    for (int c = 0; c < COLUMNS; c++) begin
      weight[c] = {weight_int4[c], weight_code[c]};
      {p2[c], p1[c]} = sum[c];
    end
  end
  stationary_array #(
      .KIND(0),
      .ROWS(ROWS),
      .COLUMNS(COLUMNS),
      .MODE(1),
      .STREAM(8),
      .WEIGHT(5),
      .SUM(40)
  ) array (
      .*,
      .valid(activation_valid),
      .first(activation_first),
      .mode(activation_wide),
      .x(activation),
      .sum_mode(sum_wide)
  );

  // What belongs to a column, with the skew of its weights
  logic [COLUMNS-1:0] column_valid_at;
  logic [COLUMNS-1:0][23:0] column, column_at;
  always_comb begin
    for (int c = 0; c < COLUMNS; c++) column[c] = {column_type[c], column_scale[c]};
  end
  skew #(.LANES(COLUMNS), .WIDTH(1), .RESET(1)) skew_valid (.*, .in({COLUMNS{column_valid}}), .out(column_valid_at));
  skew #(.LANES(COLUMNS), .WIDTH(24)) skew_column (.*, .in(column), .out(column_at));

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
    assign group_type = sum_first[c] ? next_type : active_type;
    assign weight_scale = sum_first[c] ? next_scale : active_scale;
    always_ff @(posedge clk) begin
      if (column_valid_at[c]) {next_type, next_scale} <= column_at[c];
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
        .wide_in(sum_wide[c]),
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
