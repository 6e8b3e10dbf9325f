// SPDX-License-Identifier: Apache-2.0
// Four PEs of ANT or OliVe with their decoders, alone or fused. Row 1 and column 1 enter a cycle after row 0 and column 0.
// `fuse` belongs to a run and enters with each of its operands in row 0:
//
//   0  four PEs of w4a4: each `done` with its `sum`, place 2 * row + column
//   1  w4a8: the rows hold the high and the low nibble of x; total 0 is column 0, total 1 column 1
//   2  w8a4: the columns hold the nibbles of w; total 0 is row 0, total 1 row 1
//   3  w8a8: total 1 alone
//
// Total 0 is registered two cycles after the first PE's sum, total 1 three cycles after it.
`default_nettype none

module adaptive_quad #(
    parameter int OLIVE = 0
) (
    input  wire logic         clk,
    input  wire logic         reset,
    input  wire logic [1:0]   valid_in,
    input  wire logic [1:0]   last_in,
    input  wire logic [1:0]   fuse,
    input  wire logic [3:0]   x_part,    // of two rows, row 0 in the low bits, and so on
    input  wire logic [3:0]   x_kind,
    input  wire logic [7:0]   x_code,
    input  wire logic [7:0]   x_partner,
    input  wire logic [3:0]   w_part,    // of two columns
    input  wire logic [3:0]   w_kind,
    input  wire logic [7:0]   w_code,
    input  wire logic [7:0]   w_partner,
    output logic [3:0]        done,
    output logic [127:0]      sum,
    output logic [1:0]        total_valid,
    output logic [63:0]       total
);
  // What leaves the quad goes nowhere here.
  // verilator lint_off UNUSEDSIGNAL
  logic [5:0] valid_at, last_at;
  logic [47:0] x_at, w_at;
  // verilator lint_on UNUSEDSIGNAL
  assign valid_at[1:0] = valid_in;
  assign last_at[1:0] = last_in;
  for (genvar i = 0; i < 2; i++) begin : g_edge
    logic signed [4:0] x, w;
    logic [2:0] x_exponent, w_exponent;
    adaptive_decoder #(
        .OLIVE(OLIVE)
    ) decode_x (
        .part(x_part[2*i+:2]),
        .kind(x_kind[2*i+:2]),
        .code(x_code[4*i+:4]),
        .partner(x_partner[4*i+:4]),
        .integer_part(x),
        .exponent(x_exponent)
    );
    adaptive_decoder #(
        .OLIVE(OLIVE)
    ) decode_w (
        .part(w_part[2*i+:2]),
        .kind(w_kind[2*i+:2]),
        .code(w_code[4*i+:4]),
        .partner(w_partner[4*i+:4]),
        .integer_part(w),
        .exponent(w_exponent)
    );
    assign x_at[8*i+:8] = {x_exponent, x};
    assign w_at[8*i+:8] = {w_exponent, w};
  end
  for (genvar r = 0; r < 2; r++) begin : g_row
    for (genvar c = 0; c < 2; c++) begin : g_pe
      adaptive_pe pe (
          .clk(clk),
          .reset(reset),
          .valid_in(valid_at[2*c+r]),
          .last_in(last_at[2*c+r]),
          .x_in(x_at[8*(2*c+r)+:8]),
          .w_in(w_at[8*(2*r+c)+:8]),
          .valid_out(valid_at[2*c+2+r]),
          .last_out(last_at[2*c+2+r]),
          .x_out(x_at[8*(2*c+2+r)+:8]),
          .w_out(w_at[8*(2*r+2+c)+:8]),
          .done(done[2*r+c]),
          .sum(sum[32*(2*r+c)+:32])
      );
    end
  end

  // The totals follow the diagonals: PE (0, 0), then (0, 1) and (1, 0), then (1, 1).
  logic [1:0] fuse_0, fuse_1, fuse_2;
  logic valid_1, valid_2, valid_3;
  logic [31:0] corner, pair, held, second;
  always_ff @(posedge clk) begin
    if (valid_in[0]) fuse_0 <= fuse;
    valid_1 <= done[0] && fuse_0 != 2'd0 && !reset;
    valid_2 <= valid_1 && !reset;
    if (done[0]) begin
      corner <= sum[31:0];
      fuse_1 <= fuse_0;
    end
    if (valid_1) begin
      fuse_2 <= fuse_1;
      pair <= corner + (fuse_1[1] ? sum[63:32] : 32'd0) + (fuse_1[0] ? sum[95:64] : 32'd0);
      held <= fuse_1[1] ? sum[95:64] : sum[63:32];
    end
    valid_3 <= valid_2 && !reset;
    if (valid_2) second <= (fuse_2 == 2'd3 ? pair : held) + sum[127:96];
  end
  assign total_valid = {valid_3, valid_2 && fuse_2 != 2'd3};
  assign total = {second, pair};
endmodule

`default_nettype wire
