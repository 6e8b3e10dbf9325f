// SPDX-License-Identifier: Apache-2.0
/// Probes put on links by request: what they write, and that they change nothing.
#include "transport/links.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/file.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/error_text.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/socket_driver.h"

using namespace nibble;
using namespace nibble::test;

namespace {

/// One write and two reads, the last one refused, over a link with these probes; 42 ns for 32 bytes.
void simulate(const std::vector<std::string>& probes) {
  FlatMemory memory("memory", flat_device(1, 10, 64, 4096), nullptr);
  std::vector<ProbeRequest> requests;
  for (const std::string& probe : probes)
    requests.push_back(ProbeRequest::parse(probe));
  Links links(requests);
  SocketDriver driver("driver", [](SocketDriver& io) {
    io.write(64, Bytes(32, 7));
    CHECK(io.read(64, 32).data == Bytes(32, 7));
    CHECK(io.read(4096, 32).status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  });
  sc_core::sc_signal<bool> irq("irq");
  links.bind("driver.memory", driver.initiator, memory.target);
  links.watch("irq", irq);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  links.finish(true);
}

std::string place(const std::string& name) {
  return binary_path("links_test_" + name);
}

}  // namespace

TEST_CASE("transactions are rows") {
  simulate({"transactions,file=" + place("rows.csv")});
  CHECK(read_file(place("rows.csv")) ==
        "link,transaction,command,stream,address,bytes,begin_req_ns,end_req_ns,begin_resp_ns,end_resp_ns,status\n"
        "driver.memory,0,write,host,0x40,32,0.000,42.000,42.000,42.000,ok\n"
        "driver.memory,1,read,host,0x40,32,42.000,84.000,84.000,84.000,ok\n"
        "driver.memory,2,read,host,0x1000,32,84.000,84.000,84.000,84.000,address_error\n");
}

TEST_CASE("transactions are slices of a trace") {
  simulate({"transactions,link=dr*,file=" + place("slices.json")});
  const std::string text = read_file(place("slices.json"));
  CHECK_THAT(text, Catch::Contains("\"name\":\"process_name\",\"pid\":1,\"args\":{\"name\":\"driver.memory\"}"));
  CHECK_THAT(text,
             Catch::Contains("{\"ph\":\"b\",\"cat\":\"driver.memory\",\"id\":\"1.1\",\"pid\":1,\"tid\":1,\"name\":"
                             "\"read host\",\"ts\":0.042000,\"args\":{\"address\":\"0x40\",\"bytes\":32,"
                             "\"status\":\"ok\"}}"));
  CHECK(text.substr(text.size() - 4) == "\n]}\n");
}

TEST_CASE("bandwidth by window and latency by bucket, several probes on one link") {
  simulate(
      {"bandwidth,window_ns=50,file=" + place("bandwidth.csv"), "latency,file=" + place("latency.csv"), "protocol"});
  CHECK(read_file(place("bandwidth.csv")) ==
        "link,from_ns,to_ns,read_bytes,write_bytes,read_gbps,write_gbps\n"
        "driver.memory,0.000,50.000,0,32,0,0.64\n"
        "driver.memory,50.000,100.000,32,0,0.64,0\n");
  CHECK(read_file(place("latency.csv")) ==
        "link,command,from_ns,below_ns,transactions,mean_ns\n"
        "driver.memory,read,0,1,1,0.000\n"
        "driver.memory,read,32,64,1,42.000\n"
        "driver.memory,write,32,64,1,42.000\n");
}

TEST_CASE("waves show links and signals") {
  simulate({"waves,file=" + place("waves.vcd")});
  const std::string text = read_file(place("waves.vcd"));
  for (const char* name : {" request ", " response ", " under_way ", " irq "})
    CHECK_THAT(text, Catch::Contains(name));
}

TEST_CASE("what no probe can do is refused") {
  CHECK_THAT(error_of([] { ProbeRequest::parse("latncy,file=a.csv"); }), Catch::Contains("did you mean 'latency'"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("latency"); }), Catch::Contains("file"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("latency,here"); }), Catch::Contains("expected kind[,key=value...]"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("latency,file=a.csv,window_ns=3"); }), Catch::Contains("window_ns"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("transactions,file=a.txt"); }), Catch::Contains(".csv or .json"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("waves,file=a.fst"); }), Catch::Contains(".vcd"));
  CHECK_THAT(error_of([] { simulate({"latency,link=drver.*,file=" + place("none.csv")}); }),
             Catch::Contains("known: driver.memory, irq"));
}
