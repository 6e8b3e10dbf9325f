// SPDX-License-Identifier: Apache-2.0
// Anda's bit-serial PE (docs/datapaths.md, "Anda"): LANES lanes add or subtract a weight of up to four bits where a plane of the
// activations' mantissas has a bit. Twin of anda_plane and anda_foot in pe/anda_pe.h. Output stationary, operands broadcast; a plane
// every cycle, most significant first, no stall:
//
//   1  select and negate, lanes added by four          latency 4: `sum` is registered
//   2  by sixteen
//   3  all lanes, 11 bits
//   4  sum = 2 * sum + ..., 25 bits
//   5  fp16(sum * 2^(E - 14 - m))                      foot 3: `result` is registered
//   6  f32(... * sw)
//   7  acc = f32(acc + ...)
//
// `last_in` ends a group, whose number of planes is its mantissas' length m; the next plane starts a new sum. The group's shared
// exponent E, m and the weights' scale (a finite binary16) are read late: `exponent`, `bits`, `weight_scale` and `output_last` belong
// to the sum whose presence `take` tells in the same cycle. What follows `output_last` starts at +0.
`default_nettype none

module anda_pe #(
    parameter int LANES = 64,
    parameter int SUM = 25
) (
    input  wire logic                 clk,
    input  wire logic                 reset,
    input  wire logic                 valid_in,
    input  wire logic                 last_in,
    input  wire logic [LANES-1:0]     plane,
    input  wire logic [LANES-1:0]     signs,
    input  wire logic [4*LANES-1:0]   w_in,
    output logic                      take,
    output logic signed [SUM-1:0]     sum,
    input  wire logic [4:0]           exponent,
    input  wire logic [3:0]           bits,
    input  wire logic [15:0]          weight_scale,
    input  wire logic                 output_last,
    output logic                      result_valid,
    output logic [31:0]               result
);
  localparam int FOURS = LANES / 4, SIXTEENS = LANES / 16;

  // Stage 1: a subtracted weight is its complement and a one.
  logic valid_1, last_1;
  logic [7*FOURS-1:0] four, four_1;
  logic signed [6:0] of_four;
  always_comb begin
    four = '0;
    for (int i = 0; i < FOURS; i++) begin
      of_four = '0;
      for (int j = 0; j < 4; j++) begin
        if (plane[4*i+j]) begin
          of_four = of_four + (7'($signed(w_in[4*(4*i+j)+:4])) ^ {7{signs[4*i+j]}}) + 7'(signs[4*i+j]);
        end
      end
      four[7*i+:7] = of_four;
    end
  end
  // Stage 2
  logic valid_2, last_2;
  logic [9*SIXTEENS-1:0] sixteen, sixteen_2;
  always_comb begin
    for (int i = 0; i < SIXTEENS; i++) begin
      sixteen[9*i+:9] = (9'($signed(four_1[28*i+:7])) + 9'($signed(four_1[28*i+7+:7])))
                      + (9'($signed(four_1[28*i+14+:7])) + 9'($signed(four_1[28*i+21+:7])));
    end
  end
  // Stage 3
  logic valid_3, last_3;
  logic signed [10:0] selected, selected_3;
  always_comb begin
    selected = '0;
    for (int i = 0; i < SIXTEENS; i++) selected = selected + 11'($signed(sixteen_2[9*i+:9]));
  end
  // Stage 4
  logic fresh;
  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    valid_2 <= valid_1 && !reset;
    valid_3 <= valid_2 && !reset;
    take <= valid_3 && last_3 && !reset;
    if (valid_in) begin
      last_1 <= last_in;
      four_1 <= four;
    end
    if (valid_1) begin
      last_2 <= last_1;
      sixteen_2 <= sixteen;
    end
    if (valid_2) begin
      last_3 <= last_2;
      selected_3 <= selected;
    end
    if (reset) fresh <= 1'b1;
    else if (valid_3) fresh <= last_3;
    if (valid_3) sum <= (fresh ? '0 : sum <<< 1) + SUM'(selected_3);
  end

  // Stages 5 to 7
  logic valid_5, valid_6, output_last_5, output_last_6, output_fresh;
  logic [15:0] group_value, value_5, weight_scale_5;
  logic [31:0] scaled, scaled_6, next;
  fp_round #(
      .SIGNIFICAND(SUM),
      .EXPONENT(8),
      .FIELD(5),
      .FRACTION(10)
  ) round (
      .sign(sum[SUM-1]),
      .exponent(8'(exponent) - 8'sd14 - 8'(bits)),
      .significand(sum[SUM-1] ? SUM'(-sum) : SUM'(sum)),
      .sticky(1'b0),
      .value(group_value)
  );
  fp_mul multiply (
      .a(value_5),
      .b(weight_scale_5),
      .scale(1'b0),
      .product(scaled)
  );
  fp_add add (
      .a(output_fresh ? 32'b0 : result),
      .b(scaled_6),
      .sum(next)
  );
  always_ff @(posedge clk) begin
    valid_5 <= take && !reset;
    valid_6 <= valid_5 && !reset;
    result_valid <= valid_6 && output_last_6 && !reset;
    if (take) begin
      value_5 <= group_value;
      weight_scale_5 <= weight_scale;
      output_last_5 <= output_last;
    end
    if (valid_5) begin
      scaled_6 <= scaled;
      output_last_6 <= output_last_5;
    end
    if (reset) output_fresh <= 1'b1;
    else if (valid_6) output_fresh <= output_last_6;
    if (valid_6) result <= next;
  end
endmodule

`default_nettype wire
