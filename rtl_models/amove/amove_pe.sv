// SPDX-License-Identifier: Apache-2.0
// One output-stationary PE of Amove's array (docs/datapaths.md, "Amove PE and GIPU"): INT4 x INT4, summed exactly per
// cluster. Twin of amove_step in pe/amove_pe.h. Activations with their control go right, weights go down, through one
// register each; latency 1, an operand every cycle. `last_in` ends a cluster: one cycle later `done` shows that `sum` is
// the cluster's, and the next operand starts a new sum. SUM: 10 bits hold clusters of 4, 12 bits clusters of 16.
`default_nettype none

module amove_pe #(
    parameter int SUM = 12
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic                  valid_in,
    input  wire logic                  last_in,
    input  wire logic                  output_last_in,
    input  wire logic signed [3:0]     x_in,
    input  wire logic signed [3:0]     w_in,
    output logic                       valid_out,
    output logic                       last_out,
    output logic                       output_last_out,
    output logic signed [3:0]          x_out,
    output logic signed [3:0]          w_out,
    output logic                       done,
    output logic signed [SUM-1:0]      sum
);
  logic fresh;
  always_ff @(posedge clk) begin
    done <= valid_in && last_in && !reset;
    valid_out <= valid_in && !reset;
    if (reset) fresh <= 1'b1;
    else if (valid_in) fresh <= last_in;
    if (valid_in) begin
      last_out <= last_in;
      output_last_out <= output_last_in;
      x_out <= x_in;
      w_out <= w_in;
      sum <= (fresh ? '0 : sum) + SUM'(x_in) * SUM'(w_in);
    end
  end
endmodule

`default_nettype wire
