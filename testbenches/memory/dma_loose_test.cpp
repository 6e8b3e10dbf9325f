// SPDX-License-Identifier: Apache-2.0
/// The loosely timed DMA engine beside the one with four phases, each before a memory of its own: same data, same
/// times, whatever the quantum; fewer turns of the kernel.
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "memory/dma_engine.h"
#include "memory/flat_memory.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/odd_targets.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::sc_time;

namespace {

constexpr std::uint64_t capacity = 1 << 16;

void set_quantum(double ns) {
  tlm::tlm_global_quantum::instance().set(sc_time(ns, sc_core::SC_NS));
}
DmaConfig config_of(bool loosely_timed) {
  DmaConfig config{4, 128};
  config.loosely_timed = loosely_timed;
  return config;
}

/// An engine that writes a picture, reads it back, and begins a transfer whenever another one is complete.
struct Side {
  Side(bool loosely_timed, const char* memory_name, const char* dma_name)
      : memory(memory_name, flat_device(2, 30, 16, capacity), nullptr),
        dma(dma_name, config_of(loosely_timed), nullptr) {
    monitored.bind(dma.memory, memory.target);
    Random random(3);
    for (auto& byte : out)
      byte = static_cast<std::uint8_t>(random.next());
    done.then = [this](std::uint64_t token) {
      if (token < 20) submit(token + 2);
    };
    submit(0);
    submit(1);
  }
  /// Even tokens write, odd ones read what the one before wrote, as it was two turns ago.
  void submit(std::uint64_t token) {
    DmaTransfer transfer;
    transfer.write = token % 2 == 0;
    transfer.address = 100 + 1000 * (token / 2);
    transfer.row_bytes = 70;
    transfer.rows = 9;
    transfer.stride = 90;
    transfer.data = (transfer.write ? out : in).data();
    dma.submit(transfer, done, token);
  }
  MonitoredLinks monitored;
  std::vector<std::uint8_t> out = std::vector<std::uint8_t>(630), in = out;
  FlatMemory memory;
  DmaEngine dma;
  DmaRecorder done;
};

/// Returns the turns of the kernel (delta cycles).
std::uint64_t check(double quantum_ns) {
  set_quantum(quantum_ns);
  Side phases(false, "memory", "dma"), loose(true, "loose_memory", "loose_dma");
  sc_core::sc_start();
  REQUIRE(loose.done.entries.size() == 22);
  REQUIRE(phases.done.entries.size() == 22);
  for (std::size_t i = 0; i < 22; ++i) {
    CAPTURE(i);
    CHECK(loose.done.entries[i].token == phases.done.entries[i].token);
    CHECK(loose.done.entries[i].at == phases.done.entries[i].at);
    CHECK(loose.done.entries[i].status == tlm::TLM_OK_RESPONSE);
  }
  CHECK(loose.in == phases.in);
  CHECK(loose.dma.transactions() == phases.dma.transactions());
  CHECK(loose.dma.total_write_bytes() == phases.dma.total_write_bytes());
  CHECK(loose.memory.bus_read_bytes() == phases.memory.bus_read_bytes());
  CHECK(loose.dma.idle());
  return sc_core::sc_delta_count();
}

/// Delta cycles of a long transfer alone.
std::uint64_t turns(double quantum_ns) {
  set_quantum(quantum_ns);
  FlatMemory memory("memory", flat_device(2, 30, 16, capacity), nullptr);
  DmaEngine dma("dma", config_of(true), nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
  DmaRecorder done;
  DmaTransfer transfer;
  transfer.row_bytes = 32768;
  dma.submit(transfer, done, 0);
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 1);
  CHECK(done.entries[0].at == sc_time(32768 / 2 + 30, sc_core::SC_NS));
  return sc_core::sc_delta_count();
}

}  // namespace

TEST_CASE("without a quantum the loosely timed engine takes the times of the phases") {
  check(0);
}
TEST_CASE("a short quantum changes neither data nor times of an engine alone") {
  check(37);
}
TEST_CASE("a quantum beyond the run changes neither data nor times of an engine alone") {
  check(1e6);
}
TEST_CASE("without a quantum every transaction takes a turn of the kernel") {
  CHECK(turns(0) >= 250);
}
TEST_CASE("with a quantum the kernel has a turn per transfer") {
  CHECK(turns(1e6) <= 4);
}

TEST_CASE("loosely timed, too, an error ends its transfer, and abort silences what was submitted") {
  set_quantum(1000);
  EarlyTarget memory("memory");
  memory.forbidden_from = 512, memory.forbidden_bytes = 1;
  DmaEngine dma("dma", config_of(true), nullptr);
  MonitoredLinks monitored;
  monitored.bind(dma.memory, memory.target);
  DmaRecorder done;
  DmaTransfer transfer;
  transfer.row_bytes = 4096;
  dma.submit(transfer, done, 0);
  transfer.address = 8192;
  dma.submit(transfer, done, 1);
  done.then = [&](std::uint64_t token) {
    if (token != 1) return;
    for (std::uint64_t more = 2; more < 5; ++more)
      dma.submit(transfer, done, more);
    dma.abort();
    dma.submit(transfer, done, 5);
  };
  sc_core::sc_start();
  REQUIRE(done.entries.size() == 3);
  CHECK(done.entries[0].status == tlm::TLM_GENERIC_ERROR_RESPONSE);
  CHECK(done.entries[1].status == tlm::TLM_OK_RESPONSE);
  CHECK(done.entries[2].token == 5);
  CHECK(dma.transactions() < 32 + 2 * 32);
  CHECK(dma.idle());
}
