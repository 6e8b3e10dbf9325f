// SPDX-License-Identifier: Apache-2.0
// One lane of Harmonia's FP16-to-BFP converter (docs/datapaths.md, "FP16-to-BFP converter"). Twin of bfp_convert and bfp_pack
// in pe/bfp_converter.h. GROUP finite binary16 values become one record, a group every cycle, latency 3:
//
//   1  maximum of the exponent fields by a tree (subnormals and zeros count as 1)
//   2  right shifters: significands aligned to the shared exponent
//   3  truncate (or round to nearest, ties to even, saturating) and pack
//
// `narrow`: mantissas of 4 bits instead of 8. Record: element i in bits i * (1 + m) and up, sign above mantissa, the exponent
// above the last element, zeros above that. A mantissa of 0 has sign 0. A group with fewer values has zeros in their place.
`default_nettype none

module bfp_converter_lane #(
    parameter int GROUP = 32
) (
    input  wire logic                    clk,
    input  wire logic                    reset,
    input  wire logic                    valid_in,
    input  wire logic                    narrow,
    input  wire logic                    nearest,
    input  wire logic [16*GROUP-1:0]     values,    // value i in bits 16 * i and up
    output logic                         valid_out,
    output logic                         narrow_out,
    output logic [9*GROUP+4:0]           record
);
  localparam int LEVELS = $clog2(GROUP);

  // Stage 1
  logic valid_1, narrow_1, nearest_1;
  logic [16*GROUP-1:0] values_1;
  logic [5*GROUP-1:0] field, field_1, greatest;
  logic [4:0] shared_1;
  always_comb begin
    for (int i = 0; i < GROUP; i++) begin
      field[5*i+:5] = values[16*i+10+:5] == '0 ? 5'd1 : values[16*i+10+:5];
    end
    greatest = field;
    for (int l = 0; l < LEVELS; l++) begin
      for (int i = 0; i < (GROUP >> (l + 1)); i++) begin
        greatest[5*i+:5] = greatest[10*i+:5] > greatest[10*i+5+:5] ? greatest[10*i+:5] : greatest[10*i+5+:5];
      end
    end
  end
  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    if (valid_in) begin
      narrow_1 <= narrow;
      nearest_1 <= nearest;
      values_1 <= values;
      field_1 <= field;
      shared_1 <= greatest[4:0];
    end
  end

  // Stage 2: what a shifter drops is remembered for the rounding.
  logic valid_2, narrow_2, nearest_2;
  logic [4:0] shared_2;
  logic [GROUP-1:0] sign_2, dropped, dropped_2;
  logic [11*GROUP-1:0] shifted, shifted_2;
  logic [10:0] significand;
  logic [4:0] distance;
  always_comb begin
    for (int i = 0; i < GROUP; i++) begin
      significand = {values_1[16*i+10+:5] != '0, values_1[16*i+:10]};
      distance = shared_1 - field_1[5*i+:5];
      shifted[11*i+:11] = significand >> distance;
      dropped[i] = (shifted[11*i+:11] << distance) != significand;
    end
  end
  always_ff @(posedge clk) begin
    valid_2 <= valid_1 && !reset;
    if (valid_1) begin
      narrow_2 <= narrow_1;
      nearest_2 <= nearest_1;
      shared_2 <= shared_1;
      shifted_2 <= shifted;
      dropped_2 <= dropped;
      for (int i = 0; i < GROUP; i++) sign_2[i] <= values_1[16*i+15];
    end
  end

  // Stage 3
  logic [9*GROUP-1:0] wide_elements;
  logic [5*GROUP-1:0] narrow_elements;
  logic [10:0] place;
  logic [8:0] wide_mantissa;    // one bit more than kept: rounding up may carry out
  logic [4:0] narrow_mantissa;
  logic up;
  always_comb begin
    for (int i = 0; i < GROUP; i++) begin
      place = shifted_2[11*i+:11];
      up = nearest_2 & place[2] & ((|place[1:0]) | dropped_2[i] | place[3]);
      wide_mantissa = {1'b0, place[10:3]} + 9'(up);
      wide_elements[9*i+:9] = {sign_2[i] & (wide_mantissa != '0), wide_mantissa[8] ? 8'd255 : wide_mantissa[7:0]};
      up = nearest_2 & place[6] & ((|place[5:0]) | dropped_2[i] | place[7]);
      narrow_mantissa = {1'b0, place[10:7]} + 5'(up);
      narrow_elements[5*i+:5] = {sign_2[i] & (narrow_mantissa != '0), narrow_mantissa[4] ? 4'd15 : narrow_mantissa[3:0]};
    end
  end
  always_ff @(posedge clk) begin
    valid_out <= valid_2 && !reset;
    if (valid_2) begin
      narrow_out <= narrow_2;
      record <= narrow_2 ? {{(4 * GROUP) {1'b0}}, shared_2, narrow_elements} : {shared_2, wide_elements};
    end
  end
endmodule

`default_nettype wire
