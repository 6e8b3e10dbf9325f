// SPDX-License-Identifier: Apache-2.0
// One integer PE with a foot of its own: what a baseline array of one column costs. The scales are those of the run that is
// `done`, given in the cycle after its last operands; see integer_pe.sv and integer_foot.sv.
`default_nettype none

module integer_unit #(
    parameter int BITS = 8,
    parameter int SUM = 32
) (
    input  wire logic                    clk,
    input  wire logic                    reset,
    input  wire logic                    valid_in,
    input  wire logic                    last_in,
    input  wire logic signed [BITS-1:0]  x_in,
    input  wire logic signed [BITS-1:0]  w_in,
    output logic                         valid_out,
    output logic                         last_out,
    output logic signed [BITS-1:0]       x_out,
    output logic signed [BITS-1:0]       w_out,
    output logic                         done,
    output logic signed [SUM-1:0]        sum,
    input  wire logic [15:0]             activation_scale,
    input  wire logic [15:0]             weight_scale,
    output logic                         accumulate,
    input  wire logic [31:0]             accumulator_in,
    output logic                         result_valid,
    output logic [31:0]                  result
);
  integer_pe #(
      .BITS(BITS),
      .SUM(SUM)
  ) pe (
      .*
  );
  integer_foot #(
      .SUM(SUM)
  ) foot (
      .*,
      .valid_in(done),
      .valid_out(result_valid),
      .accumulator_out(result)
  );
endmodule

`default_nettype wire
