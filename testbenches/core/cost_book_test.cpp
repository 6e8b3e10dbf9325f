// SPDX-License-Identifier: Apache-2.0
#include "core/cost_book.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "testbenches/support/paths.h"

using namespace nibble;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string head = "name: small\nnode_nm: 28\n";
const std::string table =
    "sram:\n  cell: HP\n  temperature_k: 360\n  node_nm: 28\n  width_bits: 256\n  source: by hand\n  table:\n"
    "    - {capacity_kib: 2, read_pj: 4, write_pj: 8, leakage_mw: 1, area_mm2: 0.01}\n"
    "    - {capacity_kib: 8, read_pj: 16, write_pj: 8, leakage_mw: 0, area_mm2: 0.04}\n"
    "    - {capacity_kib: 32, read_pj: 16, write_pj: 1, leakage_mw: 4, area_mm2: 0.64}\n";

CostBook load(const std::string& text) {
  return CostBook::load(ConfigNode::parse(text, "book.yaml"));
}
CostBook with_entry(const std::string& entry) {
  return load(head + "entries:\n  pe.mac: " + entry + "\n");
}

}  // namespace

TEST_CASE("entries carry value, unit, node and source") {
  const CostBook book = load(head +
                             "summary: two entries\nentries:\n"
                             "  pe.mac: {value: 0.34, unit: pJ/MAC, node_nm: 28, source: table 3}\n"
                             "  pe.idle: {value: unknown, unit: pJ/cycle, node_nm: 28, source: not published}\n");
  CHECK(book.name() == "small");
  CHECK(book.summary() == "two entries");
  CHECK(book.node_nm() == 28);
  CHECK(book.entries().size() == 2);
  CHECK(book.contains("pe.idle"));
  CHECK_FALSE(book.contains("pe"));
  CHECK(book.at("pe.mac").value == 0.34);
  CHECK(book.at("pe.mac").unit == "pJ/MAC");
  CHECK(book.at("pe.mac").node_nm == 28);
  CHECK(book.at("pe.mac").scaled_from_nm == 0);
  CHECK(book.at("pe.mac").source == "table 3");
  CHECK_FALSE(book.at("pe.idle").value.has_value());  // unknown, not zero
  CHECK(book.sram_source().empty());
}

TEST_CASE("an absent entry or another unit is an input error") {
  const CostBook book = with_entry("{value: 1, unit: pJ/MAC, node_nm: 28, source: s}");
  CHECK_THROWS_WITH(book.at("pe.mca"),
                    "technology 'small': unknown entry 'pe.mca'; did you mean 'pe.mac'? known: pe.mac");
  CHECK_THROWS_AS(book.at("x"), InputError);
  CHECK(book.at("pe.mac", "pJ/MAC").value == 1.0);
  CHECK_THROWS_WITH(book.at("pe.mac", "um2"), "technology 'small': entry 'pe.mac' is in pJ/MAC, expected um2");
}

TEST_CASE("what a book does not hold can be asked for as unknown, with the reason") {
  const CostBook book = with_entry("{value: 1, unit: pJ/MAC, node_nm: 28, scaled_from_nm: 45, source: s}");
  CHECK(book.find("pe.mac", "pJ/MAC").value == 1.0);
  CHECK(book.find("pe.mac", "pJ/MAC").source == "s [scaled from 45 nm]");
  CHECK_FALSE(book.find("pe.idle", "pJ/cycle").value.has_value());
  CHECK(book.find("pe.idle", "pJ/cycle").source == "no entry pe.idle in small");
  CHECK(book.find("pa.mac", "pJ/MAC").source == "no entry pa.mac in small; did you mean pe.mac?");
  CHECK_THROWS_AS(book.find("pe.mac", "um2"), InputError);
}

