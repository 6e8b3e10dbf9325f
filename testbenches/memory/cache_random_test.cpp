// SPDX-License-Identifier: Apache-2.0
/// Random traffic through caches of many shapes against a flat array of bytes: every read returns what was written, the
/// protocol holds on both sides, nothing is lost and nothing hangs, whatever the partners do.
#include <catch2/catch.hpp>

#include "core/random.h"
#include "memory/cache.h"
#include "memory/memory_system.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "testbenches/support/odd_targets.h"
#include "testbenches/support/paths.h"
#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/socket_driver.h"
#include "testbenches/support/stalling_link.h"

using namespace nibble;
using namespace nibble::test;
using sc_core::SC_NS;
using sc_core::sc_time;

namespace {

constexpr std::uint64_t room = 16 * 1024;

CacheConfig shape(Random& random) {
  CacheConfig config;
  CacheGeometry& g = config.geometry;
  g.line_bytes = std::uint64_t{16} << random.below(4);
  g.sector_bytes = g.line_bytes >> random.below(3);
  g.ways = 1U << random.below(3);
  const std::uint64_t sets = 1 + random.below(6);
  g.capacity_bytes = g.line_bytes * g.ways * sets;
  g.replacement = static_cast<Replacement>(random.below(3));
  g.hashed_index = random.below(2) != 0;
  config.write_through = random.below(2) != 0;
  config.write_allocate = random.below(2) != 0;
  config.banks = 1 + static_cast<unsigned>(random.below(3));
  config.bytes_per_cycle = 1 + static_cast<unsigned>(random.below(40));
  config.clock_mhz = 300 + static_cast<double>(random.below(1000));
  config.hit_latency_cycles = static_cast<unsigned>(random.below(9));
  config.miss_latency_cycles = static_cast<unsigned>(random.below(9));
  config.fill_latency_cycles = static_cast<unsigned>(random.below(4));
  config.mshrs = 1 + static_cast<unsigned>(random.below(5));
  config.mshr_targets = 1 + static_cast<unsigned>(random.below(4));
  config.write_buffer = 1 + static_cast<unsigned>(random.below(4));
  config.queue_depth = 1 + static_cast<unsigned>(random.below(10));
  config.fill_bytes = g.line_bytes << random.below(4);
  return config;
}

FlatConfig flat(Random& random) {
  const double gbps = 1 + static_cast<double>(random.below(20)), latency_ns = static_cast<double>(random.below(60));
  return flat_device(gbps, latency_ns, 1 + static_cast<unsigned>(random.below(8)));
}

/// Random reads and writes, several in flight as long as none of them touches the bytes of another write. Every read is
/// compared with the model; debug reads and writes, maintenance and timing-only reads come between.
class Traffic {
 public:
  Traffic(Cache& cache, DmaEngine& dma, std::uint64_t seed, unsigned total)
      : cache_(cache), dma_(dma), random_(seed), total_(total), model_(room, 0) {
    done_.then = [this](std::uint64_t token) { ended(token); };
    for (unsigned i = 0; i < 12; ++i)
      next();
  }
  void check() {
    CHECK(ended_ == total_);
    CHECK(wrong_ == 0);
    for (const auto& entry : done_.entries)
      REQUIRE(entry.status == tlm::TLM_OK_RESPONSE);
    CHECK(cache_.idle());
    CHECK(dma_.read_bytes(Stream::host) + dma_.write_bytes(Stream::host) == asked_);
    CHECK(read_by_debug(0, room) == model_);
    const CacheCounters& c = cache_.counters();
    CHECK(c.segments == c.hits + c.line_misses + c.sector_misses + c.merged);
    CHECK(c.responses == c.reads + c.writes);
    CHECK(c.errors + c.refused + c.write_errors == 0);
    CHECK(c.read_bytes + c.write_bytes == asked_);
  }
  Bytes read_by_debug(std::uint64_t address, std::uint64_t length) {
    Bytes data(length);
    tlm::tlm_generic_payload payload;
    SocketDriver::set(payload, tlm::TLM_READ_COMMAND, address, data);
    CHECK(cache_.transport_dbg(payload) == length);
    return data;
  }

