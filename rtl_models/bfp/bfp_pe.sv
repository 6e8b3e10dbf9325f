// SPDX-License-Identifier: Apache-2.0
// The reconfigurable block-floating-point PE of Harmonia (docs/datapaths.md, "Reconfigurable BFP PE"). Twin of bfp_step,
// bfp_inner, bfp_weight_foot and bfp_foot in pe/bfp_pe.h. A new step every cycle in every mode, no stall:
//
//   1  LANES products, 8 bits by 4 without sign, signs by XOR         latency
//   2  adder tree to a quarter per eight pairs of lanes; in m8m8 the odd lane of a pair counts sixteen times
//   3  rest of the tree, 24-bit group sum
//   4  the finished group's value as binary32, exact
//   5  m8w4: inner = f32(inner + value)                               5: `partial` is registered
//   6  m8w4: f32(inner * sw)                                          foot
//   7  acc = f32(acc + ...)                                           2: `result` is registered
//
// mode 0: m8w4, mode 1: m8m4, mode 2: m8m8. `a_magnitude`, `b_nibble` and the signs are per lane; m8m8 gives both lanes of a
// pair the same a, the even lane the low nibble of b, the odd lane the high one. A step without product in a lane has nibble
// 0 there. `group_last` ends a BFP group, and then counts: the shared exponents (`b_exponent` not in m8w4), `weight_last`
// (m8w4: ends the weight group, whose scale is `weight_scale`, a finite binary16) and `output_last`, which hands out the
// accumulator. What follows an end starts at +0. In m8m4 and m8m8 every group is complete: `weight_last` is not looked at.
`default_nettype none

module bfp_pe #(
    parameter int LANES = 32
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic                  valid_in,
    input  wire logic [1:0]            mode,
    input  wire logic [8*LANES-1:0]    a_magnitude,
    input  wire logic [LANES-1:0]      a_sign,
    input  wire logic [4*LANES-1:0]    b_nibble,
    input  wire logic [LANES-1:0]      b_sign,
    input  wire logic                  group_last,
    input  wire logic [4:0]            a_exponent,
    input  wire logic [4:0]            b_exponent,
    input  wire logic                  weight_last,
    input  wire logic [15:0]           weight_scale,
    input  wire logic                  output_last,
    output logic                       partial_valid,
    output logic [31:0]                partial,
    output logic                       result_valid,
    output logic [31:0]                result
);
  localparam int PARTS = LANES / 8;
  localparam logic [1:0] M8W4 = 2'd0, M8M8 = 2'd2;

  // What accompanies a step: to stage 3 all of it, then the ends of groups alone.
  typedef struct packed {
    logic [1:0]  mode;
    logic        group_last;
    logic [4:0]  a_exponent;
    logic [4:0]  b_exponent;
    logic        weight_last;
    logic [15:0] weight_scale;
    logic        output_last;
  } control_t;
  control_t control_0, control_1, control_2;
  assign control_0 = {mode, group_last, a_exponent, b_exponent, weight_last, weight_scale, output_last};

  // Stage 1
  logic valid_1;
  logic [13*LANES-1:0] product, product_1;
  always_comb begin
    for (int lane = 0; lane < LANES; lane++) begin
      product[13*lane+:13] = 13'(a_magnitude[8*lane+:8]) * 13'(b_nibble[4*lane+:4]);
      if (a_sign[lane] ^ b_sign[lane]) product[13*lane+:13] = -product[13*lane+:13];
    end
  end
  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    if (valid_in) begin
      control_1 <= control_0;
      product_1 <= product;
    end
  end

  // Stage 2: eight lanes give at most 8 * 3825, in m8m8 4 * 65025.
  logic valid_2;
  logic [19*PARTS-1:0] part, part_2;
  logic signed [18:0] eight, odd_lane;
  always_comb begin
    eight = '0;
    odd_lane = '0;
    for (int i = 0; i < PARTS; i++) begin
      eight = '0;
      for (int lane = 8 * i; lane < 8 * i + 8; lane += 2) begin
        odd_lane = 19'($signed(product_1[13*lane+13+:13]));
        if (control_1.mode == M8M8) odd_lane = odd_lane <<< 4;
        eight = eight + 19'($signed(product_1[13*lane+:13])) + odd_lane;
      end
      part[19*i+:19] = eight;
    end
  end
  always_ff @(posedge clk) begin
    valid_2 <= valid_1 && !reset;
    if (valid_1) begin
      control_2 <= control_1;
      part_2 <= part;
    end
  end

  // Stage 3
  logic ended_3, group_fresh;
  logic signed [23:0] sum_next, sum_3;
  logic [1:0] mode_3;
  logic signed [9:0] exponent_3;
  logic weight_last_3, output_last_3;
  logic [15:0] weight_scale_3;
  always_comb begin
    sum_next = group_fresh ? '0 : sum_3;
    for (int i = 0; i < PARTS; i++) sum_next = sum_next + 24'($signed(part_2[19*i+:19]));
  end
  always_ff @(posedge clk) begin
    ended_3 <= valid_2 && control_2.group_last && !reset;
    if (reset) group_fresh <= 1'b1;
    else if (valid_2) group_fresh <= control_2.group_last;
    if (valid_2) begin
      sum_3 <= sum_next;
      mode_3 <= control_2.mode;
      if (control_2.mode == M8W4) exponent_3 <= 10'(control_2.a_exponent) - 10'sd22;
      else if (control_2.mode == M8M8) exponent_3 <= 10'(control_2.a_exponent) + 10'(control_2.b_exponent) - 10'sd44;
      else exponent_3 <= 10'(control_2.a_exponent) + 10'(control_2.b_exponent) - 10'sd40;
      weight_last_3 <= control_2.weight_last;
      weight_scale_3 <= control_2.weight_scale;
      output_last_3 <= control_2.output_last;
    end
  end

  // Stage 4: 24 bits are exact in binary32.
  logic valid_4, weighted_4, weight_last_4, output_last_4;
  logic [15:0] weight_scale_4;
  logic [31:0] value, value_4;
  logic [23:0] magnitude;
  assign magnitude = sum_3[23] ? -sum_3 : sum_3;
  fp_round #(
      .SIGNIFICAND(24),
      .EXPONENT(10)
  ) convert (
      .sign(sum_3[23]),
      .exponent(exponent_3),
      .significand(magnitude),
      .sticky(1'b0),
      .value(value)
  );
  always_ff @(posedge clk) begin
    valid_4 <= ended_3 && !reset;
    if (ended_3) begin
      value_4 <= value;
      weighted_4 <= mode_3 == M8W4;
      weight_last_4 <= weight_last_3;
      weight_scale_4 <= weight_scale_3;
      output_last_4 <= output_last_3;
    end
  end

  // Stage 5
  logic inner_fresh, weighted_5, output_last_5;
  logic [15:0] weight_scale_5;
  logic [31:0] inner, inner_next;
  fp_add add_inner (
      .a(inner_fresh ? 32'b0 : inner),
      .b(value_4),
      .sum(inner_next)
  );
  always_ff @(posedge clk) begin
    partial_valid <= valid_4 && (!weighted_4 || weight_last_4) && !reset;
    if (reset) inner_fresh <= 1'b1;
    else if (valid_4 && weighted_4) inner_fresh <= weight_last_4;
    if (valid_4) begin
      if (weighted_4) inner <= inner_next;
      partial <= weighted_4 ? inner_next : value_4;
      weighted_5 <= weighted_4;
      weight_scale_5 <= weight_scale_4;
      output_last_5 <= output_last_4;
    end
  end

  // Stage 6
  logic valid_6, output_last_6;
  logic [31:0] scaled, term_6;
  fp_mul #(
      .A_FIELD(8),
      .A_FRACTION(23),
      .EXPONENT(10)
  ) multiply (
      .a(partial),
      .b(weight_scale_5),
      .scale(1'b0),
      .product(scaled)
  );
  always_ff @(posedge clk) begin
    valid_6 <= partial_valid && !reset;
    if (partial_valid) begin
      term_6 <= weighted_5 ? scaled : partial;
      output_last_6 <= output_last_5;
    end
  end

  // Stage 7
  logic output_fresh;
  logic [31:0] accumulator_next;
  fp_add add_output (
      .a(output_fresh ? 32'b0 : result),
      .b(term_6),
      .sum(accumulator_next)
  );
  always_ff @(posedge clk) begin
    result_valid <= valid_6 && output_last_6 && !reset;
    if (reset) output_fresh <= 1'b1;
    else if (valid_6) output_fresh <= output_last_6;
    if (valid_6) result <= accumulator_next;
  end
endmodule

`default_nettype wire
