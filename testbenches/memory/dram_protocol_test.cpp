// SPDX-License-Identifier: Apache-2.0
/// Every command that the scheduler issues against every rule of the device, checked pair by pair from its log by code
/// that shares nothing with the scheduler.
#include <catch2/catch.hpp>
#include <map>

#include "core/random.h"
#include "memory/dram_channel.h"
#include "testbenches/memory/dram_devices.h"

using namespace nibble;
using namespace nibble::test;

namespace {

using Kind = DramCommand::Kind;

std::vector<DramCommand> run_logged(const DramDevice& device, std::uint64_t seed, unsigned requests,
                                    DramCounters* counters) {
  const AddressMap map(device.mapping, device.geometry);
  DramChannel channel(device, map);
  std::vector<DramCommand> log;
  channel.log_commands(&log);
  Random random(seed);
  const std::uint64_t bursts = device.geometry.channel_bytes() / device.geometry.burst_bytes();
  Cycle at = 0;
  std::uint64_t stream = 0;
  for (std::uint32_t id = 0; id < requests; ++id) {
    const std::uint64_t count = 1 + random.below(random.below(2) == 0 ? 2 : 80);
    std::uint64_t first = stream;
    if (random.below(2) == 0) first = random.below(bursts - count);
    stream = (first + count) % (bursts - 4096);
    if (random.below(4) == 0) at += static_cast<Cycle>(random.below(random.below(20) == 0 ? 15000 : 600));
    channel.push(first, count, random.below(3) == 0, id, at);
  }
  while (!channel.idle())
    channel.advance(channel.finish_bound());
  channel.advance(channel.now() + 2 * device.timing.refi);
  *counters = channel.counters_now();
  // A closed-page precharge and those before a refresh are logged when they are decided.
  std::stable_sort(log.begin(), log.end(), [](const DramCommand& a, const DramCommand& b) { return a.at < b.at; });
  return log;
}

/// Looks at every command against all that came within the longest distance before it.
class RuleChecker {
 public:
  explicit RuleChecker(const DramDevice& device) : device_(device), t_(device.timing), g_(device.geometry) {}

  void check(const std::vector<DramCommand>& log) {
    const Cycle reach = std::max({t_.rfc, t_.rc, t_.rfc_bank, t_.cl + t_.cwl + t_.wr + 64}) + t_.rp_all + 1;
    std::size_t oldest = 0;
    for (std::size_t i = 0; i < log.size(); ++i) {
      while (log[i].at - log[oldest].at > reach)
        ++oldest;
      for (std::size_t k = oldest; k < i; ++k)
        pair(log[k], log[i]);
      state(log[i]);
      window(log, i);
    }
  }
  std::string broken;
  std::map<std::string, unsigned> seen;

 private:
  static bool column(const DramCommand& c) { return c.kind == Kind::read || c.kind == Kind::write; }
  static bool opens(const DramCommand& c) { return c.kind == Kind::activate || c.kind == Kind::refresh_bank; }
  unsigned group(const DramCommand& c) const { return c.bank / g_.banks_per_group; }
  bool touches(const DramCommand& c, unsigned bank) const {
    if (c.kind == Kind::precharge_all || c.kind == Kind::refresh_all) return c.rank == bank / g_.banks_per_rank();
    if (c.kind == Kind::refresh_bank) {
      const unsigned apart = g_.banks_per_rank() / g_.refresh_banks;
      return c.rank == bank / g_.banks_per_rank() && bank % apart == c.bank % apart;
    }
    return c.bank == bank;
  }
  void need(const char* rule, const DramCommand& a, const DramCommand& b, Cycle distance) {
    ++seen[rule];
    if (b.at - a.at >= distance || !broken.empty()) return;
    broken = std::string(rule) + ": bank " + std::to_string(a.bank) + " at " + std::to_string(a.at) + ", bank " +
             std::to_string(b.bank) + " at " + std::to_string(b.at) + ", needs " + std::to_string(distance);
  }