 private:
  struct Access {
    bool write = false, timing_only = false;
    std::uint64_t address = 0, length = 0;
    Bytes bytes;
    bool live = false;
  };
  void next() {
    if (started_ == total_) return;
    if (random_.below(40) == 0) cache_.maintain(static_cast<CacheMaintenance>(random_.below(2)));
    for (unsigned attempt = 0; attempt < 50; ++attempt) {
      Access access;
      access.write = random_.below(2) != 0;
      access.timing_only = random_.below(8) == 0;
      const std::uint64_t longest = random_.below(4) == 0 ? 600 : 40;
      access.length = 1 + random_.below(longest);
      access.address = random_.below(random_.below(2) == 0 ? 1024 : room - access.length);
      if (conflicts(access)) continue;
      start(std::move(access));
      return;
    }
    --total_;  // everything in reach is being written
  }
  bool conflicts(const Access& access) const {
    for (const Access& other : accesses_) {
      if (other.live && (other.write || access.write) && access.address < other.address + other.length &&
          other.address < access.address + access.length) {
        return true;
      }
    }
    return false;
  }
  void start(Access access) {
    const auto token = static_cast<std::uint64_t>(started_++);
    access.bytes.resize(access.length);
    access.live = true;
    if (access.write) {
      for (auto& byte : access.bytes)
        byte = static_cast<std::uint8_t>(random_.next());
    }
    asked_ += access.length;
    accesses_.push_back(std::move(access));
    Access& mine = accesses_.back();
    if (mine.write && !mine.timing_only) std::copy(mine.bytes.begin(), mine.bytes.end(), &model_[mine.address]);
    DmaTransfer transfer;
    transfer.write = mine.write;
    transfer.address = mine.address;
    transfer.row_bytes = mine.length;
    transfer.data = mine.timing_only ? nullptr : mine.bytes.data();
    dma_.submit(transfer, done_, token);
  }
  void ended(std::uint64_t token) {
    Access& mine = accesses_[token];
    mine.live = false;
    ++ended_;
    if (!mine.write && !mine.timing_only) {
      wrong_ += !std::equal(mine.bytes.begin(), mine.bytes.end(), &model_[mine.address]);
    }
    if (random_.below(2) == 0) debug_access();
    next();
  }
  /// A debug access to bytes that nobody is writing.
  void debug_access() {
    Access access;
    access.write = random_.below(2) != 0;
    access.length = 1 + random_.below(100);
    access.address = random_.below(random_.below(4) != 0 ? 1024 : room - access.length);
    if (conflicts(access)) return;
    if (!access.write) {
      wrong_ += read_by_debug(access.address, access.length) !=
                Bytes(&model_[access.address], &model_[access.address] + access.length);
      return;
    }
    access.bytes.assign(access.length, static_cast<std::uint8_t>(random_.next()));
    std::copy(access.bytes.begin(), access.bytes.end(), &model_[access.address]);
    tlm::tlm_generic_payload payload;
    SocketDriver::set(payload, tlm::TLM_WRITE_COMMAND, access.address, access.bytes);
    CHECK(cache_.transport_dbg(payload) == access.length);
  }

