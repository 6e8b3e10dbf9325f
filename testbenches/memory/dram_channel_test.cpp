// SPDX-License-Identifier: Apache-2.0
/// The DRAM scheduler without a kernel: leaps against single steps, cuts, conservation, starvation, closed forms.
#include <array>
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
  for (const auto& done : channel.done()) {
    REQUIRE(outcome.end[done.id] == -1);
    outcome.end[done.id] = done.at;
    outcome.last = std::max(outcome.last, done.at);
  }
  channel.advance((outcome.last / 100000 + 2) * 100000);  // a common horizon, so that the refreshes are comparable
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
  CHECK(a.counters.lost == b.counters.lost);
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

namespace {

/// Cycle in which the data of the last burst end when `requests` are all there are.
Cycle end_of(const DramDevice& device, const std::vector<Request>& requests) {
  return run(device, requests, true).end.back();
}

/// Local burst number of a row and column in a bank, mapping "row bank bankgroup column".
std::uint64_t at(const DramDevice& device, std::uint64_t row, unsigned group, unsigned bank, std::uint64_t column = 0) {
  const std::uint64_t columns = device.geometry.row_bytes / device.geometry.burst_bytes();
  return ((row * device.geometry.banks_per_group + bank) * device.geometry.bank_groups + group) * columns + column;
}

}  // namespace

TEST_CASE("single commands keep the distances of the data sheet") {
  const DramDevice d = load_device("reference-ddr4-a");
  const DramTiming& t = d.timing;
  const Cycle read_end = t.cl + 4, write_end = t.cwl + 4;
  const auto read = [&](std::uint64_t local, Cycle when = 0) { return Request{local, 1, false, when}; };
  const auto write = [&](std::uint64_t local, Cycle when = 0) { return Request{local, 1, true, when}; };
  const Cycle open = 1 + t.rcd_read;  // arrival in cycle 0, activate in cycle 1

  CHECK(end_of(d, {read(at(d, 0, 0, 0))}) == open + read_end);
  CHECK(end_of(d, {write(at(d, 0, 0, 0))}) == open + write_end);
  // Same row: tCCD_L. Another bank group: its own activate after tRRD_S, then hidden.
  CHECK(end_of(d, {read(at(d, 0, 0, 0)), read(at(d, 0, 0, 0, 1))}) == open + t.ccd_l + read_end);
  CHECK(end_of(d, {read(at(d, 0, 0, 0)), read(at(d, 0, 1, 0))}) == open + t.rrd_s + read_end);
  CHECK(end_of(d, {read(at(d, 0, 0, 0)), read(at(d, 0, 0, 1))}) == open + t.rrd_l + read_end);
  // Another row of the same bank: tRAS before the precharge.
  CHECK(end_of(d, {read(at(d, 0, 0, 0)), read(at(d, 1, 0, 0))}) == 1 + t.ras + t.rp + t.rcd_read + read_end);
  // The same when the row has long been open: tRP + tRCD from the arrival.
  CHECK(end_of(d, {read(at(d, 0, 0, 0)), read(at(d, 1, 0, 0), 500)}) == 501 + t.rp + t.rcd_read + read_end);
  // The fifth activate waits for the window of four.
  CHECK(end_of(d, {read(at(d, 0, 0, 0)), read(at(d, 0, 1, 0)), read(at(d, 0, 2, 0)), read(at(d, 0, 3, 0)),
                   read(at(d, 0, 0, 1))}) == open + t.faw + read_end);
  // Write to read: tWTR after the data; read to write: tRTW.
  CHECK(end_of(d, {write(at(d, 0, 0, 0)), read(at(d, 0, 0, 0, 1), 40)}) ==
        std::max(open + write_end + t.wtr_l, Cycle{41}) + read_end);
  CHECK(end_of(d, {read(at(d, 0, 0, 0)), write(at(d, 0, 0, 0, 1))}) == open + t.rtw + write_end);
  // Write recovery before the precharge of a written row.
  CHECK(end_of(d, {write(at(d, 0, 0, 0)), read(at(d, 1, 0, 0))}) ==
        open + write_end + t.wr + t.rp + t.rcd_read + read_end);
}

TEST_CASE("a refresh closes the rank and holds it for tRFC") {
  const DramDevice d = load_device("reference-ddr4-a");
  const DramTiming& t = d.timing;
  const Cycle due = t.refi;
  const Outcome outcome = run(d, {{at(d, 0, 0, 0), 1, false, 0}, {at(d, 0, 0, 0, 1), 1, false, due}}, true);
  // The row was open: precharge all at tREFI, refresh after tRP, activate after tRFC.
  CHECK(outcome.end[1] == due + t.rp_all + t.rfc + t.rcd_read + t.cl + 4);
  const Outcome idle = run(d, {{at(d, 0, 0, 0), 1, false, 10 * due + 5}}, true);
  CHECK(idle.end[0] == 10 * due + t.rfc + t.rcd_read + t.cl + 4);
}