  void pair(const DramCommand& a, const DramCommand& b) {
    const bool same_rank = a.rank == b.rank;
    if (column(a) && column(b)) columns(a, b, same_rank);
    if (!same_rank) return;
    if (opens(a) && b.kind == Kind::activate) {
      if (a.kind == Kind::activate) need("tRRD", a, b, group(a) == group(b) ? t_.rrd_l : t_.rrd_s);
      if (a.kind == Kind::refresh_bank) need("tRREFD", a, b, t_.rrefd);
    }
    if (a.kind == Kind::activate && b.kind == Kind::refresh_bank) need("tRRD before refresh", a, b, t_.rrd_s);
    if (a.kind == Kind::precharge && b.kind == Kind::precharge && device_.queues.page_policy == PagePolicy::open)
      need("tPPD", a, b, t_.ppd);
    same_bank(a, b);
  }

  void columns(const DramCommand& a, const DramCommand& b, bool same_rank) {
    const Cycle burst = g_.burst_cycles();
    const Cycle data_a = a.at + (a.kind == Kind::read ? t_.cl : t_.cwl),
                data_b = b.at + (b.kind == Kind::read ? t_.cl : t_.cwl);
    if (data_b - data_a < burst + (same_rank ? 0 : t_.rtrs) && broken.empty())
      broken = "data of rank " + std::to_string(a.rank) + (a.kind == Kind::read ? " R " : " W ") +
               std::to_string(a.at) + " and rank " + std::to_string(b.rank) + (b.kind == Kind::read ? " R " : " W ") +
               std::to_string(b.at) + " overlap";
    if (!same_rank) return;
    const bool same_group = group(a) == group(b);
    if (a.kind == Kind::read && b.kind == Kind::write) return need("tRTW", a, b, t_.rtw);
    if (a.kind == Kind::write && b.kind == Kind::read)
      return need("tWTR", a, b, t_.cwl + burst + (same_group ? t_.wtr_l : t_.wtr_s));
    need("tCCD", a, b, !same_group ? t_.ccd_s : a.kind == Kind::read ? t_.ccd_l : t_.ccd_l_write);
  }

  void same_bank(const DramCommand& a, const DramCommand& b) {
    const auto banks = static_cast<unsigned>(g_.banks());
    for (unsigned bank = 0; bank < banks; ++bank) {
      if (!touches(a, bank) || !touches(b, bank)) continue;
      const bool closes = b.kind == Kind::precharge || b.kind == Kind::precharge_all;
      const bool fresh = b.kind == Kind::activate || b.kind == Kind::refresh_all || b.kind == Kind::refresh_bank;
      if (a.kind == Kind::activate && column(b)) need("tRCD", a, b, b.kind == Kind::read ? t_.rcd_read : t_.rcd_write);
      if (a.kind == Kind::activate && closes && open_.count(bank) != 0) need("tRAS", a, b, t_.ras);
      if (a.kind == Kind::activate && fresh) need("tRC", a, b, t_.rc);
      if (a.kind == Kind::read && closes && open_.count(bank) != 0) need("tRTP", a, b, t_.rtp);
      if (a.kind == Kind::write && closes && open_.count(bank) != 0)
        need("tWR", a, b, t_.cwl + g_.burst_cycles() + t_.wr);
      if (a.kind == Kind::precharge && fresh) need("tRP", a, b, t_.rp);
      if (a.kind == Kind::precharge_all && b.kind == Kind::refresh_all) need("tRP_all", a, b, t_.rp_all);
      if (a.kind == Kind::refresh_all && (fresh || column(b))) need("tRFC", a, b, t_.rfc);
      if (a.kind == Kind::refresh_bank && (fresh || column(b))) need("tRFCpb", a, b, t_.rfc_bank);
      return;
    }
  }

  /// A row is open when it is read, and closed when it is opened or refreshed.
  void state(const DramCommand& c) {
    for (unsigned bank = 0; bank < g_.banks(); ++bank) {
      if (!touches(c, bank)) continue;
      const auto open = open_.find(bank);
      const bool wrong = column(c) ? open == open_.end() || open->second != c.row
                                   : (opens(c) || c.kind == Kind::refresh_all) && open != open_.end();
      if (wrong && broken.empty()) broken = "state of bank " + std::to_string(bank) + " at " + std::to_string(c.at);
      if (c.kind == Kind::activate) open_[bank] = c.row;
      if (c.kind == Kind::precharge || c.kind == Kind::precharge_all) open_.erase(bank);
    }
  }

  void window(const std::vector<DramCommand>& log, std::size_t i) {
    if (!opens(log[i])) return;
    unsigned before = 0;
    for (std::size_t k = i; k-- > 0 && before < 4 && log[i].at - log[k].at < t_.faw;) {
      if (opens(log[k]) && log[k].rank == log[i].rank) ++before;
    }
    ++seen["tFAW"];
    if (before >= 4 && broken.empty()) broken = "tFAW at " + std::to_string(log[i].at);
  }

