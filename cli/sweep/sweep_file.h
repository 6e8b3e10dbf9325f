// SPDX-License-Identifier: Apache-2.0
/// configs/sweeps/*.yaml: which points a sweep has, what is wanted of them and what they must keep (docs/sweeps.md).
///
///   name: mant-array
///   summary: rows and columns of M-ANT's array
///   settings: {accelerator: mant, m: 2048, k: 4096, n: 4096}
///   axes:                                     # the cross product; the last one varies fastest
///     array.rows: [16, 32, 64]
///     array.columns: {from: 16, to: 128, factor: 2}
///   zipped:                                   # each mapping is one axis whose keys move together
///     - {buffers.weight_kib: [64, 128], buffers.activation_kib: [128, 256]}
///   points:                                   # besides the cross product
///     - {array.rows: 64, array.columns: 48}
///   objectives: [time_s, area_um2, max utilization]
///   constraints: [area_um2 <= 3e6]
///
/// A setting is a key of the accelerator's configuration, or one of the names in setting_names().
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/sweep/expression.h"
#include "core/config_node.h"

namespace nibble {

/// Settings that are no configuration key: accelerator, memory (whole, as its file describes it), technology, and the
/// workload: model, prefill, decode, batch, context; or m, k, n.
const std::vector<std::string>& setting_names();
/// Those of them that are the workload.
bool is_workload_setting(const std::string& name);

/// Setting -> value as YAML, in file order.
using Settings = std::vector<std::pair<std::string, std::string>>;

struct SweepAxis {
  ConfigNode node;                                ///< the mapping that holds the keys, for messages
  std::vector<std::string> keys;                  ///< more than one: zipped
  std::vector<std::vector<std::string>> entries;  ///< [entry][key], as YAML
};

struct Objective {
  Expression expression;
  bool maximize = false;
  std::string text;  ///< "time_s", "max utilization"
};

struct PlannedPoint {
  std::vector<std::string> values;  ///< one per key of the sweep, as YAML; empty: the machine's own
};

struct SweepFile {
  ConfigNode node;
  std::string name, summary;
  Settings base;
  std::vector<SweepAxis> axes;
  std::vector<std::pair<ConfigNode, Settings>> listed;  ///< `points`
  std::vector<Objective> objectives;
  std::vector<Constraint> constraints;
  std::vector<std::string> keys;  ///< what the points differ in, in file order

  /// Reads and checks form and names; values are checked by check_values(). Throws InputError FILE:LINE:COL.
  static SweepFile from(ConfigNode node);
  /// The cross product in file order, then the listed points; a point that occurs again is left out.
  std::vector<PlannedPoint> points() const;
  /// The base with the point's values over it.
  Settings settings(const PlannedPoint& point) const;
};

}  // namespace nibble
