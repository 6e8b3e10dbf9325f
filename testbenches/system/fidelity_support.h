// SPDX-License-Identifier: Apache-2.0
/// The same commands at `transaction` and at `cycle` fidelity, side by side in one elaboration.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "memory/memory_system.h"
#include "testbenches/accelerators/gemm_case.h"

namespace nibble::test {

/// One machine of each fidelity, each with a memory of its own, given the same commands.
class FidelityPair {
 public:
  FidelityPair(std::string title, const std::vector<std::string>& overrides, const ConfigNode& memory,
               const std::string& machine = "mant")
      : title_(std::move(title)), overrides_(overrides) {
    for (unsigned i = 0; i < 2; ++i) {
      const char* const fidelity = i == 0 ? "transaction" : "cycle";
      const std::string name = sc_core::sc_gen_unique_name(fidelity);
      memories_[i] = make_memory((name + "_memory").c_str(), memory, nullptr);
      std::vector<std::string> all = overrides;
      all.push_back(std::string("fidelity=") + fidelity);
      benches_[i] = std::make_unique<MachineBench>(name.c_str(), machine_config(machine, all), memories_[i]->target,
                                                   dynamic_cast<tlm::tlm_fw_transport_if<>&>(*memories_[i]),
                                                   [this](MachineBench& bench) { drive(bench); });
    }
  }
  const SystolicConfig& config() const { return benches_[0]->systolic(); }
  void add(const Descriptor& command) { cases_.push_back({command, {}, {}, {}, {}}); }
  void add(GemmCase functional_case) { cases_.push_back(std::move(functional_case)); }

  std::size_t size() const { return cases_.size(); }
  const CommandCounters& transaction(std::size_t i) const { return benches_[0]->commands.at(i); }
  const CommandCounters& cycle(std::size_t i) const { return benches_[1]->commands.at(i); }

  /// After the simulation: everything is equal, results are those of the PE. `tolerance`: by which share of the cycles
  /// the times may differ.
  void check(double tolerance = 0) const {
    CAPTURE(title_, overrides_);
    for (const auto& bench : benches_) {
      REQUIRE(bench->finished);
      bench->check_protocol();
      REQUIRE(bench->commands.size() == cases_.size());
    }
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const Descriptor& d = cases_[i].command;
      CAPTURE(i, d.m, d.k, d.n, d.count, d.tiling.m, d.tiling.k, d.tiling.n, to_string(d.tiling.order));
      check_times(transaction(i), cycle(i), tolerance);
      check_work(transaction(i), cycle(i));
      if (d.timing_only) continue;
      CHECK((results_[0][i] == cases_[i].expected));
      CHECK((results_[1][i] == cases_[i].expected));
    }
  }

 private:
  void drive(MachineBench& bench) {
    auto& results = results_[&bench == benches_[0].get() ? 0 : 1];
    bench.open_queue();
    for (const auto& entry : cases_) {
      if (!entry.command.timing_only) entry.place(bench);
      CHECK(bench.perform(entry.command).status == CommandStatus::done);
      results.push_back(entry.command.timing_only ? std::vector<float>{} : entry.result(bench));
    }
  }
  static void check_times(const CommandCounters& a, const CommandCounters& b, double tolerance) {
    const double allowed = tolerance * static_cast<double>(b.cycles);
    const auto close = [&](std::uint64_t x, std::uint64_t y) {
      return static_cast<double>(std::max(x, y) - std::min(x, y)) <= allowed;
    };
    CHECK(close(a.cycles, b.cycles));
    CHECK(a.compute_cycles == b.compute_cycles);
    CHECK(close(a.fill_drain_cycles, b.fill_drain_cycles));
    CHECK(close(a.memory_stall_cycles, b.memory_stall_cycles));
    CHECK(close(a.output_stall_cycles, b.output_stall_cycles));
    CHECK(close(a.exposed_quantizer_cycles, b.exposed_quantizer_cycles));
    CHECK(close(a.weight_load_cycles, b.weight_load_cycles));
    for (std::size_t i = 0; i < a.stall_by_stream.size(); ++i)
      CHECK(close(a.stall_by_stream[i], b.stall_by_stream[i]));
    for (const auto* c : {&a, &b}) {
      CHECK(c->compute_cycles + c->fill_drain_cycles + c->memory_stall_cycles + c->output_stall_cycles +
                c->exposed_quantizer_cycles ==
            c->cycles);
      std::uint64_t stalls = 0;
      for (const auto cycles : c->stall_by_stream)
        stalls += cycles;
      CHECK(stalls == c->memory_stall_cycles);
      std::uint64_t output_stalls = 0;
      for (const auto cycles : c->output_stall_by_stream)
        output_stalls += cycles;
      CHECK(output_stalls == c->output_stall_cycles);
    }
  }
  static void check_work(const CommandCounters& a, const CommandCounters& b) {
    CHECK(a.macs_by_mode == b.macs_by_mode);
    CHECK(a.passes == b.passes);
    CHECK(a.jobs == b.jobs);
    CHECK(a.group_results == b.group_results);
    CHECK(a.quantized_elements == b.quantized_elements);
    CHECK(a.vector_operations == b.vector_operations);
    CHECK(a.read_bytes == b.read_bytes);
    CHECK(a.write_bytes == b.write_bytes);
    CHECK(a.weight_buffer_read == b.weight_buffer_read);
    CHECK(a.weight_buffer_write == b.weight_buffer_write);
    CHECK(a.activation_buffer_read == b.activation_buffer_read);
    CHECK(a.activation_buffer_write == b.activation_buffer_write);
    CHECK(a.output_buffer_read == b.output_buffer_read);
    CHECK(a.output_buffer_write == b.output_buffer_write);
    CHECK(a.overflows == b.overflows);
  }

  std::string title_;
  std::vector<std::string> overrides_;
  std::vector<GemmCase> cases_;
  std::unique_ptr<MemorySystem> memories_[2];
  std::unique_ptr<MachineBench> benches_[2];
  std::vector<std::vector<float>> results_[2];
};

/// A flat memory of 64 MiB.
inline ConfigNode flat_memory(double bandwidth_gbps, double latency_ns) {
  return ConfigNode::parse(
      "kind: flat\nsource: test\nbandwidth_gbps: " + std::to_string(bandwidth_gbps) +
          "\nlatency_ns: " + std::to_string(latency_ns) +
          "\ncapacity_mib: 64\nburst_bytes: 32\nread_pj_per_bit: unknown\nwrite_pj_per_bit: unknown\n"
          "background_mw: unknown\n",
      "test memory");
}

/// Runs all pairs and checks them.
inline void run_pairs(const std::vector<std::unique_ptr<FidelityPair>>& pairs) {
  sc_core::sc_start();
  for (const auto& pair : pairs)
    pair->check();
}

}  // namespace nibble::test
