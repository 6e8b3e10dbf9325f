// SPDX-License-Identifier: Apache-2.0
/// Banks, ports and conflicts counted by hand, and against a cycle-by-cycle count.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "core/config_node.h"
#include "core/random.h"
#include "memory/scratchpad.h"
#include "testbenches/support/paths.h"

using namespace nibble;

namespace {

ScratchpadConfig four_banks() {
  return {4096, 4, 8, 1, 1};
}

/// The same count without periods: group by group, word by word.
Scratchpad::Use by_hand(const ScratchpadConfig& config, const ScratchpadPattern& p) {
  Scratchpad::Use total;
  for (std::uint64_t first = 0; first < p.count; first += p.lanes) {
    std::set<std::uint64_t> words;
    for (std::uint64_t i = first; i < std::min<std::uint64_t>(p.count, first + p.lanes); ++i) {
      for (std::uint64_t byte = 0; byte < p.bytes; ++byte)
        words.insert((p.address + i * p.stride + byte) / config.width_bytes);
    }
    std::map<std::uint64_t, std::uint64_t> load;
    std::uint64_t most = 0;
    for (const auto word : words)
      most = std::max(most, ++load[word % config.banks]);
    const std::uint64_t ports = p.write ? config.write_ports : config.read_ports;
    const std::uint64_t cycles = (most + ports - 1) / ports;
    total.cycles += cycles;
    total.conflicts += cycles - 1;
    total.accesses += words.size();
  }
  return total;
}

}  // namespace

TEST_CASE("a contiguous read moves one word per bank and cycle") {
  Scratchpad pad(four_banks());
  ScratchpadPattern p;
  p.count = 100;
  p.bytes = p.stride = 8;
  p.lanes = 4;
  const auto use = pad.access(p);
  CHECK(use.cycles == 25);
  CHECK(use.accesses == 100);
  CHECK(use.conflicts == 0);
  CHECK(pad.reads() == 100);
  CHECK(pad.writes() == 0);
}

TEST_CASE("a stride of all banks serializes the lanes, a second port halves that") {
  ScratchpadPattern p;
  p.write = true;
  p.count = 40;
  p.bytes = 8;
  p.stride = 32;
  p.lanes = 4;
  Scratchpad one(four_banks());
  CHECK(one.access(p).cycles == 40);
  CHECK(one.conflict_cycles() == 30);
  CHECK(one.writes() == 40);
  ScratchpadConfig config = four_banks();
  config.write_ports = 2;
  CHECK(Scratchpad(config).examine(p).cycles == 20);
}

TEST_CASE("lanes that touch the same word share the access, an element across two words needs both") {
  ScratchpadPattern p;
  p.count = 8;
  p.bytes = p.stride = 1;
  p.lanes = 8;
  Scratchpad pad(four_banks());
  CHECK(pad.examine(p).accesses == 1);
  CHECK(pad.examine(p).cycles == 1);
  p.address = 6;
  p.count = p.lanes = 1;
  p.bytes = 4;
  CHECK(pad.examine(p).accesses == 2);
  CHECK(pad.examine(p).cycles == 1);
  p.count = 0;
  CHECK(pad.examine(p).cycles == 0);
  p.count = 5;
  p.stride = 0;
  p.address = 0;
  CHECK(pad.examine(p).accesses == 5);
}

TEST_CASE("the closed form equals the count word by word") {
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    ScratchpadConfig config{1 << 20, 1 + static_cast<unsigned>(random.below(12)),
                            1 + static_cast<unsigned>(random.below(20)), 1 + static_cast<unsigned>(random.below(3)),
                            1 + static_cast<unsigned>(random.below(2))};
    ScratchpadPattern p;
    p.write = random.below(2) != 0;
    p.address = random.below(1000);
    p.count = random.below(400);
    p.bytes = 1 + random.below(30);
    p.stride = random.below(70);
    p.lanes = 1 + static_cast<unsigned>(random.below(9));
    CAPTURE(config.banks, config.width_bytes, p.address, p.count, p.bytes, p.stride, p.lanes);
    const auto expected = by_hand(config, p), use = Scratchpad(config).examine(p);
    CHECK(use.cycles == expected.cycles);
    CHECK(use.accesses == expected.accesses);
    CHECK(use.conflicts == expected.conflicts);
  }
}

TEST_CASE("energy is accesses times the cost of one bank") {
  Scratchpad pad(four_banks());
  ScratchpadPattern p;
  p.count = 10;
  p.bytes = p.stride = 8;
  pad.access(p);
  p.write = true;
  p.count = 3;
  pad.access(p);
  SramCost cost;
  cost.read_pj = 2;
  cost.write_pj = 5;
  CHECK(pad.energy_pj(cost) == 10 * 2 + 3 * 5);
  Statistics group("sram");
  pad.register_statistics(group, "weights");
  unsigned values = 0;
  group.for_each(
      [&](const Statistics::Value& value) { values += value.path == "sram.weights_reads" && value.value == 10.0; });
  CHECK(values == 1);
}

