// SPDX-License-Identifier: Apache-2.0
// PacQ's dot-product unit over four k with its duplicated adder trees (docs/datapaths.md, "FP-INT packed multiplier"). Twin of
// fp_int_dp4, fp_int_activation_sum and fp_int_group_foot in pe/fp_int_pe.h. TREES: 1, 2, 4 or 8.
//
// A step is four activations and four words. n-packed words hold the weights of p outputs (INT4: 4, INT2: 8) at one k; the
// trees add TREES outputs per cycle, so a step takes p / TREES cycles, in which `ready` is low until the last. k-packed: word 0
// holds the weights of one output at consecutive k (INT2: `upper_half` takes the upper four), a step takes one cycle. Where
// there are fewer than four k the activation is 0.
//
//   1  multipliers: all lanes of four words         latency 4: `sum` is registered, for the outputs from TREES * sum_slice on
//   2  the trees: aligned and added exactly, 54 bits
//   3  rounded to binary32
//   4  acc = f32(acc + ...); with the first slice also sA = f32(sA + f32(sum of the activations))
//   5  f32(offset * sA) at the end of a scale group      foot 4: `result` is registered, from TREES * result_slice on
//   6  f32(acc - ...)
//   7  f32(s * ...)
//   8  out = f32(out + ...)
//
// `group_last` ends a scale group, `output_last` with it hands out the outputs; what follows starts at +0. The scales are
// read late: `scale` belongs to the slice in stage 7, whose presence `scale_take` tells with `scale_slice` in the same cycle.
// A k-packed output is in the lowest place; INT4 has four of eight places. Modes may change after `output_last`.
`default_nettype none

module fp_int_dp4 #(
    parameter int TREES = 2,
    localparam int SLICE = TREES > 4 ? 1 : $clog2(8 / TREES)
) (
    input  wire logic             clk,
    input  wire logic             reset,
    input  wire logic             valid_in,
    output logic                  ready,
    input  wire logic             int2,
    input  wire logic             k_packed,
    input  wire logic             upper_half,
    input  wire logic [63:0]      activation,    // four of 16 bits, the first in the low bits
    input  wire logic [63:0]      word,
    input  wire logic             group_last,
    input  wire logic             output_last,
    output logic                  sum_valid,
    output logic [SLICE-1:0]      sum_slice,
    output logic [32*TREES-1:0]   sum,           // the slice's first output in the low 32 bits
    output logic                  scale_take,
    output logic [SLICE-1:0]      scale_slice,
    input  wire logic [16*TREES-1:0] scale,
    output logic                  result_valid,
    output logic [SLICE-1:0]      result_slice,
    output logic [32*TREES-1:0]   result
);
  // The last slice of a step.
  localparam logic [SLICE-1:0] LAST_INT4 = SLICE'(TREES < 4 ? 4 / TREES - 1 : 0);
  localparam logic [SLICE-1:0] LAST_INT2 = SLICE'(8 / TREES - 1);

  // What accompanies a slice of outputs down the stages.
  typedef struct packed {
    logic             int2;
    logic             k_packed;
    logic             group_last;
    logic             output_last;
    logic [SLICE-1:0] slice;
    logic             last_slice;
  } control_t;
  typedef struct packed {
    logic             int2;
    logic             k_packed;
    logic             output_last;
    logic [SLICE-1:0] slice;
    logic             last_slice;
  } tail_t;

  // Stage 1: the products of a step stay for as long as the trees need.
  logic valid_1, accept;
  logic int2_1, k_packed_1, group_last_1, output_last_1;
  logic [SLICE-1:0] slice_1, last_slice_1;
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
  assign control_1 = {int2_1, k_packed_1, group_last_1, output_last_1, slice_1, slice_1 == last_slice_1};
  assign ready = !valid_1 || slice_1 == last_slice_1;
  assign accept = valid_in && ready;
  always_ff @(posedge clk) begin
    if (reset) valid_1 <= 1'b0;
    else if (accept) valid_1 <= 1'b1;
    else if (slice_1 == last_slice_1) valid_1 <= 1'b0;
    if (accept) begin
      int2_1 <= int2;
      k_packed_1 <= k_packed;
      group_last_1 <= group_last;
      output_last_1 <= output_last;
      slice_1 <= '0;
      last_slice_1 <= k_packed ? '0 : int2 ? LAST_INT2 : LAST_INT4;
      sign_1 <= sign;
      field_1 <= field;
      significand_1 <= significand;
      lane_1 <= lane;
    end else begin
      slice_1 <= slice_1 + SLICE'(1);
    end
  end

  // Stage 2: units of 2^-24. 22 bits shifted by at most 29, four of them, and a sign.
  logic valid_2;
  control_t control_2;
  logic [54*TREES-1:0] tree, tree_2;
  logic signed [42:0] activation_tree, activation_2;
  logic [53:0] total, aligned;
  logic [42:0] aligned_activation;
  logic [4*22*TREES-1:0] lanes_of_slice;
  for (genvar i = 0; i < 4; i++) begin : g_slice
    logic [175:0] lanes;
    assign lanes = lane_1[176*i+:176];
    assign lanes_of_slice[22*TREES*i+:22*TREES] = lanes[22*TREES*slice_1+:22*TREES];
  end
  always_comb begin
    activation_tree = '0;
    aligned = '0;
    aligned_activation = '0;
    for (int t = 0; t < TREES; t++) begin
      total = '0;
      for (int i = 0; i < 4; i++) begin
        aligned = 54'(lanes_of_slice[22*TREES*i+22*t+:22]) << (field_1[5*i+:5] - 5'd1);
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
      if (slice_1 == '0) activation_2 <= activation_tree;
    end
  end

  // Stage 3
  logic valid_3;
  control_t control_3;
  logic [32*TREES-1:0] rounded, value_3;
  logic [31:0] rounded_activation, activation_3;
  for (genvar t = 0; t < TREES; t++) begin : g_round
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
      if (control_2.slice == '0) activation_3 <= rounded_activation;
    end
  end

  // Stage 4: a slice comes back after a whole step at the earliest. k-packed and INT4 words leave places without an output.
  logic fresh;
  control_t control_4;
  logic [8*32-1:0] accumulator;
  logic [32*TREES-1:0] accumulator_slice, accumulator_next;
  logic [31:0] activation_sum, activation_sum_next;
  assign accumulator_slice = fresh ? '0 : accumulator[32*TREES*control_3.slice+:32*TREES];
  for (genvar t = 0; t < TREES; t++) begin : g_accumulate
    fp_add add (
        .a(accumulator_slice[32*t+:32]),
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
    else if (valid_3 && control_3.last_slice) fresh <= control_3.group_last;
    if (valid_3) begin
      control_4 <= control_3;
      for (int t = 0; t < TREES; t++) begin
        if (t == 0 || (!control_3.k_packed && (t < 4 || control_3.int2))) begin
          accumulator[32*TREES*control_3.slice+32*t+:32] <= accumulator_next[32*t+:32];
        end
      end
      if (control_3.slice == '0) activation_sum <= activation_sum_next;
    end
  end
  assign sum_slice = control_4.slice;
  assign sum = accumulator[32*TREES*control_4.slice+:32*TREES];

  // Stage 5: the offsets 1032 and 1026 are binary16 numbers.
  logic valid_5;
  tail_t tail_5;
  logic [31:0] offset, offset_5;
  logic [32*TREES-1:0] minuend_5;
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
      tail_5 <= {control_4.int2, control_4.k_packed, control_4.output_last, control_4.slice, control_4.last_slice};
      offset_5 <= offset;
      minuend_5 <= sum;
    end
  end

  // Stages 6 to 8
  logic valid_7, output_fresh;
  tail_t tail_6, tail_7;
  logic [32*TREES-1:0] difference, difference_6, scaled, scaled_7, output_slice, output_next;
  logic [8*32-1:0] outputs;
  assign output_slice = output_fresh ? '0 : outputs[32*TREES*tail_7.slice+:32*TREES];
  for (genvar t = 0; t < TREES; t++) begin : g_foot
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
        .a(output_slice[32*t+:32]),
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
    else if (valid_7 && tail_7.last_slice) output_fresh <= tail_7.output_last;
    if (valid_7) begin
      result_slice <= tail_7.slice;
      for (int t = 0; t < TREES; t++) begin
        if (t == 0 || (!tail_7.k_packed && (t < 4 || tail_7.int2))) begin
          outputs[32*TREES*tail_7.slice+32*t+:32] <= output_next[32*t+:32];
        end
      end
    end
  end
  assign scale_slice = tail_6.slice;
  assign result = outputs[32*TREES*result_slice+:32*TREES];
endmodule

`default_nettype wire
