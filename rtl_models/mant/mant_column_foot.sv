// SPDX-License-Identifier: Apache-2.0
// The scaling unit at the foot of a column of M-ANT PEs (docs/datapaths.md, "MANT decode-fused MAC"). Twin of
// mant_group_sum and mant_foot in pe/mant_pe.h. Four stages, a new sum every cycle, no stall:
//
//   1  G = a*P1 + P2, 26 bits (INT4 groups: P1; w8a8: 16*P2 + P1), plus what earlier passes of the same group left
//   2  t = sx * sw, exact: 22 bits and an exponent
//   3  v = f32(G * t)
//   4  acc = f32(acc + v)
//
// Stage 1 ends a pass whose group goes on (`last` = 0): its G leaves at `group_sum` one cycle after it entered and comes
// back as `group_sum_in` with the next pass. The accumulator is read late: `accumulator_in` belongs to the sum in stage 4,
// whose presence `accumulate` tells in the same cycle; the result is registered at the end of that cycle.
// Scales are finite binary16 numbers; `group_type` is the stored type byte: a (0..127), or 0xFF for INT4.
`default_nettype none

module mant_column_foot (
    input  wire logic               clk,
    input  wire logic               reset,
    input  wire logic               valid_in,
    input  wire logic               last_in,
    input  wire logic               wide_in,
    input  wire logic signed [17:0] p1_in,
    input  wire logic signed [21:0] p2_in,
    input  wire logic signed [25:0] group_sum_in,
    input  wire logic [7:0]         group_type,
    input  wire logic [15:0]        activation_scale,
    input  wire logic [15:0]        weight_scale,
    output logic                    group_sum_valid,
    output logic signed [25:0]      group_sum,
    output logic                    accumulate,
    input  wire logic [31:0]        accumulator_in,
    output logic                    valid_out,
    output logic [31:0]             accumulator_out
);
  // Stage 1
  logic signed [25:0] combined;
  logic signed [25:0] scaled_p1;
  logic valid_1, last_1;
  logic [15:0] activation_scale_1, weight_scale_1;
  always_comb begin
    scaled_p1 = 26'(p1_in) * $signed({19'b0, group_type[6:0]});
    if (wide_in) combined = (26'(p2_in) <<< 4) + 26'(p1_in);
    else if (group_type[7]) combined = 26'(p1_in);
    else combined = scaled_p1 + 26'(p2_in);
  end
  always_ff @(posedge clk) begin
    if (reset) valid_1 <= 1'b0;
    else valid_1 <= valid_in;
    if (valid_in) begin
      last_1 <= last_in;
      group_sum <= group_sum_in + combined;
      activation_scale_1 <= activation_scale;
      weight_scale_1 <= weight_scale;
    end
  end
  assign group_sum_valid = valid_1 && !last_1;

  // Stage 2: significands with their hidden bits; the exponent counts from the last place, 2^-24 each for field 1.
  logic valid_2, negative_2;
  logic [24:0] magnitude_2;
  logic [21:0] scale_2;
  logic signed [9:0] exponent_2;
  logic [4:0] activation_field, weight_field;
  logic [10:0] activation_significand, weight_significand;
  always_comb begin
    activation_significand = {activation_scale_1[14:10] != '0, activation_scale_1[9:0]};
    weight_significand = {weight_scale_1[14:10] != '0, weight_scale_1[9:0]};
    activation_field = activation_scale_1[14:10] == '0 ? 5'd1 : activation_scale_1[14:10];
    weight_field = weight_scale_1[14:10] == '0 ? 5'd1 : weight_scale_1[14:10];
  end
  always_ff @(posedge clk) begin
    if (reset) valid_2 <= 1'b0;
    else valid_2 <= valid_1 && last_1;
    if (valid_1) begin
      negative_2 <= group_sum[25] ^ activation_scale_1[15] ^ weight_scale_1[15];
      magnitude_2 <= group_sum[25] ? 25'(-group_sum) : 25'(group_sum);
      scale_2 <= 22'(activation_significand) * 22'(weight_significand);
      exponent_2 <= 10'(activation_field) + 10'(weight_field) - 10'sd50;
    end
  end

  // Stage 3
  logic valid_3;
  logic [31:0] product, value_3;
  fp_round #(
      .SIGNIFICAND(47),
      .EXPONENT(10)
  ) round (
      .sign(negative_2),
      .exponent(exponent_2),
      .significand(47'(magnitude_2) * 47'(scale_2)),
      .sticky(1'b0),
      .value(product)
  );
  always_ff @(posedge clk) begin
    if (reset) valid_3 <= 1'b0;
    else valid_3 <= valid_2;
    if (valid_2) value_3 <= product;
  end

  // Stage 4
  logic [31:0] sum;
  assign accumulate = valid_3;
  fp_add add (
      .a(accumulator_in),
      .b(value_3),
      .sum(sum)
  );
  always_ff @(posedge clk) begin
    if (reset) valid_out <= 1'b0;
    else valid_out <= valid_3;
    if (valid_3) accumulator_out <= sum;
  end
endmodule

`default_nettype wire
