// SPDX-License-Identifier: Apache-2.0
/// What a replay prints.
#include "core/error.h"
#include "core/json.h"
#include "core/table.h"
#include "memory/trace_replay.h"

namespace nibble {
namespace {

void bus_json(JsonWriter& json, const BusTime& bus) {
  json.key("bus_cycles").begin_object();
  json.field("total", bus.total).field("data", bus.data);
  json.key("lost").begin_object();
  for (std::size_t i = 0; i < lost_causes; ++i)
    json.field(lost_cause_names[i], bus.lost[i]);
  json.end_object();
  json.end_object();
}

bool interface_known(const MemoryEnergy& energy) {
  return energy.known && energy.left_out.find("interface") == std::string::npos;
}

void ranks_json(JsonWriter& json, const std::vector<Dram::RankReport>& ranks) {
  json.key("ranks").begin_array();
  for (const auto& r : ranks) {
    json.begin_object();
    json.field("channel", r.channel).field("rank", r.rank);
    json.field("reads", r.counters.reads).field("writes", r.counters.writes);
    json.field("activates", r.counters.activates).field("precharges", r.counters.precharges);
    json.field("refreshes", r.counters.refreshes).field("active_cycles", r.counters.active_cycles);
    const auto energy = [&](const char* name, double pj) {
      json.field(name, r.energy.known ? std::optional<double>(pj) : std::nullopt);
    };
    energy("activate_pj", r.energy.activate_pj);
    energy("read_pj", r.energy.read_pj);
    energy("write_pj", r.energy.write_pj);
    energy("refresh_pj", r.energy.refresh_pj);
    energy("active_standby_pj", r.energy.active_standby_pj);
    energy("precharge_standby_pj", r.energy.precharge_standby_pj);
    json.field("interface_pj", interface_known(r.energy) ? std::optional<double>(r.energy.io_pj) : std::nullopt);
    energy("energy_pj", r.energy.total_pj());
    json.end_object();
  }
  json.end_array();
}

/// What the causes mean, in the order of LostCause.
constexpr const char* lost_meanings[lost_causes] = {
    "no request waited",  "first data after such a time", "the bank was being refreshed", "between reads and writes",
    "between ranks",      "tCCD, same bank group",        "precharge, activate",          "tRRD, tFAW",
    "behind a full queue"};

}  // namespace

std::string replay_table(const std::string& memory, const ReplayFigures& f) {
  Table table;
  table.column(memory, Table::Align::left).column("value").column("unit", Table::Align::left);
  const auto count = [&](const char* name, std::optional<std::uint64_t> value) {
    if (value) table.row({name, with_separators(*value), ""});
  };
  table.row({"requests", with_separators(f.requests), ""});
  table.row({"bytes", with_separators(f.bytes), "B"});
  table.row({"time", fixed(f.time_ns, 1), "ns"});
  table.row({"cycles", fixed(f.cycles, 0), "memory clocks"});
  table.row({"bandwidth", fixed(f.bandwidth_gbps, 3), "GB/s of " + fixed(f.peak_gbps, 3)});
  table.row({"bus utilization", fixed(100 * f.utilization, 2), "%"});
  table.row({"mean read latency", fixed(f.mean_latency_cycles, 1), "memory clocks"});
  table.row({"99th percentile", fixed(f.p99_latency_cycles, 1), "memory clocks"});
  table.rule();
  count("reads (bursts)", f.reads);
  count("writes (bursts)", f.writes);
  count("row hits", f.hits);
  count("row misses", f.misses);
  count("row conflicts", f.conflicts);
  if (f.row_hit_rate) table.row({"row hit rate", fixed(100 * *f.row_hit_rate, 2), "%"});
  count("activates", f.activates);
  count("precharges", f.precharges);
  count("refreshes", f.refreshes);
  count("turnarounds", f.turnarounds);
  count("error responses", f.errors != 0 ? std::optional<std::uint64_t>(f.errors) : std::nullopt);
  table.rule();
  table.row({"energy", f.energy.known ? with_prefix(f.energy.total_pj(), "pJ") : "unknown", ""});
  const auto part = [&](const char* name, double pj) {
    if (pj != 0) table.row({name, with_prefix(pj, "pJ"), ""});
  };
  part("  activate", f.energy.activate_pj);
  part("  read", f.energy.read_pj);
  part("  write", f.energy.write_pj);
  part("  refresh", f.energy.refresh_pj);
  part("  background", f.energy.background_pj);
  part("  interface", f.energy.io_pj);
  std::string text = table.text();
  if (!f.energy.left_out.empty()) text += "not known and not in the energy: " + f.energy.left_out + "\n";
  return text;
}

std::string replay_json(const std::string& memory, const std::string& trace, const ReplayFigures& f) {
  JsonWriter json;
  const auto count = [&](const char* name, std::optional<std::uint64_t> value) {
    json.key(name);
    value ? json.value(*value) : json.null();
  };
  const auto energy = [&](const char* name, double pj) {
    json.field(name, f.energy.known ? std::optional<double>(pj) : std::nullopt);
  };
  json.begin_object();
  json.field("schema", "nibble.memory/1").field("memory", memory.c_str()).field("trace", trace.c_str());
  json.field("requests", f.requests).field("bytes", f.bytes);
  json.field("cycles", f.cycles).field("time_ns", f.time_ns);
  json.field("bandwidth_gbps", f.bandwidth_gbps).field("peak_gbps", f.peak_gbps).field("utilization", f.utilization);
  json.field("mean_latency_cycles", f.mean_latency_cycles).field("p99_latency_cycles", f.p99_latency_cycles);
  json.field("row_hit_rate", f.row_hit_rate);
  count("row_hits", f.hits);
  count("row_misses", f.misses);
  count("row_conflicts", f.conflicts);
  count("activates", f.activates);
  count("precharges", f.precharges);
  count("refreshes", f.refreshes);
  count("turnarounds", f.turnarounds);
  json.field("reads", f.reads).field("writes", f.writes).field("errors", f.errors);
  energy("energy_pj", f.energy.total_pj());
  json.key("energy_by_command_pj").begin_object();
  energy("activate", f.energy.activate_pj);
  energy("read", f.energy.read_pj);
  energy("write", f.energy.write_pj);
  energy("refresh", f.energy.refresh_pj);
  energy("background", f.energy.background_pj);
  json.field("interface", interface_known(f.energy) ? std::optional<double>(f.energy.io_pj) : std::nullopt);
  json.end_object();
  json.field("energy_left_out", f.energy.left_out.c_str());
  if (f.bus) bus_json(json, *f.bus);
  if (!f.ranks.empty()) ranks_json(json, f.ranks);
  json.end_object();
  return json.str();
}

std::string explain_table(const std::string& memory, const ReplayFigures& f) {
  if (!f.bus) throw InputError(memory + ": --explain needs a memory of kind dram; this one has no banks");
  const BusTime& bus = *f.bus;
  Table table;
  table.column("time of the data buses", Table::Align::left).column("cycles").column("share %").column("GB/s");
  table.column("", Table::Align::left);
  const auto line = [&](const std::string& name, std::uint64_t cycles, const char* meaning) {
    const double share = bus.total == 0 ? 0 : static_cast<double>(cycles) / static_cast<double>(bus.total);
    table.row({name, with_separators(cycles), fixed(100 * share, 2), fixed(share * f.peak_gbps, 3), meaning});
  };
  line("data", bus.data, "");
  for (std::size_t i = 0; i < lost_causes; ++i)
    if (bus.lost[i] != 0) line(std::string("lost: ") + lost_cause_names[i], bus.lost[i], lost_meanings[i]);
  table.rule();
  line("all", bus.total, "");
  Table ranks;
  ranks.column("channel").column("rank").column("reads").column("writes").column("activates").column("refreshes");
  for (const char* part : {"activate", "read", "write", "refresh", "row open", "no row open", "interface", "all"})
    ranks.column(part);
  for (const auto& r : f.ranks) {
    const MemoryEnergy& e = r.energy;
    std::vector<std::string> cells{std::to_string(r.channel),
                                   std::to_string(r.rank),
                                   with_separators(r.counters.reads),
                                   with_separators(r.counters.writes),
                                   with_separators(r.counters.activates),
                                   with_separators(r.counters.refreshes)};
    for (const double pj :
         {e.activate_pj, e.read_pj, e.write_pj, e.refresh_pj, e.active_standby_pj, e.precharge_standby_pj})
      cells.push_back(e.known ? with_prefix(pj, "pJ") : "unknown");
    cells.push_back(interface_known(e) ? with_prefix(e.io_pj, "pJ") : "unknown");
    cells.push_back(e.known ? with_prefix(e.total_pj(), "pJ") : "unknown");
    ranks.row(cells);
  }
  return table.text() + "\n" + ranks.text();
}

}  // namespace nibble
