// SPDX-License-Identifier: Apache-2.0
// The PE of ANT and OliVe behind the decoders: integers are multiplied, exponents added, the shifted product accumulated. Twin of
// ant_step and olive_step in pe/. Output stationary; operands (exponent, integer: 8 bits) go right and down through one
// register each; latency 1, an operand every cycle. `last_in` ends a run as in integer_pe.sv.
`default_nettype none

module adaptive_pe (
    input  wire logic          clk,
    input  wire logic          reset,
    input  wire logic          valid_in,
    input  wire logic          last_in,
    input  wire logic [7:0]    x_in,
    input  wire logic [7:0]    w_in,
    output logic               valid_out,
    output logic               last_out,
    output logic [7:0]         x_out,
    output logic [7:0]         w_out,
    output logic               done,
    output logic signed [31:0] sum
);
  logic fresh;
  logic signed [4:0] x, w;
  logic signed [9:0] product;
  logic [3:0] shift;
  logic signed [31:0] addend;
  always_comb begin
    x = x_in[4:0];
    w = w_in[4:0];
    product = 10'(x) * 10'(w);
    shift = {1'b0, x_in[7:5]} + {1'b0, w_in[7:5]};
    addend = 32'(product) <<< shift;
  end
  always_ff @(posedge clk) begin
    done <= valid_in && last_in && !reset;
    valid_out <= valid_in && !reset;
    if (reset) fresh <= 1'b1;
    else if (valid_in) fresh <= last_in;
    if (valid_in) begin
      last_out <= last_in;
      x_out <= x_in;
      w_out <= w_in;
      sum <= (fresh ? '0 : sum) + addend;
    end
  end
endmodule

`default_nettype wire
