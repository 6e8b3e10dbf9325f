// SPDX-License-Identifier: Apache-2.0
/// Configuration of a DRAM: address maps, impossible sets, energy units.
#include <catch2/catch.hpp>
#include <set>

#include "core/random.h"
#include "memory/address_map.h"
#include "memory/dram_energy.h"
#include "testbenches/memory/dram_devices.h"

using namespace nibble;
using namespace nibble::test;

namespace {

DramGeometry geometry(unsigned channels = 4) {
  DramGeometry g;
  g.channels = channels;
  g.ranks = 2;
  g.bank_groups = 4;
  g.banks_per_group = 2;
  g.rows = 8;
  g.row_bytes = 512;
  g.bus_width_bits = 64;
  g.burst_length = 8;
  return g;
}

constexpr const char* device_text = R"(standard: DDR4
source: a test
channels: 1
ranks: 1
bank_groups: 4
banks_per_group: 4
rows: 65536
row_bytes: 8192
bus_width_bits: 64
burst_length: 8
tck_ns: 0.833
mapping: row bank column bankgroup
timing_cycles: {CL: 17, CWL: 12, tRCD: 17, tRP: 17, tRAS: 39, tRC: 56, tCCD_S: 4, tCCD_L: 6, tRRD_S: 4, tRRD_L: 6,
  tFAW: 26, tWR: 18, tWTR_S: 3, tWTR_L: 9, tRTP: 9, tRFC: 420, tREFI: 9360}
)";

void refuse(const std::string& assignment, const std::string& part) {
  ConfigNode node = ConfigNode::parse(device_text, "device.yaml");
  node.apply_override(assignment);
  CAPTURE(assignment);
  CHECK_THROWS_WITH(DramDevice::from(node), Catch::Contains(part));
}

}  // namespace

TEST_CASE("an address map is a bijection and keeps the order inside a channel") {
  for (const char* mapping : {"row bank column bankgroup channel rank", "channel row rank bank bankgroup column",
                              "row:1 channel:1 column:2 bank rank row:2 channel:1 column bankgroup", "rrrkbccghhgc"}) {
    CAPTURE(mapping);
    const DramGeometry g = geometry();
    const AddressMap map(mapping, g);
    CHECK(map.channels() == 4);
    const std::uint64_t bursts = g.capacity_bytes() / g.burst_bytes();
    std::set<std::tuple<unsigned, unsigned, std::uint64_t, std::uint64_t>> places;
    std::vector<std::uint64_t> next(4, 0);
    for (std::uint64_t burst = 0; burst < bursts; ++burst) {
      const unsigned channel = map.channel(burst);
      for (unsigned c = 0; c < 4; ++c)
        CHECK(map.local_from(burst, c) == next[c]);
      const std::uint64_t local = next[channel]++;
      REQUIRE(map.global(local, channel) == burst);
      const auto place = map.place(local);
      CHECK(place.bank < g.banks());
      CHECK(place.row < g.rows);
      places.insert({channel, place.bank, place.row, map.column(local)});
    }
    CHECK(places.size() == bursts);
  }
}

TEST_CASE("fields and bit strings say the same, and the bits of the byte address are described") {
  const AddressMap fields("row rank bank column:1 channel column bankgroup", geometry());
  const AddressMap letters("rrrkbchhccgg", geometry());
  for (std::uint64_t burst = 0; burst < 4096; burst += 3)
    CHECK(fields.channel(burst) == letters.channel(burst));
  CHECK(fields.describe() == letters.describe());
  CHECK(letters.describe() ==
        "bankgroup 6..7, column 8..9, channel 10..11, column 12..12, bank 13..13, rank 14..14, row 15..17");
  const AddressMap a("row bank bankgroup column", load_device("reference-ddr4-a").geometry);
  CHECK(a.describe() == "column 6..12, bankgroup 13..14, bank 15..16, row 17..32");
  CHECK(a.stripe_bits() == 0);
  CHECK(a.block_bits() == 7);
}

TEST_CASE("a hashed map is a bijection, and rows of one bank number spread over the banks") {
  const DramGeometry g = geometry(1);
  const AddressMap map("row rank bank^row column bankgroup^row", g);
  CHECK(map.hashed());
  CHECK(map.describe() ==
        "bankgroup 6..7, column 8..10, bank 11..11, rank 12..12, row 13..15, bank bits exclusive-ored with row bits");
  std::set<std::tuple<unsigned, std::uint64_t, std::uint64_t>> places;
  std::set<unsigned> banks_of_column_0;
  const std::uint64_t bursts = g.capacity_bytes() / g.burst_bytes(), row = bursts / g.rows;
  for (std::uint64_t local = 0; local < bursts; ++local) {
    const auto place = map.place(local);
    places.insert({place.bank, place.row, map.column(local)});
    if (local % row == 0) banks_of_column_0.insert(place.bank);
  }
  CHECK(places.size() == bursts);
  CHECK(banks_of_column_0.size() == 8);  // of the rank's 8 banks; without the hash it is 1
  CHECK_FALSE(AddressMap("row rank bank column bankgroup", g).hashed());
  CHECK(AddressMap("row rank bank:1^row column bankgroup", g).hashed());
  CHECK_THROWS_WITH(AddressMap("row^bank rank bank column bankgroup", g), Catch::Contains("only bank^row"));
  CHECK_THROWS_WITH(AddressMap("row rank bank^column column bankgroup", g), Catch::Contains("only bank^row"));
}

