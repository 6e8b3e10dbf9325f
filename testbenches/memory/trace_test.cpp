// SPDX-License-Identifier: Apache-2.0
/// Request traces: reading, refusing, generating.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "memory/trace_patterns.h"

using namespace nibble;

TEST_CASE("a trace is read with comments, hexadecimal numbers and both spellings of the operation") {
  const auto trace = parse_trace("# made by hand\ncycle,op,address,bytes\n0,R,0x40,64\r\n\n 12 , w, 4096 ,32", "t.csv");
  REQUIRE(trace.size() == 2);
  CHECK(trace[0].cycle == 0);
  CHECK_FALSE(trace[0].write);
  CHECK(trace[0].address == 64);
  CHECK(trace[0].bytes == 64);
  CHECK(trace[1].cycle == 12);
  CHECK(trace[1].write);
  CHECK(trace[1].address == 4096);
}

TEST_CASE("a malformed trace is refused with file and line") {
  const auto refuse = [](const std::string& lines, const std::string& part) {
    CAPTURE(lines);
    CHECK_THROWS_AS(parse_trace(lines, "t.csv"), InputError);
    CHECK_THROWS_WITH(parse_trace(lines, "t.csv"), Catch::Contains(part));
  };
  const std::string head = "cycle,op,address,bytes\n";
  refuse("", "t.csv: empty");
  refuse("0,R,0,64\n", "t.csv:1: the first line should be the header");
  refuse(head, "t.csv: no request");
  refuse(head + "0,R,0,64\n0,X,0,64\n", "t.csv:3: op 'X' should be R or W");
  refuse(head + "0,R,12g,64\n", "t.csv:2: address '12g' is no number");
  refuse(head + "0,R,-1,64\n", "t.csv:2: address '-1' is no number");
  refuse(head + "0,R,0x,64\n", "t.csv:2: address '0x' is no number");
  refuse(head + "0,R,99999999999999999999,64\n", "does not fit into 64 bits");
  refuse(head + "0,R,0\n", "t.csv:2: ends after 'address'");
  refuse(head + "0,R,0,64,1\n", "t.csv:2: more than four fields");
  refuse(head + "0,R,0,0\n", "bytes should be between 1 and 1048576");
  refuse(head + "0,R,0,1048577\n", "bytes should be between");
  refuse(head + "5,R,0,64\n4,R,0,64\n", "t.csv:3: cycle is below that of the line before");
  CHECK_THROWS_AS(read_trace("no-such-file.csv"), InputError);
}

TEST_CASE("a request beyond the memory is refused with its line") {
  const auto trace = parse_trace("cycle,op,address,bytes\n0,R,960,64\n# pause\n0,R,961,64\n", "t.csv");
  CHECK_NOTHROW(check_addresses(trace, "t.csv", 1025));
  CHECK_THROWS_WITH(check_addresses(trace, "t.csv", 1024), Catch::Contains("t.csv:4: address 961"));
  CHECK_THROWS_WITH(check_addresses(trace, "t.csv", 32), Catch::Contains("t.csv:2:"));
}

TEST_CASE("the standard traces follow their formulas") {
  const TraceShape ddr4{64, 8192, 16};
  CHECK(standard_trace("seq_read", ddr4)[3].address == 192);
  CHECK(standard_trace("seq_write", ddr4)[3].write);
  CHECK(standard_trace("bank_conflict", ddr4)[2049].address == 131072);
  const auto mix = standard_trace("mix_seq", ddr4);
  CHECK(mix[4].address == 3 * 64);
  CHECK(mix[5].write);
  CHECK(mix[5].address == (1 << 27) + 64);
  const auto tiled = standard_trace("gemm_tiled", ddr4);
  CHECK(tiled[5].address == (1 << 26) + 64);
  CHECK(tiled[8].address == 256);
  // SplitMix64 of seed 42 begins with 0xbdd732262feb6e95.
  CHECK(standard_trace("random_read", ddr4)[0].address == (0xbdd732262feb6e95 % (1 << 22)) * 64);
  const auto spaced = standard_trace("spaced_read", ddr4);
  CHECK(spaced.size() == 2000);
  CHECK(spaced[7].cycle == 1400);
  CHECK_THROWS_WITH(standard_trace("seq_raed", ddr4), Catch::Contains("did you mean 'seq_read'"));
}
