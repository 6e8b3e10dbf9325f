// SPDX-License-Identifier: Apache-2.0
// The seven limits of a mant4 group as the real-time quantizer compares with them: index i + 1 or more means that an
// element's magnitude exceeds scale * boundary(i). Combinational.
//
// y = f32(|x| / s) > b and |x| > s * b are the same here: a quotient of two significands of 11 bits that is not b differs
// from it by a 2^13th part or more, which the rounding to 24 bits keeps. And since |x| is a binary16 number, |x| > s * b and
// |x| > (the largest binary16 number that is not above s * b) are the same: seven patterns of 15 bits.
`default_nettype none

module rtq_thresholds (
    input  wire logic [14:0]  scale,
    input  wire logic [6:0]   coefficient,  // a; of no meaning for INT4
    input  wire logic         int4,
    output logic [7*15-1:0]   limits        // limit i in bits 15 * i and up
);
  // Twice a boundary: a (2i + 1) + 3 * 2^i, at most 1752; INT4: 2i + 1. Half a place goes into the exponent.
  logic [10:0] twice;
  logic [21:0] product, normal;
  logic [4:0] zeros;
  logic signed [6:0] field;
  logic [6:0] below;
  logic [9:0] fraction;
  logic [10:0] significand;
  logic [4:0] scale_field;
  always_comb begin
    significand = {scale[14:10] != '0, scale[9:0]};
    scale_field = scale[14:10] == '0 ? 5'd1 : scale[14:10];
    for (int i = 0; i < 7; i++) begin
      twice = int4 ? 11'(2 * i + 1) : 11'(coefficient) * 11'(2 * i + 1) + 11'(3 << i);
      product = 22'(significand) * 22'(twice);
      normal = product;
      zeros = '0;
      for (int stage = 4; stage >= 0; stage--) begin
        if ((normal >> (22 - (1 << stage))) == '0) begin
          normal = normal << (1 << stage);
          zeros[stage] = 1'b1;
        end
      end
      // product * 2^(scale_field - 26) = 1.xx * 2^(21 - zeros + scale_field - 26), in the field with a bias of 15
      field = $signed({2'b00, scale_field}) + 7'sd10 - $signed({2'b00, zeros});
      below = field < 1 ? 7'sd1 - field : '0;
      fraction = 10'((normal >> below) >> 11);
      limits[15*i+:15] = {field < 1 ? 5'd0 : field[4:0], fraction};
    end
  end
endmodule

`default_nettype wire
