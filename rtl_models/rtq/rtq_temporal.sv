// SPDX-License-Identifier: Apache-2.0
// The temporal path of the real-time quantizer (docs/datapaths.md, "Real-time quantizer"): values, groups of GROUP tokens of
// one channel, in two phases. Twin of RtqTemporal in pe/rtq.h; window, registers and scales lie with the environment.
//
// First phase, LANES channels of a token every cycle, latency 4:
//   1, 2  code = int8(x / scale8) of the channel; it leaves at `window_valid`, `window_codes`
//   3     what the code reads back as; an FP16 window (`plain`) keeps the element as it is
//   4     registers: read late, registers_in belongs to the token in stage 4, whose presence `accumulate` tells in the same
//         cycle (`accumulate_tag`); registers_out follows at `registers_valid`. `first`: the group's first token
//
// Second phase, one channel every cycle, latency 9: `close` with the registers of a complete group, or (`close_int8`) with a
// largest magnitude alone, whose scale for the window leaves at `scale_valid`. Two cycles before the codes leave, `request`
// asks with the channel's tag for its window, which comes one cycle later: codes in the low bytes with the channel's
// scale8, or (`request_plain`) FP16. Scale, type and codes of a group leave together (`scale_int8` is low then).
// The first channel's codes leave 13 cycles after the last token entered.
`default_nettype none

module rtq_temporal #(
    parameter int LANES = 32,
    parameter int GROUP = 64,
    parameter int TAG = 8
) (
    input  wire logic                  clk,
    input  wire logic                  reset,
    input  wire logic                  valid_in,
    input  wire logic                  plain,
    input  wire logic                  first,
    input  wire logic [TAG-1:0]        tag_in,
    input  wire logic [16*LANES-1:0]   values,
    input  wire logic [15*LANES-1:0]   window_scales,  // binary16 numbers without their sign
    output logic                       window_valid,
    output logic [TAG-1:0]             window_tag,
    output logic [8*LANES-1:0]         window_codes,
    output logic                       accumulate,
    output logic [TAG-1:0]             accumulate_tag,
    input  wire logic [88*LANES-1:0]   registers_in,
    output logic                       registers_valid,
    output logic [TAG-1:0]             registers_tag,
    output logic [88*LANES-1:0]        registers_out,
    input  wire logic                  close,
    input  wire logic                  close_int8,
    input  wire logic                  close_plain,
    input  wire logic                  eight,
    input  wire logic [TAG-1:0]        close_tag,
    input  wire logic [87:0]           close_registers,
    output logic                       request,
    output logic                       request_plain,
    output logic [TAG-1:0]             request_tag,
    input  wire logic [14:0]           window_scale,
    input  wire logic [16*GROUP-1:0]   window,
    output logic                       scale_valid,
    output logic                       scale_int8,
    output logic [TAG-1:0]             scale_tag,
    output logic [14:0]                scale,
    output logic [7:0]                 stored_type,
    output logic [4*GROUP-1:0]         codes
);
  // First phase
  logic valid_1, valid_2, plain_1, plain_2, first_1, first_2, first_3;
  logic [TAG-1:0] tag_1, tag_2;
  logic [16*LANES-1:0] values_1, values_2, entering, entering_3;
  logic [15*LANES-1:0] scales_1, scales_2;
  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    if (valid_in) {plain_1, first_1, tag_1, values_1, scales_1} <= {plain, first, tag_in, values, window_scales};
    valid_2 <= valid_1 && !reset;
    if (valid_1) {plain_2, first_2, tag_2, values_2, scales_2} <= {plain_1, first_1, tag_1, values_1, scales_1};
    accumulate <= valid_2 && !reset;
    if (valid_2) {first_3, accumulate_tag, entering_3} <= {first_2, tag_2, entering};
    registers_valid <= accumulate && !reset;
    if (accumulate) registers_tag <= accumulate_tag;
  end
  assign window_valid = valid_2 && !plain_2;
  assign window_tag = tag_2;
  for (genvar i = 0; i < LANES; i++) begin : g_lane
    logic [15:0] back;
    /* verilator lint_off UNUSEDSIGNAL */
    logic unused_valid, unused_tag;  // control is common to all lanes
    /* verilator lint_on UNUSEDSIGNAL */
    rtq_lane lane (
        .clk(clk),
        .valid_in(valid_in),
        .int8(1'b1),
        .x(values[16*i+:16]),
        .scale(window_scales[15*i+:15]),
        .limits('0),
        .int4(1'b0),
        .code(window_codes[8*i+:8])
    );
    rtq_readback readback (
        .code(window_codes[8*i+:8]),
        .scale(scales_2[15*i+:15]),
        .value(back)
    );
    assign entering[16*i+:16] = plain_2 ? values_2[16*i+:16] : back;
    rtq_accept registers (
        .clk(clk),
        .reset(reset),
        .valid_in(accumulate),
        .first(first_3),
        .present(1'b1),
        .tag_in(1'b0),
        .x(entering_3[16*i+:16]),
        .largest_in(registers_in[88*i+:15]),
        .sum_in(registers_in[88*i+15+:32]),
        .squares_in(registers_in[88*i+47+:32]),
        .count_in(registers_in[88*i+79+:9]),
        .valid_out(unused_valid),
        .tag_out(unused_tag),
        .largest_out(registers_out[88*i+:15]),
        .sum_out(registers_out[88*i+15+:32]),
        .squares_out(registers_out[88*i+47+:32]),
        .count_out(registers_out[88*i+79+:9])
    );
  end

  // Second phase. What the window is asked with runs beside the scale's nine stages, and is seven of them old.
  localparam int AHEAD = 7;
  logic [AHEAD-1:0] asking;
  logic [(TAG+1)*AHEAD-1:0] asked;
  always_ff @(posedge clk) begin
    asking <= reset ? '0 : {asking[AHEAD-2:0], close && !close_int8};
    asked <= {asked[(TAG+1)*(AHEAD-1)-1:0], close_tag, close_plain};
  end
  assign request = asking[AHEAD-1];
  assign {request_tag, request_plain} = asked[(TAG+1)*AHEAD-1-:TAG+1];
  logic requested, requested_plain;
  logic [7*15-1:0] limits;
  always_ff @(posedge clk) begin
    requested <= request && !reset;
    if (request) requested_plain <= request_plain;
  end
  rtq_scale #(
      .TAG(TAG)
  ) scales (
      .clk(clk),
      .reset(reset),
      .valid_in(close),
      .int8(close_int8),
      .eight(eight),
      .tag_in(close_tag),
      .largest(close_registers[14:0]),
      .sum(close_registers[46:15]),
      .squares(close_registers[78:47]),
      .count(close_registers[87:79]),
      .valid_out(scale_valid),
      .int8_out(scale_int8),
      .tag_out(scale_tag),
      .scale(scale),
      .stored_type(stored_type),
      .limits(limits)
  );
  for (genvar i = 0; i < GROUP; i++) begin : g_element
    logic [15:0] back, element;
    rtq_readback readback (
        .code(window[16*i+:8]),
        .scale(window_scale),
        .value(back)
    );
    always_ff @(posedge clk) begin
      if (requested) element <= requested_plain ? window[16*i+:16] : back;
    end
    rtq_coder coder (
        .x(element),
        .limits(limits),
        .int4(stored_type[7]),
        .code(codes[4*i+:4])
    );
  end
endmodule

`default_nettype wire
