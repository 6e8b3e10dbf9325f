// SPDX-License-Identifier: Apache-2.0
// Product of two binary32 numbers that are not negative and normal, or zero, rounded to nearest, ties to even. Combinational.
// The product is normal, too: no shifter for subnormal results, and one place to normalize.
`default_nettype none

module rtq_product (
    input  wire logic [30:0] a,
    input  wire logic [30:0] b,
    output logic [30:0]      product
);
  logic [47:0] significand;
  logic [23:0] kept;
  logic guard, rest;
  logic [7:0] field;
  always_comb begin
    significand = 48'({1'b1, a[22:0]}) * 48'({1'b1, b[22:0]});
    kept = significand[47] ? significand[47:24] : significand[46:23];
    guard = significand[47] ? significand[23] : significand[22];
    rest = |significand[21:0] || (significand[47] && significand[22]);
    // The hidden bit in `kept` adds one to the field; a carry out of the fraction adds one more.
    field = a[30:23] + b[30:23] - 8'd128 + 8'(significand[47]);
    product = {field, 23'b0} + 31'(kept) + 31'(guard && (rest || kept[0]));
    if (a == '0 || b == '0) product = '0;
  end
endmodule

`default_nettype wire
