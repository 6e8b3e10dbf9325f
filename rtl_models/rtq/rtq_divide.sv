// SPDX-License-Identifier: Apache-2.0
// STEPS places of a quotient by restoring division. Combinational. The remainder is below twice the divisor; `places` holds
// what of the dividend is still to come above, and the quotient's places so far below.
`default_nettype none

module rtq_divide #(
    parameter int STEPS = 9,
    parameter int REST = 10,    // bits of the remainder, one more than of the divisor
    parameter int PLACES = 27
) (
    input  wire logic [REST-1:0]   rest,
    input  wire logic [PLACES-1:0] places,
    input  wire logic [REST-2:0]   divisor,
    output logic [REST-1:0]        rest_next,
    output logic [PLACES-1:0]      places_next
);
  logic [REST-1:0] difference;
  always_comb begin
    rest_next = rest;
    places_next = places;
    for (int i = 0; i < STEPS; i++) begin
      difference = rest_next - {1'b0, divisor};
      if (!difference[REST-1]) rest_next = difference;
      rest_next = {rest_next[REST-2:0], places_next[PLACES-1]};
      places_next = {places_next[PLACES-2:0], !difference[REST-1]};
    end
  end
endmodule

`default_nettype wire
