// SPDX-License-Identifier: Apache-2.0
#include "accelerators/iso_variant.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "accelerators/energy_ledger.h"
#include "accelerators/platform.h"
#include "accelerators/systolic_config.h"
#include "core/error.h"
#include "core/json.h"

namespace nibble {
namespace {

using Names = std::vector<std::string>;

constexpr std::uint64_t most_rows = 1024;  // as SystolicConfig

struct IsoRequest {
  std::string area_of, vary;
  std::optional<double> area_um2;  ///< instead of a machine's
  const char* area_key() const { return area_um2 ? "area_um2" : "area_of"; }
  Names components;
  bool components_given = false;
  std::uint64_t multiple = 1;
  std::vector<std::pair<std::string, std::string>> taken;  ///< key of `iso`, section
};

void resolve(ConfigNode accelerator, const Names& chain);

/// The machine that a key of `iso` names, its own `iso` resolved, priced by the cost book that asks.
ConfigNode named_machine(ConfigNode iso, const std::string& key, const ConfigNode& asking, Names chain) {
  const std::string name = iso.string(key);
  if (std::find(chain.begin(), chain.end(), name) != chain.end())
    iso.fail(key, "goes round in a circle: " + join(chain, " -> ") + " -> " + name);
  chain.push_back(name);
  try {
    ConfigNode machine = ConfigNode::load("accelerators", name);
    if (machine.has("technology")) machine.take("technology", asking);
    resolve(machine, chain);
    return machine;
  } catch (const InputError& error) {
    iso.fail(key, error.what());
  }
}

IsoRequest request_from(ConfigNode& iso) {
  IsoRequest request;
  for (const char* key :
       {"area_of", "area_um2", "components", "vary", "multiple", "bandwidth_of", "buffers_of", "clock_of"})
    iso.ignore(key);
  if (iso.has("area_of")) request.area_of = iso.string("area_of");
  if (iso.has("area_um2")) request.area_um2 = iso.number("area_um2", 1, 1e12);
  if (request.area_um2 && !request.area_of.empty())
    iso.fail("area_um2", "stands beside area_of: leave one of them out");
  for (const auto& [key, section] : {std::pair<const char*, const char*>{"bandwidth_of", "memory"},
                                     {"buffers_of", "buffers"},
                                     {"clock_of", "clock_mhz"}}) {
    if (iso.has(key)) request.taken.emplace_back(key, section);
  }
  const bool resizes = request.area_um2 || !request.area_of.empty();
  if (!resizes && request.taken.empty())
    iso.fail("", "names no machine, expected area_of, area_um2, bandwidth_of, buffers_of or clock_of");
  if (!resizes) return request;
  request.vary = iso.choice("vary", {"rows", "columns", "both"}, "rows");
  request.multiple = static_cast<std::uint64_t>(iso.integer("multiple", 1, most_rows, 1));
  request.components_given = iso.has("components");
  // Not recorded as a default: in a document it would ask for feet whose area may be unknown.
  request.components = request.components_given ? iso.strings("components") : Names{"pe", "foot"};
  const Names known = {"pe", "foot", "quantizer", "vector", "sram"};
  for (const std::string& name : request.components) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      iso.fail("components", unknown_name("component", name, known));
  }
  if (std::find(request.components.begin(), request.components.end(), "pe") == request.components.end())
    iso.fail("components", "must hold pe: the number of PEs is what varies");
  return request;
}

/// To the thousandth, so that a sum reads as its parts do.
std::string um2(double area) {
  return to_text(std::round(area * 1000) / 1000) + " um2";
}

/// Of the components that count: what a PE, a column and the rest take.
struct ArrayArea {
  double pe = 0, per_column = 0, fixed = 0;
  double of(std::uint64_t rows, std::uint64_t columns) const {
    return static_cast<double>(rows * columns) * pe + static_cast<double>(columns) * per_column + fixed;
  }
  /// "46 x 64 PEs of 257.6 um2 = 758374.4 um2"
  std::string text(std::uint64_t rows, std::uint64_t columns) const {
    std::string out = std::to_string(rows) + " x " + std::to_string(columns) + " PEs of " + um2(pe);
    if (per_column > 0) out += " + " + std::to_string(columns) + " column feet of " + um2(per_column);
    if (fixed > 0) out += " + " + um2(fixed) + " of other components";
    return out + " = " + um2(of(rows, columns));
  }
};

/// Empty: nobody knows the area of a foot, and it may be left out.
std::optional<ArrayArea> area_of(const SystolicConfig& config, const CostBook& book, const IsoRequest& request,
                                 const ConfigNode& iso) {
  ArrayArea out;
  for (const AreaItem& item : config.ledger().price(book).area) {
    if (std::find(request.components.begin(), request.components.end(), item.group) == request.components.end())
      continue;
    if (!item.um2 && item.group == "foot" && !request.components_given) return std::nullopt;
    if (!item.um2) {
      iso.fail(request.area_key(), "the area of " + item.component + " of " + config.name + " is unknown in " +
                                       book.name() + " (" + item.source +
                                       "); choose another cost book (technology) or other components");
    }
    if (item.group == "pe") {
      out.pe = *item.um2;
    } else if (item.group == "foot") {
      out.per_column = *item.total() / static_cast<double>(config.array.columns);
    } else {
      out.fixed += *item.total();
    }
  }
  if (!(out.pe > 0)) iso.fail(request.area_key(), "a PE of " + config.name + " has no area in " + book.name());
  return out;
}

struct ArrayShape {
  std::uint64_t rows = 0, columns = 0;
};

/// The largest shape of the array within `most` um2: multiples, one side kept or the ratio of both.
ArrayShape largest_shape(const SystolicConfig& config, const ArrayArea& area, double most, const IsoRequest& request) {
  std::uint64_t across = request.multiple, down = std::lcm(request.multiple, config.array.result_ports);
  for (const PeMode& mode : config.pe->timing().modes) {
    const std::uint64_t columns = mode.pes_fused >= 4 ? 2 : 1;
    across = std::lcm(across, columns);
    down = std::lcm(down, mode.pes_fused / columns);
  }
  ArrayShape step{down, across}, shape;
  const std::uint64_t common = std::gcd(config.array.rows, config.array.columns);
  if (request.vary == "rows") step.columns = config.array.columns;
  if (request.vary == "columns") step.rows = config.array.rows;
  if (request.vary == "both") {
    const std::uint64_t rows = config.array.rows / common, columns = config.array.columns / common;
    const std::uint64_t times = std::lcm(down / std::gcd(down, rows), across / std::gcd(across, columns));
    step = {rows * times, columns * times};
  }
  for (std::uint64_t i = 1;; ++i) {
    const ArrayShape next{request.vary == "columns" ? step.rows : step.rows * i,
                          request.vary == "rows" ? step.columns : step.columns * i};
    if (area.of(next.rows, next.columns) > most) return shape;
    shape = next;
    // The configuration refuses arrays beyond its limit: no use in going on.
    if (shape.rows > most_rows || shape.columns > most_rows) return shape;
  }
}

void resize(ConfigNode& accelerator, ConfigNode& iso, const IsoRequest& request, const Names& chain) {
  for (const char* key : {"rows", "columns"}) {
    if (request.vary != "both" && request.vary != key) continue;
    if (accelerator.unread_copy().child("array").is_overridden(key))
      iso.fail(request.area_key(),
               std::string("computes array.") + key + ", which --set gives as well: leave one of them out");
  }
  const CostBook book = std::move(cost_books(accelerator.unread_copy()).front());
  const SystolicConfig own = SystolicConfig::from(accelerator.unread_copy());
  IsoRequest counted = request;
  const auto without_feet = [&] {
    counted.components.erase(std::find(counted.components.begin(), counted.components.end(), "foot"));
    return std::string("; column feet left out") + (request.area_um2 ? "" : " on both sides") +
           ", their area is unknown";
  };
  std::optional<ArrayArea> area = area_of(own, book, counted, iso);
  std::string left_out, target_text, target_name = "iso.area_um2";
  double most = request.area_um2.value_or(0);
  if (!request.area_um2) {
    const SystolicConfig other = SystolicConfig::from(named_machine(iso, "area_of", accelerator, chain));
    std::optional<ArrayArea> target = area_of(other, book, counted, iso);
    if (!area || !target) {
      left_out = without_feet();
      target = area_of(other, book, counted, iso);
    }
    most = target->of(other.array.rows, other.array.columns);
    target_name = other.name;
    target_text = " (" + target->text(other.array.rows, other.array.columns) + ")";
  } else if (!area) {
    left_out = without_feet();
  }
  if (!left_out.empty()) area = area_of(own, book, counted, iso);
  const ArrayShape shape = largest_shape(own, *area, most, request);
  const std::string what_to_do =
      " the " + um2(most) + " of " + target_name + "; vary rows, columns or both, or change the side that is kept";
  if (shape.rows == 0)
    iso.fail(request.area_key(), "not even the smallest array of " + own.name + " fits into" + what_to_do);
  if (shape.rows > most_rows || shape.columns > most_rows)
    iso.fail(request.area_key(), "more than 1024 rows or columns of " + own.name + " fit into" + what_to_do);
  const std::string why = "computed: " + area->text(shape.rows, shape.columns) + " <= " + um2(most) + " of " +
                          target_name + target_text + ", " + book.name() + left_out;
  if (request.vary != "columns") accelerator.apply_computed("array.rows=" + std::to_string(shape.rows), why);
  if (request.vary != "rows") accelerator.apply_computed("array.columns=" + std::to_string(shape.columns), why);
}

void resolve(ConfigNode accelerator, const Names& chain) {
  if (!accelerator.has("iso")) return;
  ConfigNode iso = accelerator.child("iso");
  const IsoRequest request = request_from(iso);
  for (const auto& [key, section] : request.taken) {
    if (accelerator.is_overridden(section))
      iso.fail(key, "takes " + section + ", which --set gives as well: leave one of them out");
    accelerator.take(section, named_machine(iso, key, accelerator, chain));
  }
  if (request.area_um2 || !request.area_of.empty()) resize(accelerator, iso, request, chain);
  iso.reject_unknown();
}

}  // namespace

void resolve_iso(const ConfigNode& accelerator) {
  if (accelerator.has("iso")) resolve(accelerator, {accelerator.unread_copy().string("name")});
}

}  // namespace nibble
