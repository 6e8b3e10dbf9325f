// SPDX-License-Identifier: Apache-2.0
/// Technology numbers: energy and area per unit of activity, each with value, unit, node and source. Energy and area
/// are tables times counters, computed after a run: another book needs no new run. A number nobody knows is `unknown`,
/// never zero.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config_node.h"

namespace nibble {

struct CostEntry {
  std::optional<double> value;  ///< empty: unknown
  std::string unit;             ///< "pJ/MAC", "um2", "mW", ...
  double node_nm = 0;           ///< technology node
  double scaled_from_nm = 0;    ///< the node the value was scaled from; 0: not scaled
  std::string source;           ///< paper section, repository, command
};

/// SRAM macro figures for one access width.
struct SramCost {
  double read_pj = 0;     ///< per access of `width_bits`
  double write_pj = 0;    ///< per access of `width_bits`
  double leakage_mw = 0;  ///< of the whole macro
  double area_mm2 = 0;
};

/// One book: `configs/technologies/<name>.yaml`:
///   name, node_nm, summary
///   entries: { <key>: {value: 0.34 | unknown, unit: pJ/MAC, node_nm: 28, source: "..."}, ... }
///   sram: { cell, temperature_k, source, node_nm, width_bits,
///           table: [ {capacity_kib, read_pj, write_pj, leakage_mw, area_mm2} ],
///           other_widths: [ {width_bits, table: [ {capacity_kib, read_pj, write_pj} ]} ] }
/// All of an entry's keys are required, values are not negative. An entry whose node differs from the book's is an
/// error unless the entry names `scaled_from_nm` (nodes never mix silently). The sram section may be absent.
class CostBook {
 public:
  static CostBook load(ConfigNode node);

  const std::string& name() const { return name_; }
  double node_nm() const { return node_nm_; }
  const std::string& summary() const { return summary_; }

  /// Throws InputError when the book has no entry of this name (unknown is an entry).
  const CostEntry& at(const std::string& key) const;
  /// Also when the entry is in another unit.
  const CostEntry& at(const std::string& key, const std::string& unit) const;
  /// As at(), but what the book does not have is an unknown entry whose source says so; a number scaled from another
  /// node says that in its source.
  CostEntry find(const std::string& key, const std::string& unit) const;
  bool contains(const std::string& key) const { return entries_.count(key) != 0; }
  const std::map<std::string, CostEntry>& entries() const { return entries_; }

  /// A macro of `capacity_bytes` read and written `width_bits` at a time: log-log interpolation between the table's
  /// capacities (exact at its points) and between the widths whose tables hold the capacity; leakage and area are those
  /// of the main table's width. Beyond these widths energy is proportional to the width, counted from the nearest
  /// table: a model, narrow macros cost more per bit than it says. Capacities beyond the main table are an InputError.
  SramCost sram(double capacity_bytes, double width_bits) const;
  bool has_sram() const { return !sram_rows_.empty(); }
  /// The largest macro of the table, 0 without one.
  double largest_sram_bytes() const { return sram_rows_.empty() ? 0 : sram_rows_.back().capacity_kib * 1024; }
  /// Where the table comes from, with cell type and temperature; empty without a table.
  const std::string& sram_source() const { return sram_source_; }
  const std::string& sram_cell() const { return sram_cell_; }        ///< "ITRS-HP"; empty without a table
  double sram_temperature_k() const { return sram_temperature_k_; }  ///< 0 without a table

 private:
  struct SramRow {
    double capacity_kib, read_pj, write_pj, leakage_mw, area_mm2;
  };
  struct SramEnergyTable {
    double width_bits;
    std::vector<SramRow> rows;
  };
  void load_sram(ConfigNode node);
  static std::vector<SramRow> load_sram_rows(ConfigNode node, bool energy_only);
  std::string name_, summary_, sram_source_, sram_cell_;
  double node_nm_ = 0, sram_width_bits_ = 0, sram_temperature_k_ = 0;
  std::map<std::string, CostEntry> entries_;
  std::vector<SramRow> sram_rows_;
  std::vector<SramEnergyTable> sram_energy_;  ///< by width, ascending, the main table among them
};

}  // namespace nibble
