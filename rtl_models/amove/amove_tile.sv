// SPDX-License-Identifier: Apache-2.0
// A tile of Amove's systolic array: 2 x 2 PEs that share one GIPU and one scale decoder (docs/datapaths.md, "Amove PE and
// GIPU").
//
// Operands enter skewed, row 1 and column 1 one cycle after row 0 and column 0, and leave to the next tiles two PEs later.
// Control goes with the activations of each row. A cluster takes four cycles or more (shorter ones are padded with zeros).
// The decoder takes one scale per cycle: `slot` 0, 1 the rows' (activations), 2, 3 the columns' (weights). All four of a
// cluster enter after the cycle in which the last operands of the cluster before entered row 0, and not after that cycle of
// their own. The GIPU takes PE (0, 0), (0, 1), (1, 0), (1, 1) in consecutive cycles, the first as soon as its sum is
// registered: results follow the registered sum by 4 cycles in row 0, by 5 in row 1.
`default_nettype none

module amove_tile #(
    parameter int SUM = 12,
    parameter int FIELD = 5,
    parameter int FRACTION = 10
) (
    input  wire logic                clk,
    input  wire logic                reset,
    input  wire logic [1:0]          valid_in,
    input  wire logic [1:0]          last_in,
    input  wire logic [1:0]          output_last_in,
    input  wire logic [1:0][3:0]     x_in,
    input  wire logic [1:0][3:0]     w_in,
    output logic [1:0]               valid_out,
    output logic [1:0]               last_out,
    output logic [1:0]               output_last_out,
    output logic [1:0][3:0]          x_out,
    output logic [1:0][3:0]          w_out,
    input  wire logic                scale_valid,
    input  wire logic [1:0]          slot,
    input  wire logic [6:0]          base,
    input  wire logic [6:0]          residual,
    input  wire logic [1:0]          code,
    input  wire logic signed [9:0]   exponent,
    output logic                     accumulated,
    output logic [1:0]               accumulated_pe,
    output logic [FIELD+FRACTION:0]  accumulator,
    output logic                     result_valid
);
  // [row][column]; the last column's outputs leave to the right, the last row's downwards.
  logic [1:0][2:0] valid_at, last_at, output_last_at;
  logic [1:0][2:0][3:0] x_at;
  logic [2:0][1:0][3:0] w_at;
  logic [1:0][1:0] done;
  logic [1:0][1:0][SUM-1:0] sum;
  for (genvar r = 0; r < 2; r++) begin : g_row
    assign valid_at[r][0] = valid_in[r];
    assign last_at[r][0] = last_in[r];
    assign output_last_at[r][0] = output_last_in[r];
    assign x_at[r][0] = x_in[r];
    assign valid_out[r] = valid_at[r][2];
    assign last_out[r] = last_at[r][2];
    assign output_last_out[r] = output_last_at[r][2];
    assign x_out[r] = x_at[r][2];
    for (genvar c = 0; c < 2; c++) begin : g_column
      amove_pe #(
          .SUM(SUM)
      ) pe (
          .clk(clk),
          .reset(reset),
          .valid_in(valid_at[r][c]),
          .last_in(last_at[r][c]),
          .output_last_in(output_last_at[r][c]),
          .x_in(x_at[r][c]),
          .w_in(w_at[r][c]),
          .valid_out(valid_at[r][c+1]),
          .last_out(last_at[r][c+1]),
          .output_last_out(output_last_at[r][c+1]),
          .x_out(x_at[r][c+1]),
          .w_out(w_at[r+1][c]),
          .done(done[r][c]),
          .sum(sum[r][c])
      );
    end
  end
  assign w_at[0] = w_in;
  assign w_out = w_at[2];

  // The decoder writes the scales of the cluster at work; they move on when its first sum is done.
  logic [15:0] decoded;
  logic [3:0][15:0] next_scale, scale;
  amove_scale_decoder decoder (
      .base(base),
      .residual(residual),
      .code(code),
      .scale(decoded)
  );
  always_ff @(posedge clk) begin
    if (scale_valid) next_scale[slot] <= decoded;
    if (done[0][0]) scale <= next_scale;
  end

  // Whose turn it is. Row 1 is done a cycle before its turn and waits in a register.
  logic [1:0] turn;
  logic running, output_last;
  logic [1:0][SUM-1:0] waiting;
  always_ff @(posedge clk) begin
    if (reset) running <= 1'b0;
    else if (done[0][0]) running <= 1'b1;
    else if (turn == 2'd3) running <= 1'b0;
    turn <= done[0][0] ? 2'd1 : turn + 2'd1;
    if (done[0][0]) output_last <= output_last_at[0][1];
    for (int c = 0; c < 2; c++) if (done[1][c]) waiting[c] <= sum[1][c];
  end

  logic [1:0] pe;
  logic [SUM-1:0] chosen;
  always_comb begin
    pe = done[0][0] ? 2'd0 : turn;
    case (pe)
      2'd0: chosen = sum[0][0];
      2'd1: chosen = sum[0][1];
      default: chosen = waiting[pe[0]];
    endcase
  end
  amove_gipu #(
      .SUM(SUM),
      .FIELD(FIELD),
      .FRACTION(FRACTION)
  ) gipu (
      .clk(clk),
      .reset(reset),
      .valid_in(done[0][0] || running),
      .pe(pe),
      .output_last(done[0][0] ? output_last_at[0][1] : output_last),
      .sum(chosen),
      .row_scale(scale[1:0]),
      .column_scale(scale[3:2]),
      .exponent(exponent),
      .accumulated(accumulated),
      .accumulated_pe(accumulated_pe),
      .accumulator(accumulator),
      .result_valid(result_valid)
  );
endmodule

`default_nettype wire
