// SPDX-License-Identifier: Apache-2.0
/// Leaps and sprints of the DRAM scheduler against single steps.
#include <array>

#include "testbenches/memory/dram_requests.h"

using namespace nibble;
using namespace nibble::test;

namespace {

void check_equal(const Outcome& a, const Outcome& b) {
  const auto differs = std::mismatch(a.end.begin(), a.end.end(), b.end.begin());
  if (differs.first != a.end.end()) {
    FAIL_CHECK("request " << differs.first - a.end.begin() << " ends at " << *differs.first << " and "
                          << *differs.second);
  }
  CHECK(a.counters.reads == b.counters.reads);
  CHECK(a.counters.writes == b.counters.writes);
  CHECK(a.counters.activates == b.counters.activates);
  CHECK(a.counters.precharges == b.counters.precharges);
  CHECK(a.counters.refreshes == b.counters.refreshes);
  CHECK(a.counters.misses == b.counters.misses);
  CHECK(a.counters.conflicts == b.counters.conflicts);
  CHECK(a.counters.turnarounds == b.counters.turnarounds);
  CHECK(a.counters.lost == b.counters.lost);
}

}  // namespace

TEST_CASE("leaps end every request in the same cycle, with the same commands, as single steps") {
  for (DramDevice device : test_devices()) {
    for (const unsigned writes : {0U, 1U, 4U, 8U}) {
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(device.standard, device.mapping, writes, seed, device.queues.reads);
        const auto requests = mix(seed, device, 120, writes);
        const Outcome single = run(device, requests, false);
        const Outcome leaping = run(device, requests, true);
        check_equal(single, leaping);
        CHECK(leaping.counters.active_cycles == single.counters.active_cycles);
        check_equal(single, run(device, requests, true, seed));
      }
    }
  }
}

namespace {

/// The ends of the requests, and the counters, with so many of them in the channel at a time.
Outcome under_load(const DramDevice& device, const std::vector<Request>& requests, bool leaps, std::uint64_t depth) {
  const AddressMap map(device.mapping, device.geometry);
  DramChannel channel(device, map);
  channel.set_leaps(leaps);
  Outcome outcome;
  outcome.end.assign(requests.size(), -1);
  std::uint64_t finished = 0;
  const auto collect = [&] {
    for (const auto& done : channel.done())
      outcome.end[done.id] = done.at;
    finished += channel.done().size();
    channel.done().clear();
  };
  for (std::uint32_t id = 0; id < requests.size(); ++id) {
    for (; id - finished >= depth; collect())
      channel.advance(channel.finish_bound());
    channel.push(requests[id].first, requests[id].count, requests[id].write, id, channel.now() + 1);
  }
  for (; !channel.idle(); collect())
    channel.advance(channel.finish_bound());
  channel.advance(channel.now() + 1000);
  outcome.counters = channel.counters_now();
  return outcome;
}

/// Four streams and jumps between them.
std::vector<Request> streams_and_jumps(const DramDevice& device, std::uint64_t seed, std::uint64_t longest) {
  Random random(seed);
  const std::uint64_t bursts = device.geometry.channel_bytes() / device.geometry.burst_bytes() - 4096;
  std::array<std::uint64_t, 4> streams{};
  for (std::uint64_t& stream : streams)
    stream = random.below(bursts);
  std::vector<Request> requests;
  for (unsigned i = 0; i < (longest > 64 ? 100 : 300); ++i) {
    const std::uint64_t length = 1 + random.below(longest), k = random.below(5);
    const std::uint64_t first = k < 4 ? streams[k] : random.below(bursts);
    if (k < 4) streams[k] = (first + length) % bursts;
    requests.push_back({first, length, random.below(16) < seed % 3 * 5, 0});
  }
  return requests;
}

}  // namespace

