// SPDX-License-Identifier: Apache-2.0
/// Area and energy of the smallest machine, counted by hand.
#include "accelerators/energy_ledger.h"

#include <catch2/catch.hpp>
#include <map>

#include "accelerators/systolic_config.h"
#include "core/error.h"
#include "core/report.h"
#include "dataflow/array_passes.h"
#include "pe/gemm.h"
#include "testbenches/accelerators/machine_bench.h"
#include "testbenches/support/paths.h"

using namespace nibble;
using Catch::Matchers::Contains;

namespace {

const std::string book_text = R"(
name: by-hand
node_nm: 28
entries:
  pe.mant.w4a8.mac: {value: 0.5, unit: pJ/MAC, node_nm: 28, source: s}
  pe.mant.w8a8.mac: {value: 1.5, unit: pJ/MAC, node_nm: 28, source: s}
  pe.mant.area: {value: 300, unit: um2, node_nm: 28, source: s}
  pe.mant.idle: {value: 0.25, unit: pJ/cycle, node_nm: 28, source: s}
  pe.mant.leakage: {value: 0.125, unit: mW, node_nm: 28, source: s}
  foot.element: {value: 4, unit: pJ/element, node_nm: 28, source: s}
  foot.area: {value: 1000, unit: um2, node_nm: 28, scaled_from_nm: 45, source: s}
  quantizer.element: {value: unknown, unit: pJ/element, node_nm: 28, source: nobody knows}
  vector.operation: {value: 2, unit: pJ/operation, node_nm: 28, source: s}
  vector.lane.area: {value: 50, unit: um2, node_nm: 28, source: s}
sram:
  cell: HP
  temperature_k: 360
  node_nm: 28
  width_bits: 256
  source: by hand
  table:
    - {capacity_kib: 2, read_pj: 32, write_pj: 64, leakage_mw: 1, area_mm2: 0.01}
    - {capacity_kib: 4, read_pj: 64, write_pj: 128, leakage_mw: 2, area_mm2: 0.02}
)";

CostBook book(const std::string& text = book_text) {
  return CostBook::load(ConfigNode::parse(text, "book.yaml"));
}

/// 2 x 1 PEs at 500 MHz, 8 vector lanes, buffers of 2, 4 and 8 KiB.
SystolicConfig smallest(const std::vector<std::string>& overrides = {}) {
  ConfigNode node = ConfigNode::load(source_path("configs/accelerators/mant.yaml"));
  for (const char* assignment : {"array.rows=2", "array.columns=1", "vector_unit.lanes=8", "buffers.weight_kib=2",
                                 "buffers.activation_kib=4", "buffers.output_kib=8", "quantizer.elements_per_cycle=4"})
    node.apply_override(assignment);
  for (const auto& assignment : overrides)
    node.apply_override(assignment);
  return SystolicConfig::from(node);
}

CommandCounters work() {
  CommandCounters c;
  c.cycles = 100;
  c.macs_by_mode[0] = 60;  // w4a8
  c.macs_by_mode[1] = 20;  // w8a8, two PEs each
  c.pe_cycles = 100;
  c.group_results = 10;
  c.quantized_elements = 9;
  c.vector_operations = 30;
  c.weight_buffer_read = 64;
  c.activation_buffer_write = 32;
  c.output_buffer_read = 96;
  return c;
}

struct Priced {
  Report report;
  ReportFigures figures;
  EnergyFigures energy;
  std::map<std::string, std::optional<double>> lines;
  std::map<std::string, std::uint64_t> counts;
};

Priced price(const SystolicConfig& config, const CostBook& costs, const CommandCounters& counters) {
  Priced out;
  EnergyLedger ledger = config.ledger();
  out.report.activities = ledger.activities();
  out.report.prices = {ledger.price(costs)};
  out.figures.activity = ledger.activity(counters);
  REQUIRE(out.figures.activity.size() == out.report.activities.size());
  REQUIRE(out.report.prices[0].energy.size() == out.report.activities.size());
  out.energy = energy_of(out.report, out.report.prices[0], out.figures);
  for (std::size_t i = 0; i < out.report.activities.size(); ++i) {
    out.lines[out.report.activities[i].path()] = out.energy.lines[i];
    out.counts[out.report.activities[i].path()] = out.figures.activity[i];
  }
  return out;
}

}  // namespace

