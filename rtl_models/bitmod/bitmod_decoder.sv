// SPDX-License-Identifier: Apache-2.0
// The decoder in front of BitMoD's PEs (docs/datapaths.md, "BitMoD"): a weight becomes one term +/- 2^exponent per cycle. Twin of
// bitmod_float_term and bitmod_digit in pe/bitmod_pe.h. Combinational.
//
//   floating 1  `value`: the number on its type's grid, -31..31 with two bits set at most; term `index` 0 is the higher bit, 1 the
//               lower one
//   floating 0  `value`: an integer; term `index` is digit -2..2 of its radix-4 Booth recoding, the lowest first
`default_nettype none

module bitmod_decoder (
    input  wire logic              floating,
    input  wire logic signed [7:0] value,
    input  wire logic [1:0]        index,
    output logic                   term,
    output logic                   negative,
    output logic [2:0]             exponent
);
  logic [4:0] magnitude, rest;
  logic [2:0] bits;
  always_comb begin
    magnitude = 5'(value[7] ? -value : value);
    rest = magnitude;
    if (index[0]) begin
      // The lowest bit, if there are two: all below the highest one.
      rest = magnitude & {1'b0, magnitude[4], |magnitude[4:3], |magnitude[4:2], |magnitude[4:1]};
    end
    bits = 3'({value, 1'b0} >> {index, 1'b0});
    if (floating) begin
      term = rest != '0;
      negative = value[7];
      exponent = rest[4] ? 3'd4 : rest[3] ? 3'd3 : rest[2] ? 3'd2 : {2'b00, rest[1]};
    end else begin
      term = bits != 3'b000 && bits != 3'b111;
      negative = bits[2];
      exponent = {2'b00, bits == 3'b100 || bits == 3'b011};
    end
  end
endmodule

`default_nettype wire