TEST_CASE("channels exclusive-ored with the bits above them: every burst one place, no stride camps in one channel") {
  DramGeometry g = geometry(8);
  g.rows = 64;
  const AddressMap map("row rank bank column:2 channel^above column bankgroup", g);
  const std::uint64_t bursts = g.capacity_bytes() / g.burst_bytes();
  std::vector<std::uint64_t> next(g.channels, 0);
  for (std::uint64_t burst = 0; burst < bursts; ++burst) {
    const unsigned channel = map.channel(burst);
    REQUIRE(map.local_from(burst, channel) == next[channel]);
    REQUIRE(map.global(next[channel]++, channel) == burst);
  }
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t first = random.below(bursts - 1);
    const std::uint64_t end = first + 1 + random.below(std::min<std::uint64_t>(bursts - first - 1, 600) + 1);
    std::vector<std::uint64_t> count(g.channels, 0);
    for (std::uint64_t burst = first; burst < std::min(end, bursts); ++burst)
      ++count[map.channel(burst)];
    for (unsigned channel = 0; channel < g.channels; ++channel) {
      REQUIRE((map.channels_of(first, std::min(end, bursts)) >> channel & 1) == (count[channel] != 0 ? 1u : 0u));
      REQUIRE(map.local_from(std::min(end, bursts), channel) - map.local_from(first, channel) == count[channel]);
    }
  }
  // Rows of a matrix, a power of two apart: eight of them meet eight channels, where plain bits meet one.
  const AddressMap plain("row rank bank column:2 channel column bankgroup", g);
  const auto met = [](const AddressMap& a, std::uint64_t stride) {
    std::uint64_t mask = 0;
    for (std::uint64_t i = 0; i < 8; ++i)
      mask |= std::uint64_t{1} << a.channel(i * stride);
    return __builtin_popcountll(mask);
  };
  CHECK(met(plain, 128) == 1);
  CHECK(met(map, 128) == 8);
  CHECK_THROWS_WITH(AddressMap("row rank bank column:2 channel:1^above column channel bankgroup", g),
                    Catch::Contains("side by side"));
}

TEST_CASE("a broken mapping names the rule that it breaks") {
  const auto broken = [](const char* mapping, const char* part) {
    CAPTURE(mapping);
    CHECK_THROWS_WITH(AddressMap(mapping, geometry()), Catch::Contains(part));
  };
  broken("row bank column bankgroup channel", "rank needs 1 bits, each exactly once; the mapping has 0");
  broken("row row bank column bankgroup channel rank", "row is named twice");
  broken("row:2 row:2 bank column bankgroup channel rank", "row needs 3 bits, each exactly once; the mapping has 4");
  broken("row bank colum bankgroup channel rank", "unknown field 'colum'");
  broken("row bank column:x bankgroup channel rank", "column:4");
  broken("rrrkbchhccg", "bankgroup needs 2 bits");
  broken("", "needs");
}

TEST_CASE("impossible devices are refused with the rule") {
  CHECK_NOTHROW(DramDevice::from(ConfigNode::parse(device_text, "device.yaml")));
  refuse("timing_cycles.tRAS=57", "must not exceed tRC");
  refuse("timing_cycles.tRC=55", "at least tRAS + tRP");
  refuse("timing_cycles.tRCD=40", "must not exceed tRAS");
  refuse("timing_cycles.tCCD_S=3", "bursts would overlap");
  refuse("timing_cycles.tCCD_L=3", "at least tCCD_S");
  refuse("timing_cycles.tRRD_L=3", "at least tRRD_S");
  refuse("timing_cycles.tWTR_L=2", "at least tWTR_S");
  refuse("timing_cycles.tCCD_L_WR=3", "at least tCCD_S");
  refuse("timing_cycles.tFAW=3", "must be at least tRRD_S");
  refuse("timing_cycles.tRP_all=16", "must be at least tRP");
  refuse("timing_cycles.tRFCpb=421", "must not exceed tRFC");
  refuse("timing_cycles={tRFCpb: 0}", "CL");
  refuse("controller.refresh=per_bank", "needs timing_cycles.tRFCpb");
  refuse("controller.refresh=sometimes", "per_bank");
  refuse("controller.queue=fifo", "per_bank");
  refuse("refresh_banks=32", "not exceed the banks of a rank");
  refuse("refresh_banks=3", "power of two");
  refuse("timing_cycles.CL=0", "CL");
  refuse("ranks=0", "ranks");
  refuse("beats_per_clock=3", "must divide burst_length");
  refuse("timing_cycles.tREFI=400", "must exceed tRFC");
  refuse("timing_cycles.tRTW=3", "would overlap on the bus");
  refuse("timing_cycles.tFWA=3", "tFWA");
  refuse("banks_per_group=0", "banks_per_group");
  refuse("banks_per_group=3", "power of two");
  refuse("banks_per_group=32", "must not exceed 64");
  refuse("row_bytes=32", "at least one burst");
  refuse("bus_width_bits=4", "at least 8");
  refuse("mapping=row bank column", "bankgroup needs 2 bits");
  refuse("mapping=row bank column bankgroup bankgroup", "named twice");
  refuse("data_rate_mtps=2400", "either tck_ns or data_rate_mtps");
  refuse("controller.write_high=40", "must not exceed writes");
  refuse("controller.write_low=32", "must be below write_high");
  refuse("controller.page_policy=adaptive", "open");
  refuse("burst_length=7", "power of two");
}

