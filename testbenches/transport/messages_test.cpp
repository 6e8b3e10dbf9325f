// SPDX-License-Identifier: Apache-2.0
/// What models report through sc_report: in which category, from which verbosity on, and nothing unless asked for.
#include "transport/messages.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "memory/dma_engine.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/error_text.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/paths.h"

using namespace nibble;
using namespace nibble::test;

namespace {

struct Message {
  std::string type, text;
  int verbosity;
};
std::vector<Message>& messages() {
  static std::vector<Message> all;
  return all;
}
void keep(const sc_core::sc_report& report, const sc_core::sc_actions& actions) {
  if (report.get_severity() != sc_core::SC_INFO || std::string(report.get_msg_type()).find("/nibble/") != 0)
    return sc_core::sc_report_handler::default_handler(report, actions);
  if ((actions & sc_core::SC_DISPLAY) != 0)
    messages().push_back({report.get_msg_type(), report.get_msg(), report.get_verbosity()});
}
std::size_t count(const std::string& type, int verbosity = 0) {
  return static_cast<std::size_t>(std::count_if(messages().begin(), messages().end(), [&](const Message& m) {
    return m.type == type && (verbosity == 0 || m.verbosity == verbosity);
  }));
}

/// A transfer of two transactions, and one that the memory refuses.
void simulate(const std::vector<std::string>& requests) {
  sc_core::sc_report_handler::set_handler(keep);
  for (const std::string& request : requests)
    set_verbosity(request);
  FlatMemory memory("memory", flat_device(1, 10, 64, 4096), nullptr);
  DmaEngine dma("dma", {2, 64}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
  DmaRecorder done;
  DmaTransfer transfer;
  transfer.row_bytes = 128;
  dma.submit(transfer, done, 1);
  transfer.address = 4096;
  transfer.row_bytes = 64;
  dma.submit(transfer, done, 2);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 2);
}

}  // namespace

TEST_CASE("models are quiet unless asked") {
  simulate({});
  CHECK(messages().empty());
  for (const MessageCategory* category : message_categories())
    CHECK(category->verbosity() == sc_core::SC_NONE);
}

TEST_CASE("a level for all categories, the first one tells what is wrong") {
  simulate({"low"});
  REQUIRE(messages().size() == 2);
  CHECK(messages()[0].type == "/nibble/memory");
  CHECK_THAT(messages()[0].text, Catch::Contains("memory: read of 64 bytes at 0x1000, address_error"));
  CHECK(messages()[1].type == "/nibble/dma");
  CHECK_THAT(messages()[1].text, Catch::StartsWith("74 ns, dma: read of 64 bytes at 0x1000, address_error"));
}

TEST_CASE("each category has a level of its own") {
  simulate({"full", "/nibble/memory=none", "/nibble/dma=high"});
  CHECK(count("/nibble/memory") == 0);
  CHECK(count("/nibble/dma") == messages().size());
  CHECK(count("/nibble/dma", sc_core::SC_HIGH) == 4);  // two transfers, submitted and complete
  CHECK(count("/nibble/dma", sc_core::SC_LOW) == 1);
  CHECK_THAT(messages()[0].text, Catch::Contains("transfer 0 submitted, read of 128 bytes, stream host"));
}

TEST_CASE("transactions are told from full on, and the kernel's own limit is raised, never lowered") {
  sc_core::sc_report_handler::set_verbosity_level(sc_core::SC_MEDIUM);
  simulate({"/nibble/memory=full"});
  CHECK(count("/nibble/memory", sc_core::SC_FULL) == 2);
  CHECK(sc_core::sc_report_handler::get_verbosity_level() == sc_core::SC_FULL);
  set_verbosity("none");
  CHECK(sc_core::sc_report_handler::get_verbosity_level() == sc_core::SC_FULL);
}

TEST_CASE("the standard's actions of a message type apply") {
  sc_core::sc_report_handler::set_actions("/nibble/dma", sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
  simulate({"debug"});
  CHECK(count("/nibble/dma") == 0);
  CHECK(count("/nibble/memory") == 3);
}

TEST_CASE("unknown levels and categories are refused") {
  CHECK_THAT(error_of([] { set_verbosity("loud"); }), Catch::Contains("did you mean 'low'"));
  CHECK_THAT(error_of([] { set_verbosity("/nibble/dna=low"); }), Catch::Contains("did you mean '/nibble/dma'"));
  CHECK_THAT(error_of([] { set_verbosity("/nibble/dma="); }), Catch::Contains("none, low, medium, high, full, debug"));
}

TEST_CASE("the documentation names every category") {
  const std::string page = read_file(source_path("docs/observing.md"));
  for (const MessageCategory* category : message_categories())
    CHECK_THAT(page, Catch::Contains(std::string("| `") + category->type() + "` | " + category->meaning() + " |"));
}
