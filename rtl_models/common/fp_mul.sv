// SPDX-License-Identifier: Apache-2.0
// Product a * b * 2^scale of two binary floating-point numbers, rounded once: to nearest, ties to even, with subnormals.
// Combinational. Operands and result may be of different formats (FIELD, FRACTION: 8, 23 for binary32; 5, 10 for binary16).
// Infinity times zero and a NaN operand give the quiet NaN without sign.
//
//   SCALE     bits of `scale`, two's complement
//   EXPONENT  bits that hold the exponent of the exact product, scale included, counted from its last place
`default_nettype none

module fp_mul #(
    parameter int A_FIELD = 5,
    parameter int A_FRACTION = 10,
    parameter int B_FIELD = 5,
    parameter int B_FRACTION = 10,
    parameter int FIELD = 8,
    parameter int FRACTION = 23,
    parameter int SCALE = 1,
    parameter int EXPONENT = 10
) (
    input  wire logic [A_FIELD+A_FRACTION:0] a,
    input  wire logic [B_FIELD+B_FRACTION:0] b,
    input  wire logic signed [SCALE-1:0] scale,
    output logic [FIELD+FRACTION:0] product
);
  localparam int A_BIAS = (1 << (A_FIELD - 1)) - 1;
  localparam int B_BIAS = (1 << (B_FIELD - 1)) - 1;
  localparam int PLACES = A_FRACTION + B_FRACTION + 2;

  logic [A_FIELD-1:0] a_field;
  logic [B_FIELD-1:0] b_field;
  logic [PLACES-1:0] significand;
  logic signed [EXPONENT-1:0] exponent;
  logic sign, a_zero, b_zero, a_special, b_special, invalid;
  always_comb begin
    a_field = a[A_FIELD+A_FRACTION-1-:A_FIELD];
    b_field = b[B_FIELD+B_FRACTION-1-:B_FIELD];
    sign = a[A_FIELD+A_FRACTION] ^ b[B_FIELD+B_FRACTION];
    a_zero = a[A_FIELD+A_FRACTION-1:0] == '0;
    b_zero = b[B_FIELD+B_FRACTION-1:0] == '0;
    a_special = &a_field;
    b_special = &b_field;
    invalid = (a_special && (a[A_FRACTION-1:0] != '0 || b_zero)) || (b_special && (b[B_FRACTION-1:0] != '0 || a_zero));
    significand = PLACES'({a_field != '0, a[A_FRACTION-1:0]}) * PLACES'({b_field != '0, b[B_FRACTION-1:0]});
    exponent = EXPONENT'($signed({1'b0, a_field})) + EXPONENT'($signed({1'b0, b_field})) + EXPONENT'(scale)
             - EXPONENT'(A_BIAS + A_FRACTION + B_BIAS + B_FRACTION);
    if (a_field == '0) exponent = exponent + EXPONENT'(1);  // a subnormal number has the exponent of field 1
    if (b_field == '0) exponent = exponent + EXPONENT'(1);
  end

  logic [FIELD+FRACTION:0] rounded;
  fp_round #(
      .SIGNIFICAND(PLACES),
      .EXPONENT(EXPONENT),
      .FIELD(FIELD),
      .FRACTION(FRACTION)
  ) round (
      .sign(sign),
      .exponent(exponent),
      .significand(significand),
      .sticky(1'b0),
      .value(rounded)
  );
  always_comb begin
    if (invalid) product = {1'b0, {FIELD{1'b1}}, 1'b1, {(FRACTION - 1) {1'b0}}};
    else if (a_special || b_special) product = {sign, {FIELD{1'b1}}, {FRACTION{1'b0}}};
    else product = rounded;
  end
endmodule

`default_nettype wire
