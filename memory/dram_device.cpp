// SPDX-License-Identifier: Apache-2.0
#include "memory/dram_device.h"

#include <cmath>
#include <stdexcept>

#include "core/units.h"
#include "memory/address_map.h"
#include "memory/quantities.h"

namespace nibble {
namespace {

constexpr std::int64_t longest = 1'000'000;  // cycles; no interval of any standard comes near

unsigned count(ConfigNode& node, const std::string& key, std::int64_t max) {
  const auto value = static_cast<std::uint64_t>(node.integer(key, 1, max));
  if (!is_power_of_two(value)) node.fail(key, "must be a power of two, because address bits select it");
  return static_cast<unsigned>(value);
}

DramGeometry geometry_from(ConfigNode& node) {
  DramGeometry g;
  g.channels = count(node, "channels", 64);
  g.ranks = count(node, "ranks", 8);
  g.bank_groups = count(node, "bank_groups", 16);
  g.banks_per_group = count(node, "banks_per_group", 32);
  g.rows = count(node, "rows", 1 << 24);
  g.row_bytes = count(node, "row_bytes", 1 << 20);
  g.bus_width_bits = count(node, "bus_width_bits", 2048);
  g.burst_length = count(node, "burst_length", 64);
  g.beats_per_clock = static_cast<unsigned>(node.integer("beats_per_clock", 1, 64, 2));
  g.refresh_banks = static_cast<unsigned>(node.integer("refresh_banks", 1, 64, 1));
  if (!is_power_of_two(g.refresh_banks) || g.refresh_banks > g.banks_per_rank()) {
    node.fail("refresh_banks", "must be a power of two and not exceed the banks of a rank");
  }
  if (g.bus_width_bits < 8) node.fail("bus_width_bits", "must be at least 8");
  if (g.banks() > 64) node.fail("banks_per_group", "ranks x bank_groups x banks_per_group must not exceed 64");
  if (g.burst_length % g.beats_per_clock != 0) {
    node.fail("beats_per_clock", "must divide burst_length, so that a burst takes whole clock cycles");
  }
  if (g.row_bytes < g.burst_bytes()) node.fail("row_bytes", "must hold at least one burst");
  return g;
}

/// Distances that contradict each other, by the rule that they break; the rules stand in docs/memory.md.
void check_timing(const ConfigNode& node, const DramTiming& t, const DramGeometry& geometry) {
  if (t.ras > t.rc) node.fail("tRAS", "must not exceed tRC: a row cycle contains the time that the row is open");
  if (t.ras + t.rp > t.rc) node.fail("tRC", "must be at least tRAS + tRP: a row cycle is activate, open, precharge");
  if (t.rcd_read > t.ras || t.rcd_write > t.ras)
    node.fail("tRCD", "must not exceed tRAS: a row is read while it is open");
  if (t.rp_all < t.rp) node.fail("tRP_all", "must be at least tRP");
  if (t.ccd_s < geometry.burst_cycles()) {
    node.fail("tCCD_S", "must be at least burst_length / beats_per_clock, or bursts would overlap on the data bus");
  }
  if (t.ccd_l < t.ccd_s) node.fail("tCCD_L", "must be at least tCCD_S");
  if (t.ccd_l_write < t.ccd_s) node.fail("tCCD_L_WR", "must be at least tCCD_S");
  if (t.rrd_l < t.rrd_s) node.fail("tRRD_L", "must be at least tRRD_S");
  if (t.faw < t.rrd_s) node.fail("tFAW", "must be at least tRRD_S: four activates do not fit between two");
  if (t.wtr_l < t.wtr_s) node.fail("tWTR_L", "must be at least tWTR_S");
  if (t.cl + geometry.burst_cycles() > t.rtw + t.cwl) {
    node.fail("tRTW", "must be at least CL + burst - CWL, or read and write data would overlap on the bus");
  }
  if (t.rfc + t.rp_all + t.ras >= t.refi)
    node.fail("tREFI", "must exceed tRFC + tRP_all + tRAS, or nothing but refresh happens");
  if (t.rfc_bank == 0) return;
  const auto commands = static_cast<Cycle>(geometry.banks_per_rank() / geometry.refresh_banks);
  if (t.rfc_bank > t.rfc) node.fail("tRFCpb", "must not exceed tRFC: one bank does not take longer than all");
  if ((t.rfc_bank + t.rp) * commands > t.refi) {
    node.fail("tRFCpb", "tRFCpb + tRP must not exceed tREFI / " + std::to_string(commands) +
                            ", the time between two per-bank refreshes");
  }
}

DramTiming timing_from(ConfigNode node, const DramGeometry& geometry) {
  const auto cycles = [&](const std::string& key, Cycle min = 1) { return node.integer(key, min, longest); };
  DramTiming t;
  t.cl = cycles("CL");
  t.cwl = cycles("CWL");
  t.rcd_read = cycles("tRCD");
  t.rcd_write = node.integer("tRCD_write", 1, longest, t.rcd_read);
  t.rp = cycles("tRP");
  t.rp_all = node.integer("tRP_all", 1, longest, t.rp);
  t.ras = cycles("tRAS");
  t.rc = cycles("tRC");
  t.ccd_s = cycles("tCCD_S");
  t.ccd_l = cycles("tCCD_L");
  t.ccd_l_write = node.integer("tCCD_L_WR", 1, longest, t.ccd_l);
  t.rrd_s = cycles("tRRD_S");
  t.rrd_l = cycles("tRRD_L");
  t.faw = cycles("tFAW");
  t.wr = cycles("tWR");
  t.wtr_s = cycles("tWTR_S");
  t.wtr_l = cycles("tWTR_L");
  t.rtp = cycles("tRTP");
  t.rtw = node.integer("tRTW", 1, longest, t.cl + geometry.burst_cycles() + 2 - t.cwl);
  t.rfc = cycles("tRFC");
  t.refi = cycles("tREFI");
  t.rfc_bank = node.integer("tRFCpb", 0, longest, 0);
  t.rrefd = node.integer("tRREFD", 1, longest, t.rrd_s);
  t.ppd = node.integer("tPPD", 0, longest, 0);
  t.rtrs = node.integer("tRTRS", 0, longest, 2);
  node.reject_unknown();

  check_timing(node, t, geometry);
  return t;
}

DramQueues queues_from(ConfigNode node, const DramGeometry& geometry, const DramTiming& timing) {
  DramQueues q;
  const auto entries = [&](const std::string& key, unsigned fallback, std::int64_t min, std::int64_t max) {
    return static_cast<unsigned>(node.integer(key, min, max, fallback));
  };
  q.transactions = entries("transactions", q.transactions * geometry.channels, 1, 65536);
  q.queue =
      node.choice("queue", {"shared", "per_bank"}, "shared") == "shared" ? QueueKind::shared : QueueKind::per_bank;
  q.reads = entries("reads", q.queue == QueueKind::shared ? 32 : 8, 1, 4096);
  q.writes = entries("writes", q.queue == QueueKind::shared ? 32 : 8, 1, 4096);
  const unsigned all_writes = q.queue == QueueKind::shared ? q.writes : q.writes * geometry.banks();
  q.write_high = entries("write_high", all_writes, 1, 1 << 20);
  q.write_low = entries("write_low", q.write_low, 0, 1 << 20);
  q.row_hit_cap = entries("row_hit_cap", q.row_hit_cap, 1, 1 << 20);
  q.streak_cap = entries("streak_cap", q.streak_cap, 1, 1 << 20);
  q.page_policy =
      node.choice("page_policy", {"open", "closed"}, "open") == "open" ? PagePolicy::open : PagePolicy::closed;
  q.refresh = node.choice("refresh", {"all_bank", "per_bank"}, "all_bank") == "all_bank" ? RefreshKind::all_bank
                                                                                         : RefreshKind::per_bank;
  node.reject_unknown();
  if (q.write_high > all_writes)
    node.fail("write_high", "must not exceed writes, the number of entries of the write queue (of all banks together)");
  if (q.refresh == RefreshKind::per_bank && timing.rfc_bank == 0)
    node.fail("refresh", "per_bank needs timing_cycles.tRFCpb, the time that one bank takes");
  if (q.write_low >= q.write_high) node.fail("write_low", "must be below write_high");
  return q;
}

DramSupply supply_from(ConfigNode& node, const std::string& volts_key) {
  const auto current = [&](const std::string& key) { return node.number(key, 0, 1e5); };
  DramSupply s;
  s.volts = node.number(volts_key, 0.1, 10);
  s.idd0 = current("idd0_ma");
  s.idd2n = current("idd2n_ma");
  s.idd3n = current("idd3n_ma");
  s.idd4r = current("idd4r_ma");
  s.idd4w = current("idd4w_ma");
  s.idd5b = current("idd5b_ma");
  if (s.idd4r < s.idd3n || s.idd4w < s.idd3n) node.fail("idd3n_ma", "must not exceed idd4r_ma and idd4w_ma");
  if (s.idd5b < s.idd3n) node.fail("idd5b_ma", "must be at least idd3n_ma");
  if (s.idd3n < s.idd2n) node.fail("idd3n_ma", "must be at least idd2n_ma");
  return s;
}

DramCurrents currents_from(ConfigNode node) {
  DramCurrents c;
  c.core = supply_from(node, "vdd_v");
  c.devices = static_cast<double>(node.integer("devices", 1, 64));
  if (node.has("second_supply")) {
    ConfigNode second = node.child("second_supply");
    c.second = supply_from(second, "v");
    second.reject_unknown();
  }
  c.pump = node.boolean("pump_supply", true);
  if (c.pump) {
    c.vpp_v = number_or_unknown(node, "vpp_v", 0, 10);
    c.ipp0 = number_or_unknown(node, "ipp0_ma", 0, 1e5);
  }
  if (node.has("io_pj_per_bit")) {
    c.io_read_pj_per_bit = c.io_write_pj_per_bit = number_or_unknown(node, "io_pj_per_bit", 0, 1e3);
  } else {
    c.io_read_pj_per_bit = number_or_unknown(node, "io_read_pj_per_bit", 0, 1e3);
    c.io_write_pj_per_bit = number_or_unknown(node, "io_write_pj_per_bit", 0, 1e3);
  }
  node.reject_unknown();
  return c;
}

double clock_from(ConfigNode& node, const DramGeometry& geometry) {
  if (node.has("tck_ns") == node.has("data_rate_mtps")) node.fail("tck_ns", "give either tck_ns or data_rate_mtps");
  const double ns = node.has("tck_ns") ? node.number("tck_ns", 0.05, 100)
                                       : 1000.0 * geometry.beats_per_clock / node.number("data_rate_mtps", 10, 1e5);
  return std::round(ns * 1000) / 1000;  // whole picoseconds, the resolution of the kernel
}

}  // namespace

DramDevice DramDevice::from(ConfigNode node) {
  DramDevice device;
  device.standard = node.string("standard");
  device.source = node.string("source");
  device.geometry = geometry_from(node);
  device.tck_ns = clock_from(node, device.geometry);
  device.timing = timing_from(node.child("timing_cycles"), device.geometry);
  device.queues = queues_from(node.child_or_empty("controller"), device.geometry, device.timing);
  device.mapping = node.string("mapping");
  try {
    AddressMap(device.mapping, device.geometry);
  } catch (const std::invalid_argument& broken) {
    node.fail("mapping", broken.what());
  }
  if (node.has("energy")) device.currents = currents_from(node.child("energy"));
  return device;
}

}  // namespace nibble