TEST_CASE("tPPD holds precharges apart") {
  DramDevice d = load_device("reference-lpddr4-a");
  const auto two_conflicts = [&](Cycle ppd) {
    d.timing.ppd = ppd;
    const std::vector<Request> requests{{at(d, 0, 0, 0), 1, false, 0},
                                        {at(d, 0, 0, 1), 1, false, 0},
                                        {at(d, 1, 0, 0), 1, false, 1000},
                                        {at(d, 1, 0, 1), 1, false, 1000}};
    return end_of(d, requests);
  };
  CHECK(two_conflicts(40) - two_conflicts(0) == 40 - d.timing.rrd_s);
}

TEST_CASE("a closed page costs no precharge on the next row and an activate on the same row") {
  DramDevice d = load_device("reference-ddr4-a");
  d.queues.page_policy = PagePolicy::closed;
  const DramTiming& t = d.timing;
  const Cycle read_end = t.cl + 4;
  CHECK(end_of(d, {{at(d, 0, 0, 0), 1, false, 0}, {at(d, 1, 0, 0), 1, false, 500}}) == 501 + t.rcd_read + read_end);
  CHECK(end_of(d, {{at(d, 0, 0, 0), 1, false, 0}, {at(d, 0, 0, 0, 1), 1, false, 500}}) == 501 + t.rcd_read + read_end);
  const Outcome together = run(d, {{at(d, 0, 0, 0), 2, false, 0}}, true);
  CHECK(together.counters.activates == 1);
}

TEST_CASE("the time of a stream does not depend on how it is cut") {
  for (DramDevice device : test_devices()) {
    const std::uint64_t bursts = 16384;
    for (const bool write : {false, true}) {
      std::vector<double> ends;
      for (const std::uint64_t cut : {1U, 2U, 64U, 1000U, 16384U}) {
        std::vector<Request> requests;
        for (std::uint64_t first = 0; first < bursts; first += cut) {
          requests.push_back({first, std::min(cut, bursts - first), write, 0});
        }
        ends.push_back(static_cast<double>(run(device, requests, true).last));
      }
      CAPTURE(device.standard, device.mapping, write, ends);
      CHECK(*std::max_element(ends.begin(), ends.end()) <= 1.02 * *std::min_element(ends.begin(), ends.end()));
    }
  }
}

TEST_CASE("no mix of requests lets one wait forever") {
  for (DramDevice device : test_devices()) {
    for (unsigned victim = 0; victim < 4; ++victim) {
      // A stream of 200000 bursts in one direction, arriving as fast as it is served, and one burst against it: another
      // row of a bank that the stream uses, in the same or in the other direction.
      const bool stream_writes = (victim & 1) != 0, other_direction = (victim & 2) != 0;
      const AddressMap map(device.mapping, device.geometry);
      DramChannel channel(device, map);
      const std::uint64_t row_up = device.geometry.channel_bytes() / device.geometry.burst_bytes() / 2;
      constexpr std::uint32_t probe = 1000000;
      std::uint64_t next = 0;
      Cycle probe_end = 0;
      for (std::uint32_t id = 0; id < 200; ++id) {
        if (id == 4) channel.push(row_up, 1, stream_writes != other_direction, probe, channel.now());
        channel.push(next % (row_up / 2), 1000, stream_writes, id, channel.now());
        next += 1000;
        if (id >= 8) channel.advance(channel.finish_bound());
        for (const auto& done : channel.done()) {
          if (done.id == probe) probe_end = done.at;
        }
        channel.done().clear();
      }
      CAPTURE(device.standard, device.mapping, victim, probe_end);
      CHECK(probe_end != 0);
    }
  }
}

TEST_CASE("every request of a hostile mix is served within a time that its queue explains") {
  for (DramDevice device : test_devices()) {
    const AddressMap map(device.mapping, device.geometry);
    DramChannel channel(device, map);
    Random random(21);
    const std::uint64_t bursts = device.geometry.channel_bytes() / device.geometry.burst_bytes();
    constexpr std::uint32_t in_flight = 128, all = 6000;
    std::vector<Cycle> pushed(all), ended(all, -1);
    std::uint32_t finished = 0;
    const auto collect = [&] {
      for (const auto& done : channel.done())
        ended[done.id] = done.at;
      finished += static_cast<std::uint32_t>(channel.done().size());
      channel.done().clear();
    };
    for (std::uint32_t id = 0; id < all; ++id) {
      for (; id - finished >= in_flight; collect())
        channel.advance(channel.finish_bound());
      // Half of it goes to ever other rows of one place, now mostly written, now mostly read.
      std::uint64_t first = random.below(bursts);
      if (random.below(2) == 0) first = first / 4096 * 4096;
      pushed[id] = channel.now();
      channel.push(first, 1, random.below(8) < (id / 1000 % 2 == 0 ? 2U : 6U), id, channel.now());
      collect();
    }
    for (; !channel.idle(); collect())
      channel.advance(channel.finish_bound());
    Cycle longest = 0;
    for (std::uint32_t id = 0; id < all; ++id) {
      REQUIRE(ended[id] >= 0);
      longest = std::max(longest, ended[id] - pushed[id]);
    }
    // All of what is in flight in one bank, read and written in turns, and the refreshes in between.
    const DramTiming& t = device.timing;
    const Cycle worst = t.rc + t.cwl + t.wr + t.wtr_l + t.rtw;
    CAPTURE(device.standard, device.mapping, longest, worst);
    CHECK(longest <= 4 * in_flight * worst);
  }
}

