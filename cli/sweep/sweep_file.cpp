// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/sweep_file.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "core/error.h"
#include "core/json.h"

namespace nibble {
namespace {

const std::vector<std::string> workload_names = {"model", "prefill", "decode", "batch", "context", "m", "k", "n"};
constexpr std::size_t most_values = 10'000;     ///< of one axis
constexpr std::size_t most_points = 1'000'000;  ///< what a journal of a few hundred bytes a point still makes sense for

/// Whole numbers without exponent: a count stays one.
std::string number_text(double value) {
  return value == std::floor(value) && std::abs(value) < 9.0e15 ? std::to_string(static_cast<std::int64_t>(value))
                                                                : to_text(value);
}

/// {from, to, step | factor}; `to` is reached or not exceeded.
std::vector<std::string> range_values(ConfigNode range, const ConfigNode& axes, const std::string& key) {
  constexpr double large = 9.0e15;  // whole numbers below are exact in binary64
  const double from = range.number("from", -large, large), to = range.number("to", -large, large);
  const bool geometric = range.has("factor");
  if (geometric == range.has("step")) axes.fail(key, "must have either step or factor");
  const double by = geometric ? range.number("factor", -large, large) : range.number("step", -large, large);
  range.reject_unknown();
  if (geometric && (by <= 1 || from <= 0)) range.fail("factor", "must be above 1, and from above 0");
  if (!geometric && by <= 0) range.fail("step", "must be above 0");
  if (from > to) range.fail("to", "must not be below from");
  std::vector<std::string> out;
  const double tolerance = 1e-9 * (geometric ? to : by);
  double value = from;
  for (std::size_t i = 1; value <= to + tolerance; ++i) {
    if (out.size() == most_values) axes.fail(key, "gives more than " + std::to_string(most_values) + " values");
    out.push_back(number_text(value));
    value = geometric ? value * by : from + static_cast<double>(i) * by;
  }
  return out;
}

std::vector<std::string> values_of(ConfigNode& axes, const std::string& key) {
  if (axes.is_mapping(key)) return range_values(axes.child(key), axes, key);
  if (!axes.is_list(key)) axes.fail(key, "must be a list of values, or a range {from, to, step or factor}");
  std::vector<std::string> values = axes.yaml_values(key);
  if (values.empty()) axes.fail(key, "is an empty list");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::find(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(i), values[i]) !=
        values.begin() + static_cast<std::ptrdiff_t>(i))
      axes.fail(key, i, "holds " + values[i] + " twice");
  }
  return values;
}

/// One axis per key.
std::vector<SweepAxis> read_axes(ConfigNode axes) {
  std::vector<SweepAxis> out;
  for (const std::string& key : axes.keys()) {
    out.push_back({axes, {key}, {}});
    for (std::string& value : values_of(axes, key))
      out.back().entries.push_back({std::move(value)});
  }
  return out;
}

/// All keys together are one axis.
SweepAxis read_zipped(ConfigNode axes) {
  SweepAxis out{axes, axes.keys(), {}};
  if (out.keys.empty()) throw InputError(axes.file() + ": " + axes.path() + ": is empty");
  for (const std::string& key : out.keys) {
    const std::vector<std::string> values = values_of(axes, key);
    if (key == out.keys.front()) out.entries.resize(values.size());
    if (values.size() != out.entries.size()) {
      axes.fail(key, "has " + std::to_string(values.size()) + " values, " + out.keys.front() + " has " +
                         std::to_string(out.entries.size()) + ": keys that move together have as many");
    }
    for (std::size_t i = 0; i < values.size(); ++i)
      out.entries[i].push_back(values[i]);
  }
  return out;
}

Settings read_settings(ConfigNode node) {
  Settings out;
  for (const std::string& key : node.keys()) {
    if (node.is_mapping(key)) node.fail(key, "must be a single value; keys of a section are spelt " + key + ".KEY");
    const std::vector<std::string> values = node.yaml_values(key);
    out.emplace_back(key, node.is_list(key) ? "[" + join(values) + "]" : values.front());
  }
  return out;
}

Objective parse_objective(const std::string& text) {
  Objective out;
  out.maximize = text.rfind("max ", 0) == 0;
  out.expression = Expression::parse(out.maximize ? text.substr(4) : text);
  out.text = (out.maximize ? "max " : "") + out.expression.text();
  return out;
}

/// Reads a list of texts; what parse() throws is told at the text's place.
template <class T>
std::vector<T> read_expressions(ConfigNode& node, const std::string& key, const std::vector<std::string>& fallback,
                                T (*parse)(const std::string&)) {
  std::vector<T> out;
  const std::vector<std::string> texts = node.strings(key, fallback);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    try {
      out.push_back(parse(texts[i]));
    } catch (const InputError& error) {
      node.fail(key, i, error.what());
    }
  }
  return out;
}

bool has(const Settings& settings, const std::string& name) {
  return std::any_of(settings.begin(), settings.end(), [&](const auto& entry) { return entry.first == name; });
}

