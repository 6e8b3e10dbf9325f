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
    input  wire logic [7:0]          x_in,    // row 0 in the low bits
    input  wire logic [7:0]          w_in,
    output logic [1:0]               valid_out,
    output logic [1:0]               last_out,
    output logic [1:0]               output_last_out,
    output logic [7:0]               x_out,
    output logic [7:0]               w_out,
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
  // Between the PEs: row r, column c in place 2 * c + r of what goes right, 2 * r + c of what goes down and of the PEs' own.
  // The last column's outputs leave to the right, the last row's downwards.
  logic [5:0] valid_at, last_at, output_last_at;
  logic [6*4-1:0] x_at, w_at;
  logic [3:0] done;
  logic [4*SUM-1:0] sum;
  for (genvar r = 0; r < 2; r++) begin : g_row
    for (genvar c = 0; c < 2; c++) begin : g_column
      amove_pe #(
          .SUM(SUM)
      ) pe (
          .clk(clk),
          .reset(reset),
          .valid_in(valid_at[2*c+r]),
          .last_in(last_at[2*c+r]),
          .output_last_in(output_last_at[2*c+r]),
          .x_in(x_at[4*(2*c+r)+:4]),
          .w_in(w_at[4*(2*r+c)+:4]),
          .valid_out(valid_at[2*c+2+r]),
          .last_out(last_at[2*c+2+r]),
          .output_last_out(output_last_at[2*c+2+r]),
          .x_out(x_at[4*(2*c+2+r)+:4]),
          .w_out(w_at[4*(2*r+2+c)+:4]),
          .done(done[2*r+c]),
          .sum(sum[SUM*(2*r+c)+:SUM])
      );
    end
  end
  assign valid_at[1:0] = valid_in;
  assign last_at[1:0] = last_in;
  assign output_last_at[1:0] = output_last_in;
  assign x_at[7:0] = x_in;
  assign w_at[7:0] = w_in;
  assign valid_out = valid_at[5:4];
  assign last_out = last_at[5:4];
  assign output_last_out = output_last_at[5:4];
  assign x_out = x_at[23:16];
  assign w_out = w_at[23:16];

  // The decoder writes the scales of the cluster at work; they move on when its first sum is done.
  logic [15:0] decoded;
  logic [63:0] next_scale, scale;    // rows 0 and 1, columns 0 and 1
  amove_scale_decoder decoder (
      .base(base),
      .residual(residual),
      .code(code),
      .scale(decoded)
  );
  always_ff @(posedge clk) begin
    if (scale_valid) next_scale[16*slot+:16] <= decoded;
    if (done[0]) scale <= next_scale;
  end

  // Whose turn it is. Row 1 is done a cycle before its turn and waits in a register.
  logic [1:0] turn;
  logic running, output_last;
  logic [2*SUM-1:0] waiting;
  always_ff @(posedge clk) begin
    if (reset) running <= 1'b0;
    else if (done[0]) running <= 1'b1;
    else if (turn == 2'd3) running <= 1'b0;
    turn <= done[0] ? 2'd1 : turn + 2'd1;
    if (done[0]) output_last <= output_last_at[2];
    for (int c = 0; c < 2; c++) if (done[2+c]) waiting[SUM*c+:SUM] <= sum[SUM*(2+c)+:SUM];
  end

  logic [1:0] pe;
  logic [SUM-1:0] chosen;
  always_comb begin
    pe = done[0] ? 2'd0 : turn;
    case (pe)
      2'd0: chosen = sum[0+:SUM];
      2'd1: chosen = sum[SUM+:SUM];
      default: chosen = waiting[SUM*pe[0]+:SUM];
    endcase
  end
  amove_gipu #(
      .SUM(SUM),
      .FIELD(FIELD),
      .FRACTION(FRACTION)
  ) gipu (
      .clk(clk),
      .reset(reset),
      .valid_in(done[0] || running),
      .pe(pe),
      .output_last(done[0] ? output_last_at[2] : output_last),
      .sum(chosen),
      .row_scale(scale[31:0]),
      .column_scale(scale[63:32]),
      .exponent(exponent),
      .accumulated(accumulated),
      .accumulated_pe(accumulated_pe),
      .accumulator(accumulator),
      .result_valid(result_valid)
  );
endmodule

`default_nettype wire