TEST_CASE("a stream cut at random takes the same time, alone and beside another") {
  for (const DramDevice& device : test_devices()) {
    std::vector<double> alone, beside;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      Random random(seed);
      std::vector<Request> one, two;
      const std::uint64_t bursts = 12000;
      const std::uint64_t other = device.geometry.channel_bytes() / device.geometry.burst_bytes() / 2 + 5 * 4096;
      // Pieces of one stream, cut anywhere; beside it a second one, in turns of 64 bursts, each turn cut anywhere.
      for (std::uint64_t at = 0; at < bursts;) {
        const std::uint64_t count = std::min(1 + random.below(seed == 1 ? 4 : 300), bursts - at);
        one.push_back({at, count, false, 0});
        at += count;
      }
      for (std::uint64_t turn = 0; turn < bursts; turn += 64) {
        for (const std::uint64_t base : {std::uint64_t{0}, other}) {
          for (std::uint64_t at = 0; at < 64;) {
            const std::uint64_t count = std::min(1 + random.below(64), 64 - at);
            two.push_back({base + turn + at, count, base != 0, 0});
            at += count;
          }
        }
      }
      alone.push_back(static_cast<double>(run(device, one, true).last));
      beside.push_back(static_cast<double>(run(device, two, true).last));
    }
    CAPTURE(device.standard, device.mapping, alone, beside);
    CHECK(*std::max_element(alone.begin(), alone.end()) <= 1.02 * *std::min_element(alone.begin(), alone.end()));
    CHECK(*std::max_element(beside.begin(), beside.end()) <= 1.02 * *std::min_element(beside.begin(), beside.end()));
  }
}

TEST_CASE("bursts are conserved and the data bus is never used twice at a time") {
  for (DramDevice device : test_devices()) {
    const auto requests = mix(77, device, 300, 3);
    const Outcome outcome = run(device, requests, true);
    std::uint64_t reads = 0, writes = 0;
    for (const Request& r : requests)
      (r.write ? writes : reads) += r.count;
    CHECK(outcome.counters.reads == reads);
    CHECK(outcome.counters.writes == writes);
    CHECK(std::count(outcome.end.begin(), outcome.end.end(), -1) == 0);
    CHECK(static_cast<Cycle>(reads + writes) * device.geometry.burst_cycles() <= outcome.last);
    CHECK(outcome.counters.activates == outcome.counters.misses + outcome.counters.conflicts);
    // Single bursts end on the bus one after another, at least a burst apart.
    std::vector<Request> singles;
    for (std::uint64_t i = 0; i < 3000; ++i)
      singles.push_back({requests[i % 300].first + i, 1, requests[i % 300].write, 0});
    std::vector<Cycle> ends = run(device, singles, true).end;
    std::sort(ends.begin(), ends.end());
    for (std::size_t i = 1; i < ends.size(); ++i)
      REQUIRE(ends[i] - ends[i - 1] >= device.geometry.burst_cycles());
  }
}

TEST_CASE("finish_bound never lies behind the next completion") {
  for (DramDevice device : test_devices()) {
    const auto requests = mix(5, device, 200, 3);
    const AddressMap map(device.mapping, device.geometry);
    DramChannel channel(device, map);
    std::size_t finished = 0, wakes = 0;
    for (std::uint32_t id = 0; id < requests.size() || !channel.idle();) {
      const Cycle bound = channel.finish_bound();
      if (id < requests.size() && requests[id].at <= bound) {
        const Request& r = requests[id];
        channel.push(r.first, r.count, r.write, id++, r.at);
      } else {
        channel.advance(bound);
        ++wakes;
      }
      for (const auto& done : channel.done())
        REQUIRE(done.at >= std::min(bound, channel.now()));
      finished += channel.done().size();
      channel.done().clear();
    }
    CHECK(finished == requests.size());
    CHECK(wakes < 40 * requests.size());
  }
}
