// SPDX-License-Identifier: Apache-2.0
// Rounds significand * 2^exponent to a binary floating-point number: to nearest, ties to even, with subnormals; infinity
// beyond the largest finite number. Combinational.
//
//   SIGNIFICAND    bits of the unsigned integer to round, which need not be normalized
//   EXPONENT       bits of its two's complement exponent; one more than the result's exponent field holds is enough
//   FIELD, FRACTION  exponent field and fraction of the result: 8, 23 for binary32; 5, 10 for binary16
//
// A significand of zero gives zero with the given sign. `sticky` says that the exact value lies above the significand by
// less than one unit of its last place; it may be set only when the significand has FRACTION + 2 significant bits or more.
`default_nettype none

module fp_round #(
    parameter int SIGNIFICAND = 48,
    parameter int EXPONENT = 10,
    parameter int FIELD = 8,
    parameter int FRACTION = 23
) (
    input  wire logic                     sign,
    input  wire logic signed [EXPONENT-1:0] exponent,
    input  wire logic [SIGNIFICAND-1:0]   significand,
    input  wire logic                     sticky,
    output logic [FIELD+FRACTION:0]       value
);
  // Room for the fraction with its hidden bit, a guard place and a sticky place.
  localparam int PLACES = SIGNIFICAND > FRACTION + 3 ? SIGNIFICAND : FRACTION + 3;
  localparam int STAGES = $clog2(PLACES);
  localparam int BIASED = EXPONENT + 2;
  localparam int BIAS = (1 << (FIELD - 1)) - 1;

  logic [PLACES-1:0] normal;
  logic [STAGES-1:0] zeros;
  always_comb begin
    normal = {{(PLACES - SIGNIFICAND){1'b0}}, significand} << (PLACES - SIGNIFICAND);
    zeros = '0;
    for (int stage = STAGES - 1; stage >= 0; stage--) begin
      if ((normal >> (PLACES - (1 << stage))) == '0) begin
        normal = normal << (1 << stage);
        zeros[stage] = 1'b1;
      end
    end
  end

  logic signed [BIASED-1:0] biased;
  logic subnormal;
  logic [BIASED-1:0] below, distance;
  always_comb begin
    biased = BIASED'(exponent) + BIASED'(SIGNIFICAND - 1 + BIAS) - $signed({{(BIASED - STAGES) {1'b0}}, zeros});
    subnormal = biased < 1;
    below = subnormal ? BIASED'(1) - biased : '0;
    distance = below > BIASED'(PLACES) ? BIASED'(PLACES) : below;
  end

  logic [2*PLACES-1:0] placed;
  logic [FRACTION:0] kept;
  logic guard, rest, up;
  logic [FIELD+FRACTION-1:0] rounded;
  logic [FIELD-1:0] field_below;
  always_comb begin
    placed = {normal, {PLACES{1'b0}}} >> distance;
    kept = placed[2*PLACES-1-:FRACTION+1];
    guard = placed[2*PLACES-2-FRACTION];
    rest = (|placed[2*PLACES-3-FRACTION:0]) | sticky;
    up = guard & (rest | kept[0]);
    // The hidden bit in `kept` adds one to the field; a carry out of the fraction adds one more.
    field_below = subnormal ? '0 : FIELD'(biased - BIASED'(1));
    rounded = {field_below, {FRACTION{1'b0}}} + (FIELD + FRACTION)'(kept)
            + (FIELD + FRACTION)'(up);
    if (!normal[PLACES-1]) value = {sign, {(FIELD + FRACTION) {1'b0}}};
    else if (biased >= BIASED'((1 << FIELD) - 1)) value = {sign, {FIELD{1'b1}}, {FRACTION{1'b0}}};
    else value = {sign, rounded};
  end
endmodule

`default_nettype wire
