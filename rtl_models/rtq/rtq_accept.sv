// SPDX-License-Identifier: Apache-2.0
// Registers of one group of the real-time quantizer (docs/datapaths.md, "Real-time quantizer"). Twin of rtq_accept in
// pe/rtq.h: largest magnitude, sum and sum of squares (binary32), count of the elements so far. One finite binary16 element
// per cycle, latency 1. Units in a row pass the registers of a group from column to column.
//
//   first    the group begins: the registers that come in are taken for zeros
//   present  the element counts; 0: the registers pass as they are (columns beyond the end of a row)
//   tag      goes along: what the environment knows a group by
//
// A count of 256 is the largest.
`default_nettype none

module rtq_accept #(
    parameter int TAG = 1
) (
    input  wire logic           clk,
    input  wire logic           reset,
    input  wire logic           valid_in,
    input  wire logic           first,
    input  wire logic           present,
    input  wire logic [TAG-1:0] tag_in,
    input  wire logic [15:0]    x,
    input  wire logic [14:0]    largest_in,
    input  wire logic [31:0]    sum_in,
    input  wire logic [31:0]    squares_in,
    input  wire logic [8:0]     count_in,
    output logic                valid_out,
    output logic [TAG-1:0]      tag_out,
    output logic [14:0]         largest_out,
    output logic [31:0]         sum_out,
    output logic [31:0]         squares_out,
    output logic [8:0]          count_out
);
  logic [14:0] largest;
  logic [31:0] sum, squares, sum_next, squares_next;
  logic [8:0] count;
  always_comb begin
    largest = first ? 15'b0 : largest_in;
    sum = first ? 32'b0 : sum_in;
    squares = first ? 32'b0 : squares_in;
    count = first ? 9'b0 : count_in;
  end

  // The element and its square, both exact in binary32: a normalized significand of 11 bits, its square of 22.
  logic [10:0] significand;
  logic [3:0] zeros;
  logic [21:0] squared;
  logic [7:0] exponent;
  logic [31:0] value, square;
  always_comb begin
    significand = {x[14:10] != '0, x[9:0]};
    zeros = '0;
    for (int stage = 3; stage >= 0; stage--) begin
      if ((significand >> (11 - (1 << stage))) == '0) begin
        significand = significand << (1 << stage);
        zeros[stage] = 1'b1;
      end
    end
    squared = 22'(significand) * 22'(significand);
    exponent = {3'b0, x[14:10] == '0 ? 5'd1 : x[14:10]} - {4'b0, zeros};
    value = {x[15], exponent + 8'd112, significand[9:0], 13'b0};
    square = {1'b0, {exponent[6:0], 1'b0} + 8'd97 + 8'(squared[21]),
              squared[21] ? {squared[20:0], 2'b0} : {squared[19:0], 3'b0}};
    if (x[14:0] == '0) begin
      value = {x[15], 31'b0};
      square = '0;
    end
  end
  fp_add add (
      .a(sum),
      .b(value),
      .sum(sum_next)
  );
  fp_add add_square (
      .a(squares),
      .b(square),
      .sum(squares_next)
  );

  always_ff @(posedge clk) begin
    valid_out <= valid_in && !reset;
    if (valid_in) begin
      tag_out <= tag_in;
      largest_out <= present && x[14:0] > largest ? x[14:0] : largest;
      sum_out <= present ? sum_next : sum;
      squares_out <= present ? squares_next : squares;
      count_out <= present ? count + 9'd1 : count;
    end
  end
endmodule

`default_nettype wire
