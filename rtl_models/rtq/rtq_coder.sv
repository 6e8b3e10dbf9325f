// SPDX-License-Identifier: Apache-2.0
// The mant4 code of one element: how many of its group's seven limits (rtq_thresholds.sv) its magnitude exceeds, and its
// sign, which INT4's zero has not. Twin of rtq_mant_code in pe/rtq.h. Combinational.
`default_nettype none

module rtq_coder (
    input  wire logic [15:0]     x,
    input  wire logic [7*15-1:0] limits,
    input  wire logic            int4,
    output logic [3:0]           code
);
  logic [2:0] index;
  always_comb begin
    index = '0;
    for (int i = 0; i < 7; i++) index = index + 3'(x[14:0] > limits[15*i+:15]);
    code = {x[15] && x[14:0] != '0 && (!int4 || index != '0), index};
  end
endmodule

`default_nettype wire
