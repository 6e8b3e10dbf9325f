// SPDX-License-Identifier: Apache-2.0
/// The memory manager resets, counts and reuses; the tag travels with its payload; the probe changes nothing.
#include <catch2/catch.hpp>

#include "memory/flat_memory.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/socket_driver.h"
#include "transport/payload_pool.h"
#include "transport/probe.h"

using namespace nibble;
using namespace nibble::test;

namespace {

/// Counts how many of its kind are alive.
struct Marker : tlm::tlm_extension<Marker> {
  static int alive;
  Marker() { ++alive; }
  ~Marker() override { --alive; }
  tlm_extension_base* clone() const override { return new Marker; }
  void copy_from(const tlm_extension_base&) override {}
};
int Marker::alive = 0;

FlatConfig small_memory() {
  FlatConfig config;
  config.bandwidth_gbps = 1;
  config.capacity_bytes = 1 << 20;
  return config;
}

}  // namespace

TEST_CASE("a payload is reused with every attribute set again") {
  PayloadPool pool;
  std::uint8_t buffer[8] = {};
  PooledPayload& first = pool.allocate(tlm::TLM_WRITE_COMMAND, 100, buffer, 8);
  first.tag.stream = Stream::weight;
  first.tag.timing_only = true;
  first.owner = 17;
  first.set_dmi_allowed(true);
  first.set_response_status(tlm::TLM_OK_RESPONSE);
  first.set_byte_enable_ptr(buffer);
  first.set_byte_enable_length(8);
  first.set_auto_extension(new Marker);
  CHECK(Marker::alive == 1);
  CHECK(pool.live() == 1);
  first.acquire();
  first.release();
  CHECK(pool.live() == 1);
  first.release();
  CHECK(pool.live() == 0);
  CHECK(Marker::alive == 0);

  PooledPayload& again = pool.allocate(tlm::TLM_READ_COMMAND, 200, 4);
  CHECK(&again == &first);
  CHECK(pool.capacity() == 1);
  CHECK(pool.allocations() == 2);
  CHECK(again.is_read());
  CHECK(again.get_address() == 200);
  CHECK(again.get_data_length() == 4);
  CHECK(again.get_streaming_width() == 4);
  CHECK(again.get_byte_enable_ptr() == nullptr);
  CHECK(again.get_byte_enable_length() == 0);
  CHECK_FALSE(again.is_dmi_allowed());
  CHECK(again.get_response_status() == tlm::TLM_INCOMPLETE_RESPONSE);
  CHECK(again.owner == 0);
  CHECK(again.get_ref_count() == 1);
  REQUIRE(TransferTag::find(again) == &again.tag);
  CHECK(again.tag.stream == Stream::host);
  CHECK_FALSE(again.tag.timing_only);
  CHECK(again.get_data_ptr()[3] == 0);
  again.get_data_ptr()[3] = 9;
  again.release();
  PooledPayload& fresh = pool.allocate(tlm::TLM_READ_COMMAND, 0, 4);
  CHECK(fresh.get_data_ptr()[3] == 0);
  fresh.release();
  CHECK(pool.live() == 0);
}

TEST_CASE("a tag is cloned and copied with its payload, and foreign payloads have none") {
  PayloadPool pool;
  std::uint8_t byte = 0;
  PooledPayload& payload = pool.allocate(tlm::TLM_READ_COMMAND, 0, &byte, 1);
  payload.tag.stream = Stream::metadata;
  payload.tag.timing_only = true;
  tlm::tlm_generic_payload copy;
  std::uint8_t other = 0;
  copy.set_data_ptr(&other);
  copy.set_data_length(1);
  CHECK(TransferTag::find(copy) == nullptr);
  copy.deep_copy_from(payload);
  REQUIRE(TransferTag::find(copy) != nullptr);
  CHECK(TransferTag::find(copy) != &payload.tag);
  CHECK(TransferTag::find(copy)->stream == Stream::metadata);
  CHECK(TransferTag::find(copy)->timing_only);
  payload.release();
}

TEST_CASE("every stream has a name of its own") {
  std::vector<std::string> names;
  for (unsigned i = 0; i < stream_count; ++i)
    names.emplace_back(to_string(static_cast<Stream>(i)));
  std::sort(names.begin(), names.end());
  CHECK(std::unique(names.begin(), names.end()) == names.end());
  CHECK(std::count(names.begin(), names.end(), "invalid") == 0);
}

TEST_CASE("a probe sees every phase, changes no time and grants no DMI") {
  FlatMemory plain("plain", small_memory(), nullptr), probed("probed", small_memory(), nullptr);
  std::vector<std::pair<tlm::tlm_phase, sc_core::sc_time>> seen;
  Probe probe("probe", [&](const tlm::tlm_generic_payload&, const tlm::tlm_phase& phase, const sc_core::sc_time& at) {
    seen.emplace_back(phase, at);
  });
  DmaEngine first("first", {2, 64}, nullptr), second("second", {2, 64}, nullptr);
  MonitoredLinks monitored;
  monitored.bind(first.memory, plain.target);
  second.memory.bind(probe.in);
  monitored.bind(probe.out, probed.target);
  DmaRecorder done;
  DmaTransfer transfer;
  transfer.row_bytes = 320;
  first.submit(transfer, done, 1);
  second.submit(transfer, done, 2);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 2);
  CHECK(done.entries[0].at == done.entries[1].at);
  CHECK(seen.size() == 5 * 4);
  for (const auto phase : {tlm::BEGIN_REQ, tlm::END_REQ, tlm::BEGIN_RESP, tlm::END_RESP}) {
    CHECK(std::count_if(seen.begin(), seen.end(), [&](const auto& entry) { return entry.first == phase; }) == 5);
  }
  CHECK(seen.back().second == done.entries[0].at);
  tlm::tlm_generic_payload payload;
  tlm::tlm_dmi dmi;
  CHECK_FALSE(probe.get_direct_mem_ptr(payload, dmi));
}

TEST_CASE("a probe passes blocking and debug accesses") {
  FlatMemory memory("memory", small_memory(), nullptr);
  unsigned phases = 0;
  Probe probe("probe",
              [&](const tlm::tlm_generic_payload&, const tlm::tlm_phase&, const sc_core::sc_time&) { ++phases; });
  MonitoredLinks monitored;
  monitored.bind(probe.out, memory.target);
  SocketDriver driver("driver", [&](SocketDriver& io) {
    CHECK(io.write(5, {1, 2}).status == tlm::TLM_OK_RESPONSE);
    CHECK(phases == 2);
    CHECK(io.debug_read(5, 2) == Bytes{1, 2});
    CHECK(phases == 2);
  });
  driver.initiator.bind(probe.in);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
}
