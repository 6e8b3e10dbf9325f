// SPDX-License-Identifier: Apache-2.0
// Amove's group-data immediate processing unit (docs/datapaths.md, "Amove PE and GIPU"): scales and accumulates one cluster
// sum per cycle for the four PEs of a tile. Twin of amove_foot in pe/amove_pe.h. Latency 4:
//
//   1  the sum as binary16, exact
//   2  t = round(sA * sW * 2^p)
//   3  v = round(t * sum)
//   4  acc = round(acc + v)
//
// FIELD, FRACTION: 5, 10 rounds to binary16 (default), 8, 23 to binary32. `pe` is row * 2 + column; the scales, binary16, are
// read in stage 2, a cycle after the sum has entered. The accumulator of each PE starts at +0 and leaves with `output_last`.
`default_nettype none

module amove_gipu #(
    parameter int SUM = 12,
    parameter int FIELD = 5,
    parameter int FRACTION = 10
) (
    input  wire logic                     clk,
    input  wire logic                     reset,
    input  wire logic                     valid_in,
    input  wire logic [1:0]               pe,
    input  wire logic                     output_last,
    input  wire logic signed [SUM-1:0]    sum,
    input  wire logic [31:0]              row_scale,       // row 0 in the low 16 bits
    input  wire logic [31:0]              column_scale,
    input  wire logic signed [9:0]        exponent,
    output logic                          accumulated,
    output logic [1:0]                    accumulated_pe,
    output logic [FIELD+FRACTION:0]       accumulator,
    output logic                          result_valid
);
  localparam int WIDTH = FIELD + FRACTION + 1;
  typedef struct packed {
    logic       output_last;
    logic [1:0] pe;
  } control_t;

  logic valid_1, valid_2, valid_3;
  control_t control_1, control_2, control_3;
  logic [15:0] integer_now, integer_1, integer_2;
  logic [SUM-1:0] magnitude;
  assign magnitude = sum[SUM-1] ? -sum : sum;
  fp_round #(
      .SIGNIFICAND(SUM),
      .EXPONENT(7),
      .FIELD(5),
      .FRACTION(10)
  ) convert (
      .sign(sum[SUM-1]),
      .exponent(7'sd0),
      .significand(magnitude),
      .sticky(1'b0),
      .value(integer_now)
  );

  logic [FIELD+FRACTION:0] scale, scale_2, value, value_3, next;
  fp_mul #(
      .FIELD(FIELD),
      .FRACTION(FRACTION),
      .SCALE(10),
      .EXPONENT(12)
  ) multiply_scales (
      .a(control_1.pe[1] ? row_scale[31:16] : row_scale[15:0]),
      .b(control_1.pe[0] ? column_scale[31:16] : column_scale[15:0]),
      .scale(exponent),
      .product(scale)
  );
  fp_mul #(
      .A_FIELD(FIELD),
      .A_FRACTION(FRACTION),
      .FIELD(FIELD),
      .FRACTION(FRACTION),
      .EXPONENT(FIELD + 4)
  ) multiply (
      .a(scale_2),
      .b(integer_2),
      .scale(1'b0),
      .product(value)
  );
  logic [4*WIDTH-1:0] accumulators;
  logic [3:0] begun;
  fp_add #(
      .FIELD(FIELD),
      .FRACTION(FRACTION)
  ) add (
      .a(begun[control_3.pe] ? accumulators[WIDTH*control_3.pe+:WIDTH] : '0),
      .b(value_3),
      .sum(next)
  );

  always_ff @(posedge clk) begin
    valid_1 <= valid_in && !reset;
    valid_2 <= valid_1 && !reset;
    valid_3 <= valid_2 && !reset;
    accumulated <= valid_3 && !reset;
    result_valid <= valid_3 && control_3.output_last && !reset;
    if (valid_in) begin
      control_1 <= {output_last, pe};
      integer_1 <= integer_now;
    end
    if (valid_1) begin
      control_2 <= control_1;
      integer_2 <= integer_1;
      scale_2 <= scale;
    end
    if (valid_2) begin
      control_3 <= control_2;
      value_3 <= value;
    end
    if (valid_3) begin
      accumulators[WIDTH*control_3.pe+:WIDTH] <= next;
      accumulated_pe <= control_3.pe;
    end
    if (reset) begun <= '0;
    else if (valid_3) begun[control_3.pe] <= !control_3.output_last;
  end
  assign accumulator = accumulators[WIDTH*accumulated_pe+:WIDTH];
endmodule

`default_nettype wire
