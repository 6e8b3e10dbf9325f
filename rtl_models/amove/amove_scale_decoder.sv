// SPDX-License-Identifier: Apache-2.0
// Amove's scale decoder: fp16(S - R * E). Twin of amove_scale in pe/amove_pe.h. Combinational. S and R are E4M3 codes without
// their sign, which encoders never set, and not NaN (127); E is the cluster's 2-bit code. One multiply, one add, both exact
// in units of 2^-9, one rounding.
`default_nettype none

module amove_scale_decoder (
    input  wire logic [6:0]  base,
    input  wire logic [6:0]  residual,
    input  wire logic [1:0]  code,
    output logic [15:0]      scale
);
  logic [17:0] base_fixed, residual_fixed;
  logic [3:0] base_shift, residual_shift;
  logic signed [20:0] difference;
  always_comb begin
    base_shift = base[6:3] == '0 ? 4'd0 : base[6:3] - 4'd1;
    residual_shift = residual[6:3] == '0 ? 4'd0 : residual[6:3] - 4'd1;
    base_fixed = {14'b0, base[6:3] != '0, base[2:0]} << base_shift;
    residual_fixed = {14'b0, residual[6:3] != '0, residual[2:0]} << residual_shift;
    difference = 21'(base_fixed) - 21'(residual_fixed) * 21'(code);
  end
  fp_round #(
      .SIGNIFICAND(20),
      .EXPONENT(7),
      .FIELD(5),
      .FRACTION(10)
  ) round (
      .sign(difference[20]),
      .exponent(-7'sd9),
      .significand(difference[20] ? 20'(-difference) : 20'(difference)),
      .sticky(1'b0),
      .value(scale)
  );
endmodule

`default_nettype wire