TEST_CASE("energy and leakage come from the book's figures for one bank, with cell and temperature named") {
  const CostBook book = CostBook::load(ConfigNode::load(source_path("configs/technologies/published-28nm.yaml")));
  Scratchpad pad({256 * 1024, 2, 32, 1, 1});  // two banks of 128 KiB, 256 bits wide: a row of the table
  ScratchpadPattern p;
  p.count = 10;
  p.bytes = p.stride = 32;
  pad.access(p);
  p.write = true;
  p.count = 3;
  pad.access(p);
  const SramEnergy energy = pad.energy(book, 1e-6);
  CHECK(energy.read_pj == Approx(10 * 41.54).epsilon(1e-12));
  CHECK(energy.write_pj == Approx(3 * 45.95).epsilon(1e-12));
  CHECK(energy.leakage_pj == Approx(2 * 79.4e-3 * 1e-6 * 1e12).epsilon(1e-12));  // W x s in pJ
  CHECK(energy.total_pj() == energy.read_pj + energy.write_pj + energy.leakage_pj);
  CHECK(energy.area_mm2 == Approx(2 * 0.4164).epsilon(1e-12));
  CHECK_THAT(energy.source, Catch::Contains("CACTI 7") && Catch::Contains("ITRS-HP, 360 K"));
  CHECK(energy.left_out.empty());
  CHECK_FALSE(Scratchpad({256 * 1024, 2, 32, 4, 1}).energy(book, 0).left_out.empty());
  CHECK_THROWS_WITH(Scratchpad({1024 * 1024, 1024, 32, 1, 1}).energy(book, 0), Catch::Contains("no SRAM of 1 KiB"));
  CHECK_THROWS_WITH(Scratchpad({4096 * 1024, 2, 32, 1, 1}).energy(book, 0), Catch::Contains("use several macros"));
}

TEST_CASE("a fill and a drain share a single port, and do not meet in banks of their own") {
  ScratchpadPattern drain;
  drain.count = 8;
  drain.bytes = drain.stride = 8;
  ScratchpadPattern fill = drain;
  fill.write = true;
  // One bank, one port for both: 16 accesses in 16 cycles, in turns.
  Scratchpad one({4096, 1, 8, 0, 0, 1});
  auto uses = one.access_together({drain, fill});
  CHECK(uses[0].cycles == 15);
  CHECK(uses[1].cycles == 16);
  CHECK(uses[0].conflicts + uses[1].conflicts == 7 + 8);
  CHECK(one.reads() == 8);
  CHECK(one.writes() == 8);
  CHECK(one.conflict_cycles() == 15);
  // A read and a write port: both run at full rate.
  uses = Scratchpad({4096, 1, 8, 1, 1}).examine_together({drain, fill});
  CHECK(uses[0].cycles == 8);
  CHECK(uses[1].cycles == 8);
  // Two single-ported banks, both streams begin in bank 0: the second loses the first cycle and then follows.
  uses = Scratchpad({4096, 2, 8, 0, 0, 1}).examine_together({drain, fill});
  CHECK(uses[0].cycles + uses[1].cycles == 8 + 9);
  CHECK(Scratchpad({4096, 2, 8, 0, 0, 1}).examine_together({}).empty());
}

TEST_CASE("a pattern alone costs the same stepped and in closed form; together nothing is lost") {
  Random random(9);
  for (int round = 0; round < 300; ++round) {
    ScratchpadConfig config{1 << 20,
                            1 + static_cast<unsigned>(random.below(8)),
                            1 + static_cast<unsigned>(random.below(20)),
                            static_cast<unsigned>(random.below(3)),
                            static_cast<unsigned>(random.below(2)),
                            1 + static_cast<unsigned>(random.below(2))};
    std::vector<ScratchpadPattern> patterns(1 + random.below(4));
    const Scratchpad pad(config);
    std::uint64_t slowest = 0, all = 0, last = 0;
    for (auto& p : patterns) {
      p.write = random.below(2) != 0;
      p.address = random.below(1000);
      p.count = random.below(60);
      p.bytes = random.below(30);
      p.stride = random.below(70);
      p.lanes = static_cast<unsigned>(random.below(9));
      const auto alone = pad.examine(p), stepped = pad.examine_together({p})[0];
      REQUIRE(stepped.cycles == alone.cycles);
      REQUIRE(stepped.accesses == alone.accesses);
      REQUIRE(stepped.conflicts == alone.conflicts);
      slowest = std::max(slowest, alone.cycles);
      all += alone.cycles;
    }
    const auto uses = pad.examine_together(patterns);
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      const auto alone = pad.examine(patterns[i]);
      REQUIRE(uses[i].accesses == alone.accesses);
      REQUIRE(uses[i].cycles >= alone.cycles);
      last = std::max(last, uses[i].cycles);
    }
    REQUIRE(last >= slowest);
    REQUIRE(last <= all);
  }
}

TEST_CASE("a configuration is read with its units and checked") {
  const auto read = [](const std::string& text) { return ScratchpadConfig::from(ConfigNode::parse(text, "s.yaml")); };
  const ScratchpadConfig config = read("{capacity_kib: 128, banks: 32, width_bits: 512, read_ports: 2}");
  CHECK(config.capacity_bytes == 131072);
  CHECK(config.width_bytes == 64);
  CHECK(config.read_ports == 2);
  CHECK(config.write_ports == 1);
  CHECK_THROWS_WITH(read("{capacity_kib: 1, width_bits: 12}"), Catch::Contains("multiple of 8"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, banks: 3}"), Catch::Contains("multiple of banks"));
  CHECK_THROWS_WITH(read("{capacity_kib: 0}"), Catch::Contains("s.yaml:1"));
  const ScratchpadConfig single = read("{capacity_kib: 1, read_ports: 0, write_ports: 0, shared_ports: 1}");
  CHECK(single.ports(true) == 1);
  CHECK_THROWS_WITH(read("{capacity_kib: 1, read_ports: 0}"), Catch::Contains("no port for reads"));
  CHECK_THROWS_WITH(read("{capacity_kib: 1, write_ports: 0}"), Catch::Contains("no port for writes"));
}
