// SPDX-License-Identifier: Apache-2.0
/// What a cost book makes of a machine: a price for every activity that its counters count, an area for every instance.
/// A report keeps the counts; energy is counts times prices, whatever the book.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

/// active: work. idle: clocked without work. gated: the clock stopped. leakage: whether there is work or not.
enum class Activity { active, idle, gated, leakage };
/// "active", "idle", "gated", "leakage"
const char* to_string(Activity activity);

/// One thing that a machine counts and a cost book prices.
struct ActivityKind {
  std::string component;  ///< "pe", "foot", "quantizer", "vector", "weight_buffer", ..., "control"
  std::string name;       ///< within the component: "mac.w4a8", "read", "idle", "leakage"
  std::string group;  ///< the sum of active energy that it belongs to: "pe", "quantizer", "vector", "sram", "control"
  Activity activity = Activity::active;
  std::string unit;  ///< of the count: "MAC", "byte", "PE cycle"
  std::string path() const { return component + "." + name; }
};

struct EnergyPrice {
  std::optional<double> pj;  ///< per unit of the count; empty: unknown
  std::string source;        ///< or why nobody knows
};

/// Equal instances of a component.
struct AreaItem {
  std::string component;  ///< as in ActivityKind
  std::string group;      ///< "pe", "foot", "quantizer", "vector", "sram", "control"
  std::uint64_t instances = 1;
  std::optional<double> um2;  ///< of one; empty: unknown
  std::string source;
  std::optional<double> total() const;
};

struct PriceList {
  std::string technology;  ///< name of the cost book
  double node_nm = 0;
  std::vector<EnergyPrice> energy;  ///< one per activity kind of the machine, in their order
  std::vector<AreaItem> area;
};

/// A sum of what is known: a part that nobody knows is named and not counted as zero.
class KnownSum {
 public:
  void add(const std::string& name, std::optional<double> part);
  /// Of the known parts; empty when there are parts and none is known.
  std::optional<double> value() const;
  /// Of the known parts, 0 without any.
  double known() const { return known_; }
  /// Names of the parts that are left out.
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  double known_ = 0;
  std::size_t parts_ = 0;
  std::vector<std::string> unknown_;
};

/// The sum of a group's items; an empty group: of all.
KnownSum area_sum(const PriceList& prices, const std::string& group = {});

}  // namespace nibble
