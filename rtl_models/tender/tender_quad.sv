// SPDX-License-Identifier: Apache-2.0
// Four PEs of Tender, alone or fused to one PE of 8 by 8 bits. Row 1 and column 1 enter a cycle after row 0 and column 0; bit 0 of
// the control belongs to row 0, bit 1 to row 1, and so does `fuse`, which holds for a run.
//
//   fuse 0  w4a4: four PEs; each `done` with its `sum`, place 2 * row + column
//   fuse 1  w8a8: row 0 and column 0 hold the high nibbles, row 1 and column 1 the low ones; the shifts between groups double
//           all four sums alike. `total` is registered three cycles after the first PE's sum
`default_nettype none

module tender_quad #(
    parameter int SUM = 32,
    parameter int TOTAL = 38
) (
    input  wire logic                     clk,
    input  wire logic                     reset,
    input  wire logic [1:0]               valid_in,
    input  wire logic [1:0]               last_in,
    input  wire logic [1:0]               rescale_in,
    input  wire logic [1:0]               fuse,
    input  wire logic [7:0]               x_in,    // of two rows, row 0 in the low bits
    input  wire logic [7:0]               w_in,    // of two columns
    output logic [3:0]                    done,
    output logic [4*SUM-1:0]              sum,
    output logic                          total_valid,
    output logic signed [TOTAL-1:0]       total
);
  // What leaves the quad goes nowhere here.
  // verilator lint_off UNUSEDSIGNAL
  logic [5:0] valid_at, last_at, rescale_at;
  logic [29:0] x_at, w_at;
  // verilator lint_on UNUSEDSIGNAL
  assign valid_at[1:0] = valid_in;
  assign last_at[1:0] = last_in;
  assign rescale_at[1:0] = rescale_in;
  assign x_at[9:0] = {x_in[7] & !fuse[1], x_in[7:4], x_in[3], x_in[3:0]};
  assign w_at[9:0] = {w_in[7] & !fuse[1], w_in[7:4], w_in[3], w_in[3:0]};
  for (genvar r = 0; r < 2; r++) begin : g_row
    for (genvar c = 0; c < 2; c++) begin : g_pe
      tender_pe #(
          .SUM(SUM)
      ) pe (
          .clk(clk),
          .reset(reset),
          .valid_in(valid_at[2*c+r]),
          .last_in(last_at[2*c+r]),
          .rescale_in(rescale_at[2*c+r]),
          .x_in(x_at[5*(2*c+r)+:5]),
          .w_in(w_at[5*(2*r+c)+:5]),
          .valid_out(valid_at[2*c+2+r]),
          .last_out(last_at[2*c+2+r]),
          .rescale_out(rescale_at[2*c+2+r]),
          .x_out(x_at[5*(2*c+2+r)+:5]),
          .w_out(w_at[5*(2*r+2+c)+:5]),
          .done(done[2*r+c]),
          .sum(sum[SUM*(2*r+c)+:SUM])
      );
    end
  end

  // The total follows the diagonals: PE (0, 0), then (0, 1) and (1, 0), then (1, 1).
  logic fused, valid_1, valid_2;
  logic signed [SUM-1:0] corner, low;
  logic signed [SUM:0] middle;
  logic signed [TOTAL-1:0] pair;
  assign middle = (SUM + 1)'($signed(sum[SUM+:SUM])) + (SUM + 1)'($signed(sum[2*SUM+:SUM]));
  assign low = $signed(sum[3*SUM+:SUM]);
  always_ff @(posedge clk) begin
    if (valid_in[0]) fused <= fuse[0];
    valid_1 <= done[0] && fused && !reset;
    valid_2 <= valid_1 && !reset;
    total_valid <= valid_2 && !reset;
    if (done[0]) corner <= $signed(sum[SUM-1:0]);
    if (valid_1) pair <= (TOTAL'(corner) <<< 8) + (TOTAL'(middle) <<< 4);
    if (valid_2) total <= pair + TOTAL'(low);
  end
endmodule

`default_nettype wire
