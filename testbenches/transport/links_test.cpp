// SPDX-License-Identifier: Apache-2.0
/// Probes put on links by request: what they write, and that they change nothing.
#include "transport/links.h"

#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <tlm_utils/multi_passthrough_target_socket.h>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#ifdef NIBBLE_FST
#include <gtkwave/fstapi.h>
#endif

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
  sc_core::sc_event rise;
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.dont_initialize();
  options.set_sensitivity(&rise);
  sc_core::sc_spawn([&] { irq.write(true); }, "rise_irq", &options);
  rise.notify(sc_core::sc_time(20, sc_core::SC_NS));
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

TEST_CASE("waves of chosen links and signals, and of no others") {
  simulate({"waves,link=irq,file=" + place("chosen.vcd")});
  const std::string text = read_file(place("chosen.vcd"));
  CHECK_THAT(text, Catch::Contains(" irq "));
  CHECK_THAT(text, !Catch::Contains("request"));
}

TEST_CASE("waves as FST hold the same as VCD, or are refused where nibble was built without") {
#ifdef NIBBLE_FST
  simulate({"waves,file=" + place("waves.fst")});
  const std::unique_ptr<void, void (*)(void*)> reader(fstReaderOpen(place("waves.fst").c_str()), fstReaderClose);
  REQUIRE(reader != nullptr);
  CHECK(fstReaderGetVarCount(reader.get()) == 4);
  CHECK(fstReaderGetTimescale(reader.get()) == -12);
  std::vector<std::string> names;
  while (const fstHier* entry = fstReaderIterateHier(reader.get())) {
    if (entry->htyp == FST_HT_VAR) names.emplace_back(entry->u.var.name);
  }
  CHECK(names == std::vector<std::string>{"request", "response", "under_way", "irq"});
  fstReaderSetFacProcessMaskAll(reader.get());
  std::vector<std::pair<std::uint64_t, std::string>> changes;
  fstReaderIterBlocks(
      reader.get(),
      [](void* all, std::uint64_t time, fstHandle wave, const unsigned char* value) {
        if (wave == 4) static_cast<decltype(changes)*>(all)->emplace_back(time, reinterpret_cast<const char*>(value));
      },
      &changes, nullptr);
  CHECK(changes == std::vector<std::pair<std::uint64_t, std::string>>{{0, "0"}, {20000, "1"}});
#else
  CHECK_THAT(error_of([] { simulate({"waves,file=" + place("waves.fst")}); }), Catch::Contains("built without FST"));
#endif
}

TEST_CASE("sockets of other kinds bind, too") {
  struct Many : sc_core::sc_module {
    tlm_utils::multi_passthrough_initiator_socket<Many> out{"out"};
    tlm_utils::multi_passthrough_target_socket<Many> in{"in"};
    unsigned calls = 0;
    explicit Many(sc_core::sc_module_name name) : sc_module(name) { in.register_b_transport(this, &Many::take); }
    void take(int, tlm::tlm_generic_payload& p, sc_core::sc_time&) {
      ++calls;
      p.set_response_status(tlm::TLM_OK_RESPONSE);
    }
  };
  Many from("from"), to("to");
  FlatMemory memory("memory", flat_device(1, 10, 64, 4096), nullptr);
  Links links;
  links.bind("one", from.out, to.in);
  links.bind("other", from.out, memory.target);
  SocketDriver driver("driver", [&](SocketDriver&) {
    std::uint8_t byte = 7;
    for (unsigned i = 0; i < 2; ++i) {
      tlm::tlm_generic_payload p;
      p.set_command(tlm::TLM_WRITE_COMMAND);
      p.set_data_ptr(&byte);
      p.set_data_length(1), p.set_streaming_width(1);
      sc_core::sc_time delay;
      from.out[i]->b_transport(p, delay);
      CHECK(p.is_response_ok());
    }
  });
  FlatMemory own("own", flat_device(1, 10, 64, 4096), nullptr);
  links.bind("driver", driver.initiator, own.target);
  Many unused("unused");
  links.bind("unused", unused.out, unused.in);
  links.bind("back", to.out, from.in);
  sc_core::sc_start();
  CHECK(to.calls == 1);
  links.finish(true);
}

TEST_CASE("what no probe can do is refused") {
  CHECK_THAT(error_of([] { ProbeRequest::parse("latncy,file=a.csv"); }), Catch::Contains("did you mean 'latency'"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("latency"); }), Catch::Contains("file"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("latency,here"); }), Catch::Contains("expected kind[,key=value...]"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("latency,file=a.csv,window_ns=3"); }), Catch::Contains("window_ns"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("transactions,file=a.txt"); }), Catch::Contains(".csv or .json"));
  CHECK_THAT(error_of([] { ProbeRequest::parse("waves,file=a.fsd"); }), Catch::Contains(".vcd or .fst"));
  CHECK_THAT(error_of([] { simulate({"latency,link=drver.*,file=" + place("none.csv")}); }),
             Catch::Contains("known: driver.memory, irq"));
}
