// SPDX-License-Identifier: Apache-2.0
// PacQ's dot-product unit over four k with its duplicated adder trees (docs/datapaths.md, "FP-INT packed multiplier"). Twin of
// fp_int_dp4, fp_int_activation_sum and fp_int_group_foot in pe/fp_int_pe.h.
//
// A step is four activations and four words. n-packed words hold the weights of p outputs (INT4: 4, INT2: 8) at one k; two
// trees add two outputs per cycle, so a step takes p / 2 cycles, in which `ready` is low until the last. k-packed: word 0
// holds the weights of one output at consecutive k (INT2: `upper_half` takes the upper four), a step takes one cycle. Where
// there are fewer than four k the activation is 0.
//
//   1  multipliers: all lanes of four words         latency 4: `sum` is registered, for outputs 2*sum_pair, 2*sum_pair + 1
//   2  two trees: aligned and added exactly, 54 bits
//   3  rounded to binary32
//   4  acc = f32(acc + ...); with the first pair also sA = f32(sA + f32(sum of the activations))
//   5  f32(offset * sA) at the end of a scale group      foot 4: `result` is registered, for 2*result_pair, 2*result_pair + 1
//   6  f32(acc - ...)
//   7  f32(s * ...)
//   8  out = f32(out + ...)
//
// `group_last` ends a scale group, `output_last` with it hands out the outputs; what follows starts at +0. The scales are
// read late: `scale` belongs to the pair in stage 7, whose presence `scale_take` tells with `scale_pair` in the same cycle.
// k-packed outputs are in the lower of the two places. Modes may change after `output_last`.
`default_nettype none

module fp_int_dp4 (
    input  wire logic             clk,
    input  wire logic             reset,
    input  wire logic             valid_in,
    output logic                  ready,
    input  wire logic             int2,
    input  wire logic             k_packed,
    input  wire logic             upper_half,
    input  wire logic [63:0] activation,    // four of 16 bits, the first in the low bits
    input  wire logic [63:0] word,
    input  wire logic             group_last,
    input  wire logic             output_last,
    output logic                  sum_valid,
    output logic [1:0]            sum_pair,
    output logic [63:0]      sum,           // the pair's first output in the low 32 bits
    output logic                  scale_take,
    output logic [1:0]            scale_pair,
    input  wire logic [31:0] scale,
    output logic                  result_valid,
    output logic [1:0]            result_pair,
    output logic [63:0]      result
);
  // What accompanies a pair of outputs down the stages.
  typedef struct packed {
    logic       int2;
    logic       k_packed;
    logic       group_last;
    logic       output_last;
    logic [1:0] pair;
    logic       last_pair;
  } control_t;
  typedef struct packed {
    logic       k_packed;
    logic       output_last;
    logic [1:0] pair;
    logic       last_pair;
  } tail_t;

  // Stage 1: the products of a step stay for as long as the trees need.
  logic valid_1, accept;
  logic int2_1, k_packed_1, group_last_1, output_last_1;
  logic [1:0] pair_1, last_pair_1;
  control_t control_1;
  logic [3:0] sign, sign_1;
  logic [4*5-1:0] field, field_1;
  logic [4*11-1:0] significand, significand_1;
  logic [4*176-1:0] lane, lane_1;
  logic [15:0] rest_of_word;
  assign rest_of_word = int2 && upper_half ? word[15:0] >> 8 : word[15:0];
  for (genvar i = 0; i < 4; i++) begin : g_multiplier
    fp_int_multiplier multiplier (
        .activation(activation[16*i+:16]),
        .word(k_packed ? (int2 ? rest_of_word >> (2 * i) : rest_of_word >> (4 * i)) : word[16*i+:16]),
        .int2(int2),
        .sign(sign[i]),
        .field(field[5*i+:5]),
        .significand(significand[11*i+:11]),
        .lane(lane[176*i+:176])
    );
  end
  assign control_1 = {int2_1, k_packed_1, group_last_1, output_last_1, pair_1, pair_1 == last_pair_1};
  assign ready = !valid_1 || pair_1 == last_pair_1;
  assign accept = valid_in && ready;
  always_ff @(posedge clk) begin
    if (reset) valid_1 <= 1'b0;
    else if (accept) valid_1 <= 1'b1;
    else if (pair_1 == last_pair_1) valid_1 <= 1'b0;
    if (accept) begin
      int2_1 <= int2;
      k_packed_1 <= k_packed;
      group_last_1 <= group_last;
      output_last_1 <= output_last;
      pair_1 <= '0;
      last_pair_1 <= k_packed ? 2'd0 : int2 ? 2'd3 : 2'd1;
      sign_1 <= sign;
      field_1 <= field;
      significand_1 <= significand;
      lane_1 <= lane;
    end else begin
      pair_1 <= pair_1 + 2'd1;
    end
  end

  // Stage 2: units of 2^-24. 22 bits shifted by at most 29, four of them, and a sign.
  logic valid_2;
  control_t control_2;
  logic [107:0] tree, tree_2;    // two of 54 bits
  logic signed [42:0] activation_tree, activation_2;
  logic [53:0] total, aligned;
  logic [42:0] aligned_activation;
  logic [4*44-1:0] lanes_of_pair;
  for (genvar i = 0; i < 4; i++) begin : g_pair
    logic [175:0] lanes;
    assign lanes = lane_1[176*i+:176];
    assign lanes_of_pair[44*i+:44] = lanes[44*pair_1+:44];
  end
  always_comb begin
    activation_tree = '0;
    aligned = '0;
    aligned_activation = '0;
    for (int t = 0; t < 2; t++) begin
      total = '0;
      for (int i = 0; i < 4; i++) begin
        aligned = 54'(lanes_of_pair[44*i+22*t+:22]) << (field_1[5*i+:5] - 5'd1);
        total = sign_1[i] ? total - aligned : total + aligned;
      end
      tree[54*t+:54] = total;
    end
    for (int i = 0; i < 4; i++) begin
      aligned_activation = 43'(significand_1[11*i+:11]) << (field_1[5*i+:5] - 5'd1);
      activation_tree = sign_1[i] ? activation_tree - aligned_activation : activation_tree + aligned_activation;
    end
  end
  always_ff @(posedge clk) begin
    valid_2 <= valid_1 && !reset;
    if (valid_1) begin
      control_2 <= control_1;
      tree_2 <= tree;
      if (pair_1 == '0) activation_2 <= activation_tree;
    end
  end

  // Stage 3
  logic valid_3;
  control_t control_3;
  logic [63:0] rounded, value_3;
  logic [31:0] rounded_activation, activation_3;
  for (genvar t = 0; t < 2; t++) begin : g_round
    fp_round #(
        .SIGNIFICAND(54),
        .EXPONENT(10)
    ) round (
        .sign(tree_2[54*t+53]),
        .exponent(-10'sd24),
        .significand(tree_2[54*t+53] ? -tree_2[54*t+:54] : tree_2[54*t+:54]),
        .sticky(1'b0),
        .value(rounded[32*t+:32])
    );
  end
  fp_round #(
      .SIGNIFICAND(43),
      .EXPONENT(10)
  ) round_activation (
      .sign(activation_2[42]),
      .exponent(-10'sd24),
      .significand(activation_2[42] ? -activation_2 : activation_2),
      .sticky(1'b0),
      .value(rounded_activation)
  );
  always_ff @(posedge clk) begin
    valid_3 <= valid_2 && !reset;
    if (valid_2) begin
      control_3 <= control_2;
      value_3 <= rounded;
      if (control_2.pair == '0) activation_3 <= rounded_activation;
    end
  end

  // Stage 4: a pair comes back after a whole step at the earliest.
  logic fresh;
  control_t control_4;
  logic [4*64-1:0] accumulator;    // of four pairs
  logic [63:0] accumulator_pair, accumulator_next;
  logic [31:0] activation_sum, activation_sum_next;
  assign accumulator_pair = fresh ? '0 : accumulator[64*control_3.pair+:64];
  for (genvar t = 0; t < 2; t++) begin : g_accumulate
    fp_add add (
        .a(accumulator_pair[32*t+:32]),
        .b(value_3[32*t+:32]),
        .sum(accumulator_next[32*t+:32])
    );
  end
  fp_add add_activation (
      .a(fresh ? 32'b0 : activation_sum),
      .b(activation_3),
      .sum(activation_sum_next)
  );
  always_ff @(posedge clk) begin
    sum_valid <= valid_3 && !reset;
    if (reset) fresh <= 1'b1;
    else if (valid_3 && control_3.last_pair) fresh <= control_3.group_last;
    if (valid_3) begin
      control_4 <= control_3;
      accumulator[64*control_3.pair+:32] <= accumulator_next[31:0];
      if (!control_3.k_packed) accumulator[64*control_3.pair+32+:32] <= accumulator_next[63:32];
      if (control_3.pair == '0) activation_sum <= activation_sum_next;
    end
  end
  assign sum_pair = control_4.pair;
  assign sum = accumulator[64*control_4.pair+:64];

  // Stage 5: the offsets 1032 and 1026 are binary16 numbers.
  logic valid_5;
  tail_t tail_5;
  logic [31:0] offset, offset_5;
  logic [63:0] minuend_5;
  fp_mul #(
      .A_FIELD(8),
      .A_FRACTION(23),
      .EXPONENT(10)
  ) multiply_offset (
      .a(activation_sum),
      .b(control_4.int2 ? 16'h6402 : 16'h6408),
      .scale(1'b0),
      .product(offset)
  );
  always_ff @(posedge clk) begin
    valid_5 <= sum_valid && control_4.group_last && !reset;
    if (sum_valid && control_4.group_last) begin
      tail_5 <= {control_4.k_packed, control_4.output_last, control_4.pair, control_4.last_pair};
      offset_5 <= offset;
      minuend_5 <= sum;
    end
  end

  // Stages 6 to 8
  logic valid_7, output_fresh;
  tail_t tail_6, tail_7;
  logic [63:0] difference, difference_6, scaled, scaled_7, output_pair, output_next;
  logic [4*64-1:0] outputs;
  assign output_pair = output_fresh ? '0 : outputs[64*tail_7.pair+:64];
  for (genvar t = 0; t < 2; t++) begin : g_foot
    fp_add add_negative (
        .a(minuend_5[32*t+:32]),
        .b({~offset_5[31], offset_5[30:0]}),
        .sum(difference[32*t+:32])
    );
    fp_mul #(
        .A_FIELD(8),
        .A_FRACTION(23),
        .EXPONENT(10)
    ) multiply (
        .a(difference_6[32*t+:32]),
        .b(scale[16*t+:16]),
        .scale(1'b0),
        .product(scaled[32*t+:32])
    );
    fp_add add (
        .a(output_pair[32*t+:32]),
        .b(scaled_7[32*t+:32]),
        .sum(output_next[32*t+:32])
    );
  end
  always_ff @(posedge clk) begin
    scale_take <= valid_5 && !reset;
    if (valid_5) begin
      tail_6 <= tail_5;
      difference_6 <= difference;
    end
    valid_7 <= scale_take && !reset;
    if (scale_take) begin
      tail_7 <= tail_6;
      scaled_7 <= scaled;
    end
    result_valid <= valid_7 && tail_7.output_last && !reset;
    if (reset) output_fresh <= 1'b1;
    else if (valid_7 && tail_7.last_pair) output_fresh <= tail_7.output_last;
    if (valid_7) begin
      result_pair <= tail_7.pair;
      outputs[64*tail_7.pair+:32] <= output_next[31:0];
      if (!tail_7.k_packed) outputs[64*tail_7.pair+32+:32] <= output_next[63:32];
    end
  end
  assign scale_pair = tail_6.pair;
  assign result = outputs[64*result_pair+:64];
endmodule

`default_nettype wire
