// SPDX-License-Identifier: Apache-2.0
// One place of output_stationary_array.sv: the PE of that KIND behind the ports that all have in common. Operands go on to the
// right and down through one register each; `done` shows that `result` is that of the operands with `last_in`.
`default_nettype none

module operand_pe #(
    parameter int KIND = 0,
    parameter int LEFT = 8,
    parameter int TOP = 8,
    parameter int SUM = 32,
    parameter int LANES = 32
) (
    input  wire logic            clk,
    input  wire logic            reset,
    input  wire logic            valid_in,
    input  wire logic            last_in,
    input  wire logic [LEFT-1:0] left_in,
    input  wire logic [TOP-1:0]  top_in,
    output logic [LEFT-1:0]      left_out,
    output logic [TOP-1:0]       top_out,
    output logic                 done,
    output logic [SUM-1:0]       result
);
  // The array's control travels beside the PEs: their own copies go nowhere.
  // verilator lint_off UNUSEDSIGNAL
  logic valid_out, last_out;
  // verilator lint_on UNUSEDSIGNAL
  if (KIND == 0) begin : g_integer
    integer_pe #(
        .BITS(LEFT),
        .W_BITS(TOP),
        .SUM(SUM)
    ) pe (
        .clk(clk),
        .reset(reset),
        .valid_in(valid_in),
        .last_in(last_in),
        .x_in(left_in),
        .w_in(top_in),
        .valid_out(valid_out),
        .last_out(last_out),
        .x_out(left_out),
        .w_out(top_out),
        .done(done),
        .sum(result)
    );
  end else if (KIND == 1) begin : g_fp16
    fp16_pe pe (
        .clk(clk),
        .reset(reset),
        .valid_in(valid_in),
        .last_in(last_in),
        .x_in(left_in),
        .w_in(top_in),
        .valid_out(valid_out),
        .last_out(last_out),
        .x_out(left_out),
        .w_out(top_out),
        .done(done),
        .accumulator(result)
    );
  end else if (KIND == 3) begin : g_adaptive
    adaptive_pe pe (
        .clk(clk),
        .reset(reset),
        .valid_in(valid_in),
        .last_in(last_in),
        .x_in(left_in),
        .w_in(top_in),
        .valid_out(valid_out),
        .last_out(last_out),
        .x_out(left_out),
        .w_out(top_out),
        .done(done),
        .sum(result)
    );
  end else if (KIND == 4) begin : g_tender
    tender_pe pe (
        .clk(clk),
        .reset(reset),
        .valid_in(valid_in),
        .last_in(last_in),
        .rescale_in(left_in[5]),
        .x_in(left_in[4:0]),
        .w_in(top_in),
        .valid_out(valid_out),
        .last_out(last_out),
        .rescale_out(left_out[5]),
        .x_out(left_out[4:0]),
        .w_out(top_out),
        .done(done),
        .sum(result)
    );
  end else begin : g_bfp
    // verilator lint_off UNUSEDSIGNAL
    logic partial_valid;
    logic [31:0] partial;
    // verilator lint_on UNUSEDSIGNAL
    always_ff @(posedge clk) begin
      valid_out <= valid_in & !reset;
      last_out <= last_in;
      if (valid_in) begin
        left_out <= left_in;
        top_out <= top_in;
      end
    end
    bfp_pe #(
        .LANES(LANES)
    ) pe (
        .clk(clk),
        .reset(reset),
        .valid_in(valid_in),
        .mode(left_in[9*LANES+7+:2]),
        .a_magnitude(left_in[0+:8*LANES]),
        .a_sign(left_in[8*LANES+:LANES]),
        .b_nibble(top_in[0+:4*LANES]),
        .b_sign(top_in[4*LANES+:LANES]),
        .group_last(left_in[9*LANES+6]),
        .a_exponent(left_in[9*LANES+:5]),
        .b_exponent(top_in[5*LANES+16+:5]),
        .weight_last(left_in[9*LANES+5]),
        .weight_scale(top_in[5*LANES+:16]),
        .output_last(last_in),
        .partial_valid(partial_valid),
        .partial(partial),
        .result_valid(done),
        .result(result)
    );
  end
endmodule

`default_nettype wire
