// SPDX-License-Identifier: Apache-2.0
// A FIGNA-like column of one PE: aligned activation, integer PE (integer_pe.sv with 15 by W bits), foot. A product every cycle;
// the sum of a group is registered one cycle after its last operands (`done`), the result three later. `largest` holds for a
// whole group; `group_last` ends it, and then `scale_last`, `weight_scale` and `output_last` count (aligned_foot.sv).
`default_nettype none

module aligned_unit #(
    parameter int BITS = 14,
    parameter int W = 8,
    parameter int SUM = 29
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic                  valid_in,
    input  wire logic [15:0]           value,
    input  wire logic [4:0]            largest,
    input  wire logic signed [W-1:0]   w_in,
    input  wire logic                  group_last,
    input  wire logic                  scale_last,
    input  wire logic [15:0]           weight_scale,
    input  wire logic                  output_last,
    output logic                       done,
    output logic signed [SUM-1:0]      sum,
    output logic                       result_valid,
    output logic [31:0]                result
);
  logic signed [BITS:0] x;
  aligned_element #(
      .BITS(BITS)
  ) align (
      .value(value),
      .largest(largest),
      .aligned(x)
  );
  // A PE alone: what it would hand on goes nowhere.
  // verilator lint_off UNUSEDSIGNAL
  logic valid_out, last_out;
  logic signed [BITS:0] x_out;
  logic signed [W-1:0] w_out;
  // verilator lint_on UNUSEDSIGNAL
  integer_pe #(
      .BITS(BITS + 1),
      .W_BITS(W),
      .SUM(SUM)
  ) pe (
      .clk(clk),
      .reset(reset),
      .valid_in(valid_in),
      .last_in(group_last),
      .x_in(x),
      .w_in(w_in),
      .valid_out(valid_out),
      .last_out(last_out),
      .x_out(x_out),
      .w_out(w_out),
      .done(done),
      .sum(sum)
  );
  logic scale_last_1, output_last_1;
  logic [4:0] largest_1;
  logic [15:0] weight_scale_1;
  always_ff @(posedge clk) begin
    if (valid_in) begin
      largest_1 <= largest;
      scale_last_1 <= scale_last;
      weight_scale_1 <= weight_scale;
      output_last_1 <= output_last;
    end
  end
  aligned_foot #(
      .BITS(BITS),
      .SUM(SUM)
  ) foot (
      .clk(clk),
      .reset(reset),
      .valid_in(done),
      .sum(sum),
      .largest(largest_1),
      .scale_last(scale_last_1),
      .weight_scale(weight_scale_1),
      .output_last(output_last_1),
      .result_valid(result_valid),
      .result(result)
  );
endmodule

`default_nettype wire
