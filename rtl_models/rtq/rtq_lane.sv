// SPDX-License-Identifier: Apache-2.0
// Codes one element of the real-time quantizer: mant4 by its group's limits, or int8 by division. Twin of rtq_mant_code and
// rtq_int8_code in pe/rtq.h. An element every cycle, latency 2.
//
// INT8: clamp(rne(f32(x / scale)), -127, 127). The quotient of two significands of 11 bits lies on a half or so far from it
// that the rounding to 24 bits moves it nowhere else; so rne(x / scale) is formed, as nine places of 2 |x| / scale and
// whether something is left: five places in the first stage, four in the second. A scale of 0 gives 0.
`default_nettype none

module rtq_lane (
    input  wire logic            clk,
    input  wire logic            valid_in,
    input  wire logic            int8,
    input  wire logic [15:0]     x,
    input  wire logic [14:0]     scale,
    input  wire logic [7*15-1:0] limits,
    input  wire logic            int4,
    output logic [7:0]           code      // mant4: in the low 4 bits
);
  localparam int PLACES = 9;

  // Stage 1: 2 |x| / scale = dividend / divisor, the dividend with 20 places and what lies below them.
  logic [10:0] significand, divisor;
  logic [4:0] x_field, scale_field;
  logic signed [6:0] distance;
  logic [19:0] dividend;
  logic [42:0] placed;
  logic beyond, lost;
  logic [3:0] mant_code;
  always_comb begin
    significand = {x[14:10] != '0, x[9:0]};
    divisor = {scale[14:10] != '0, scale[9:0]};
    x_field = x[14:10] == '0 ? 5'd1 : x[14:10];
    scale_field = scale[14:10] == '0 ? 5'd1 : scale[14:10];
    distance = $signed({2'b00, x_field}) - $signed({2'b00, scale_field}) + 7'sd1;
    // Shifted left by up to 31 places, of which 11 and more make any number too beyond; right by up to 12.
    placed = distance >= 0 ? {20'b0, significand, 12'b0} << (distance > 7'sd20 ? 5'd20 : 5'(distance))
                           : {20'b0, significand, 12'b0} >> (distance < -7'sd12 ? 5'd12 : 5'(-distance));
    dividend = placed[31:12];
    lost = placed[11:0] != '0;
    beyond = placed[42:32] != '0 || {1'b0, placed[31:21]} >= {1'b0, divisor};
  end
  rtq_coder coder (
      .x(x),
      .limits(limits),
      .int4(int4),
      .code(mant_code)
  );
  logic [11:0] rest, rest_1;
  logic [PLACES-1:0] places, places_1;
  rtq_divide #(
      .STEPS(5),
      .REST(12),
      .PLACES(PLACES)
  ) upper (
      .rest(dividend[19:8]),
      .places({dividend[7:0], 1'b0}),
      .divisor(divisor),
      .rest_next(rest),
      .places_next(places)
  );
  logic int8_1, zero_1, sign_1, beyond_1, lost_1;
  logic [10:0] divisor_1;
  logic [3:0] mant_code_1;
  always_ff @(posedge clk) begin
    if (valid_in) begin
      int8_1 <= int8;
      sign_1 <= x[15];
      if (int8) begin
        zero_1 <= scale[14:0] == '0;
        beyond_1 <= beyond;
        lost_1 <= lost;
        divisor_1 <= divisor;
        rest_1 <= rest;
        places_1 <= places;
      end else begin
        mant_code_1 <= mant_code;
      end
    end
  end

  // Stage 2
  logic [11:0] rest_2;
  logic [PLACES-1:0] places_2;
  logic [7:0] nearest;
  logic [6:0] magnitude;
  rtq_divide #(
      .STEPS(4),
      .REST(12),
      .PLACES(PLACES)
  ) lower (
      .rest(rest_1),
      .places(places_1),
      .divisor(divisor_1),
      .rest_next(rest_2),
      .places_next(places_2)
  );
  always_comb begin
    nearest = places_2[8:1] + 8'(places_2[0] && (rest_2 != '0 || lost_1 || places_2[1]));
    magnitude = beyond_1 || places_2[8] || nearest[7] ? 7'd127 : nearest[6:0];
    if (zero_1) magnitude = '0;
  end
  always_ff @(posedge clk) begin
    if (int8_1) code <= sign_1 ? -{1'b0, magnitude} : {1'b0, magnitude};
    else code <= {4'b0, mant_code_1};
  end
endmodule

`default_nettype wire
