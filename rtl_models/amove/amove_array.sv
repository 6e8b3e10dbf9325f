// SPDX-License-Identifier: Apache-2.0
// Amove's output-stationary array: tiles of 2 x 2 PEs (amove_tile.sv), skew, chains of results. Twin of
// accelerators/output_stationary_array_cycle.h: operands that enter with the inputs of cycle t meet in PE (r, c) in cycle
// t + r + c, a column's chain hands out its results five cycles later than the model of the PEs alone, four for the GIPU and one
// for the lower row's turn at it. Every row and column has operands, zeros where the matrices end.
//
// `last` ends a cluster, `output_last` with it the outputs. The scales of a cluster enter with its operands: in the first of its
// cycles (row_scale_slot 0) and the second (1) those of each tile's rows, in the third and fourth those of its columns. A scale
// is base, residual and code, the first named in the high bits; one per tile row, one per tile column.
`default_nettype none

module amove_array #(
    parameter int TILE_ROWS = 2,
    parameter int TILE_COLUMNS = 2,
    parameter int SUM = 12,
    localparam int ROWS = 2 * TILE_ROWS,
    localparam int COLUMNS = 2 * TILE_COLUMNS
) (
    input  wire logic                        clk,
    input  wire logic                        reset,
    input  wire logic                        valid,
    input  wire logic                        last,
    input  wire logic                        output_last,
    input  wire logic [4*ROWS-1:0]           left,
    input  wire logic [4*COLUMNS-1:0]        top,
    input  wire logic                        row_scale_valid,
    input  wire logic                        row_scale_slot,
    input  wire logic [16*TILE_ROWS-1:0]     row_scale,
    input  wire logic                        column_scale_valid,
    input  wire logic                        column_scale_slot,
    input  wire logic [16*TILE_COLUMNS-1:0]  column_scale,
    input  wire logic signed [9:0]           exponent,
    output logic [COLUMNS-1:0]               result_valid,
    output logic [16*COLUMNS-1:0]            result
);
  // Skew: rows and columns by one cycle each, what belongs to a tile by two.
  logic [3*ROWS-1:0] control;
  logic [4*ROWS-1:0] left_skewed;
  logic [4*COLUMNS-1:0] top_skewed;
  logic [18*TILE_ROWS-1:0] row_scales, row_scales_skewed;
  logic [18*TILE_COLUMNS-1:0] column_scales, column_scales_skewed;
  always_comb begin
    for (int r = 0; r < TILE_ROWS; r++) row_scales[18*r+:18] = {row_scale_valid, row_scale_slot, row_scale[16*r+:16]};
    for (int c = 0; c < TILE_COLUMNS; c++) begin
      column_scales[18*c+:18] = {column_scale_valid, column_scale_slot, column_scale[16*c+:16]};
    end
  end
  skew #(.LANES(ROWS), .WIDTH(3), .RESET(1)) skew_control (
      .clk(clk), .reset(reset), .in({ROWS{valid, last, output_last}}), .out(control));
  skew #(.LANES(ROWS), .WIDTH(4)) skew_left (.clk(clk), .reset(reset), .in(left), .out(left_skewed));
  skew #(.LANES(COLUMNS), .WIDTH(4)) skew_top (.clk(clk), .reset(reset), .in(top), .out(top_skewed));
  skew #(.LANES(TILE_ROWS), .WIDTH(18), .STEP(2), .RESET(1)) skew_row_scales (
      .clk(clk), .reset(reset), .in(row_scales), .out(row_scales_skewed));
  skew #(.LANES(TILE_COLUMNS), .WIDTH(18), .STEP(2), .RESET(1)) skew_column_scales (
      .clk(clk), .reset(reset), .in(column_scales), .out(column_scales_skewed));

  // Between the tiles: what enters tile (r, c) from the left is in place c * TILE_ROWS + r, what enters it from above in
  // place r * TILE_COLUMNS + c. What leaves the last tiles goes nowhere.
  // verilator lint_off UNUSEDSIGNAL
  logic [(TILE_COLUMNS+1)*TILE_ROWS*6-1:0] control_at;
  logic [(TILE_COLUMNS+1)*TILE_ROWS*8-1:0] left_at;
  logic [(TILE_COLUMNS+1)*TILE_ROWS*18-1:0] row_scale_at;
  logic [(TILE_ROWS+1)*TILE_COLUMNS*8-1:0] top_at;
  logic [(TILE_ROWS+1)*TILE_COLUMNS*18-1:0] column_scale_at;
  // verilator lint_on UNUSEDSIGNAL
  assign control_at[6*TILE_ROWS-1:0] = control;
  assign left_at[8*TILE_ROWS-1:0] = left_skewed;
  assign row_scale_at[18*TILE_ROWS-1:0] = row_scales_skewed;
  assign top_at[8*TILE_COLUMNS-1:0] = top_skewed;
  assign column_scale_at[18*TILE_COLUMNS-1:0] = column_scales_skewed;

  for (genvar c = 0; c < TILE_COLUMNS; c++) begin : g_column
    logic [2*ROWS-1:0] done;       // of the tiles' columns 0 and 1, ROWS each
    logic [32*ROWS-1:0] values;
    for (genvar r = 0; r < TILE_ROWS; r++) begin : g_tile
      localparam int FROM_LEFT = c * TILE_ROWS + r, TO_RIGHT = (c + 1) * TILE_ROWS + r;
      localparam int FROM_TOP = r * TILE_COLUMNS + c, TO_BOTTOM = (r + 1) * TILE_COLUMNS + c;
      logic [5:0] entering;
      logic [1:0] valid_out, last_out, output_last_out;
      logic [17:0] of_rows, of_columns, row_line, row_line_2, column_line, column_line_2;
      assign entering = control_at[6*FROM_LEFT+:6];
      assign of_rows = row_scale_at[18*FROM_LEFT+:18];
      assign of_columns = column_scale_at[18*FROM_TOP+:18];
      assign control_at[6*TO_RIGHT+:6] = {valid_out[1], last_out[1], output_last_out[1],
                                          valid_out[0], last_out[0], output_last_out[0]};
      assign row_scale_at[18*TO_RIGHT+:18] = row_line_2;
      assign column_scale_at[18*TO_BOTTOM+:18] = column_line_2;
      always_ff @(posedge clk) begin
        row_line <= reset ? 18'b0 : of_rows;
        row_line_2 <= reset ? 18'b0 : row_line;
        column_line <= reset ? 18'b0 : of_columns;
        column_line_2 <= reset ? 18'b0 : column_line;
      end
      // verilator lint_off UNUSEDSIGNAL
      logic accumulated;
      // verilator lint_on UNUSEDSIGNAL
      logic finished, finished_late;
      logic [1:0] pe;
      logic column_late;
      logic [15:0] value, value_late, scale;
      assign scale = of_rows[17] ? of_rows[15:0] : of_columns[15:0];
      amove_tile #(
          .SUM(SUM)
      ) tile (
          .clk(clk),
          .reset(reset),
          .valid_in({entering[5], entering[2]}),
          .last_in({entering[4], entering[1]}),
          .output_last_in({entering[3], entering[0]}),
          .x_in(left_at[8*FROM_LEFT+:8]),
          .w_in(top_at[8*FROM_TOP+:8]),
          .valid_out(valid_out),
          .last_out(last_out),
          .output_last_out(output_last_out),
          .x_out(left_at[8*TO_RIGHT+:8]),
          .w_out(top_at[8*TO_BOTTOM+:8]),
          .scale_valid(of_rows[17] | of_columns[17]),
          .slot(of_rows[17] ? {1'b0, of_rows[16]} : {1'b1, of_columns[16]}),
          .base(scale[15:9]),
          .residual(scale[8:2]),
          .code(scale[1:0]),
          .exponent(exponent),
          .accumulated(accumulated),
          .accumulated_pe(pe),
          .accumulator(value),
          .result_valid(finished)
      );
      // The upper row's results wait a cycle, so that all rows are equally late.
      always_ff @(posedge clk) begin
        finished_late <= finished & !pe[1] & !reset;
        column_late <= pe[0];
        value_late <= value;
      end
      for (genvar i = 0; i < 2; i++) begin : g_result
        assign done[ROWS*i+2*r] = finished_late && column_late == 1'(i);
        assign done[ROWS*i+2*r+1] = finished && pe == 2'(2 + i);
        assign values[16*(ROWS*i+2*r)+:16] = value_late;
        assign values[16*(ROWS*i+2*r+1)+:16] = value;
      end
    end
    for (genvar i = 0; i < 2; i++) begin : g_chain
      result_chain #(
          .ROWS(ROWS),
          .WIDTH(16)
      ) chain (
          .clk(clk),
          .reset(reset),
          .done(done[ROWS*i+:ROWS]),
          .bottom({1'b1, {(ROWS - 1) {1'b0}}}),
          .result_in(values[16*ROWS*i+:16*ROWS]),
          .valid(result_valid[2*c+i]),
          .result(result[16*(2*c+i)+:16])
      );
    end
  end
endmodule

`default_nettype wire
