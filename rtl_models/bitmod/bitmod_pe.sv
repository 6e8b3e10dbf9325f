// SPDX-License-Identifier: Apache-2.0
// BitMoD's bit-serial PE (docs/datapaths.md, "BitMoD"): four binary16 activations meet one term +/- 2^e each. Twin of bitmod_step and
// bitmod_foot in pe/bitmod_pe.h. Output stationary; activations go right, terms go down, through one register each. A step every
// cycle, latency 3; a foot of its own, latency 9, that takes a group in every eighth cycle:
//
//   1  the activations' exponents plus the terms', and their maximum V
//   2  significands with three bits more, shifted right to V, cut off and added: D, 17 bits
//   3  sum = f32(sum + D * 2^(V - 28 + significance))
//   foot  seven cycles of three bits of the scale each, most significant first: sum * u, 45 bits, exact; one cycle to round it;
//         acc = f32(acc + ...)
//
// A lane without a term (`term` = 0) takes part in V. Where a step has fewer than four lanes the others have activation 0 and no
// term. `group_last` ends a group; its scale is read late: `scale` and `output_last` belong to the sum whose presence `scale_take`
// tells in the same cycle, eight cycles or more after the one before. The scale is a binary32 number, finite and not subnormal,
// with 19 significant bits at most (a binary16 times an integer of eight bits), given without its five last places. What follows an
// end starts at +0.
`default_nettype none

module bitmod_pe (
    input  wire logic         clk,
    input  wire logic         reset,
    input  wire logic         valid_in,
    input  wire logic [63:0]  activation_in,    // four of 16 bits, the first in the low bits
    input  wire logic [3:0]   term_in,
    input  wire logic [3:0]   negative_in,
    input  wire logic [11:0]  exponent_in,      // of the terms, four of 3 bits
    input  wire logic [2:0]   significance_in,
    input  wire logic         group_last_in,
    output logic              valid_out,
    output logic [63:0]       activation_out,
    output logic [3:0]        term_out,
    output logic [3:0]        negative_out,
    output logic [11:0]       exponent_out,
    output logic [2:0]        significance_out,
    output logic              group_last_out,
    output logic              sum_valid,
    output logic [31:0]       sum,
    output logic              scale_take,
    input  wire logic [26:0]  scale,
    input  wire logic         output_last,
    output logic              result_valid,
    output logic [31:0]       result
);
  // Stage 1; its registers are what the neighbours get.
  logic [5:0] largest, largest_1, lane_exponent;
  always_comb begin
    largest = '0;
    for (int i = 0; i < 4; i++) begin
      lane_exponent = (activation_in[16*i+10+:5] == '0 ? 6'd1 : 6'(activation_in[16*i+10+:5])) + 6'(exponent_in[3*i+:3]);
      if (lane_exponent > largest) largest = lane_exponent;
    end
  end
  always_ff @(posedge clk) begin
    valid_out <= valid_in && !reset;
    if (valid_in) begin
      activation_out <= activation_in;
      term_out <= term_in;
      negative_out <= negative_in;
      exponent_out <= exponent_in;
      significance_out <= significance_in;
      group_last_out <= group_last_in;
      largest_1 <= largest;
    end
  end

  // Stage 2
  logic valid_2, group_last_2;
  logic signed [16:0] total, total_2;
  logic [5:0] exponent_1, distance;
  logic [6:0] exponent_2;
  logic [13:0] aligned;
  always_comb begin
    total = '0;
    for (int i = 0; i < 4; i++) begin
      exponent_1 = (activation_out[16*i+10+:5] == '0 ? 6'd1 : 6'(activation_out[16*i+10+:5])) + 6'(exponent_out[3*i+:3]);
      distance = largest_1 - exponent_1;
      aligned = {activation_out[16*i+10+:5] != '0, activation_out[16*i+:10], 3'b000} >> distance;
      if (!term_out[i]) aligned = '0;
      total = activation_out[16*i+15] ^ negative_out[i] ? total - 17'(aligned) : total + 17'(aligned);
    end
  end
  always_ff @(posedge clk) begin
    valid_2 <= valid_out && !reset;
    if (valid_out) begin
      total_2 <= total;
      exponent_2 <= 7'(largest_1) + 7'(significance_out);
      group_last_2 <= group_last_out;
    end
  end

  // Stage 3
  logic fresh, group_last_3;
  logic [31:0] value, next;
  fp_round #(
      .SIGNIFICAND(17),
      .EXPONENT(10)
  ) convert (
      .sign(total_2[16]),
      .exponent(10'(exponent_2) - 10'sd28),
      .significand(total_2[16] ? 17'(-total_2) : 17'(total_2)),
      .sticky(1'b0),
      .value(value)
  );
  fp_add add_step (
      .a(fresh ? 32'b0 : sum),
      .b(value),
      .sum(next)
  );
  always_ff @(posedge clk) begin
    sum_valid <= valid_2 && !reset;
    if (reset) fresh <= 1'b1;
    else if (valid_2) fresh <= group_last_2;
    if (valid_2) begin
      sum <= next;
      group_last_3 <= group_last_2;
    end
  end
  assign scale_take = sum_valid && group_last_3;

  // Foot: a digit of the scale in the cycle in which it is taken, six more, then rounding.
  logic [2:0] left;
  logic busy, rounding, accumulating, sign, ends, ends_rounded, output_fresh;
  logic [23:0] multiplicand;
  logic [17:0] digits;
  logic [44:0] product, product_next;
  logic signed [9:0] exponent, exponent_now;
  logic [20:0] digits_now;
  logic [31:0] rounded, rounded_value, result_next;
  always_comb begin
    digits_now = {2'b00, scale[25:18] != '0, scale[17:0]};
    exponent_now = 10'(sum[30:23]) + 10'(scale[25:18]) - 10'sd295;    // 2 * 127 + 23 + 18
    product_next = scale_take ? 45'({sum[30:23] != '0, sum[22:0]}) * 45'(digits_now[20:18])
                              : (product << 3) + 45'(multiplicand) * 45'(digits[17:15]);
  end
  fp_round #(
      .SIGNIFICAND(45),
      .EXPONENT(10)
  ) round (
      .sign(sign),
      .exponent(exponent),
      .significand(product),
      .sticky(1'b0),
      .value(rounded)
  );
  fp_add add_group (
      .a(output_fresh ? 32'b0 : result),
      .b(rounded_value),
      .sum(result_next)
  );
  always_ff @(posedge clk) begin
    if (reset) busy <= 1'b0;
    else if (scale_take) busy <= 1'b1;
    else if (left == 3'd1) busy <= 1'b0;
    rounding <= busy && left == 3'd1 && !scale_take && !reset;
    accumulating <= rounding && !reset;
    result_valid <= accumulating && ends_rounded && !reset;
    if (scale_take) begin
      left <= 3'd6;
      multiplicand <= {sum[30:23] != '0, sum[22:0]};
      digits <= digits_now[17:0];
      sign <= sum[31] ^ scale[26];
      exponent <= exponent_now;
      ends <= output_last;
    end else if (busy) begin
      left <= left - 3'd1;
      digits <= digits << 3;
    end
    if (scale_take || busy) product <= product_next;
    if (rounding) begin
      rounded_value <= rounded;
      ends_rounded <= ends;
    end
    if (reset) output_fresh <= 1'b1;
    else if (accumulating) output_fresh <= ends_rounded;
    if (accumulating) result <= result_next;
  end
endmodule

`default_nettype wire
