// SPDX-License-Identifier: Apache-2.0
// The chain of result registers of one column of an output-stationary array. Twin of the chains of
// accelerators/output_stationary_array_cycle.h. `done` shows that the PE of that row has finished its result in this cycle; with
// the one that is `bottom`, the lowest PE in use, the chain begins to move down, one PE per cycle. At the lower end one result
// leaves per cycle, while `valid`. In its first cycle a result is still in its PE's own register.
// Whoever feeds the array sees to it that no result overruns one that is on its way.
`default_nettype none

module result_chain #(
    parameter int ROWS = 4,
    parameter int WIDTH = 32
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic [ROWS-1:0]       done,
    input  wire logic [ROWS-1:0]       bottom,
    input  wire logic [ROWS*WIDTH-1:0] result_in,
    output logic                       valid,
    output logic [WIDTH-1:0]           result
);
  // `waiting`: a result that stands still; `moving`: one that came from above.
  logic [ROWS-1:0] waiting, moving, starts, leaves;
  logic [ROWS*WIDTH-1:0] held, present;
  always_comb begin
    starts[ROWS-1] = done[ROWS-1] & bottom[ROWS-1];
    for (int r = ROWS - 2; r >= 0; r--) starts[r] = starts[r+1] | (done[r] & bottom[r]);
    for (int r = 0; r < ROWS; r++) begin
      leaves[r] = moving[r] | (starts[r] & (done[r] | waiting[r]));
      present[WIDTH*r+:WIDTH] = done[r] ? result_in[WIDTH*r+:WIDTH] : held[WIDTH*r+:WIDTH];
    end
  end
  assign valid = leaves[ROWS-1];
  assign result = present[WIDTH*(ROWS-1)+:WIDTH];

  for (genvar r = 0; r < ROWS; r++) begin : g_register
    logic from_above;
    logic [WIDTH-1:0] value_above;
    if (r == 0) begin : g_top
      assign from_above = 1'b0;
      assign value_above = '0;
    end else begin : g_below
      assign from_above = leaves[r-1];
      assign value_above = present[WIDTH*(r-1)+:WIDTH];
    end
    always_ff @(posedge clk) begin
      moving[r] <= from_above & !reset;
      waiting[r] <= (done[r] | waiting[r]) & !starts[r] & !reset;
      if (from_above) held[WIDTH*r+:WIDTH] <= value_above;
      else if (done[r]) held[WIDTH*r+:WIDTH] <= result_in[WIDTH*r+:WIDTH];
    end
  end
endmodule

`default_nettype wire