/// Every point needs a machine and one workload.
void check_workload(const Settings& settings, const std::function<void(const std::string&)>& fail) {
  if (!has(settings, "accelerator")) fail("no accelerator: neither settings nor an axis names one");
  const bool model = has(settings, "model");
  for (const char* name : {"m", "k", "n"}) {
    if (has(settings, name) == model)
      fail(model ? std::string("both a model and ") + name + ": a point runs a model or multiplies m x k x n"
                 : std::string("no workload: ") + name + " is missing, and so is a model");
  }
  for (const char* name : {"prefill", "decode", "batch", "context"}) {
    if (!model && has(settings, name)) fail(std::string(name) + " belongs to a model, and there is none");
  }
}

}  // namespace

const std::vector<std::string>& setting_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = {"accelerator", "memory", "technology"};
    all.insert(all.end(), workload_names.begin(), workload_names.end());
    return all;
  }();
  return names;
}

bool is_workload_setting(const std::string& name) {
  return std::find(workload_names.begin(), workload_names.end(), name) != workload_names.end();
}

SweepFile SweepFile::from(ConfigNode node) {
  SweepFile out{node,
                node.string("name"),
                node.string("summary", ""),
                read_settings(node.child_or_empty("settings")),
                read_axes(node.child_or_empty("axes")),
                {},
                {},
                {},
                {}};
  for (const ConfigNode& zipped : node.children("zipped"))
    out.axes.push_back(read_zipped(zipped));
  for (const ConfigNode& point : node.children("points"))
    out.listed.emplace_back(point, read_settings(point));
  out.objectives = read_expressions<Objective>(node, "objectives", {"time_s", "energy_pj"}, parse_objective);
  out.constraints = read_expressions<Constraint>(node, "constraints", {}, Constraint::parse);
  node.reject_unknown();
  if (out.objectives.empty()) node.fail("objectives", "is an empty list");
  if (out.axes.empty() && out.listed.empty()) node.fail("axes", "is missing, and so are zipped and points: no points");

  for (const SweepAxis& axis : out.axes) {
    for (const std::string& key : axis.keys) {
      if (std::find(out.keys.begin(), out.keys.end(), key) != out.keys.end()) axis.node.fail(key, "is an axis already");
      out.keys.push_back(key);
    }
  }
  for (const auto& [place, settings] : out.listed) {
    for (const auto& [key, value] : settings) {
      if (std::find(out.keys.begin(), out.keys.end(), key) == out.keys.end()) out.keys.push_back(key);
    }
    Settings all = out.base;
    all.insert(all.end(), settings.begin(), settings.end());
    check_workload(all, [&point = place](const std::string& why) { point.fail("", why); });
  }
  if (!out.axes.empty()) {
    Settings all = out.base;
    for (const SweepAxis& axis : out.axes) {
      for (const std::string& key : axis.keys)
        all.emplace_back(key, "");
    }
    check_workload(all, [&](const std::string& why) { node.fail("settings", why); });
  }
  return out;
}

std::vector<PlannedPoint> SweepFile::points() const {
  const auto index_of = [this](const std::string& key) {
    return static_cast<std::size_t>(std::find(keys.begin(), keys.end(), key) - keys.begin());
  };
  PlannedPoint origin;
  for (const std::string& key : keys) {
    const auto found = std::find_if(base.begin(), base.end(), [&](const auto& entry) { return entry.first == key; });
    origin.values.push_back(found == base.end() ? "" : found->second);
  }
  std::size_t count = axes.empty() ? 0 : 1;
  for (const SweepAxis& axis : axes) {
    if (count > most_points / axis.entries.size())
      node.fail("axes", "has more than " + std::to_string(most_points) + " points");
    count *= axis.entries.size();
  }
  std::vector<PlannedPoint> out;
  std::set<std::vector<std::string>> seen;
  const auto add = [&](PlannedPoint point) {
    if (seen.insert(point.values).second) out.push_back(std::move(point));
  };
  for (std::size_t number = 0; number < count; ++number) {
    PlannedPoint point = origin;
    std::size_t rest = number;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      const auto& entry = axis->entries[rest % axis->entries.size()];
      rest /= axis->entries.size();
      for (std::size_t i = 0; i < axis->keys.size(); ++i)
        point.values[index_of(axis->keys[i])] = entry[i];
    }
    add(std::move(point));
  }
  for (const auto& [place, settings] : listed) {
    PlannedPoint point = origin;
    for (const auto& [key, value] : settings)
      point.values[index_of(key)] = value;
    add(std::move(point));
  }
  return out;
}

Settings SweepFile::settings(const PlannedPoint& point) const {
  Settings out;
  for (const auto& entry : base) {
    if (std::find(keys.begin(), keys.end(), entry.first) == keys.end()) out.push_back(entry);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!point.values[i].empty()) out.emplace_back(keys[i], point.values[i]);
  }
  return out;
}

}  // namespace nibble