TEST_CASE("the smallest machine's area by hand") {
  const SystolicConfig config = smallest();
  const PriceList prices = config.ledger().price(book());
  std::map<std::string, AreaItem> area;
  for (const AreaItem& item : prices.area)
    area[item.component] = item;
  CHECK(area["pe"].instances == 2);
  CHECK(area["pe"].total() == 600.0);
  CHECK(area["foot"].total() == 1000.0);
  CHECK(area["foot"].source == "s [scaled from 45 nm]");
  CHECK(area["vector"].total() == 400.0);
  CHECK(area["weight_buffer"].total() == Approx(10000));
  CHECK(area["activation_buffer"].total() == Approx(20000));
  CHECK(area["output_buffer"].instances == 2);  // 8 KiB: the largest macro has 4
  CHECK(area["output_buffer"].total() == Approx(40000));
  CHECK(area["output_buffer"].source == "by hand (HP, 360 K), 256 bits wide, 2 equal macros");
  CHECK_FALSE(area["quantizer"].um2.has_value());
  CHECK(area["quantizer"].source == "no entry quantizer.area in by-hand");
  CHECK(area_sum(prices).known() == Approx(600 + 1000 + 400 + 70000));
  CHECK(area_sum(prices).unknown() == std::vector<std::string>{"quantizer", "control"});
}

TEST_CASE("the smallest machine's energy by hand") {
  const SystolicConfig config = smallest();
  Priced p = price(config, book(), work());
  CHECK(p.lines["pe.mac.w4a8"] == 30.0);
  CHECK(p.lines["pe.mac.w8a8"] == 30.0);
  CHECK(p.counts["pe.idle"] == 2 * 100 - 100);
  CHECK(p.lines["pe.idle"] == 25.0);
  CHECK(p.lines["pe.leakage"] == Approx(200 * 0.125e-3 / 500e6 * 1e12));  // PE cycles x W x s, in pJ
  CHECK(p.lines["foot.element"] == 40.0);
  CHECK(p.counts["foot.idle"] == 90);
  CHECK(p.counts["quantizer.idle"] == 100 - 3);  // 9 elements, 4 per cycle
  CHECK(p.counts["vector.idle"] == 8 * 100 - 30);
  CHECK(p.lines["vector.operation"] == 60.0);
  CHECK(p.lines["weight_buffer.read"] == Approx(64 / 32 * 32));
  CHECK(p.lines["activation_buffer.write"] == Approx(128));
  CHECK(p.lines["output_buffer.read"] == Approx(3 * 64));  // of one macro of 4 KiB
  CHECK(p.lines["weight_buffer.leakage"] == Approx(100 * 2.0));
  CHECK(p.lines["output_buffer.leakage"] == Approx(100 * 8.0));
  CHECK(p.energy.pe.value() == 100.0);  // the column feet with it
  CHECK(p.energy.leakage.value() == Approx(50 + 200 + 400 + 800));
  CHECK(p.energy.total.known() == Approx(100 + 25 + 60 + 64 + 128 + 192 + 1450));
  CHECK(p.energy.total.unknown() == std::vector<std::string>{"foot.idle", "foot.leakage", "quantizer.element",
                                                             "quantizer.idle", "quantizer.leakage", "vector.idle",
                                                             "vector.leakage", "control.cycle"});
}

TEST_CASE("idle units are clocked, gated or charged as if they worked") {
  const SystolicConfig gated_config = smallest({"idle.pe=gated"});
  Priced gated = price(gated_config, book(), work());
  CHECK(gated.lines.count("pe.idle") == 0);
  CHECK(gated.counts["pe.gated"] == 100);
  CHECK(gated.lines["pe.gated"] == 0.0);
  CHECK(gated.lines["pe.leakage"] == Approx(50));
  std::string text = book_text;
  text.replace(text.find("pe.mant.idle:"), 13, "pe.mant.gated:");
  Priced with_price = price(gated_config, book(text), work());
  CHECK(with_price.lines["pe.gated"] == 25.0);

  const SystolicConfig busy_config =
      smallest({"idle.pe=as_active", "idle.foot=as_active", "idle.quantizer=as_active", "idle.vector_unit=as_active"});
  Priced busy = price(busy_config, book(), work());
  CHECK(busy.lines["pe.idle"] == 100 * 0.5);  // a product per PE and cycle in the linear layers' mode
  CHECK(busy.lines["foot.idle"] == 90 * 4.0);
  CHECK(busy.lines["vector.idle"] == 770 * 2.0);
  CHECK_FALSE(busy.lines["quantizer.idle"].has_value());
  CHECK_THAT(busy.report.prices[0].energy[2].source, Contains("as with work (idle.pe: as_active)"));
}

TEST_CASE("fused PEs and lanes that do not divide the reduction count as PEs that work") {
  ArrayGeometry array;
  array.rows = array.columns = 8;
  CHECK(pe_cycles(3, 10, 5, array, 0) == 150);
  array.k_per_row = 4;
  CHECK(pe_cycles(3, 10, 5, array, 0) == 45);  // 4 + 4 + 2
  CHECK(pe_cycles(3, 10, 5, array, 6) == 45);  // 4 + 2, 4
  CHECK(pe_cycles(3, 9, 5, array, 3) == 45);   // one step per group
  array.rows_fused = 2;
  array.initiation_interval = 3;
  CHECK(pe_cycles(3, 10, 5, array, 0) == 45 * 6);
}

