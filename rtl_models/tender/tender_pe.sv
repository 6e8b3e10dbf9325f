// SPDX-License-Identifier: Apache-2.0
// One output-stationary PE of Tender (docs/datapaths.md, "Tender"): 4 by 4 bits, and an accumulator that shifts left by one between
// two groups of columns. Twin of tender_step and tender_rescale in pe/tender_pe.h. Operands are nibbles with a sign bit in front,
// so that the low nibbles of 8-bit numbers, 0..15, pass as well. Activations with their control go right, weights go down, through
// one register each; latency 1, a step every cycle. A step with `rescale_in` has no operands: it doubles the sum. `last_in` ends a
// run: one cycle later `done` shows that `sum` is the run's, and the next step starts a new one.
//
// SUM: 32 bits, as published, hold 32768 products of nibbles in 8 groups: |sum| <= 32768 * 225 * 128, which 31 bits hold.
`default_nettype none

module tender_pe #(
    parameter int SUM = 32
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic                  valid_in,
    input  wire logic                  last_in,
    input  wire logic                  rescale_in,
    input  wire logic signed [4:0]     x_in,
    input  wire logic signed [4:0]     w_in,
    output logic                       valid_out,
    output logic                       last_out,
    output logic                       rescale_out,
    output logic signed [4:0]          x_out,
    output logic signed [4:0]          w_out,
    output logic                       done,
    output logic signed [SUM-1:0]      sum
);
  logic fresh;
  logic signed [9:0] product;
  logic signed [SUM-1:0] kept, addend;
  always_comb begin
    product = 10'(x_in) * 10'(w_in);
    kept = fresh ? '0 : sum;
    addend = rescale_in ? kept : SUM'(product);
  end
  always_ff @(posedge clk) begin
    done <= valid_in && last_in && !reset;
    valid_out <= valid_in && !reset;
    if (reset) fresh <= 1'b1;
    else if (valid_in) fresh <= last_in;
    if (valid_in) begin
      last_out <= last_in;
      rescale_out <= rescale_in;
      if (!rescale_in) begin
        x_out <= x_in;
        w_out <= w_in;
      end
      sum <= kept + addend;
    end
  end
endmodule

`default_nettype wire
