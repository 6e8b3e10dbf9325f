// SPDX-License-Identifier: Apache-2.0
// What a code of the INT8 window reads back as: fp16(f32(code * scale)) (docs/datapaths.md, "Real-time quantizer").
// Combinational. -127 <= code <= 127; a finite scale that is not negative.
`default_nettype none

module rtq_readback (
    input  wire logic [7:0]  code,
    input  wire logic [14:0] scale,
    output logic [15:0]      value
);
  logic [6:0] magnitude;
  assign magnitude = code[7] ? 7'(-code) : code[6:0];
  fp_round #(
      .SIGNIFICAND(18),
      .EXPONENT(7),
      .FIELD(5),
      .FRACTION(10)
  ) round (
      .sign(code[7]),
      .exponent($signed({2'b00, scale[14:10] == '0 ? 5'd1 : scale[14:10]}) - 7'sd25),
      .significand(18'(magnitude) * 18'({scale[14:10] != '0, scale[9:0]})),
      .sticky(1'b0),
      .value(value)
  );
endmodule

`default_nettype wire
