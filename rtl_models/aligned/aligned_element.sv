// SPDX-License-Identifier: Apache-2.0
// One activation of the FIGNA-like PE, aligned to the largest exponent of its group (docs/datapaths.md, "FP-INT with aligned
// activations"). Twin of aligned_magnitude in pe/fp_int_aligned_pe.h. Combinational. BITS of a magnitude, 11 to 15 with the 11 of
// the significand in front; `largest`: the largest exponent field of the group, 1 for zeros and subnormals.
`default_nettype none

module aligned_element #(
    parameter int BITS = 14
) (
    input  wire logic [15:0]     value,
    input  wire logic [4:0]      largest,
    output logic signed [BITS:0] aligned
);
  logic [4:0] field;
  logic [BITS-1:0] magnitude;
  always_comb begin
    field = value[14:10] == '0 ? 5'd1 : value[14:10];
    magnitude = {value[14:10] != '0, value[9:0], {(BITS - 11) {1'b0}}} >> (largest - field);
    aligned = value[15] ? -$signed({1'b0, magnitude}) : $signed({1'b0, magnitude});
  end
endmodule

`default_nettype wire
