// SPDX-License-Identifier: Apache-2.0
/// Requests for the DRAM scheduler without a kernel, and what comes of them.
#pragma once

#include <catch2/catch.hpp>
#include <vector>

#include "core/random.h"
#include "memory/dram_channel.h"
#include "testbenches/memory/dram_devices.h"

namespace nibble::test {

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
inline Outcome run(const DramDevice& device, const std::vector<Request>& requests, bool leaps,
                   std::uint64_t wake_seed = 0) {
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
  for (const auto& done : channel.done()) {
    REQUIRE(outcome.end[done.id] == -1);
    outcome.end[done.id] = done.at;
    outcome.last = std::max(outcome.last, done.at);
  }
  channel.advance((outcome.last / 100000 + 2) * 100000);  // a common horizon, so that the refreshes are comparable
  outcome.counters = channel.counters_now();
  return outcome;
}

/// Streams, jumps, single bursts, pauses; `writes` of 8 requests write.
inline std::vector<Request> mix(std::uint64_t seed, const DramDevice& device, unsigned count, unsigned writes) {
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

}  // namespace nibble::test
