// SPDX-License-Identifier: Apache-2.0
/// The way back from report.json to a Report.
#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/report.h"

namespace nibble {
namespace {

using Kind = JsonValue::Kind;

/// Reads members of one object; messages name the place in the document.
class Reader {
 public:
  Reader(const JsonValue& value, std::string origin, std::string path)
      : value_(value), origin_(std::move(origin)), path_(std::move(path)) {
    if (value.kind != Kind::object) fail("", "must be an object");
  }

  [[noreturn]] void fail(const std::string& key, const std::string& why) const {
    throw InputError(origin_ + ": " + path_ + (path_.empty() || key.empty() ? "" : ".") + key + ": " + why);
  }
  const JsonValue& at(const std::string& key) const {
    const JsonValue* value = value_.find(key);
    if (value == nullptr) fail(key, "is missing: no report of this version of nibble");
    return *value;
  }
  Reader object(const std::string& key) const { return {at(key), origin_, path_.empty() ? key : path_ + "." + key}; }
  std::string text(const std::string& key) const {
    if (at(key).kind != Kind::string) fail(key, "must be text");
    return at(key).string;
  }
  std::uint64_t count(const std::string& key) const {
    if (at(key).kind != Kind::integer || at(key).integer < 0) fail(key, "must be a count");
    return static_cast<std::uint64_t>(at(key).integer);
  }
  /// "group.name" stands in the object "group".
  std::uint64_t nested_count(const std::string& name) const {
    const std::size_t dot = name.find('.');
    return dot == std::string::npos ? count(name) : object(name.substr(0, dot)).count(name.substr(dot + 1));
  }
  std::optional<double> number_or_null(const std::string& key) const {
    const JsonValue& value = at(key);
    if (value.kind == Kind::null) return std::nullopt;
    if (value.kind != Kind::number && value.kind != Kind::integer) fail(key, "must be a number");
    return value.number;
  }
  double number(const std::string& key) const {
    const auto value = number_or_null(key);
    if (!value) fail(key, "must be a number");
    return *value;
  }
  void for_each(const std::string& key, const std::function<void(const Reader&)>& visit) const {
    if (at(key).kind != Kind::array) fail(key, "must be a list");
    for (std::size_t i = 0; i < at(key).items.size(); ++i)
      visit({at(key).items[i], origin_, key + "." + std::to_string(i)});
  }
  std::vector<std::string> texts(const std::string& key) const {
    if (at(key).kind != Kind::array) fail(key, "must be a list");
    std::vector<std::string> out;
    for (const JsonValue& item : at(key).items) {
      if (item.kind != Kind::string) fail(key, "must be a list of texts");
      out.push_back(item.string);
    }
    return out;
  }
  const std::vector<std::pair<std::string, JsonValue>>& members() const { return value_.members; }

