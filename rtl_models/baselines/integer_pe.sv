// SPDX-License-Identifier: Apache-2.0
// An output-stationary PE of integers, the baselines int8 and int4 (docs/datapaths.md, "Baselines", "Integer baselines"). Twin
// of int8_step and int4_step. Activations with their control go right, weights go down, through one register each; latency 1,
// an operand every cycle. `last_in` ends a run: one cycle later `done` shows that `sum` is the run's, and the next operand
// starts a new one. BITS (of w: W_BITS), SUM: 8, 32 hold 131071 elements of int8; 4, 23 hold 32768 of int4.
`default_nettype none

module integer_pe #(
    parameter int BITS = 8,
    parameter int W_BITS = BITS,
    parameter int SUM = 32
) (
    input  wire logic                    clk,
    input  wire logic                    reset,
    input  wire logic                    valid_in,
    input  wire logic                    last_in,
    input  wire logic signed [BITS-1:0]  x_in,
    input  wire logic signed [W_BITS-1:0] w_in,
    output logic                         valid_out,
    output logic                         last_out,
    output logic signed [BITS-1:0]       x_out,
    output logic signed [W_BITS-1:0]     w_out,
    output logic                         done,
    output logic signed [SUM-1:0]        sum
);
  logic fresh;
  logic signed [BITS+W_BITS-1:0] product;
  assign product = (BITS + W_BITS)'(x_in) * (BITS + W_BITS)'(w_in);
  always_ff @(posedge clk) begin
    done <= valid_in && last_in && !reset;
    valid_out <= valid_in && !reset;
    if (reset) fresh <= 1'b1;
    else if (valid_in) fresh <= last_in;
    if (valid_in) begin
      last_out <= last_in;
      x_out <= x_in;
      w_out <= w_in;
      sum <= (fresh ? '0 : sum) + SUM'(product);
    end
  end
endmodule

`default_nettype wire
