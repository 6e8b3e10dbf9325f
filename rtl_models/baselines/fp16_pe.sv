// SPDX-License-Identifier: Apache-2.0
// The baseline fp16 (docs/datapaths.md, "Baselines"): acc = f32(acc + a * w), output stationary; the product of two binary16
// numbers is exact in binary32, so one rounding remains. Twin of fp16_step in pe/fp16_pe.h. Activations with their control go
// right, weights go down, through one register each; latency 1, an operand every cycle. `last_in` ends an output: one cycle
// later `done` shows that `accumulator` is the output's, and the next operand starts at +0.
`default_nettype none

module fp16_pe (
    input  wire logic         clk,
    input  wire logic         reset,
    input  wire logic         valid_in,
    input  wire logic         last_in,
    input  wire logic [15:0]  x_in,
    input  wire logic [15:0]  w_in,
    output logic              valid_out,
    output logic              last_out,
    output logic [15:0]       x_out,
    output logic [15:0]       w_out,
    output logic              done,
    output logic [31:0]       accumulator
);
  logic fresh;
  logic [31:0] product, next;
  fp_mul multiply (
      .a(x_in),
      .b(w_in),
      .scale(1'b0),
      .product(product)
  );
  fp_add add (
      .a(fresh ? 32'b0 : accumulator),
      .b(product),
      .sum(next)
  );
  always_ff @(posedge clk) begin
    done <= valid_in && last_in && !reset;
    valid_out <= valid_in && !reset;
    if (reset) fresh <= 1'b1;
    else if (valid_in) fresh <= last_in;
    if (valid_in) begin
      last_out <= last_in;
      x_out <= x_in;
      w_out <= w_in;
      accumulator <= next;
    end
  end
endmodule

`default_nettype wire
