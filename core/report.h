// SPDX-License-Identifier: Apache-2.0
/// Report: what a run meant. Schema `nibble.report/1` as JSON, operators as CSV, tables for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/price_list.h"
#include "core/statistics.h"

namespace nibble {

/// Figures by tensor: bytes between the chip and its memory as asked for by the machine, or stall cycles by the stream
/// that was waited for. Bytes of group metadata belong to their tensor; a stall is `metadata` when metadata that moves
/// apart from its codes came last.
struct StreamFigures {
  std::uint64_t weight = 0, activation = 0, kv = 0, metadata = 0, output = 0, partial_sum = 0, vector = 0, command = 0;
  std::uint64_t total() const { return weight + activation + kv + metadata + output + partial_sum + vector + command; }
};

/// Their names and places.
inline constexpr std::pair<const char*, std::uint64_t StreamFigures::*> all_streams[] = {
    {"weight", &StreamFigures::weight}, {"activation", &StreamFigures::activation},
    {"kv", &StreamFigures::kv},         {"metadata", &StreamFigures::metadata},
    {"output", &StreamFigures::output}, {"partial_sum", &StreamFigures::partial_sum},
    {"vector", &StreamFigures::vector}, {"command", &StreamFigures::command}};

/// What the memory spent by cause, pJ; it prices its own commands. Empty: it does not know.
struct DramFigures {
  std::optional<double> activate = 0.0, read = 0.0, write = 0.0, refresh = 0.0, interface = 0.0, background = 0.0;
};

/// Calls visit(name, energy in `dram`, energy in `other`) for every cause.
template <class Figures, class Other, class Visit>
void for_each_cause(Figures& dram, Other& other, const Visit& visit) {
  visit("activate", dram.activate, other.activate);
  visit("read", dram.read, other.read);
  visit("write", dram.write, other.write);
  visit("refresh", dram.refresh, other.refresh);
  visit("interface", dram.interface, other.interface);
  visit("background", dram.background, other.background);
}

/// Figures of one operator, one phase or a whole run. Cycles are accelerator clock cycles; the five causes sum to
/// `cycles`.
struct ReportFigures {
  std::uint64_t cycles = 0;
  std::uint64_t compute_cycles = 0, fill_drain_cycles = 0, memory_stall_cycles = 0, output_stall_cycles = 0,
                exposed_quantizer_cycles = 0;
  std::uint64_t weight_load_cycles = 0;        ///< part of fill_drain_cycles
  std::uint64_t hidden_cycles = 0;             ///< worked beside operators before it: in none of the above
  StreamFigures memory_stalls, output_stalls;  ///< sum to memory_stall_cycles, output_stall_cycles
  double time_s = 0;
  std::uint64_t macs = 0;          ///< needed by the operator
  std::uint64_t pe_macs = 0;       ///< performed by the PEs (masked elements of a tile included)
  std::uint64_t ideal_cycles = 0;  ///< macs at peak rate
  StreamFigures traffic;
  std::uint64_t prefetched_bytes = 0;                       ///< of traffic: asked for before the operator began
  std::uint64_t compulsory_bytes = 0;                       ///< every operand moved once
  std::uint64_t dram_read_bytes = 0, dram_write_bytes = 0;  ///< on the data bus, whole bursts
  std::uint64_t sram_read_bytes = 0, sram_write_bytes = 0;
  std::uint64_t overflows = 0;
  std::vector<std::uint64_t> activity;  ///< counts, in the order of Report::activities; empty: none of any
  DramFigures dram;
  void add(const ReportFigures& other);
};

/// Calls visit(name, count of `figures`, count of `other`) for every integer of figures; names with a dot belong to a
/// group. Reports are added up, written and read through this list: a new count needs its line here.
template <class Figures, class Other, class Visit>
void for_each_count(Figures& figures, Other& other, const Visit& visit) {
  visit("cycles", figures.cycles, other.cycles);
  visit("compute_cycles", figures.compute_cycles, other.compute_cycles);
  visit("fill_drain_cycles", figures.fill_drain_cycles, other.fill_drain_cycles);
  visit("memory_stall_cycles", figures.memory_stall_cycles, other.memory_stall_cycles);
  visit("output_stall_cycles", figures.output_stall_cycles, other.output_stall_cycles);
  visit("exposed_quantizer_cycles", figures.exposed_quantizer_cycles, other.exposed_quantizer_cycles);
  visit("weight_load_cycles", figures.weight_load_cycles, other.weight_load_cycles);
  visit("hidden_cycles", figures.hidden_cycles, other.hidden_cycles);
  visit("stall_cycles_by_stream.weight", figures.memory_stalls.weight, other.memory_stalls.weight);
  visit("stall_cycles_by_stream.activation", figures.memory_stalls.activation, other.memory_stalls.activation);
  visit("stall_cycles_by_stream.kv", figures.memory_stalls.kv, other.memory_stalls.kv);
  visit("stall_cycles_by_stream.metadata", figures.memory_stalls.metadata, other.memory_stalls.metadata);
  visit("stall_cycles_by_stream.partial_sum", figures.memory_stalls.partial_sum, other.memory_stalls.partial_sum);
  visit("stall_cycles_by_stream.vector", figures.memory_stalls.vector, other.memory_stalls.vector);
  visit("stall_cycles_by_stream.command", figures.memory_stalls.command, other.memory_stalls.command);
  visit("output_stall_cycles_by_stream.kv", figures.output_stalls.kv, other.output_stalls.kv);
  visit("output_stall_cycles_by_stream.output", figures.output_stalls.output, other.output_stalls.output);
  visit("output_stall_cycles_by_stream.partial_sum", figures.output_stalls.partial_sum,
        other.output_stalls.partial_sum);
  visit("output_stall_cycles_by_stream.vector", figures.output_stalls.vector, other.output_stalls.vector);
  visit("output_stall_cycles_by_stream.command", figures.output_stalls.command, other.output_stalls.command);
  visit("macs", figures.macs, other.macs);
  visit("pe_macs", figures.pe_macs, other.pe_macs);
  visit("ideal_cycles", figures.ideal_cycles, other.ideal_cycles);
  visit("dram_read_bytes", figures.dram_read_bytes, other.dram_read_bytes);
  visit("dram_write_bytes", figures.dram_write_bytes, other.dram_write_bytes);
  visit("sram_read_bytes", figures.sram_read_bytes, other.sram_read_bytes);
  visit("sram_write_bytes", figures.sram_write_bytes, other.sram_write_bytes);
  visit("traffic_bytes.weight", figures.traffic.weight, other.traffic.weight);
  visit("traffic_bytes.activation", figures.traffic.activation, other.traffic.activation);
  visit("traffic_bytes.kv", figures.traffic.kv, other.traffic.kv);
  visit("traffic_bytes.output", figures.traffic.output, other.traffic.output);
  visit("traffic_bytes.partial_sum", figures.traffic.partial_sum, other.traffic.partial_sum);
  visit("traffic_bytes.vector", figures.traffic.vector, other.traffic.vector);
  visit("traffic_bytes.command", figures.traffic.command, other.traffic.command);
  visit("prefetched_bytes", figures.prefetched_bytes, other.prefetched_bytes);
  visit("compulsory_bytes", figures.compulsory_bytes, other.compulsory_bytes);
  visit("overflows", figures.overflows, other.overflows);
}

struct OperatorFigures {
  std::string name, kind, phase;  ///< kind: linear, attention, vector; phase: prefill, decode
  int layer = -1;
  std::uint64_t steps = 1;                       ///< decode steps summed up in this record
  std::uint64_t m = 0, k = 0, n = 0, count = 1;  ///< of the last step
  std::string schedule;                          ///< tile sizes and loop order of the last step
  std::uint64_t begin_cycle = 0;                 ///< of the first step's own cycles
  std::vector<std::string> hidden_under;         ///< operators beside which its hidden cycles were spent
  ReportFigures figures;
};

/// Logits of a run with data against the network without quantization, in binary64.
struct LogitFigures {
  std::uint64_t seed = 0;      ///< of weights and tokens
  std::uint64_t rows = 0;      ///< one per sequence and pass
  std::uint64_t columns = 0;   ///< the vocabulary
  double relative_error = 0;   ///< root of the mean square of the differences over that of the reference
  double cosine = 0;           ///< of the angle between both
  std::uint64_t same_top = 0;  ///< rows whose largest entry is the reference's
};

/// What the caches of keys and values hold at the end of a run, all layers, heads and sequences.
struct KvCacheFigures {
  std::uint64_t tokens = 0;  ///< of each sequence
  std::uint64_t values = 0;  ///< keys and values, each channel of a token one
  std::uint64_t bytes = 0;   ///< codes and metadata as they lie in memory, and what is kept of groups that are not full
  double bits_per_value() const { return 8 * static_cast<double>(bytes) / static_cast<double>(values); }
};

struct Report {
  std::string command, accelerator, model, memory;
  std::vector<std::pair<std::string, std::uint64_t>> scenario;  ///< "batch", "prefill", "decode", "context"
  std::vector<std::pair<std::string, std::string>> attributes;  ///< further top-level texts: "activation_format", ...
  std::vector<std::pair<std::string, std::uint64_t>> counts;    ///< further top-level numbers: "saturated_groups"
  double clock_mhz = 0;
  double peak_macs_per_cycle = 0, peak_bytes_per_cycle = 0;
  std::uint64_t footprint_bytes = 0, capacity_bytes = 0;  ///< of the operands, and of the memory
  std::vector<OperatorFigures> operators;
  std::vector<ActivityKind> activities;                      ///< what the machine counts
  std::vector<std::string> dram_left_out;                    ///< parts of the memory that have no energy figures
  std::vector<PriceList> prices;                             ///< one per cost book; the first is meant where one is
  std::vector<Statistics::Value> statistics;                 ///< of the platform's modules
  std::optional<KvCacheFigures> kv_cache;                    ///< of a run of a model
  std::optional<LogitFigures> logits;                        ///< of a run with data
  std::vector<std::string> notes;                            ///< what a reader must know about this run
  std::vector<std::pair<std::string, std::string>> sources;  ///< component -> origin of numbers that no book holds
  std::string configuration;                                 ///< resolved, YAML

