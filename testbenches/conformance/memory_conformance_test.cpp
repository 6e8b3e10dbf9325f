// SPDX-License-Identifier: Apache-2.0
/// Every target and interconnect of memory/ under random initiators, before random targets: AT and LT mixed, unaligned,
/// across bursts, rows, pages and lines; byte enables and short streaming widths; debug and DMI between.
#include "testbenches/conformance/random_pair.h"

#include "memory/cache.h"
#include "memory/dma_engine.h"
#include "memory/flat_memory.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "memory/scratchpad_memory.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/paths.h"

using namespace nibble;
using namespace nibble::test;

namespace {

/// Starts at an odd place, so that bursts, rows, pages and lines are crossed.
RandomTraffic traffic_below(std::uint64_t capacity, std::uint64_t seed) {
  RandomTraffic traffic;
  traffic.seed = seed;
  traffic.transactions = wanted_transactions();
  traffic.base = 4001;
  traffic.beyond = traffic.end = capacity;
  traffic.longest = 200;
  return traffic;
}

void check_memory(MemorySystem& memory, std::uint64_t seed, bool dmi = true) {
  RandomInitiators initiators;
  RandomTraffic traffic = traffic_below(memory.capacity_bytes(), seed);
  traffic.beyond = memory.capacity_bytes() + 5;
  initiators.add(traffic, memory.target);
  sc_core::sc_start();
  initiators.check();
  CHECK(initiators[0].refused() > traffic.transactions / 100);
  CHECK((initiators[0].direct_accesses() > traffic.transactions / 1000) == dmi);
}

std::unique_ptr<MemorySystem> preset(const std::string& name) {
  const std::string file = source_path("configs/memories/" + name + ".yaml");
  return make_memory("memory", ConfigNode::load(file), nullptr);
}

CacheConfig cache_config(bool write_through) {
  CacheConfig config;
  config.geometry.capacity_bytes = 4096;
  config.write_through = write_through;
  config.memory_bytes = 1 << 16;
  return config;
}

/// A cache between random traffic and `below`.
void check_cache(const CacheConfig& config, tlm::tlm_target_socket<>& below, RandomTraffic traffic) {
  Cache cache("cache", config, nullptr);
  ProtocolMonitor far("far");
  far.contents_may_change();  // by debug writes
  cache.memory.bind(far.in);
  far.out.bind(below);
  RandomInitiators initiators;
  initiators.add(traffic, cache.target);
  sc_core::sc_start();
  initiators.check();
  CHECK(cache.idle());
  far.check_end();
  CHECK(far.requests() > traffic.transactions / 10);
}

/// Transactions that no initiator may send, among others: the standard's error responses, and nothing is harmed.
void check_illegal(tlm::tlm_target_socket<>& target, std::uint64_t capacity, std::uint64_t seed) {
  RandomInitiators initiators;
  RandomTraffic traffic = traffic_below(capacity, seed);
  traffic.transactions /= 10;
  traffic.illegal = true;
  initiators.add(traffic, target);
  sc_core::sc_start();
  initiators.check();
  CHECK(initiators[0].illegal() > traffic.transactions / 50);
}

}  // namespace

TEST_CASE("random traffic to a flat memory") {
  FlatMemory memory("memory", flat_device(4, 30, 3), nullptr);
  check_memory(memory, 1);
}

TEST_CASE("random traffic to a DRAM of one channel") {
  check_memory(*preset("ddr4-3200"), 2);
}

TEST_CASE("random traffic to a DRAM of many channels") {
  check_memory(*preset("hbm2"), 3);
}

TEST_CASE("random traffic to a scratchpad memory") {
  ScratchpadMemoryConfig config;
  config.array.capacity_bytes = 1 << 16;
  config.array.banks = 4;
  config.array.width_bytes = 16;
  config.queue_depth = 2;
  ScratchpadMemory memory("memory", config);
  check_memory(memory, 4);
}

TEST_CASE("random traffic to a random target with errors, DMI and invalidation") {
  RandomTarget memory("memory", 5, 1 << 16, 20, true);
  RandomInitiators initiators;
  RandomTraffic traffic = traffic_below(1 << 16, 5);
  traffic.errors = true;
  initiators.add(traffic, memory.target);
  sc_core::sc_start();
  initiators.check();
  CHECK(initiators[0].invalidations() > traffic.transactions / 1000);
}

TEST_CASE("random traffic through a write-back cache before a random target") {
  RandomTarget memory("memory", 6, 1 << 16);
  RandomTraffic traffic = traffic_below(1 << 16, 6);
  check_cache(cache_config(false), memory.target, traffic);
}

TEST_CASE("random traffic through a write-through cache before a random target") {
  RandomTarget memory("memory", 7, 1 << 16);
  RandomTraffic traffic = traffic_below(1 << 16, 7);
  check_cache(cache_config(true), memory.target, traffic);
}

TEST_CASE("random traffic through a cache before a target with errors") {
  RandomTarget memory("memory", 8, 1 << 16, 50);
  RandomTraffic traffic = traffic_below(1 << 16, 8);
  traffic.errors = true;
  traffic.data = false;  // a write-back that the memory refuses is lost, and nobody can be told
  check_cache(cache_config(false), memory.target, traffic);
}

