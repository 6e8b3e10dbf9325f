// SPDX-License-Identifier: Apache-2.0
// Sum of two binary floating-point numbers: to nearest, ties to even, with subnormals. Combinational. FIELD, FRACTION: 8, 23
// for binary32; 5, 10 for binary16. An invalid operation and a NaN operand give the quiet NaN without sign; an exact zero
// from operands of both signs is +0 (IEEE 754-2019, 6.3).
`default_nettype none

module fp_add #(
    parameter int FIELD = 8,
    parameter int FRACTION = 23
) (
    input  wire logic [FIELD+FRACTION:0] a,
    input  wire logic [FIELD+FRACTION:0] b,
    output logic [FIELD+FRACTION:0] sum
);
  localparam int MAGNITUDE = FIELD + FRACTION;
  localparam int PLACES = FRACTION + 4;    // hidden bit, fraction, and below it guard, round and sticky
  localparam int EXPONENT = FIELD + 2;
  localparam int BIAS = (1 << (FIELD - 1)) - 1;

  logic [MAGNITUDE:0] greater, lesser;
  logic [FIELD-1:0] greater_exponent, lesser_exponent, distance;
  logic [PLACES-1:0] greater_significand, lesser_significand;
  logic [2*PLACES-1:0] aligned;
  logic subtract;
  logic [PLACES:0] total;
  logic signed [EXPONENT-1:0] exponent;
  always_comb begin
    greater = a[MAGNITUDE-1:0] >= b[MAGNITUDE-1:0] ? a : b;
    lesser = a[MAGNITUDE-1:0] >= b[MAGNITUDE-1:0] ? b : a;
    // The field of a subnormal number is 0, its exponent that of field 1.
    greater_exponent = greater[MAGNITUDE-1-:FIELD] == '0 ? FIELD'(1) : greater[MAGNITUDE-1-:FIELD];
    lesser_exponent = lesser[MAGNITUDE-1-:FIELD] == '0 ? FIELD'(1) : lesser[MAGNITUDE-1-:FIELD];
    greater_significand = {greater[MAGNITUDE-1-:FIELD] != '0, greater[FRACTION-1:0], 3'b000};
    lesser_significand = {lesser[MAGNITUDE-1-:FIELD] != '0, lesser[FRACTION-1:0], 3'b000};
    distance = greater_exponent - lesser_exponent;
    aligned = {lesser_significand, {PLACES{1'b0}}} >> distance;
    aligned[PLACES] = aligned[PLACES] | (|aligned[PLACES-1:0]);
    subtract = greater[MAGNITUDE] ^ lesser[MAGNITUDE];
    total = subtract ? {1'b0, greater_significand} - {1'b0, aligned[2*PLACES-1:PLACES]}
                     : {1'b0, greater_significand} + {1'b0, aligned[2*PLACES-1:PLACES]};
    exponent = $signed({2'b00, greater_exponent}) - EXPONENT'(BIAS + FRACTION + 3);
  end

  logic [MAGNITUDE:0] rounded;
  logic sign;
  assign sign = total == '0 ? a[MAGNITUDE] & b[MAGNITUDE] : greater[MAGNITUDE];
  fp_round #(
      .SIGNIFICAND(PLACES + 1),
      .EXPONENT(EXPONENT),
      .FIELD(FIELD),
      .FRACTION(FRACTION)
  ) round (
      .sign(sign),
      .exponent(exponent),
      .significand(total),
      .sticky(1'b0),
      .value(rounded)
  );

  localparam logic [MAGNITUDE-1:0] INFINITY = {{FIELD{1'b1}}, {FRACTION{1'b0}}};
  always_comb begin
    if (greater[MAGNITUDE-1:0] > INFINITY || (lesser[MAGNITUDE-1:0] == INFINITY && subtract)) begin
      sum = {1'b0, {FIELD{1'b1}}, 1'b1, {(FRACTION - 1) {1'b0}}};
    end else if (greater[MAGNITUDE-1:0] == INFINITY) begin
      sum = greater;
    end else begin
      sum = rounded;
    end
  end
endmodule

`default_nettype wire
