// SPDX-License-Identifier: Apache-2.0
/// Report: what a run meant. Schema `nibble.report/1` as JSON, operators as CSV, tables for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/statistics.h"

namespace nibble {

/// Energy by component, pJ. Empty: the cost book does not know a number that is needed; such a component is left out of
/// the total and named in `unknown`.
struct EnergyFigures {
  std::optional<double> pe, quantizer, vector, sram, dram, static_power;
  /// Sum of the known components.
  double total() const;
  /// Names of the components that are not known.
  std::vector<std::string> unknown() const;
  void add(const EnergyFigures& other);
};

/// Bytes between the chip and its memory by tensor, group metadata included, as asked for by the machine.
struct TrafficFigures {
  std::uint64_t weight = 0, activation = 0, output = 0, partial_sum = 0, vector = 0, command = 0;
  std::uint64_t total() const { return weight + activation + output + partial_sum + vector + command; }
  void add(const TrafficFigures& other);
};

/// Figures of one operator, one phase or a whole run. Cycles are accelerator clock cycles; the five causes sum to
/// `cycles`.
struct ReportFigures {
  std::uint64_t cycles = 0;
  std::uint64_t compute_cycles = 0, fill_drain_cycles = 0, memory_stall_cycles = 0, output_stall_cycles = 0,
                exposed_quantizer_cycles = 0;
  std::uint64_t weight_load_cycles = 0;  ///< part of fill_drain_cycles
  std::uint64_t weight_stall_cycles = 0, activation_stall_cycles = 0,
                other_stall_cycles = 0;  ///< sum to memory_stall_cycles
  double time_s = 0;
  std::uint64_t macs = 0;          ///< needed by the operator
  std::uint64_t pe_macs = 0;       ///< performed by the PEs (masked elements of a tile included)
  std::uint64_t ideal_cycles = 0;  ///< macs at peak rate
  TrafficFigures traffic;
  std::uint64_t compulsory_bytes = 0;                       ///< every operand moved once
  std::uint64_t dram_read_bytes = 0, dram_write_bytes = 0;  ///< on the data bus, whole bursts
  std::uint64_t sram_read_bytes = 0, sram_write_bytes = 0;
  std::uint64_t overflows = 0;
  EnergyFigures energy;
  void add(const ReportFigures& other);
};

struct OperatorFigures {
  std::string name, kind, phase;  ///< kind: linear, attention, vector; phase: prefill, decode
  int layer = -1;
  std::uint64_t steps = 1;                       ///< decode steps summed up in this record
  std::uint64_t m = 0, k = 0, n = 0, count = 1;  ///< of the last step
  std::string schedule;                          ///< tile sizes and loop order of the last step
  std::uint64_t begin_cycle = 0;                 ///< of the first step
  ReportFigures figures;
};

struct AreaFigures {
  std::optional<double> pe_um2, sram_um2, quantizer_um2, vector_um2;
  double total() const;
  std::vector<std::string> unknown() const;
};

struct Report {
  std::string command, accelerator, model, technology, memory;
  std::vector<std::pair<std::string, std::uint64_t>> scenario;  ///< "batch", "prefill", "decode", "context"
  std::vector<std::pair<std::string, std::string>> attributes;  ///< further top-level texts: "activation_format", ...
  std::vector<std::pair<std::string, std::uint64_t>> counts;    ///< further top-level numbers: "saturated_groups"
  double clock_mhz = 0;
  double peak_macs_per_cycle = 0, peak_bytes_per_cycle = 0;
  std::uint64_t footprint_bytes = 0, capacity_bytes = 0;  ///< of the operands, and of the memory
  std::vector<OperatorFigures> operators;
  AreaFigures area;
  std::vector<Statistics::Value> statistics;                 ///< of the platform's modules
  std::vector<std::string> notes;                            ///< what a reader must know about this run
  std::vector<std::pair<std::string, std::string>> sources;  ///< component -> origin of its numbers
  std::string configuration;                                 ///< resolved, YAML

  // Host figures: the only part that may differ between two identical runs.
  double wall_s = 0;
  std::uint64_t peak_rss_bytes = 0;

  ReportFigures totals() const;
  ReportFigures phase(const std::string& name) const;
  std::vector<std::string> phases() const;
};

/// utilization = macs / (cycles * peak); empty without cycles.
std::optional<double> utilization(const Report& report, const ReportFigures& figures);
/// What binds `figures`, in words, with the bound and the distance to it: the roofline line.
std::string binding_line(const Report& report, const std::string& label, const ReportFigures& figures);

std::string report_json(const Report& report);
std::string operators_csv(const Report& report);
/// The tables that `nibble run` prints: time by operator kind and cause, traffic by tensor, energy by component.
std::string report_text(const Report& report);
/// A self-contained page with the same tables and bars of time by cause.
std::string report_html(const Report& report);
/// Chrome trace events (Perfetto, chrome://tracing): one slice per operator and cause.
std::string report_trace(const Report& report);

/// Peak resident memory of this process in bytes.
std::uint64_t peak_rss_bytes();

extern const char* const nibble_version;

}  // namespace nibble
