// SPDX-License-Identifier: Apache-2.0
/// The DRAM scheduler without a kernel: leaps against single steps, cuts, conservation, starvation, closed forms.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "core/random.h"
#include "memory/dram_channel.h"
#include "testbenches/memory/dram_devices.h"

using namespace nibble;
using namespace nibble::test;

namespace {

struct Request {
  std::uint64_t first, count;
  bool write;
  Cycle at;
};

struct Outcome {
  std::vector<Cycle> end;  ///< per request
  DramCounters counters;
  Cycle last = 0;
};

/// Pushes the requests at their cycles and runs dry, waking up now and then as a kernel would.
Outcome run(const DramDevice& device, const std::vector<Request>& requests, bool leaps, std::uint64_t wake_seed = 0) {
  const AddressMap map(device.mapping, device.geometry);
  DramChannel channel(device, map);
  channel.set_leaps(leaps);
  Random random(wake_seed);
  for (std::uint32_t id = 0; id < requests.size(); ++id) {
    const Request& r = requests[id];
    while (wake_seed != 0 && channel.now() + 40 < r.at && random.below(3) != 0) {
      channel.advance(channel.now() + static_cast<Cycle>(random.below(40)));
      if (random.below(2) != 0) channel.finish_bound();
    }
    channel.push(r.first, r.count, r.write, id, r.at);
  }
  Outcome outcome;
  outcome.end.assign(requests.size(), -1);
  while (!channel.idle())
    channel.advance(wake_seed != 0 ? channel.now() + 1 + static_cast<Cycle>(random.below(300))
                                   : channel.finish_bound());
  channel.advance((channel.now() / 100000 + 1) * 100000);  // a common horizon, so that the refreshes are comparable
  for (const auto& done : channel.done()) {
    REQUIRE(outcome.end[done.id] == -1);
    outcome.end[done.id] = done.at;
    outcome.last = std::max(outcome.last, done.at);
  }
  outcome.counters = channel.counters_now();
  return outcome;
}

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
}

/// Streams, jumps, single bursts, pauses; `writes` of 8 requests write.
std::vector<Request> mix(std::uint64_t seed, const DramDevice& device, unsigned count, unsigned writes) {
  Random random(seed);
  const std::uint64_t bursts = device.geometry.channel_bytes() / device.geometry.burst_bytes();
  std::vector<Request> requests;
  Cycle at = 0;
  std::uint64_t streams[3] = {0, bursts / 2, bursts / 3};
  for (unsigned i = 0; i < count; ++i) {
    Request r{};
    r.write = random.below(8) < writes;
    const std::uint64_t lengths[] = {1, 1, 3, 16, 40, 128, 500, 2000};
    r.count = 1 + random.below(lengths[random.below(8)]);
    if (random.below(4) != 0) {
      std::uint64_t& stream = streams[random.below(3)];
      r.first = stream;
      stream = (stream + r.count) % (bursts - 4096);
    } else {
      r.first = random.below(bursts - r.count);
    }
    if (random.below(3) == 0) at += static_cast<Cycle>(random.below(random.below(10) == 0 ? 20000 : 900));
    r.at = at;
    requests.push_back(r);
  }
  return requests;
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
