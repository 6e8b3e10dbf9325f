// SPDX-License-Identifier: Apache-2.0
// Skew in front of a systolic array: lane i of `in` appears at `out` i * STEP cycles later, lane 0 at once. The lanes' bits
// stand side by side, lane 0 in the low bits. RESET: whether a reset clears what is on its way.
`default_nettype none

module skew #(
    parameter int LANES = 4,
    parameter int WIDTH = 8,
    parameter int STEP = 1,
    parameter bit RESET = 0
) (
    input  wire logic                   clk,
    // verilator lint_off UNUSEDSIGNAL
    input  wire logic                   reset,    // without RESET of no use
    // verilator lint_on UNUSEDSIGNAL
    input  wire logic [LANES*WIDTH-1:0] in,
    output logic [LANES*WIDTH-1:0]      out
);
  for (genvar i = 0; i < LANES; i++) begin : g_lane
    if (i == 0) begin : g_direct
      assign out[WIDTH-1:0] = in[WIDTH-1:0];
    end else begin : g_delayed
      localparam int DEPTH = i * STEP * WIDTH;
      logic [DEPTH-1:0] line;
      always_ff @(posedge clk) begin
        if (RESET && reset) line <= '0;
        else line <= DEPTH'({line, in[WIDTH*i+:WIDTH]});
      end
      assign out[WIDTH*i+:WIDTH] = line[DEPTH-1-:WIDTH];
    end
  end
endmodule

`default_nettype wire
