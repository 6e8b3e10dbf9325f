// SPDX-License-Identifier: Apache-2.0
// PacQ's packed FP-INT multiplier (docs/datapaths.md, "FP-INT packed multiplier"): one binary16 activation times all weights
// of a 16-bit word, 4 of INT4 or 8 of INT2, lane 0 in the low bits. Twin of fp_int_lane in pe/fp_int_pe.h. Combinational.
//
// Lane l is worth (-1)^sign * lane[l] * 2^(field - 25), lane[l] = (Ma << 10) + Ma * u_l; the activation itself is
// (-1)^sign * significand * 2^(field - 25). Sign and exponent field (1 for subnormals) are common to all lanes. In INT4 the
// lanes 4 to 7 stand still at Ma << 10.
`default_nettype none

module fp_int_multiplier (
    input  wire logic [15:0]    activation,
    input  wire logic [15:0]    word,
    input  wire logic           int2,
    output logic                sign,
    output logic [4:0]          field,
    output logic [10:0]         significand,
    output logic [8*22-1:0]     lane    // lane l in bits 22 * l and up
);
  logic [3:0] weight;
  always_comb begin
    sign = activation[15];
    field = activation[14:10] == '0 ? 5'd1 : activation[14:10];
    significand = {activation[14:10] != '0, activation[9:0]};
    for (int l = 0; l < 8; l++) begin
      weight = l < 4 && !int2 ? word[4*(l%4)+:4] : int2 ? {2'b00, word[2*l+:2]} : 4'b0000;
      lane[22*l+:22] = {1'b0, significand, 10'b0} + 22'(significand) * 22'(weight);
    end
  end
endmodule

`default_nettype wire