  // Host figures: the only part that may differ between two identical runs.
  double wall_s = 0;
  std::uint64_t peak_rss_bytes = 0;

  ReportFigures totals() const;
  ReportFigures phase(const std::string& name) const;
  std::vector<std::string> phases() const;
};

/// Energy of figures by a price list, pJ. Every sum is of what is known.
struct EnergyFigures {
  std::vector<std::optional<double>> lines;  ///< one per activity kind; empty: counted, but without a known price
  KnownSum pe, quantizer, vector, sram, dram, control;  ///< work; of the DRAM all there is
  KnownSum idle, gated, leakage;                        ///< of all other components
  KnownSum total;
};
EnergyFigures energy_of(const Report& report, const PriceList& prices, const ReportFigures& figures);

/// utilization = macs / (cycles * peak), of a phase or a run; empty without cycles.
std::optional<double> utilization(const Report& report, const ReportFigures& figures);
/// The same of an operator, or several of a kind: of the cycles in which it was at work, hidden ones among them.
std::optional<double> utilization_at_work(const Report& report, const ReportFigures& figures);
/// What binds `figures`, in words, with the bound and the distance to it: the roofline line.
std::string binding_line(const Report& report, const std::string& label, const ReportFigures& figures);

std::string report_json(const Report& report);
/// The report that report_json wrote; report_json of it is the same text.
/// InputError "ORIGIN: path.to.member: why".
Report read_report(const std::string& text, const std::string& origin);
std::string operators_csv(const Report& report);
/// The tables that `nibble run` prints: time by operator kind and cause, traffic by tensor, energy by component and by
/// activity, area by component.
std::string report_text(const Report& report);
/// Energy of `figures` by activity, one line each, the price lists side by side.
std::string activity_text(const Report& report, const ReportFigures& figures);
/// Area by component and instance, the price lists side by side.
std::string area_text(const std::vector<PriceList>& prices);
/// Where the numbers of the price lists come from, and which ones nobody knows.
std::string sources_text(const Report& report, const ReportFigures& totals);
/// The areas as a JSON document.
std::string area_json(const std::string& accelerator, const std::vector<PriceList>& prices);
/// A self-contained page with the same tables and charts of them (core/report_page.h).
std::string report_html(const Report& report);
/// "mant running llama-2-7b, batch 1, ...".
std::string report_title(const Report& report);

/// Peak resident memory of this process in bytes.
std::uint64_t peak_rss_bytes();

extern const char* const nibble_version;

}  // namespace nibble