 private:
  const JsonValue& value_;
  std::string origin_, path_;
};

Activity activity_from(const Reader& entry) {
  const std::string name = entry.text("activity");
  for (const Activity activity : {Activity::active, Activity::idle, Activity::gated, Activity::leakage}) {
    if (name == to_string(activity)) return activity;
  }
  entry.fail("activity", "must be active, idle, gated or leakage, not '" + printable(name) + "'");
}

/// What the machine counted, in its order, from the first price list.
std::vector<ActivityKind> activities_of(const Reader& document) {
  std::vector<ActivityKind> kinds;
  bool first = true;
  document.for_each("prices", [&](const Reader& prices) {
    if (!std::exchange(first, false)) return;
    prices.for_each("energy", [&](const Reader& entry) {
      const std::string path = entry.text("name");
      const std::size_t dot = path.find('.');
      if (dot == std::string::npos) entry.fail("name", "must be component.activity, not '" + printable(path) + "'");
      kinds.push_back(
          {path.substr(0, dot), path.substr(dot + 1), entry.text("group"), activity_from(entry), entry.text("unit")});
    });
  });
  if (kinds.empty()) document.fail("prices", "is empty: the report has no counters to price");
  return kinds;
}

/// With as many energy prices as there are activities.
PriceList price_list_from(const Reader& entry, std::size_t activities) {
  PriceList prices;
  prices.technology = entry.text("technology");
  prices.node_nm = entry.number("node_nm");
  entry.for_each("energy", [&](const Reader& line) {
    prices.energy.push_back({line.number_or_null("pj_each"), line.text("source")});
  });
  if (prices.energy.size() != activities) entry.fail("energy", "must price every activity of the first price list");
  entry.for_each("area", [&](const Reader& item) {
    prices.area.push_back({item.text("component"), item.text("group"), item.count("instances"),
                           item.number_or_null("um2_each"), item.text("source")});
  });
  return prices;
}

ReportFigures figures_from(const Reader& entry, const std::map<std::string, std::size_t>& index) {
  ReportFigures figures;
  for_each_count(figures, figures,
                 [&](const char* name, std::uint64_t& value, std::uint64_t) { value = entry.nested_count(name); });
  figures.time_s = entry.number("time_s");
  figures.activity.resize(index.size());
  const Reader activity = entry.object("activity");
  for (const auto& [name, value] : activity.members()) {
    const auto found = index.find(name);
    if (found == index.end()) activity.fail(printable(name), "is no activity of this report's price lists");
    figures.activity[found->second] = activity.count(name);
  }
  const Reader dram = entry.object("energy_pj").object("dram_by_cause");
  for_each_cause(figures.dram, figures.dram,
                 [&](const char* name, std::optional<double>& part, const auto&) { part = dram.number_or_null(name); });
  return figures;
}

OperatorFigures operator_from(const Reader& entry, const std::map<std::string, std::size_t>& index) {
  OperatorFigures out;
  out.name = entry.text("name");
  out.kind = entry.text("kind");
  out.phase = entry.text("phase");
  if (entry.at("layer").kind != Kind::integer) entry.fail("layer", "must be an integer");
  out.layer = static_cast<int>(entry.at("layer").integer);
  out.m = entry.count("m");
  out.k = entry.count("k");
  out.n = entry.count("n");
  out.count = entry.count("count");
  out.steps = entry.count("steps");
  if (out.steps == 0) entry.fail("steps", "must be 1 or more");
  out.schedule = entry.text("schedule");
  out.begin_cycle = entry.count("begin_cycle");
  out.hidden_under = entry.texts("hidden_under");
  out.figures = figures_from(entry, index);
  return out;
}

Statistics::Value statistic_from(const Reader& entry) {
  Statistics::Value out;
  out.path = entry.text("name");
  out.value = entry.number_or_null("value");
  out.integral = entry.at("value").kind == Kind::integer && entry.at("value").integer >= 0;
  out.unit = entry.text("unit");
  out.meaning = entry.text("meaning");
  for (const auto& [key, value] : entry.members()) {
    if (key == "formula") out.formula = value.string;
  }
  return out;
}

/// Texts and numbers that only some commands write: everything at the top that no other part of the report holds.
void read_other_members(const Reader& document, Report& report) {
  static const std::set<std::string> known = {"schema",
                                              "version",
                                              "command",
                                              "accelerator",
                                              "model",
                                              "overflows",
                                              "memory",
                                              "technology",
                                              "clock_mhz",
                                              "peak_macs_per_cycle",
                                              "peak_bytes_per_cycle",
                                              "footprint_bytes",
                                              "capacity_bytes",
                                              "configuration"};
  for (const auto& [key, value] : document.members()) {
    if (known.count(key) != 0) continue;
    if (value.kind == Kind::string) report.attributes.emplace_back(key, value.string);
    if (value.kind == Kind::integer) report.counts.emplace_back(key, document.count(key));
  }
}

/// Of a run of a model; `value`: the member, if there is one.
std::optional<KvCacheFigures> kv_cache_from(const Reader& document, const JsonValue* value) {
  if (value == nullptr || value->kind == JsonValue::Kind::null) return std::nullopt;
  const Reader entry = document.object("kv_cache");
  const KvCacheFigures cache{entry.count("tokens"), entry.count("values"), entry.count("bytes")};
  if (cache.values == 0) entry.fail("values", "must be above 0");
  return cache;
}

/// Of a run with data; `value`: the member, if there is one.
std::optional<LogitFigures> logits_from(const Reader& document, const JsonValue* value) {
  if (value == nullptr || value->kind == JsonValue::Kind::null) return std::nullopt;
  const Reader entry = document.object("logits");
  LogitFigures logits;
  logits.seed = entry.count("seed");
  logits.rows = entry.count("rows");
  logits.columns = entry.count("columns");
  logits.relative_error = entry.number("relative_error");
  logits.cosine = entry.number("cosine");
  logits.same_top = entry.count("same_top");
  return logits;
}

}  // namespace

Report read_report(const std::string& text, const std::string& origin) {
  const JsonValue parsed = parse_json(text, origin);
  const Reader document(parsed, origin, "");
  if (document.text("schema") != "nibble.report/1")
    document.fail("schema", "is '" + printable(document.text("schema")) + "', expected nibble.report/1");
  Report report;
  report.command = document.text("command");
  report.accelerator = document.text("accelerator");
  report.model = document.text("model");
  report.memory = document.text("memory");
  report.clock_mhz = document.number("clock_mhz");
  if (!(report.clock_mhz > 0)) document.fail("clock_mhz", "must be above 0");
  report.peak_macs_per_cycle = document.number("peak_macs_per_cycle");
  report.peak_bytes_per_cycle =  // null: without bound
      document.number_or_null("peak_bytes_per_cycle").value_or(std::numeric_limits<double>::infinity());
  report.footprint_bytes = document.count("footprint_bytes");
  report.capacity_bytes = document.count("capacity_bytes");
  report.configuration = document.text("configuration");
  const Reader scenario = document.object("scenario");
  for (const auto& member : scenario.members())
    report.scenario.emplace_back(member.first, scenario.count(member.first));
  read_other_members(document, report);

  report.activities = activities_of(document);
  std::map<std::string, std::size_t> index;
  for (const ActivityKind& kind : report.activities)
    index.emplace(kind.path(), index.size());
  if (index.size() != report.activities.size()) document.fail("prices", "names an activity twice");
  document.for_each("prices", [&](const Reader& entry) {
    report.prices.push_back(price_list_from(entry, report.activities.size()));
  });
  document.for_each("operators", [&](const Reader& entry) { report.operators.push_back(operator_from(entry, index)); });
  document.for_each("statistics", [&](const Reader& entry) { report.statistics.push_back(statistic_from(entry)); });
  report.kv_cache = kv_cache_from(document, parsed.find("kv_cache"));
  report.logits = logits_from(document, parsed.find("logits"));
  for (const JsonValue& note : document.at("notes").items)
    report.notes.push_back(note.string);
  for (const JsonValue& name : document.at("dram_left_out").items)
    report.dram_left_out.push_back(name.string);
  for (const auto& [component, source] : document.object("sources").members()) {
    if (index.count(component) == 0) report.sources.emplace_back(component, source.string);
  }
  const Reader host = document.object("host");
  report.wall_s = host.number("wall_s");
  report.peak_rss_bytes = host.count("peak_rss_bytes");
  return report;
}

}  // namespace nibble
