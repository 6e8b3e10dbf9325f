// SPDX-License-Identifier: Apache-2.0
// One PE of the M-ANT array (docs/datapaths.md, "MANT decode-fused MAC"): a multiply lane and a shift lane, weights double
// buffered. Twin of mant_step in pe/mant_pe.h and of one Pe of accelerators/stationary_array_cycle.h.
//
//   w4a8 (wide = 0): weight = sign, i;  p1 += (+/-) x*i,  p2 += (+/-) (x << i); the shift lane stands still for INT4 groups
//   w8a8 (wide = 1): two PEs, one above the other, hold the halves of an INT8 weight and see the same x. The PE in an even
//     row holds the signed high nibble and adds x*nibble to p2, the one below the unsigned low nibble and adds to p1; the
//     foot counts p2 sixteen times. So the 18 and 22 bits of w4a8 hold 32 weights of w8a8 as well. The shifter stands still.
//
// Activations with their control go right, sums go down, both through one register: latency 1, a new operand every cycle.
// Without `valid_in` the sums keep their value. A weight moves down the shadow registers until it meets its row;
// `first_in` makes the shadow weight the active one, for this operand already.
`default_nettype none

module mant_pe #(
    parameter int ROW = 0,
    parameter int ROW_BITS = 6
) (
    input  wire logic                clk,
    input  wire logic                reset,
    // activations and their control, from the left, to the right
    input  wire logic                valid_in,
    input  wire logic                first_in,
    input  wire logic                wide_in,
    input  wire logic signed [7:0]   x_in,
    output logic                     valid_out,
    output logic                     first_out,
    output logic                     wide_out,
    output logic signed [7:0]        x_out,
    // partial sums, from above, to below
    input  wire logic signed [17:0]  p1_in,
    input  wire logic signed [21:0]  p2_in,
    output logic signed [17:0]       p1_out,
    output logic signed [21:0]       p2_out,
    // weights of the next pass, from above, to below
    input  wire logic                weight_in,
    input  wire logic [ROW_BITS-1:0] weight_row_in,
    input  wire logic [3:0]          weight_code_in,
    input  wire logic                weight_int4_in,
    output logic                     weight_out,
    output logic [ROW_BITS-1:0]      weight_row_out,
    output logic [3:0]               weight_code_out,
    output logic                     weight_int4_out
);
  localparam bit HIGH = ROW % 2 == 0;

  // The shadow register is the stage of the weights' way down.
  always_ff @(posedge clk) begin
    if (reset) begin
      weight_out <= 1'b0;
      weight_row_out <= '0;
      weight_code_out <= '0;
      weight_int4_out <= 1'b0;
    end else begin
      weight_out <= weight_in && weight_row_in != ROW_BITS'(ROW);
      if (weight_in) begin
        weight_row_out <= weight_row_in;
        weight_code_out <= weight_code_in;
        weight_int4_out <= weight_int4_in;
      end
    end
  end

  logic [3:0] active_code, code;
  logic active_int4, int4;
  assign code = first_in ? weight_code_out : active_code;
  assign int4 = first_in ? weight_int4_out : active_int4;
  always_ff @(posedge clk) begin
    if (reset) begin
      active_code <= '0;
      active_int4 <= 1'b0;
    end else if (valid_in) begin
      active_code <= code;
      active_int4 <= int4;
    end
  end

  logic signed [4:0] factor;
  logic signed [12:0] product;
  logic signed [14:0] shifted;
  logic signed [17:0] p1_addend;
  logic signed [21:0] p2_addend;
  always_comb begin
    if (wide_in) factor = HIGH ? $signed({code[3], code}) : $signed({1'b0, code});
    else factor = code[3] ? -$signed({2'b00, code[2:0]}) : $signed({2'b00, code[2:0]});
    product = 13'(x_in) * 13'(factor);
    shifted = 15'(x_in) <<< code[2:0];
    p1_addend = wide_in && HIGH ? '0 : 18'(product);
    if (wide_in) p2_addend = HIGH ? 22'(product) : '0;
    else if (int4) p2_addend = '0;
    else p2_addend = code[3] ? -(22'(shifted)) : 22'(shifted);
  end

  always_ff @(posedge clk) begin
    if (reset) begin
      valid_out <= 1'b0;
      first_out <= 1'b0;
      wide_out <= 1'b0;
      x_out <= '0;
      p1_out <= '0;
      p2_out <= '0;
    end else begin
      valid_out <= valid_in;
      if (valid_in) begin
        first_out <= first_in;
        wide_out <= wide_in;
        x_out <= x_in;
        p1_out <= p1_in + p1_addend;
        p2_out <= p2_in + p2_addend;
      end
    end
  end
endmodule

`default_nettype wire