TEST_CASE("an entry in another unit is refused, an absent table is unknown") {
  std::string text = book_text;
  text.replace(text.find("unit: um2"), 9, "unit: mm2");
  const SystolicConfig config = smallest();
  CHECK_THROWS_WITH(config.ledger().price(book(text)), Contains("'pe.mant.area' is in mm2, expected um2"));
  Priced p = price(config, book(book_text.substr(0, book_text.find("sram:"))), work());
  CHECK_FALSE(p.energy.sram.value().has_value());
  CHECK_FALSE(area_sum(p.report.prices[0], "sram").value().has_value());
  CHECK(p.lines["pe.mac.w4a8"] == 30.0);
}

TEST_CASE("a machine whose formats need no quantizer has none") {
  ConfigNode node = ConfigNode::load(source_path("configs/accelerators/fp16-array.yaml"));
  const SystolicConfig config = SystolicConfig::from(node);
  const PriceList prices = config.ledger().price(book());
  CHECK(area_sum(prices, "quantizer").value() == 0.0);
}

TEST_CASE("a PE built with other adder trees has prices of its own, or those of so many usual ones") {
  const std::string usual =
      "name: b\nnode_nm: 28\nentries:\n"
      "  pe.fp_int.area: {value: 1000, unit: um2, node_nm: 28, source: s}\n"
      "  pe.fp_int.idle: {value: 3, unit: pJ/cycle, node_nm: 28, source: s}\n"
      "  pe.fp_int.int4.mac: {value: 5, unit: pJ/MAC, node_nm: 28, source: s}\n";
  const std::string four =
      "  fp_int.trees4.area: {value: 1500, unit: um2, node_nm: 28, source: four}\n"
      "  fp_int.trees4.idle: {value: 4, unit: pJ/cycle, node_nm: 28, source: four}\n"
      "  fp_int.trees4.int4.mac: {value: 2, unit: pJ/MAC, node_nm: 28, source: four}\n";
  struct Prices {
    AreaItem area;
    std::map<std::string, EnergyPrice> energy;
  };
  const auto priced = [](const std::string& trees, const std::string& text) {
    const EnergyLedger ledger = test::simt_config("pacq", {"tensor_core.linear.adder_trees=" + trees}).ledger();
    const PriceList prices = ledger.price(book(text));
    Prices out;
    for (const AreaItem& item : prices.area)
      if (item.component == prices.area.front().component) out.area = item;
    for (std::size_t i = 0; i < ledger.activities().size(); ++i)
      out.energy[ledger.activities()[i].path()] = prices.energy[i];
    return out;
  };
  const auto check = [](const Prices& found, double area, double idle, double mac, const std::string& source) {
    CHECK(found.area.um2 == area);
    CHECK(found.area.source == source);
    CHECK(found.energy.at(found.area.component + ".idle").pj == idle);
    CHECK(found.energy.at(found.area.component + ".mac.int4").pj == mac);
  };
  const Prices two = priced("2", usual + four);
  check(two, 1000, 3, 5, "s");
  check(priced("4", usual + four), 1500, 4, 2, "four");
  check(priced("4", usual), 2000, 6, 5, "2 x s");
  check(priced("1", usual + four), 500, 1.5, 5, "0.5 x s");
  CHECK(priced("4", usual).area.instances == two.area.instances);  // one per four multipliers
}

TEST_CASE("work beside older commands takes its slots from the cycles of the run, to the unit") {
  const SystolicConfig config = SystolicConfig::from(ConfigNode::load(source_path("configs/accelerators/mant.yaml")));
  EnergyLedger ledger = config.ledger();
  std::size_t idle = 0;
  while (ledger.activities()[idle].path() != "vector.idle")
    ++idle;
  const std::uint64_t lanes = config.vector_unit.lanes;
  CommandCounters gemm, hidden, behind;
  gemm.cycles = 1000;
  hidden.cycles = 100;
  hidden.hidden_cycles = 900;
  hidden.vector_operations = 800 * lanes;  // 700 cycles of lanes more than its own
  behind.cycles = 5000;
  CHECK(ledger.activity(gemm)[idle] == 1000 * lanes);
  CHECK(ledger.activity(hidden)[idle] == 0);
  CHECK(ledger.activity(behind)[idle] == 4300 * lanes);
  CHECK(ledger.activity(behind)[idle] == 5000 * lanes);
}
