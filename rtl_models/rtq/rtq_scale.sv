// SPDX-License-Identifier: Apache-2.0
// Scale, type and limits of a finished group of the real-time quantizer (docs/datapaths.md, "Real-time quantizer"). Twin of
// rtq_mant_scale and rtq_int8_scale in pe/rtq.h: a group every cycle, latency 9:
//
//   1      sum^2; largest^2
//   2..4   sum^2 / count, nine places each; w = (count - 1) * largest^2
//   5      v = squares - sum^2 / count
//   6, 7   v against the thresholds times w: every other one, then the one between
//   8      scale = largest / gmax, as a product with a constant of 25 bits
//   9      the seven limits of the type
//
// `int8`: gmax is 127 and there is no type. `eight`: the rule variance8 instead of variance. A group of zeros has scale 0 and
// the type INT4. `tag` goes along. A count of 1 to 256; sums of that many finite binary16 values.
//
// The constant of stage 8 is 2^p / gmax, rounded up. Whether a quotient lies on, above or below a place of rounding is the
// same with it: quotients by gmax lie on such a place or at least a 968th part of it away; the constant is off by less than
// a 2^12th part of it, and so much is dropped from the product.
`default_nettype none

module rtq_scale #(
    parameter int TAG = 1
) (
    input  wire logic           clk,
    input  wire logic           reset,
    input  wire logic           valid_in,
    input  wire logic           int8,
    input  wire logic           eight,
    input  wire logic [TAG-1:0] tag_in,
    input  wire logic [14:0]    largest,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire logic [31:0]    sum,  // its sign is of no meaning
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire logic [31:0]    squares,
    input  wire logic [8:0]     count,
    output logic                valid_out,
    output logic                int8_out,
    output logic [TAG-1:0]      tag_out,
    output logic [14:0]         scale,        // a binary16 number without its sign
    output logic [7:0]          stored_type,  // mant4's type byte; 255: INT4
    output logic [7*15-1:0]     limits
);
  localparam logic [7:0] INT4 = 8'hFF;
  localparam int STEPS = 9;  // places of the quotient per stage

  // What every stage hands on.
  typedef struct packed {
    logic [TAG-1:0] tag;
    logic int8, eight, single;
    logic [14:0] largest;
  } control_t;

  // Stage 1. The sum's significand and exponent; zero where the sum is.
  logic valid_1;
  control_t control_1;
  logic [31:0] squares_1, peak, peak_1;
  logic [30:0] square, square_1;
  logic [8:0] count_1;
  rtq_product square_of_sum (
      .a(sum[30:0]),
      .b(sum[30:0]),
      .product(square)
  );
  fp_mul square_of_largest (
      .a({1'b0, largest}),
      .b({1'b0, largest}),
      .scale(1'b0),
      .product(peak)
  );
  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    if (valid_in) begin
      control_1 <= {tag_in, int8, eight, count == 9'd1, largest};
      square_1 <= square;
      peak_1 <= peak;
      squares_1 <= squares;
      count_1 <= count;
    end
  end

  // Stages 2 to 4: a normalized divisor of nine places; the dividend's upper nine places are less than twice of it.
  logic valid_2, valid_3, valid_4;
  control_t control_2, control_3, control_4;
  logic [31:0] squares_2, squares_3, squares_4;
  /* verilator lint_off UNUSEDSIGNAL */
  logic [31:0] w;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [30:0] w_2, w_3, w_4;  // not negative: without a sign
  logic [8:0] divisor, divisor_2, divisor_3;
  logic [3:0] shift;
  logic [9:0] rest, rest_next, rest_2, rest_next_2, rest_3, rest_next_3;
  logic [3*STEPS-1:0] places_2, places_3, places_4;  // of the dividend still to come above, of the quotient below
  logic [3*STEPS-1:0] places_next, places_next_2, places_next_3;
  logic [7:0] field, field_2, field_3, field_4;
  logic sticky_4;

  always_comb begin
    shift = '0;
    divisor = count_1;
    for (int stage = 3; stage >= 0; stage--) begin
      if ((divisor >> (9 - (1 << stage))) == '0) begin
        divisor = divisor << (1 << stage);
        shift[stage] = 1'b1;
      end
    end
    rest = {1'b0, 1'b1, square_1[22:15]};
    if (square_1 == '0) rest = '0;
    // square / count = quotient * 2^(its field + shift - 161), of 26 places, and the hidden bit counts one
    field = square_1[30:23] + {4'b0, shift} - 8'd10;
  end
  rtq_divide #(
      .STEPS(STEPS),
      .REST(10),
      .PLACES(3 * STEPS)
  ) divide_1 (
      .rest(rest),
      .places({square_1[14:0], 12'b0}),
      .divisor(divisor),
      .rest_next(rest_next),
      .places_next(places_next)
  );
  rtq_divide #(
      .STEPS(STEPS),
      .REST(10),
      .PLACES(3 * STEPS)
  ) divide_2 (
      .rest(rest_2),
      .places(places_2),
      .divisor(divisor_2),
      .rest_next(rest_next_2),
      .places_next(places_next_2)
  );
  rtq_divide #(
      .STEPS(STEPS),
      .REST(10),
      .PLACES(3 * STEPS)
  ) divide_3 (
      .rest(rest_3),
      .places(places_3),
      .divisor(divisor_3),
      .rest_next(rest_next_3),
      .places_next(places_next_3)
  );
  logic [7:0] one_less;
  logic [21:0] peak_places;
  assign one_less = 8'(count_1 - 9'd1);
  assign peak_places = {1'b1, peak_1[22:2]};  // the square of a significand of 11 bits has 22
  fp_round #(
      .SIGNIFICAND(30),
      .EXPONENT(10)
  ) weigh (
      .sign(1'b0),
      .exponent($signed({2'b00, peak_1[30:23]}) - 10'sd148),
      .significand(peak_1 == '0 ? 30'b0 : 30'(one_less) * 30'(peak_places)),
      .sticky(1'b0),
      .value(w)
  );
  always_ff @(posedge clk) begin
    valid_2 <= valid_1 && !reset;
    if (valid_1) begin
      control_2 <= control_1;
      {rest_2, places_2} <= {rest_next, places_next};
      {squares_2, divisor_2, field_2, w_2} <= {squares_1, divisor, field, w[30:0]};
    end
    valid_3 <= valid_2 && !reset;
    if (valid_2) begin
      control_3 <= control_2;
      {rest_3, places_3} <= {rest_next_2, places_next_2};
      {squares_3, divisor_3, field_3, w_3} <= {squares_2, divisor_2, field_2, w_2};
    end
    valid_4 <= valid_3 && !reset;
    if (valid_3) begin
      control_4 <= control_3;
      places_4 <= places_next_3;
      sticky_4 <= rest_next_3 != '0;
      {squares_4, field_4, w_4} <= {squares_3, field_3, w_3};
    end
  end

  // Stage 5
  logic valid_5;
  control_t control_5;
  logic [31:0] v, v_5;
  logic [30:0] mean, w_5;
  // A quotient of 26 or 27 places; the hidden bit in `kept` adds one to the field.
  logic [23:0] kept;
  logic guard, rest_of_mean;
  always_comb begin
    kept = places_4[26] ? places_4[26:3] : places_4[25:2];
    guard = places_4[26] ? places_4[2] : places_4[1];
    rest_of_mean = places_4[0] || sticky_4 || (places_4[26] && places_4[1]);
    mean = {field_4 + 8'(places_4[26]), 23'b0} + 31'(kept) + 31'(guard && (rest_of_mean || kept[0]));
    if (places_4 == '0) mean = '0;
  end
  fp_add difference (
      .a(squares_4),
      .b({1'b1, mean}),
      .sum(v)
  );
  always_ff @(posedge clk) begin
    valid_5 <= valid_4 && !reset;
    if (valid_4) begin
      control_5 <= control_4;
      {v_5, w_5} <= {v, w_4};
    end
  end

  // Stages 6 and 7: thresholds 0 to 6, ascending; v below the first or at most the others. binary32 patterns of
  // 0.05, 0.25; 0.0417, 0.0797, 0.122, 0.1368, 0.1446, 0.1528, 0.1611 (docs/formats.md, "mant4").
  logic valid_6, valid_7;
  control_t control_6, control_7;
  logic [31:0] v_6;
  logic [30:0] w_6, constant_6, bound_6;
  logic [92:0] constants, bounds;
  logic [2:0] passed_6, place_6, place_7;
  logic [1:0] segment;
  logic within_6;
  logic [2:0] passed;
  always_comb begin
    constants = control_5.eight ? {31'h3E1C779A, 31'h3E0C154D, 31'h3DA339C1} : {31'h0, 31'h0, 31'h3D4CCCCD};
    // Thresholds 1, 3, 5 of seven (at most: not above); the first of two (below).
    for (int t = 0; t < 3; t++) begin
      passed[t] = !v_5[31] && (control_5.eight ? v_5[30:0] > bounds[31*t+:31] : t == 0 && v_5[30:0] >= bounds[31*t+:31]);
    end
  end
  for (genvar t = 0; t < 3; t++) begin : every_other
    rtq_product weighted (
        .a(constants[31*t+:31]),
        .b(w_5),
        .product(bounds[31*t+:31])
    );
  end
  always_ff @(posedge clk) begin
    valid_6 <= valid_5 && !reset;
    if (valid_5) begin
      control_6 <= control_5;
      {v_6, w_6} <= {v_5, w_5};
      passed_6 <= passed;
    end
  end

  // The threshold between those that v has passed and those that it has not.
  always_comb begin
    segment = 2'(passed_6[0]) + 2'(passed_6[1]) + 2'(passed_6[2]);
    if (!control_6.eight) constant_6 = 31'h3E800000;
    else if (segment == 2'd0) constant_6 = 31'h3D2ACD9F;
    else if (segment == 2'd1) constant_6 = 31'h3DF9DB23;
    else if (segment == 2'd2) constant_6 = 31'h3E141206;
    else constant_6 = 31'h3E24F766;
  end
  always_comb begin
    within_6 = v_6[31] || v_6[30:0] < bound_6 || (v_6[30:0] == bound_6 && (segment != '0 || !control_6.eight));
    // Place among seven thresholds: 0 is the type a = 0, 7 is INT4. Among two: 0, 1 and 7.
    if (control_6.eight) place_6 = {segment, !within_6};
    else if (!passed_6[0]) place_6 = 3'd0;
    else place_6 = within_6 ? 3'd1 : 3'd7;
  end
  rtq_product weighted_between (
      .a(constant_6),
      .b(w_6),
      .product(bound_6)
  );
  always_ff @(posedge clk) begin
    valid_7 <= valid_6 && !reset;
    if (valid_6) begin
      control_7 <= control_6;
      place_7 <= place_6;
    end
  end

  // Stage 8: the reciprocal of gmax as a significand of 25 bits, 2^24 to 2^25, and how far it is shifted.
  logic valid_8;
  logic int8_8;
  logic [TAG-1:0] tag_8;
  logic [7:0] type_7, type_8;
  logic [24:0] reciprocal;
  logic [3:0] magnitude;  // 2^(magnitude - 1) < gmax <= 2^magnitude
  logic [10:0] significand;
  logic [3:0] zeros;
  logic [24:0] quotient;
  logic signed [6:0] scale_exponent;
  logic [15:0] rounded;
  logic [14:0] scale_7, scale_8;
  always_comb begin
    case (place_7)
      3'd0: type_7 = 8'd0;
      3'd1: type_7 = control_7.eight ? 8'd20 : 8'd25;
      3'd2: type_7 = 8'd40;
      3'd3: type_7 = 8'd60;
      3'd4: type_7 = 8'd80;
      3'd5: type_7 = 8'd100;
      3'd6: type_7 = 8'd120;
      default: type_7 = INT4;
    endcase
    if (control_7.single || control_7.largest == '0) type_7 = INT4;
    // 2^(24 + magnitude) / gmax, rounded up.
    case (type_7)
      8'd0: {magnitude, reciprocal} = {4'd7, 25'd16777216};     // 128
      8'd20: {magnitude, reciprocal} = {4'd9, 25'd32051995};    // 268
      8'd25: {magnitude, reciprocal} = {4'd9, 25'd28349620};    // 303
      8'd40: {magnitude, reciprocal} = {4'd9, 25'd21053762};    // 408
      8'd60: {magnitude, reciprocal} = {4'd10, 25'd31350127};   // 548
      8'd80: {magnitude, reciprocal} = {4'd10, 25'd24970741};   // 688
      8'd100: {magnitude, reciprocal} = {4'd10, 25'd20748635};  // 828
      8'd120: {magnitude, reciprocal} = {4'd10, 25'd17747799};  // 968
      default: {magnitude, reciprocal} = {4'd3, 25'd19173962};  // 7
    endcase
    if (control_7.int8) {magnitude, reciprocal} = {4'd7, 25'd16909321};  // 127
    significand = {control_7.largest[14:10] != '0, control_7.largest[9:0]};
    zeros = '0;
    for (int stage = 3; stage >= 0; stage--) begin
      if ((significand >> (11 - (1 << stage))) == '0) begin
        significand = significand << (1 << stage);
        zeros[stage] = 1'b1;
      end
    end
    quotient = 25'((36'(significand) * 36'(reciprocal)) >> 11);
    // largest = significand * 2^(field - 25 - zeros); the product has 2^(24 + magnitude) too many, 2^11 of which are dropped
    scale_exponent = $signed({2'b00, control_7.largest[14:10] == '0 ? 5'd1 : control_7.largest[14:10]})
                   - 7'sd38 - $signed({3'b000, zeros}) - $signed({3'b000, magnitude});
    if (control_7.largest == '0) scale_7 = '0;
    else scale_7 = rounded == '0 ? 15'd1 : rounded[14:0];
  end
  fp_round #(
      .SIGNIFICAND(25),
      .EXPONENT(7),
      .FIELD(5),
      .FRACTION(10)
  ) round_scale (
      .sign(1'b0),
      .exponent(scale_exponent),
      .significand(quotient),
      .sticky(1'b0),
      .value(rounded)
  );
  always_ff @(posedge clk) begin
    valid_8 <= valid_7 && !reset;
    if (valid_7) begin
      {tag_8, int8_8} <= {control_7.tag, control_7.int8};
      type_8 <= type_7;
      scale_8 <= scale_7;
    end
  end

  // Stage 9
  logic [7*15-1:0] limits_8;
  rtq_thresholds thresholds (
      .scale(scale_8),
      .coefficient(type_8[6:0]),
      .int4(type_8[7]),
      .limits(limits_8)
  );
  always_ff @(posedge clk) begin
    valid_out <= valid_8 && !reset;
    if (valid_8) begin
      {tag_out, int8_out} <= {tag_8, int8_8};
      scale <= scale_8;
      stored_type <= type_8;
      limits <= limits_8;
    end
  end
endmodule

`default_nettype wire