TEST_CASE("leaps end every request as single steps do while the windows are full and the directions take turns") {
  for (const char* name : {"reference-ddr4-a", "reference-ddr4-b", "gddr6-16", "hbm3"}) {
    DramDevice device = load_device(name);
    for (const unsigned streak_cap : {16U, 1024U}) {
      device.queues.streak_cap = streak_cap;
      for (std::uint64_t seed = 1; seed <= 250; ++seed) {
        CAPTURE(name, streak_cap, seed);
        const auto requests = streams_and_jumps(device, seed, seed % 4 == 0 ? 700 : 64);
        check_equal(under_load(device, requests, true, 128), under_load(device, requests, false, 128));
      }
    }
  }
}

namespace {

/// Two streams in turns of `turn` single bursts, `jumps` of 8 turns at a random place; `writing`: 500 bursts of each
/// direction in turns.
std::vector<Request> turns(const DramDevice& device, std::uint64_t turn, std::uint64_t jumps, bool writing) {
  Random random(turn);
  const std::uint64_t bursts = device.geometry.channel_bytes() / device.geometry.burst_bytes();
  std::vector<Request> requests;
  for (std::uint64_t i = 0; i < 2000 / turn; ++i) {
    std::uint64_t first = i % 2 * (bursts / 4) + i / 2 * turn;
    if (random.below(8) < jumps) first = random.below(bursts - turn);
    for (std::uint64_t k = 0; k < turn; ++k)
      requests.push_back({first + k, 1, writing && requests.size() / 500 % 2 == 1, 0});
  }
  return requests;
}

}  // namespace

TEST_CASE("sprints end every request of tiles and of jumps in the same cycle as single steps") {
  std::vector<DramDevice> devices = test_devices();
  devices.push_back(load_device("reference-ddr4-b"));
  devices.back().queues.row_hit_cap = 2;
  for (const DramDevice& device : devices) {
    for (const std::uint64_t turn : {1, 4, 8, 64}) {
      for (const std::uint64_t jumps : {0, 1, 8}) {
        for (const bool writing : {false, true}) {
          const auto requests = turns(device, turn, jumps, writing);
          CAPTURE(device.standard, device.mapping, turn, jumps, writing);
          const Outcome single = under_load(device, requests, false, 128);
          const Outcome leaping = under_load(device, requests, true, 128);
          check_equal(single, leaping);
          CHECK(leaping.counters.active_cycles == single.counters.active_cycles);
        }
      }
    }
  }
}

namespace {

/// Single bursts and short runs of a few streams, jumps between them, and pauses; `writes` of 8 requests write.
std::vector<Request> streams_and_pauses(const DramDevice& device, std::uint64_t seed, unsigned writes) {
  Random random(seed);
  const std::uint64_t bursts = device.geometry.channel_bytes() / device.geometry.burst_bytes() - 4096;
  std::array<std::uint64_t, 2> streams{random.below(bursts), random.below(bursts)};
  const std::uint64_t length = 1 + random.below(4);
  std::vector<Request> requests;
  Cycle at = 0;
  for (unsigned i = 0; i < 600; ++i) {
    std::uint64_t& stream = streams[i % 2];
    requests.push_back({stream, length, random.below(8) < writes, at});
    stream = random.below(100) == 0 ? random.below(bursts) : (stream + length) % bursts;
    if (random.below(40) == 0) at += static_cast<Cycle>(random.below(900));
  }
  return requests;
}

}  // namespace

TEST_CASE(
    "leaps and sprints end every request as single steps do when the directions take short turns between pauses") {
  for (DramDevice device : test_devices()) {
    for (const unsigned streak_cap : {4U, 16U}) {
      device.queues.streak_cap = streak_cap;
      for (const unsigned writes : {1U, 4U}) {
        // With 35 and 45 the reads that a forced turn lets go first were once still counted when it was long over.
        for (const std::uint64_t seed : {1, 2, 3, 35, 45}) {
          CAPTURE(device.standard, device.mapping, streak_cap, writes, seed);
          const auto requests = streams_and_pauses(device, seed, writes);
          const Outcome single = run(device, requests, false);
          check_equal(single, run(device, requests, true));
          check_equal(single, run(device, requests, true, seed));
        }
      }
    }
  }
}
