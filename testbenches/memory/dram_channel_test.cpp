// SPDX-License-Identifier: Apache-2.0
/// The DRAM scheduler without a kernel: distances of commands, cuts, conservation, starvation, closed forms.
#include <array>
#include <map>
#include <set>

#include "testbenches/memory/dram_requests.h"

using namespace nibble;
using namespace nibble::test;

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

TEST_CASE("with queues of each bank no burst enters before one in front of it") {
  DramDevice d = load_device("reference-ddr4-b");
  d.mapping = "row bank bankgroup column";
  d.queues.queue = QueueKind::per_bank;
  d.queues.reads = d.queues.writes = 1;
  // The second row of bank 0 holds its only entry; the third one waits, and behind it what comes for other banks.
  const std::vector<Request> requests{{at(d, 0, 0, 0), 1, false, 0},
                                      {at(d, 1, 0, 0), 1, false, 8},
                                      {at(d, 2, 0, 0), 1, false, 8},
                                      {at(d, 0, 0, 1), 1, false, 8},
                                      {at(d, 0, 0, 2), 1, false, 36}};
  for (const std::uint64_t wake_seed : {0, 1, 2, 3}) {
    const Outcome outcome = run(d, requests, true, wake_seed);
    const Cycle column = outcome.end[1] - d.timing.cl - d.geometry.burst_cycles();
    const Cycle opened = column + 1 + d.timing.rcd_read + d.timing.cl + d.geometry.burst_cycles();
    CHECK(outcome.end[3] == opened);
    CHECK(outcome.end[4] == opened + d.timing.rrd_l);
  }
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