  Cache& cache_;
  DmaEngine& dma_;
  Random random_;
  unsigned total_, started_ = 0, ended_ = 0, wrong_ = 0;
  std::uint64_t asked_ = 0;
  Bytes model_;
  std::deque<Access> accesses_;
  DmaRecorder done_;
};

/// Engine - monitor - [stalls] - cache - monitor - [stalls] - memory.
struct Chain {
  Chain(const CacheConfig& config, tlm::tlm_target_socket<>& memory, std::uint64_t seed, unsigned stall_above,
        unsigned stall_below, bool annotate)
      : cache(name("cache").c_str(), config, nullptr),
        near(name("near").c_str()),
        far(name("far").c_str()),
        dma(name("dma").c_str(), {8, 256, 1024}, nullptr) {
    far.contents_may_change();  // Traffic writes by debug transport, also to what is on its way to memory
    dma.memory.bind(near.in);
    above = link(near.out, cache.target, seed, stall_above, annotate);
    below = link(cache.memory, far.in, seed + 1, stall_below, annotate);
    far.out.bind(memory);
  }
  static std::string name(const char* part) { return sc_core::sc_gen_unique_name(part); }
  std::unique_ptr<StallingLink> link(tlm::tlm_initiator_socket<>& from, tlm::tlm_target_socket<>& to,
                                     std::uint64_t seed, unsigned stall, bool annotate) {
    if (stall == 0) {
      from.bind(to);
      return nullptr;
    }
    auto link = std::make_unique<StallingLink>(sc_core::sc_gen_unique_name("link"), seed, stall, annotate);
    monitored.bind(from, link->in).contents_may_change();
    monitored.bind(link->out, to).contents_may_change();
    return link;
  }
  void check() {
    for (const ProtocolMonitor* monitor : {&near, &far}) {
      CHECK(monitor->violations() == std::vector<std::string>{});
      CHECK(monitor->requests() == monitor->responses());
      CHECK(monitor->in_flight() == 0);
    }
    CHECK(near.requests() == dma.transactions());
  }
  MonitoredLinks monitored;
  Cache cache;
  ProtocolMonitor near, far;
  DmaEngine dma;
  std::unique_ptr<StallingLink> above, below;
};

/// Many caches of random shapes side by side in one simulation.
template <class MakeMemory>
void check_shapes(std::uint64_t seed, unsigned shapes, unsigned stall_above, unsigned stall_below, bool annotate,
                  MakeMemory make) {
  Random random(seed);
  std::vector<std::unique_ptr<OddTarget>> odd;
  std::vector<std::unique_ptr<MemorySystem>> memories;
  std::vector<std::unique_ptr<Chain>> chains;
  std::vector<std::unique_ptr<Traffic>> traffic;
  for (unsigned i = 0; i < shapes; ++i) {
    const CacheConfig config = shape(random);
    tlm::tlm_target_socket<>& memory = make(random, odd, memories);
    chains.push_back(std::make_unique<Chain>(config, memory, random.next(), stall_above, stall_below, annotate));
    traffic.push_back(std::make_unique<Traffic>(chains[i]->cache, chains[i]->dma, random.next(), 400));
  }
  sc_core::sc_start();
  for (unsigned i = 0; i < shapes; ++i) {
    const CacheConfig& c = chains[i]->cache.config();
    CAPTURE(i, c.geometry.line_bytes, c.geometry.sector_bytes, c.geometry.ways, c.geometry.sets(), c.write_through,
            c.write_allocate, c.mshrs, c.mshr_targets, c.write_buffer, c.queue_depth);
    traffic[i]->check();
    chains[i]->check();
  }
}

using Odd = std::vector<std::unique_ptr<OddTarget>>;
using Memories = std::vector<std::unique_ptr<MemorySystem>>;

tlm::tlm_target_socket<>& make_flat(Random& random, Odd&, Memories& memories) {
  memories.push_back(std::make_unique<FlatMemory>(sc_core::sc_gen_unique_name("memory"), flat(random), nullptr));
  return memories.back()->target;
}
tlm::tlm_target_socket<>& make_early(Random&, Odd& odd, Memories&) {
  odd.push_back(std::make_unique<EarlyTarget>(sc_core::sc_gen_unique_name("memory")));
  return odd.back()->target;
}
tlm::tlm_target_socket<>& make_shuffling(Random&, Odd& odd, Memories&) {
  odd.push_back(std::make_unique<ShufflingTarget>(sc_core::sc_gen_unique_name("memory")));
  return odd.back()->target;
}

}  // namespace

TEST_CASE("random traffic over flat memories with back-pressure") {
  check_shapes(1, 40, 0, 0, false, make_flat);
}
TEST_CASE("random traffic behind a stalling initiator") {
  check_shapes(2, 25, 30, 0, false, make_flat);
}
TEST_CASE("random traffic before a stalling memory") {
  check_shapes(3, 25, 0, 30, false, make_flat);
}
TEST_CASE("random traffic with annotated stalls on both sides") {
  check_shapes(4, 25, 20, 25, true, make_flat);
}
TEST_CASE("random traffic before memories that complete early") {
  check_shapes(5, 25, 0, 0, false, make_early);
}
TEST_CASE("random traffic with stalls before memories that complete early") {
  check_shapes(6, 25, 9, 9, true, make_early);
}
TEST_CASE("random traffic before memories that answer in any order") {
  check_shapes(7, 25, 0, 0, false, make_shuffling);
}
TEST_CASE("random traffic with stalls before memories that answer in any order") {
  check_shapes(8, 25, 12, 12, false, make_shuffling);
}
TEST_CASE("random traffic over DRAM with banks and refresh") {
  check_shapes(12, 12, 0, 6, true, [](Random&, Odd&, Memories& memories) -> tlm::tlm_target_socket<>& {
    const auto file = source_path("configs/memories/hbm2.yaml");
    memories.push_back(make_memory(sc_core::sc_gen_unique_name("memory"), ConfigNode::load(file), nullptr));
    return memories.back()->target;
  });
}
TEST_CASE("random traffic through two levels of cache") {
  std::vector<std::unique_ptr<Cache>> second;
  std::vector<std::unique_ptr<ProtocolMonitor>> between;
  check_shapes(10, 25, 0, 0, false, [&](Random& r, Odd& o, Memories& m) -> tlm::tlm_target_socket<>& {
    CacheConfig config = shape(r);
    config.geometry.capacity_bytes *= 4;
    second.push_back(std::make_unique<Cache>(sc_core::sc_gen_unique_name("second"), config, nullptr));
    between.push_back(std::make_unique<ProtocolMonitor>(sc_core::sc_gen_unique_name("between")));
    between.back()->contents_may_change();
    second.back()->memory.bind(between.back()->in);
    between.back()->out.bind(make_flat(r, o, m));
    return second.back()->target;
  });
  for (const auto& cache : second)
    CHECK(cache->idle());
  for (const auto& monitor : between)
    CHECK(monitor->violations() == std::vector<std::string>{});
}