  const DramDevice& device_;
  const DramTiming& t_;
  const DramGeometry& g_;
  std::map<unsigned, std::uint64_t> open_;
};

}  // namespace

TEST_CASE("no command breaks a rule of its device, whatever the traffic") {
  std::map<std::string, unsigned> seen;
  for (const DramDevice& device : test_devices()) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      CAPTURE(device.standard, device.mapping, static_cast<int>(device.queues.refresh), seed);
      DramCounters counters;
      const auto log = run_logged(device, seed, 150, &counters);
      RuleChecker checker(device);
      checker.check(log);
      CHECK(checker.broken == "");
      for (const auto& [rule, count] : checker.seen)
        seen[rule] += count;
      std::map<Kind, std::uint64_t> kinds;
      for (const DramCommand& c : log)
        ++kinds[c.kind];
      CHECK(kinds[Kind::activate] == counters.activates);
      CHECK(kinds[Kind::precharge] + kinds[Kind::precharge_all] == counters.precharges);
      CHECK(kinds[Kind::read] == counters.reads);
      CHECK(kinds[Kind::write] == counters.writes);
      // Refreshes that pass in idle time are counted without being logged one by one.
      CHECK(kinds[Kind::refresh_all] + kinds[Kind::refresh_bank] <= counters.refreshes);
    }
  }
  // The traffic is such that every rule was looked at.
  for (const char* rule : {"tRRD", "tRREFD", "tRRD before refresh", "tPPD", "tRTW", "tWTR", "tCCD", "tRCD", "tRAS",
                           "tRC", "tRTP", "tWR", "tRP", "tRP_all", "tRFC", "tRFCpb", "tFAW"}) {
    CAPTURE(rule);
    CHECK(seen[rule] > 100);
  }
}

TEST_CASE("every bank is refreshed as often as the standard wants") {
  for (const char* name : {"ddr5-4800", "lpddr4-3200", "lpddr5-6400", "gddr6-16", "hbm3"}) {
    DramDevice device = single_channel(load_device(name));
    device.queues.refresh = RefreshKind::per_bank;
    const AddressMap map(device.mapping, device.geometry);
    DramChannel channel(device, map);
    for (std::uint32_t id = 0; id < 300; ++id)
      channel.push(id * 1000, 1000, false, id, 0);
    while (!channel.idle())
      channel.advance(channel.finish_bound());
    const Cycle busy = channel.now();
    channel.advance(busy + 1000 * device.timing.refi);
    const DramCounters n = channel.counters_now();
    const double commands = static_cast<double>(device.geometry.banks()) / device.geometry.refresh_banks;
    const double due = commands * static_cast<double>(channel.now()) / static_cast<double>(device.timing.refi);
    CAPTURE(name, busy, n.refreshes, due);
    CHECK(std::abs(static_cast<double>(n.refreshes) - due) <= device.geometry.ranks + 1.0);
  }
}

TEST_CASE("every cycle of the data bus is data or has a cause") {
  for (const DramDevice& device : test_devices()) {
    for (const bool leaps : {true, false}) {
      const AddressMap map(device.mapping, device.geometry);
      DramChannel channel(device, map);
      channel.set_leaps(leaps);
      Random random(3);
      const std::uint64_t bursts = device.geometry.channel_bytes() / device.geometry.burst_bytes();
      Cycle at = 500;
      for (std::uint32_t id = 0; id < 200; ++id) {
        const std::uint64_t count = 1 + random.below(random.below(2) == 0 ? 2 : 2000);
        channel.push(random.below(bursts - count), count, random.below(3) == 0, id, at);
        if (random.below(4) == 0) at += static_cast<Cycle>(random.below(3000));
      }
      while (!channel.idle())
        channel.advance(channel.finish_bound());
      channel.advance(channel.now() + 5000);
      const DramCounters n = channel.counters_now();
      auto sum = static_cast<Cycle>(n.reads + n.writes) * device.geometry.burst_cycles();
      for (const std::uint64_t cycles : n.lost)
        sum += static_cast<Cycle>(cycles);
      CAPTURE(device.standard, device.mapping, leaps);
      CHECK(sum == channel.now());
    }
  }
}