TEST_CASE("the published books of other nodes hold what their sources say") {
  const CostBook older = CostBook::load(ConfigNode::load("technologies", "published-45nm"));
  CHECK(older.node_nm() == 45);
  CHECK(older.at("pe.bitfusion.w8a8.mac", "pJ/MAC").value == 0.56);
  CHECK(older.at("pe.bitfusion.w4a4.mac", "pJ/MAC").value == 0.14);
  CHECK(older.at("pe.bitfusion.w2a2.mac", "pJ/MAC").value == 0.035);
  CHECK(older.at("pe.int8.mac", "pJ/MAC").value.value() == Approx(148.8e-6 / 500e6 * 1e12));
  CHECK(older.at("pe.int4.area", "um2").value.value() == Approx(0.163e6 / 1024).epsilon(1e-3));
  CHECK(older.at("pe.amove.c4.area", "um2").value.value() == Approx(0.191e6 / 1024).epsilon(1e-3));
  CHECK(older.sram(256 * 1024, 256).area_mm2 == 1.927);
  const CostBook newer = CostBook::load(ConfigNode::load("technologies", "published-16nm"));
  CHECK(newer.at("pe.anda.area", "um2").value.value() == Approx(0.41e6 / 256).epsilon(1e-4));
  CHECK(newer.at("pe.anda.m8.mac", "pJ/MAC").value.value() ==
        Approx(54.34e-3 / 256 / 285e6 * 1e12 * 8 / 64).epsilon(2e-3));
  CHECK_FALSE(newer.has_sram());
}

TEST_CASE("nodes never mix silently") {
  CHECK_THROWS_WITH(
      with_entry("{value: 1, unit: pJ, node_nm: 45, source: s}"),
      "book.yaml:4:41: entries.pe.mac.node_nm: is 45 in a book of 28 nm, expected the same node, or the value "
      "scaled to it and scaled_from_nm: 45");
  const CostBook scaled = with_entry("{value: 1, unit: pJ, node_nm: 28, scaled_from_nm: 45, source: s}");
  CHECK(scaled.at("pe.mac").scaled_from_nm == 45);
  CHECK_NOTHROW(with_entry("{value: 1, unit: pJ, node_nm: 45, scaled_from_nm: 45, source: s}"));
  CHECK_THROWS_WITH(with_entry("{value: 1, unit: pJ, node_nm: 65, scaled_from_nm: 45, source: s}"),
                    Contains("must be the book's 28 or scaled_from_nm, not 65"));
  std::string other = head + table;
  other.replace(other.find("node_nm: 28", 20), 11, "node_nm: 22");
  CHECK_THROWS_WITH(load(other), Contains("sram.node_nm: is 22 in a book of 28 nm"));
}

