// SPDX-License-Identifier: Apache-2.0
// A fusion unit of BitFusion's weight-stationary array (docs/datapaths.md, "BitFusion"): sixteen bricks that multiply digits of two
// bits, and two levels of shifts and sums that compose them. Twin of bitfusion_product and bitfusion_step in pe/bitfusion_pe.h.
//
// `a_width_in`, `w_width_in`: 0, 1, 2 for integers of 2, 4, 8 bits. A step has as many products as the sixteen bricks make: 1 of
// 8 by 8 bits, 2 of 8 by 4, 4 of 4 by 4 or 8 by 2, 8 of 4 by 2, 16 of 2 by 2. Product p takes the bits from p * width on of both
// operands; the rest of them is not looked at. Sums of 31 bits.
//
// Activations with their control go right, sums go down, both through one register: latency 1, a step every cycle. Without
// `valid_in` the sums keep their value. Weights move down the shadow registers until they meet their row; `first_in` makes
// them the active ones, for this step already.
`default_nettype none

module bitfusion_pe #(
    parameter int ROW = 0,
    parameter int ROW_BITS = 5,
    parameter int SUM = 31
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic                  valid_in,
    input  wire logic                  first_in,
    input  wire logic [1:0]            a_width_in,
    input  wire logic [1:0]            w_width_in,
    input  wire logic [31:0]           x_in,
    output logic                       valid_out,
    output logic                       first_out,
    output logic [1:0]                 a_width_out,
    output logic [1:0]                 w_width_out,
    output logic [31:0]                x_out,
    input  wire logic signed [SUM-1:0] sum_in,
    output logic signed [SUM-1:0]      sum_out,
    input  wire logic                  weight_in,
    input  wire logic [ROW_BITS-1:0]   weight_row_in,
    input  wire logic [31:0]           weight_word_in,
    output logic                       weight_out,
    output logic [ROW_BITS-1:0]        weight_row_out,
    output logic [31:0]                weight_word_out
);
  // The shadow register is the stage of the weights' way down.
  logic [31:0] active, w;
  assign w = first_in ? weight_word_out : active;
  always_ff @(posedge clk) begin
    weight_out <= weight_in && weight_row_in != ROW_BITS'(ROW) && !reset;
    if (weight_in) begin
      weight_row_out <= weight_row_in;
      weight_word_out <= weight_word_in;
    end
    if (valid_in) active <= w;
  end

  // Of four quads in the unit (U, fused where a width is 8) and four bricks in each quad (Q, fused from 4 bits on) each one takes a
  // half of the activation, of the weight, and one of the products. All of it is known for a mode: a brick chooses among nine.
  logic [6*16-1:0] brick;
  logic [3:0] mode;
  assign mode = {a_width_in, w_width_in};
  for (genvar b = 0; b < 16; b++) begin : g_brick
    localparam int U = b / 4, Q = b % 4;
    logic [16*3-1:0] x_digits, w_digits;    // by mode
    logic [2:0] x_digit, w_digit;
    for (genvar a = 0; a < 4; a++) begin : g_a
      for (genvar v = 0; v < 4; v++) begin : g_w
        localparam int AT = 3 * (4 * a + v);
        if (a == 3 || v == 3) begin : g_none
          assign x_digits[AT+:3] = 3'b0;
          assign w_digits[AT+:3] = 3'b0;
        end else begin : g_mode
          localparam int GROUP = a == 2 && v == 2 ? 0 : a == 2 ? U % 2 : v == 2 ? U / 2 : U;
          localparam int EACH = a > 0 && v > 0 ? 1 : a > 0 || v > 0 ? 2 : 4;
          localparam int PRODUCT = GROUP * EACH + (a > 0 && v > 0 ? 0 : a > 0 ? Q % 2 : v > 0 ? Q / 2 : Q);
          localparam int X_PLACE = (a == 2 ? 2 * (U / 2) : 0) + (a > 0 ? Q / 2 : 0);
          localparam int W_PLACE = (v == 2 ? 2 * (U % 2) : 0) + (v > 0 ? Q % 2 : 0);
          localparam int X_AT = 2 * (PRODUCT * (1 << a) + X_PLACE), W_AT = 2 * (PRODUCT * (1 << v) + W_PLACE);
          // The highest digit has a sign.
          assign x_digits[AT+:3] = {X_PLACE == (1 << a) - 1 && x_in[X_AT+1], x_in[X_AT+:2]};
          assign w_digits[AT+:3] = {W_PLACE == (1 << v) - 1 && w[W_AT+1], w[W_AT+:2]};
        end
      end
    end
    assign x_digit = x_digits[3*mode+:3];
    assign w_digit = w_digits[3*mode+:3];
    assign brick[6*b+:6] = 6'($signed(x_digit)) * 6'($signed(w_digit));
  end

  // Composed: by two places in a quad, by four between the quads.
  logic x_quad, w_quad, x_unit, w_unit;
  logic [4*11-1:0] quad;
  logic signed [18:0] products;
  assign x_quad = a_width_in != 2'd0;
  assign w_quad = w_width_in != 2'd0;
  assign x_unit = a_width_in == 2'd2;
  assign w_unit = w_width_in == 2'd2;
  for (genvar g = 0; g < 4; g++) begin : g_quad
    logic signed [10:0] b0, b1, b2, b3;
    assign b0 = 11'($signed(brick[24*g+:6]));
    assign b1 = 11'($signed(brick[24*g+6+:6]));
    assign b2 = 11'($signed(brick[24*g+12+:6]));
    assign b3 = 11'($signed(brick[24*g+18+:6]));
    assign quad[11*g+:11] = b0 + (w_quad ? b1 <<< 2 : b1) + (x_quad ? b2 <<< 2 : b2)
                          + (x_quad && w_quad ? b3 <<< 4 : x_quad || w_quad ? b3 <<< 2 : b3);
  end
  logic signed [18:0] q0, q1, q2, q3;
  assign q0 = 19'($signed(quad[10:0]));
  assign q1 = 19'($signed(quad[21:11]));
  assign q2 = 19'($signed(quad[32:22]));
  assign q3 = 19'($signed(quad[43:33]));
  assign products = q0 + (w_unit ? q1 <<< 4 : q1) + (x_unit ? q2 <<< 4 : q2)
                  + (x_unit && w_unit ? q3 <<< 8 : x_unit || w_unit ? q3 <<< 4 : q3);

  always_ff @(posedge clk) begin
    valid_out <= valid_in && !reset;
    if (valid_in) begin
      first_out <= first_in;
      a_width_out <= a_width_in;
      w_width_out <= w_width_in;
      x_out <= x_in;
      sum_out <= sum_in + SUM'(products);
    end
  end
endmodule

`default_nettype wire
