// SPDX-License-Identifier: Apache-2.0
// The spatial path of the real-time quantizer (docs/datapaths.md, "Real-time quantizer"): keys in mant4, activations in int8,
// groups along a row of results. Twin of RtqSpatial in pe/rtq.h. A row enters every cycle, a group leaves every cycle; the
// codes of a group leave 13 cycles after the last column's element of its row entered: registers 1, scale and type 9, buffer 1,
// coding 2. A row that ends before the last column waits for it.
//
//   COLUMNS  of the array above: the results of a row come as its feet give them, column c's c cycles after column 0's
//   LANES    elements of the largest group that is coded in one cycle, a multiple of COLUMNS
//   TAG      bits by which the environment knows a group
//
// What belongs to a row (valid_in, first, last, int8, eight, tag_in, registers_in) comes with the element of column 0; values
// and present with each column's. A group that goes on (`last` = 0) leaves its registers at `part` when the last column's element
// is in them, to come back as registers_in with its next columns (`first` = 0). The values of a finished group are read from
// the output buffer: `request` with its tag, and one cycle later the values (elements past its end are of no meaning).
//
//   registers  {count 9, squares 32, sum 32, largest 15}
//   codes      lane i in bits 8 * i and up; mant4 in the low 4 bits
`default_nettype none

module rtq_spatial #(
    parameter int COLUMNS = 32,
    parameter int LANES = 64,
    parameter int TAG = 8
) (
    input  wire logic                    clk,
    input  wire logic                    reset,
    input  wire logic                    valid_in,
    input  wire logic                    first,
    input  wire logic                    last,
    input  wire logic                    int8,
    input  wire logic                    eight,
    input  wire logic [TAG-1:0]          tag_in,
    input  wire logic [87:0]             registers_in,
    input  wire logic [COLUMNS-1:0]      present,
    input  wire logic [16*COLUMNS-1:0]   values,
    output logic                         part,
    output logic [TAG-1:0]               part_tag,
    output logic [87:0]                  registers_out,
    output logic                         request,
    output logic [TAG-1:0]               request_tag,
    input  wire logic [16*LANES-1:0]     group_values,
    output logic                         valid_out,
    output logic                         int8_out,
    output logic [TAG-1:0]               tag_out,
    output logic [14:0]                  scale,          // a binary16 number without its sign
    output logic [7:0]                   stored_type,
    output logic [8*LANES-1:0]           codes
);
  // Registers from column to column; the row's control goes along.
  localparam int ROW = TAG + 3;
  logic [COLUMNS:0] valid_at;
  logic [ROW*(COLUMNS+1)-1:0] row_at;
  logic [88*(COLUMNS+1)-1:0] registers_at;
  assign valid_at[0] = valid_in;
  assign row_at[ROW-1:0] = {tag_in, last, int8, eight};
  assign registers_at[87:0] = registers_in;
  for (genvar c = 0; c < COLUMNS; c++) begin : g_column
    rtq_accept #(
        .TAG(ROW)
    ) column (
        .clk(clk),
        .reset(reset),
        .valid_in(valid_at[c]),
        .first(c == 0 && first),
        .present(present[c]),
        .tag_in(row_at[ROW*c+:ROW]),
        .x(values[16*c+:16]),
        .largest_in(registers_at[88*c+:15]),
        .sum_in(registers_at[88*c+15+:32]),
        .squares_in(registers_at[88*c+47+:32]),
        .count_in(registers_at[88*c+79+:9]),
        .valid_out(valid_at[c+1]),
        .tag_out(row_at[ROW*(c+1)+:ROW]),
        .largest_out(registers_at[88*(c+1)+:15]),
        .sum_out(registers_at[88*(c+1)+15+:32]),
        .squares_out(registers_at[88*(c+1)+47+:32]),
        .count_out(registers_at[88*(c+1)+79+:9])
    );
  end
  logic last_end, int8_end, eight_end;
  assign {part_tag, last_end, int8_end, eight_end} = row_at[ROW*COLUMNS+:ROW];
  assign part = valid_at[COLUMNS] && !last_end;
  assign registers_out = registers_at[88*COLUMNS+:88];

  logic [14:0] scale_9;
  logic [7:0] type_9;
  logic [7*15-1:0] limits_9;
  logic int8_9;
  rtq_scale #(
      .TAG(TAG)
  ) scales (
      .clk(clk),
      .reset(reset),
      .valid_in(valid_at[COLUMNS] && last_end),
      .int8(int8_end),
      .eight(eight_end),
      .tag_in(part_tag),
      .largest(registers_out[14:0]),
      .sum(registers_out[46:15]),
      .squares(registers_out[78:47]),
      .count(registers_out[87:79]),
      .valid_out(request),
      .int8_out(int8_9),
      .tag_out(request_tag),
      .scale(scale_9),
      .stored_type(type_9),
      .limits(limits_9)
  );

  // The buffer's cycle, and two of the lanes.
  logic valid_10, int8_10, valid_11, int8_11;
  logic [TAG-1:0] tag_10, tag_11;
  logic [14:0] scale_10, scale_11;
  logic [7:0] type_10, type_11;
  logic [7*15-1:0] limits_10;
  always_ff @(posedge clk) begin
    valid_10 <= request && !reset;
    valid_11 <= valid_10 && !reset;
    valid_out <= valid_11 && !reset;
    if (request) {tag_10, int8_10, scale_10, type_10, limits_10} <= {request_tag, int8_9, scale_9, type_9, limits_9};
    if (valid_10) {tag_11, int8_11, scale_11, type_11} <= {tag_10, int8_10, scale_10, type_10};
    if (valid_11) {tag_out, int8_out, scale, stored_type} <= {tag_11, int8_11, scale_11, type_11};
  end
  for (genvar i = 0; i < LANES; i++) begin : g_lane
    rtq_lane lane (
        .clk(clk),
        .valid_in(valid_10),
        .int8(int8_10),
        .x(group_values[16*i+:16]),
        .scale(scale_10),
        .limits(limits_10),
        .int4(type_10[7]),
        .code(codes[8*i+:8])
    );
  end
endmodule

`default_nettype wire
