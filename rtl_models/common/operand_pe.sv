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
    input  wire logic [LEFT-1:0] x_in,
    input  wire logic [TOP-1:0]  w_in,
    output logic [LEFT-1:0]      x_out,
    output logic [TOP-1:0]       w_out,
    output logic                 done,
    output logic [SUM-1:0]       result
);
  // The array's control travels beside the PEs: their own copies go nowhere. Neither do partial results.
  // verilator lint_off UNUSEDSIGNAL
  logic valid_out, last_out;
  // verilator lint_on UNUSEDSIGNAL
  if (KIND == 0) begin : g_integer
    integer_pe #(
        .BITS(LEFT),
        .W_BITS(TOP),
        .SUM(SUM)
    ) pe (
        .*,
        .sum(result)
    );
  end else if (KIND == 1) begin : g_fp16
    fp16_pe pe (
        .*,
        .accumulator(result)
    );
  end else if (KIND == 3) begin : g_adaptive
    adaptive_pe pe (
        .*,
        .sum(result)
    );
  end else if (KIND == 4) begin : g_tender
    tender_pe pe (
        .*,
        .rescale_in(x_in[5]),
        .x_in(x_in[4:0]),
        .rescale_out(x_out[5]),
        .x_out(x_out[4:0]),
        .sum(result)
    );
  end else begin : g_foot
    // PEs with a foot of their own. Those that pass nothing on have their registers here, and those that read late what
    // belongs to a group have it held until the end of the next one.
    logic group_last;
    // verilator lint_off UNUSEDSIGNAL
    logic output_last, sum_valid, take;
    logic [31:0] sum;
    // verilator lint_on UNUSEDSIGNAL
    always_ff @(posedge clk) begin
      valid_out <= valid_in & !reset;
      last_out <= last_in;
      if (valid_in) begin
        x_out <= x_in;
        w_out <= w_in;
        if (group_last) output_last <= last_in;
      end
    end
    if (KIND == 2) begin : g_bfp
      assign group_last = x_in[9*LANES+6];
      bfp_pe #(
          .LANES(LANES)
      ) pe (
          .*,
          .mode(x_in[9*LANES+7+:2]),
          .a_magnitude(x_in[0+:8*LANES]),
          .a_sign(x_in[8*LANES+:LANES]),
          .b_nibble(w_in[0+:4*LANES]),
          .b_sign(w_in[4*LANES+:LANES]),
          .a_exponent(x_in[9*LANES+:5]),
          .b_exponent(w_in[5*LANES+16+:5]),
          .weight_last(x_in[9*LANES+5]),
          .weight_scale(w_in[5*LANES+:16]),
          .output_last(last_in),
          .partial_valid(sum_valid),
          .partial(sum),
          .result_valid(done)
      );
      assign take = 1'b0;
    end else if (KIND == 5) begin : g_anda
      logic [4:0] exponent;
      logic [3:0] bits;
      logic [15:0] weight_scale;
      assign group_last = x_in[2*LANES+9];
      always_ff @(posedge clk) begin
        if (valid_in && group_last) begin
          {bits, exponent} <= x_in[2*LANES+:9];
          weight_scale <= w_in[4*LANES+:16];
        end
      end
      anda_pe #(
          .LANES(LANES)
      ) pe (
          .*,
          .last_in(group_last),
          .plane(x_in[0+:LANES]),
          .signs(x_in[LANES+:LANES]),
          .w_in(w_in[0+:4*LANES]),
          .sum(sum[24:0]),
          .result_valid(done)
      );
      assign sum_valid = take;
      assign sum[31:25] = '0;
    end else begin : g_bitmod
      logic [26:0] scale;
      // Its own copies of what passes are the same registers as those above.
      // verilator lint_off UNUSEDSIGNAL
      logic [63:0] activation_out;
      logic [3:0] term_out, negative_out;
      logic [11:0] exponent_out;
      logic [2:0] significance_out;
      logic group_last_out, pe_valid_out;
      // verilator lint_on UNUSEDSIGNAL
      assign group_last = x_in[64];
      always_ff @(posedge clk) begin
        if (valid_in && group_last) scale <= w_in[49:23];
      end
      bitmod_pe pe (
          .*,
          .activation_in(x_in[63:0]),
          .group_last_in(group_last),
          .term_in(w_in[3:0]),
          .negative_in(w_in[7:4]),
          .exponent_in(w_in[19:8]),
          .significance_in(w_in[22:20]),
          .valid_out(pe_valid_out),
          .scale_take(take),
          .result_valid(done)
      );
    end
  end
endmodule

`default_nettype wire
