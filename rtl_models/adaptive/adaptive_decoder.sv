// SPDX-License-Identifier: Apache-2.0
// The decoder at the edge of an ANT or OliVe array (docs/datapaths.md, "ANT and OliVe"): an operand becomes an integer and an
// exponent. Twin of ant_decode, of one half of olive_decode, and of high_nibble and low_nibble in pe/. Combinational.
//
// `part` 0: a 4-bit code (sign, index) of `kind` 0 int4, 1 flint4, 2 pot4 (ANT alone); OLIVE: 8 is a victim, and where
// `partner`, the other code of the pair, is one, the code is an outlier. `part` 1 and 2: the high (signed) and the low nibble of
// an INT8 operand. The integer, 5 bits, is -8..15; the exponent 0..6.
`default_nettype none

module adaptive_decoder #(
    parameter int OLIVE = 0
) (
    input  wire logic [1:0]   part,
    input  wire logic [1:0]   kind,
    input  wire logic [3:0]   code,
    // verilator lint_off UNUSEDSIGNAL
    input  wire logic [3:0]   partner,    // of no use to ANT
    // verilator lint_on UNUSEDSIGNAL
    output logic signed [4:0] integer_part,
    output logic [2:0]        exponent
);
  logic [2:0] index, magnitude;
  logic outlier, victim;
  always_comb begin
    index = code[2:0];
    outlier = OLIVE != 0 && partner == 4'd8;
    victim = OLIVE != 0 && code == 4'd8;
    magnitude = index;
    exponent = 3'd0;
    if (outlier) begin
      // E2M1 without its bias: 2 + m, shifted by e and the outliers' own bias.
      magnitude = {2'b01, index[0]};
      exponent = {1'b0, index[2:1]} + (kind == 2'd0 ? 3'd2 : 3'd3);
    end else if (kind == 2'd1) begin
      case (index)
        3'd4: {magnitude, exponent} = {3'd2, 3'd1};
        3'd5: {magnitude, exponent} = {3'd3, 3'd1};
        3'd6: {magnitude, exponent} = {3'd2, 3'd2};
        3'd7: {magnitude, exponent} = {3'd2, 3'd3};
        default: magnitude = index;
      endcase
    end else if (kind == 2'd2 && index > 3'd1) begin
      magnitude = 3'd1;
      exponent = index - 3'd1;
    end
    integer_part = code[3] ? -$signed({2'b00, magnitude}) : $signed({2'b00, magnitude});
    if (victim) begin
      integer_part = 5'sd0;
      exponent = 3'd0;
    end
    if (part == 2'd1) begin
      integer_part = $signed({code[3], code});
      exponent = 3'd4;
    end else if (part == 2'd2) begin
      integer_part = $signed({1'b0, code});
      exponent = 3'd0;
    end
  end
endmodule

`default_nettype wire
