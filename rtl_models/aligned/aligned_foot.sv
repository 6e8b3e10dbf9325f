// SPDX-License-Identifier: Apache-2.0
// The foot of the FIGNA-like PE. Twin of aligned_inner and aligned_foot in pe/fp_int_aligned_pe.h. Three stages, a sum every
// cycle:
//
//   1  the group's sum as binary32: f32(sum * 2^(E - 25 - (BITS - 11)))
//   2  inner = f32(inner + ...)
//   3  acc = f32(acc + f32(inner * sw)) at the end of a scale group
//
// `scale_last` ends a scale group, whose scale is `weight_scale` (a finite binary16), `output_last` with it hands out the
// accumulator. What follows an end starts at +0.
`default_nettype none

module aligned_foot #(
    parameter int BITS = 14,
    parameter int SUM = 29
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic                  valid_in,
    input  wire logic signed [SUM-1:0] sum,
    input  wire logic [4:0]            largest,
    input  wire logic                  scale_last,
    input  wire logic [15:0]           weight_scale,
    input  wire logic                  output_last,
    output logic                       result_valid,
    output logic [31:0]                result
);
  logic valid_1, scale_last_1, output_last_1;
  logic [15:0] weight_scale_1;
  logic [31:0] value, value_1;
  logic [SUM-1:0] magnitude;
  assign magnitude = sum[SUM-1] ? -sum : sum;
  fp_round #(
      .SIGNIFICAND(SUM),
      .EXPONENT(10)
  ) convert (
      .sign(sum[SUM-1]),
      .exponent(10'(largest) - 10'(25 + BITS - 11)),
      .significand(magnitude),
      .sticky(1'b0),
      .value(value)
  );
  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    if (valid_in) begin
      value_1 <= value;
      scale_last_1 <= scale_last;
      weight_scale_1 <= weight_scale;
      output_last_1 <= output_last;
    end
  end

  logic valid_2, inner_fresh, output_last_2;
  logic [15:0] weight_scale_2;
  logic [31:0] inner, inner_next;
  fp_add add_inner (
      .a(inner_fresh ? 32'b0 : inner),
      .b(value_1),
      .sum(inner_next)
  );
  always_ff @(posedge clk) begin
    valid_2 <= valid_1 && scale_last_1 && !reset;
    if (reset) inner_fresh <= 1'b1;
    else if (valid_1) inner_fresh <= scale_last_1;
    if (valid_1) begin
      inner <= inner_next;
      weight_scale_2 <= weight_scale_1;
      output_last_2 <= output_last_1;
    end
  end

  logic output_fresh;
  logic [31:0] scaled, accumulator_next;
  fp_mul #(
      .A_FIELD(8),
      .A_FRACTION(23),
      .EXPONENT(10)
  ) multiply (
      .a(inner),
      .b(weight_scale_2),
      .scale(1'b0),
      .product(scaled)
  );
  fp_add add (
      .a(output_fresh ? 32'b0 : result),
      .b(scaled),
      .sum(accumulator_next)
  );
  always_ff @(posedge clk) begin
    result_valid <= valid_2 && output_last_2 && !reset;
    if (reset) output_fresh <= 1'b1;
    else if (valid_2) output_fresh <= output_last_2;
    if (valid_2) result <= accumulator_next;
  end
endmodule

`default_nettype wire
