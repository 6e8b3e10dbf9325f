// SPDX-License-Identifier: Apache-2.0
// One place of stationary_array.sv: the PE of that KIND behind the ports that all have in common.
`default_nettype none

module stationary_pe #(
    parameter int KIND = 0,
    parameter int ROW = 0,
    parameter int ROW_BITS = 5,
    parameter int MODE = 4,
    parameter int STREAM = 32,
    parameter int WEIGHT = 32,
    parameter int SUM = 31
) (
    input  wire logic                clk,
    input  wire logic                reset,
    input  wire logic                valid_in,
    input  wire logic                first_in,
    input  wire logic [MODE-1:0]     mode_in,
    input  wire logic [STREAM-1:0]   x_in,
    output logic                     valid_out,
    output logic                     first_out,
    output logic [MODE-1:0]          mode_out,
    output logic [STREAM-1:0]        x_out,
    input  wire logic [SUM-1:0]      sum_in,
    output logic [SUM-1:0]           sum_out,
    input  wire logic                weight_in,
    input  wire logic [ROW_BITS-1:0] weight_row_in,
    input  wire logic [WEIGHT-1:0]   weight_word_in,
    output logic                     weight_out,
    output logic [ROW_BITS-1:0]      weight_row_out,
    output logic [WEIGHT-1:0]        weight_word_out
);
  if (KIND == 0) begin : g_mant
    mant_pe #(
        .ROW(ROW),
        .ROW_BITS(ROW_BITS)
    ) pe (
        .*,
        .wide_in(mode_in[0]),
        .wide_out(mode_out[0]),
        .p1_in(sum_in[17:0]),
        .p2_in(sum_in[39:18]),
        .p1_out(sum_out[17:0]),
        .p2_out(sum_out[39:18]),
        .weight_code_in(weight_word_in[3:0]),
        .weight_int4_in(weight_word_in[4]),
        .weight_code_out(weight_word_out[3:0]),
        .weight_int4_out(weight_word_out[4])
    );
  end else begin : g_bitfusion
    bitfusion_pe #(
        .ROW(ROW),
        .ROW_BITS(ROW_BITS),
        .SUM(SUM)
    ) pe (
        .*,
        .a_width_in(mode_in[1:0]),
        .w_width_in(mode_in[3:2]),
        .a_width_out(mode_out[1:0]),
        .w_width_out(mode_out[3:2])
    );
  end
endmodule

`default_nettype wire
