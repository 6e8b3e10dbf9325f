// SPDX-License-Identifier: Apache-2.0
// The scaling unit behind PEs that add up whole integers (docs/datapaths.md, "Integer baselines", "Tender"). Twin of
// integer_foot in pe/integer_foot.h and tender_foot in pe/tender_pe.h. Three stages, a new sum every cycle:
//
//   1  f32(sum), and t = f32(sx * sw), exact
//   2  v = f32(f32(sum) * t)
//   3  acc = f32(acc + v)
//
// The scales enter with the sum: finite binary16 numbers; SCALE_FIELD 8 and SUM 38 make it Tender's, whose scale of the
// activations is a binary16 number times 2^-(groups - 1), with a field of 8 bits and a fraction of 10. The accumulator is read late: `accumulator_in` belongs to the sum in stage
// 3, whose presence `accumulate` tells in the same cycle.
`default_nettype none

module integer_foot #(
    parameter int SUM = 32,
    parameter int SCALE_FIELD = 5
) (
    input  wire logic                    clk,
    input  wire logic                    reset,
    input  wire logic                    valid_in,
    input  wire logic signed [SUM-1:0]   sum,
    input  wire logic [SCALE_FIELD+10:0] activation_scale,
    input  wire logic [15:0]             weight_scale,
    output logic                         accumulate,
    input  wire logic [31:0]             accumulator_in,
    output logic                         valid_out,
    output logic [31:0]                  accumulator_out
);
  logic valid_1;
  logic [31:0] converted, integer_1, scale, scale_1, product, product_2, next;
  logic [SUM-1:0] magnitude;
  assign magnitude = sum[SUM-1] ? -sum : sum;
  fp_round #(
      .SIGNIFICAND(SUM),
      .EXPONENT(10)
  ) convert (
      .sign(sum[SUM-1]),
      .exponent(10'sd0),
      .significand(magnitude),
      .sticky(1'b0),
      .value(converted)
  );
  fp_mul #(
      .A_FIELD(SCALE_FIELD)
  ) multiply_scales (
      .a(activation_scale),
      .b(weight_scale),
      .scale(1'b0),
      .product(scale)
  );
  fp_mul #(
      .A_FIELD(8),
      .A_FRACTION(23),
      .B_FIELD(8),
      .B_FRACTION(23),
      .EXPONENT(11)
  ) multiply (
      .a(integer_1),
      .b(scale_1),
      .scale(1'b0),
      .product(product)
  );
  fp_add add (
      .a(accumulator_in),
      .b(product_2),
      .sum(next)
  );
  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    accumulate <= valid_1 && !reset;
    valid_out <= accumulate && !reset;
    if (valid_in) begin
      integer_1 <= converted;
      scale_1 <= scale;
    end
    if (valid_1) product_2 <= product;
    if (accumulate) accumulator_out <= next;
  end
endmodule

`default_nettype wire