TEST_CASE("energy: V x mA x ns = pJ, per command, with the clock period") {
  const DramDevice device = load_device("reference-ddr4-b");
  const auto energy_of = [&](const DramCounters& n, double cycles = 0) { return dram_energy(device, n, cycles); };
  DramCounters n;
  n.reads = 1;
  // 1.2 V x (135 - 43) mA x 4 clocks x 0.833 ns x 8 devices. Without the clock period it would be 3532.8.
  CHECK(energy_of(n).read_pj == Approx(2942.8224));
  n = {};
  n.writes = 2;
  CHECK(energy_of(n).write_pj == Approx(2 * 1.2 * (123 - 43) * 4 * 0.833 * 8));
  n = {};
  n.activates = 1;
  const double core = 1.2 * (48.0 * 56 - 43.0 * 39 - 34.0 * 17) * 0.833 * 8, pump = 2.5 * 3 * 56 * 0.833 * 8;
  CHECK(energy_of(n).activate_pj == Approx(core + pump));
  CHECK(pump == Approx(2799).epsilon(0.001));
  n = {};
  n.refreshes = 1;
  CHECK(energy_of(n).refresh_pj == Approx(1.2 * (250 - 43) * 420 * 0.833 * 8));
  n = {};
  n.active_cycles = 600;
  CHECK(energy_of(n, 1000).background_pj == Approx(1.2 * (43.0 * 600 + 34.0 * 400) * 0.833 * 8));
  CHECK(energy_of(n, 1000).left_out == "interface");
}

TEST_CASE("energy: a second supply adds its own currents, and refreshes by bank share those of a refresh of all") {
  DramDevice device = load_device("lpddr4-3200");
  RankCounters n;
  n.reads = 1;
  // (1.1 V x (275 - 30) mA + 1.8 V x 0 mA) x 8 clocks x 0.625 ns
  CHECK(dram_energy(device, n, 0).read_pj == Approx(1.1 * 245 * 8 * 0.625));
  CHECK(dram_energy(device, n, 0).io_pj == Approx(256 * 3.21));
  n = {};
  n.activates = 1;
  CHECK(dram_energy(device, n, 0).activate_pj ==
        Approx(0.625 * (1.1 * (45.0 * 97 - 30.0 * 68 - 27.0 * 29) + 1.8 * (3.5 * 97 - 2.25 * 68 - 2.0 * 29))));
  n = {};
  n.refreshes = 8;
  const double all = 0.625 * 448 * (1.1 * (90 - 30) + 1.8 * (10 - 2.25));
  CHECK(dram_energy(device, n, 0).refresh_pj == Approx(all));
  device.queues.refresh = RefreshKind::all_bank;
  n.refreshes = 1;
  CHECK(dram_energy(device, n, 0).refresh_pj == Approx(all));
  n = {};
  n.active_cycles = 10;
  CHECK(dram_energy(device, n, 30).active_standby_pj == Approx(0.625 * 10 * (1.1 * 30 + 1.8 * 2.25)));
  CHECK(dram_energy(device, n, 30).precharge_standby_pj == Approx(0.625 * 20 * (1.1 * 27 + 1.8 * 2)));
  CHECK(dram_energy(device, n, 30).left_out.empty());
}

TEST_CASE("energy: the interface is counted when it is known, and nothing without currents") {
  DramDevice device = load_device("reference-hbm2-b");
  DramCounters n;
  n.reads = 3;
  n.writes = 1;
  CHECK(dram_energy(device, n, 0).left_out == "pump supply, interface");
  device.currents->io_read_pj_per_bit = device.currents->io_write_pj_per_bit = 0.5;
  CHECK(dram_energy(device, n, 0).io_pj == Approx(4 * 32 * 8 * 0.5));
  CHECK(dram_energy(device, n, 0).left_out == "pump supply");
  device.currents.reset();
  CHECK_FALSE(dram_energy(device, n, 100).known);
  CHECK(dram_energy(device, n, 100).total_pj() == 0);
}