TEST_CASE("LT moves the same data and bytes as AT one by one") {
  Random random(11);
  struct User : sc_core::sc_module {
    explicit User(sc_core::sc_module_name name) : sc_module(name) {}
    tlm_utils::simple_initiator_socket<User> socket{"socket"};
  };
  struct Pair {
    Pair(const CacheConfig& config, const FlatConfig& below)
        : at_memory(sc_core::sc_gen_unique_name("at_memory"), below, nullptr),
          lt_memory(sc_core::sc_gen_unique_name("lt_memory"), below, nullptr),
          at(sc_core::sc_gen_unique_name("at"), config, nullptr),
          lt(sc_core::sc_gen_unique_name("lt"), config, nullptr),
          dma(sc_core::sc_gen_unique_name("dma"), {1, 4096}, nullptr),
          user(sc_core::sc_gen_unique_name("user")) {
      monitored.bind(at.memory, at_memory.target);
      monitored.bind(lt.memory, lt_memory.target);
      monitored.bind(dma.memory, at.target);
      monitored.bind(user.socket, lt.target);
    }
    MonitoredLinks monitored;
    FlatMemory at_memory, lt_memory;
    Cache at, lt;
    DmaEngine dma;
    User user;
  };
  std::vector<std::unique_ptr<Pair>> pairs;
  for (unsigned i = 0; i < 12; ++i)
    pairs.push_back(std::make_unique<Pair>(shape(random), flat(random)));
  unsigned different = 0;
  DmaRecorder done;
  sc_core::sc_event ended;
  done.then = [&](std::uint64_t) { ended.notify(sc_core::SC_ZERO_TIME); };
  SocketDriver driver("driver", [&](SocketDriver& io) {
    for (auto& pair : pairs) {
      for (unsigned i = 0; i < 150; ++i) {
        const bool write = random.below(2) != 0;
        const std::uint64_t length = 1 + random.below(random.below(3) == 0 ? 500 : 40);
        // Inside one page, so that the engine makes one transaction of it.
        const std::uint64_t address = random.below(3) * 4096 + random.below(4096 - length);
        Bytes by_at(length), by_lt(length);
        if (write) {
          for (std::size_t k = 0; k < length; ++k)
            by_at[k] = by_lt[k] = static_cast<std::uint8_t>(random.next());
        }
        DmaTransfer transfer;
        transfer.write = write;
        transfer.address = address;
        transfer.row_bytes = length;
        transfer.data = by_at.data();
        pair->dma.submit(transfer, done, 0);
        io.wait(ended);
        tlm::tlm_generic_payload payload;
        SocketDriver::set(payload, write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND, address, by_lt);
        sc_time delay;
        pair->user.socket->b_transport(payload, delay);
        io.wait(delay);
        different += by_at != by_lt;
      }
      const CacheCounters &a = pair->at.counters(), &b = pair->lt.counters();
      CHECK(a.read_bytes == b.read_bytes);
      CHECK(a.write_bytes == b.write_bytes);
      CHECK(a.hits == b.hits);
      CHECK(a.line_misses == b.line_misses);
      CHECK(a.sector_misses == b.sector_misses);
      CHECK(a.evictions == b.evictions);
      CHECK(a.fill_bytes == b.fill_bytes);
      CHECK(a.writeback_bytes == b.writeback_bytes);
      CHECK(a.forwarded_bytes == b.forwarded_bytes);
      CHECK(pair->at_memory.bus_read_bytes() == pair->lt_memory.bus_read_bytes());
      CHECK(pair->at_memory.bus_write_bytes() == pair->lt_memory.bus_write_bytes());
    }
  });
  FlatMemory unused("unused", flat(random), nullptr);
  MonitoredLinks monitored;
  monitored.bind(driver.initiator, unused.target);
  sc_core::sc_start();
  REQUIRE(sc_core::sc_get_status() == sc_core::SC_STOPPED);
  CHECK(different == 0);
}