TEST_CASE("incomplete or wrong entries are refused with their place") {
  const auto why = [](const std::string& entry) {
    try {
      with_entry(entry);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK_THAT(why("{unit: pJ, node_nm: 28, source: s}"),
             StartsWith("book.yaml:4:3: entries.pe.mac.value: is required and missing"));
  CHECK_THAT(why("{value: 1, node_nm: 28, source: s}"), Contains("entries.pe.mac.unit: is required and missing"));
  CHECK_THAT(why("{value: 1, unit: pJ, source: s}"), Contains("entries.pe.mac.node_nm: is required and missing"));
  CHECK_THAT(why("{value: 1, unit: pJ, node_nm: 28}"), Contains("entries.pe.mac.source: is required and missing"));
  CHECK_THAT(why("{value: 1, unit: '', node_nm: 28, source: s}"), Contains("entries.pe.mac.unit: is empty"));
  CHECK_THAT(why("{value: 1, unit: pJ, node_nm: 28, source: ''}"), Contains("entries.pe.mac.source: is empty"));
  CHECK_THAT(why("{value: -1, unit: pJ, node_nm: 28, source: s}"), Contains("must be between 0 and 1e+18, not -1"));
  CHECK_THAT(why("{value: unkown, unit: pJ, node_nm: 28, source: s}"), Contains("not 'unkown'"));
  CHECK_THAT(why("{value: 1, unit: pJ, node_nm: 28, source: s, nod: 2}"), Contains("nod: is not a known key"));
  CHECK_THAT(why("0.34"), Contains("entries.pe.mac: is a single value, expected a mapping"));
  CHECK_THROWS_WITH(load("node_nm: 28"), Contains("name: is required and missing"));
  CHECK_THROWS_WITH(load(head + "entires: {}"), Contains("entires: is not a known key; did you mean 'entries'?"));
}

TEST_CASE("a table point is returned as it stands") {
  const CostBook book = load(head + table);
  const SramCost cost = book.sram(8 * 1024, 256);
  CHECK(cost.read_pj == 16);
  CHECK(cost.write_pj == 8);
  CHECK(cost.leakage_mw == 0);
  CHECK(cost.area_mm2 == 0.04);
  CHECK(book.sram(2048, 256).read_pj == 4);
  CHECK(book.sram(32 * 1024, 256).area_mm2 == 0.64);
  CHECK(book.sram_source() == "by hand (HP, 360 K)");
  CHECK(book.sram_cell() == "HP");
  CHECK(book.sram_temperature_k() == 360);
}

TEST_CASE("between table points the figures are straight in log-log") {
  const CostBook book = load(head + table);
  const SramCost middle = book.sram(4 * 1024, 256);  // the middle of 2 and 8 KiB
  CHECK(middle.read_pj == Approx(8).epsilon(1e-12));
  CHECK(middle.write_pj == Approx(8).epsilon(1e-12));
  CHECK(middle.area_mm2 == Approx(0.02).epsilon(1e-12));
  CHECK(middle.leakage_mw == Approx(1 - 1.0 / 3).epsilon(1e-12));  // 0 has no logarithm: straight
  CHECK(book.sram(16 * 1024, 256).area_mm2 == Approx(0.16).epsilon(1e-12));
  CHECK(book.sram(5000, 256).read_pj == Approx(4 * 5000.0 / 2048).epsilon(1e-12));
}

TEST_CASE("energy grows with width, leakage and area do not") {
  const CostBook book = load(head + table);
  const SramCost wide = book.sram(2048, 512), narrow = book.sram(2048, 64);
  CHECK(wide.read_pj == 8);
  CHECK(wide.write_pj == 16);
  CHECK(narrow.read_pj == 1);
  CHECK(wide.leakage_mw == narrow.leakage_mw);
  CHECK(wide.area_mm2 == narrow.area_mm2);
}

TEST_CASE("sizes that the table does not hold are refused") {
  const CostBook book = load(head + table);
  CHECK_THROWS_WITH(book.sram(1024, 256),
                    "technology 'small': no SRAM of 1 KiB, expected 2 to 32 KiB per macro (use several macros)");
  CHECK_THROWS_AS(book.sram(32 * 1024 + 1, 256), InputError);
  CHECK_THROWS_AS(book.sram(std::nan(""), 256), InputError);
  CHECK_THROWS_AS(book.sram(0, 256), InputError);
  CHECK_THROWS_AS(book.sram(2048, 0), InputError);
  CHECK_THROWS_AS(book.sram(2048, std::numeric_limits<double>::infinity()), InputError);
  CHECK_THROWS_WITH(load(head).sram(2048, 256), "technology 'small': has no SRAM table, expected the section sram");
}

TEST_CASE("a table must rise and may not be empty") {
  std::string falling = head + table;
  falling.replace(falling.find("capacity_kib: 8"), 15, "capacity_kib: 2");
  CHECK_THROWS_WITH(load(falling),
                    "book.yaml:11:22: sram.table.1.capacity_kib: must be above the row before, 2, not 2");
  CHECK_THROWS_WITH(load(head + table.substr(0, table.find("    - ")) + "    []\n"),
                    Contains("sram.table: is empty or missing"));
}

TEST_CASE("every technology file loads, resolves and loads again to the same book") {
  const auto names = list_configs("technologies");
  REQUIRE_FALSE(names.empty());
  for (const std::string& name : names) {
    INFO(name);
    ConfigNode node = ConfigNode::load("technologies", name);
    const CostBook book = CostBook::load(node);
    CHECK(book.name() == name);
    CHECK_FALSE(book.summary().empty());
    const CostBook again = load(node.resolved_yaml());
    REQUIRE(again.entries().size() == book.entries().size());
    for (const auto& [key, entry] : book.entries()) {
      CHECK(again.at(key).value == entry.value);
      CHECK(again.at(key).unit == entry.unit);
      CHECK(again.at(key).source == entry.source);
      CHECK(again.at(key).node_nm == entry.node_nm);
    }
    REQUIRE(again.has_sram() == book.has_sram());
    if (book.has_sram()) CHECK(again.sram(50000, 256).read_pj == book.sram(50000, 256).read_pj);
  }
}

TEST_CASE("the published book holds what its sources say") {
  const CostBook book = CostBook::load(ConfigNode::load(find_config("technologies", "published-28nm")));
  CHECK(book.at("pe.mant.w4a8.mac", "pJ/MAC").value == 0.340);
  CHECK(book.at("pe.mant.w8a8.mac", "pJ/MAC").value == 0.681);
  CHECK(book.at("pe.mant.area", "um2").value == 384.0);
  CHECK_FALSE(book.at("pe.mant.leakage", "mW").value.has_value());
  CHECK_FALSE(book.at("pe.mant.idle", "pJ/cycle").value.has_value());
  CHECK_FALSE(book.at("quantizer.area", "um2").value.has_value());
  CHECK(book.sram(128 * 1024, 256).read_pj == 41.54);
  CHECK(book.sram(1024 * 1024, 256).leakage_mw == 630.9);
  const auto value = [&book](const char* key) { return book.at(key).value.value(); };
  CHECK(value("quantizer.element") == Approx(value("fp16.multiply") + 3 * value("fp16.add")).epsilon(1e-12));
  CHECK(value("vector.operation") == value("fp16.multiply"));
  CHECK(value("vector.lane.area") == Approx(value("fp16.multiply.area") + value("fp16.add.area")).epsilon(1e-12));
  CHECK(value("foot.element") ==
        Approx(value("fp32.mac") + value("fp16.multiply") + value("pe.fp16.mac")).epsilon(1e-12));
}

TEST_CASE("tables of other widths are met at their points and straight between them") {
  const std::string other =
      "  other_widths:\n    - width_bits: 64\n      table:\n"
      "        - {capacity_kib: 8, read_pj: 8, write_pj: 4}\n        - {capacity_kib: 32, read_pj: 32, write_pj: 4}\n";
  const CostBook book = load(head + table + other);
  CHECK(book.sram(8 * 1024, 64).read_pj == 8);
  CHECK(book.sram(8 * 1024, 256).read_pj == 16);
  CHECK(book.sram(8 * 1024, 128).read_pj == Approx(8 * std::sqrt(2.0)).epsilon(1e-12));
  CHECK(book.sram(8 * 1024, 128).area_mm2 == book.sram(8 * 1024, 256).area_mm2);
  CHECK(book.sram(8 * 1024, 32).read_pj == 4);                         // below the narrowest table: proportional
  CHECK(book.sram(8 * 1024, 512).read_pj == 32);                       // above the widest
  CHECK(book.sram(4 * 1024, 64).read_pj == Approx(2).epsilon(1e-12));  // not in the 64-bit table: from 256 bits
  CHECK_THROWS_WITH(load(head + table + "  other_widths: [{width_bits: 256, table: []}]"),
                    Contains("table: is empty or missing") || Contains("has a table already"));
}

TEST_CASE("the published book returns CACTI's figures for narrow and wide macros") {
  const CostBook book = CostBook::load(ConfigNode::load(source_path("configs/technologies/published-28nm.yaml")));
  CHECK(book.sram(128 * 1024, 256).read_pj == 41.54);
  CHECK(book.sram(128 * 1024, 64).read_pj == 17.97);
  CHECK(book.sram(512 * 1024, 512).write_pj == 216.7);
  CHECK(book.sram_cell() == "ITRS-HP");
  for (double kib = 2; kib <= 1024; kib *= 1.37) {
    for (double width = 32; width <= 1024; width *= 1.61) {
      CAPTURE(kib, width);
      CHECK(book.sram(kib * 1024, width).read_pj < book.sram(kib * 1024, width * 1.3).read_pj);
    }
  }
}