TEST_CASE("random traffic of several initiators through a router to random and timed targets") {
  constexpr std::uint64_t size = 1 << 16;
  RouterConfig config;
  config.initiators = 3;
  config.targets = 3;
  config.windows = {{0x10000, size, 0, true}, {0x30000, size, 1, true}, {0x20000, size, 2, true}};
  Router router("router", config);
  RandomTarget first("first", 9, size, 0, true), second("second", 10, size, 0, true);
  FlatMemory third("third", flat_device(2, 20, 2, size), nullptr);
  ProtocolMonitor far0("far0"), far1("far1"), far2("far2");
  router.initiator(0).bind(far0.in);
  far0.out.bind(first.target);
  router.initiator(1).bind(far1.in);
  far1.out.bind(second.target);
  router.initiator(2).bind(far2.in);
  far2.out.bind(third.target);
  RandomInitiators initiators;
  for (unsigned i = 0; i < 3; ++i) {
    RandomTraffic traffic = traffic_below(size, 11 + i);
    traffic.base = 0x10000 + 0x10000 * i + 4001 * i;
    traffic.bytes = 1 << 13;
    traffic.beyond = 0x50000;
    traffic.end = 0x20000 + 0x10000 * i;
    initiators.add(traffic, router.target(i)).address_may_change();
  }
  sc_core::sc_start();
  initiators.check();
  for (ProtocolMonitor* far : {&far0, &far1, &far2}) {
    far->check_end();
    CHECK(far->requests() > wanted_transactions() / 2);
  }
  CHECK(initiators[0].direct_accesses() + initiators[2].direct_accesses() > 0);
}

TEST_CASE("several initiators meet at one random target behind a router, by priority") {
  RouterConfig config = RouterConfig::single_target(4, 1 << 18);
  config.arbitration = Arbitration::priority;
  Router router("router", config);
  RandomTarget memory("memory", 20, 1 << 18, 0, true);
  ProtocolMonitor far("far");
  router.initiator(0).bind(far.in);
  far.out.bind(memory.target);
  RandomInitiators initiators;
  for (unsigned i = 0; i < 4; ++i) {
    RandomTraffic traffic = traffic_below(1 << 18, 21 + i);
    traffic.transactions /= 2;
    traffic.base = 16001 + 30000 * i;
    initiators.add(traffic, router.target(i));
  }
  sc_core::sc_start();
  initiators.check();
  far.check_end();
}

namespace {

void check_dma(bool loosely_timed) {
  RandomTarget memory("memory", 30, 1 << 20, 5);
  ProtocolMonitor monitor("monitor");
  DmaConfig config{8, 256, 1024};
  config.loosely_timed = loosely_timed;
  DmaEngine dma("dma", config, nullptr);
  dma.memory.bind(monitor.in);
  monitor.out.bind(memory.target);
  DmaRecorder done;
  Random random(31);
  std::vector<std::uint8_t> data(1 << 16);
  std::uint64_t submitted = 0;
  const auto submit = [&](std::uint64_t) {
    if (monitor.requests() >= wanted_transactions()) return;
    DmaTransfer transfer;
    transfer.write = random.below(2) == 0;
    transfer.address = random.below(1 << 19);
    transfer.row_bytes = 1 + random.below(700);
    transfer.rows = 1 + random.below(8);
    transfer.stride = transfer.row_bytes + random.below(100);
    if (random.below(2) == 0) transfer.data = data.data();
    transfer.stream = Stream::weight;
    dma.submit(transfer, done, ++submitted);
  };
  done.then = submit;
  for (unsigned i = 0; i < 6; ++i)
    submit(0);
  sc_core::sc_start();
  CHECK(done.entries.size() == submitted);
  CHECK(dma.idle());
  CHECK(monitor.requests() >= wanted_transactions());
  log_pair(monitor.requests(), memory.errors_given(), monitor.violation_count());
  const auto failed = std::count_if(done.entries.begin(), done.entries.end(),
                                    [](const auto& entry) { return entry.status != tlm::TLM_OK_RESPONSE; });
  CHECK(failed > static_cast<long>(submitted / 100));
  monitor.check_end();
}

}  // namespace

TEST_CASE("a DMA engine before a random target with errors") {
  check_dma(false);
}

TEST_CASE("a loosely timed DMA engine before a random target with errors, which waits or not") {
  tlm::tlm_global_quantum::instance().set(sc_core::sc_time(300, sc_core::SC_NS));
  check_dma(true);
}

TEST_CASE("illegal transactions to a flat memory") {
  FlatMemory memory("memory", flat_device(4, 30, 3), nullptr);
  check_illegal(memory.target, memory.capacity_bytes(), 50);
}

TEST_CASE("illegal transactions to a DRAM") {
  const auto memory = preset("ddr4-3200");
  check_illegal(memory->target, memory->capacity_bytes(), 51);
}

TEST_CASE("illegal transactions through a router and a cache to a scratchpad memory") {
  ScratchpadMemoryConfig config;
  config.array.capacity_bytes = 1 << 16;
  config.array.banks = 4;
  config.array.width_bytes = 16;
  ScratchpadMemory memory("memory", config);
  Cache cache("cache", cache_config(false), nullptr);
  Router router("router", RouterConfig::single_target(1, 1 << 16));
  MonitoredLinks monitored;
  monitored.bind(cache.memory, memory.target).contents_may_change();  // by debug writes
  tolerate_illegal(monitored.bind(router.initiator(0), cache.target));
  check_illegal(router.target(0), 1 << 16, 52);
  CHECK(cache.idle());
}
