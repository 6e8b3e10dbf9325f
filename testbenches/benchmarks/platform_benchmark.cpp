// SPDX-License-Identifier: Apache-2.0
/// What probes, loosely timed links and engines, and the quantum cost and change: one GEMM in a process per
/// measurement, CPU time and simulated cycles; and guest software on the processor of examples/riscv-host, where
/// NIBBLE_RISCV_HOST names its program. scripts/platform_speed.py makes the tables of docs/observing.md of it.
#include <benchmark/benchmark.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "testbenches/benchmarks/benchmarks.h"
#include "testbenches/benchmarks/process_time.h"
#include "testbenches/support/paths.h"

namespace nibble {
namespace {

std::string configured() {
  return "NIBBLE_CONFIG_PATH='" + source_path("configs") + "' ";
}

/// Standard output; empty when the command failed.
std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string out;
  std::array<char, 4096> piece{};
  for (std::size_t n; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
    out.append(piece.data(), n);
  return pclose(pipe) == 0 ? out : "";
}

/// The number behind `key`; 0 when it is not there.
double number_behind(const std::string& text, const std::string& key) {
  const auto at = text.find(key);
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + key.size(), nullptr);
}

void add(const std::string& name, const std::string& command, const std::string& figure, const std::string& key) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 for (auto _ : state) {
                                   const double before = children_cpu_s();
                                   const std::string out = output_of(command);
                                   if (out.empty()) state.SkipWithError("the simulation failed");
                                   state.SetIterationTime(children_cpu_s() - before);
                                   state.counters[figure] = number_behind(out, key);
                                 }
                               })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kSecond);
}

void add_product(const std::string& name, const std::string& machine, const std::string& options) {
  add("platform/" + name,
      configured() + "'" NIBBLE_PROGRAM "' gemm --accelerator " + machine + " --m 16 --k 4096 --n 4096 --json " +
          options,
      "cycles", "\"cycles\":");
}

/// Half a million transactions of 256 bytes.
void add_gemm(const std::string& name, const std::string& options) {
  add("platform/" + name,
      "cd \"${TMPDIR:-/tmp}\" && " + configured() +
          "'" NIBBLE_PROGRAM
          "' gemm --accelerator mant --m 16 --k 8192 --n 32768 --set dma.transaction_bytes=256 --json " +
          options,
      "cycles", "\"cycles\":");
}

}  // namespace

void register_platform_benchmarks() {
  add_gemm("probe/none", "");
  for (const char* probe :
       {"protocol", "transactions,file=nibble_benchmark.csv", "transactions,file=nibble_benchmark.json",
        "bandwidth,file=nibble_benchmark.csv", "latency,file=nibble_benchmark.csv", "waves,file=nibble_benchmark.vcd",
        "waves,file=nibble_benchmark.fst", "lt,link=machine.memory", "lt,link=router.memory"})
    add_gemm(std::string("probe/") + probe, std::string("--probe ") + probe);
  add_gemm("messages/commands", "--verbosity medium 2>/dev/null");
  add_gemm("messages/transactions", "--verbosity full 2>/dev/null");
  add_gemm("quantum/at", "");
  for (const char* machine : {"mant", "harmonia", "amove-array", "fp16-array", "simt-fp16", "pacq"}) {
    add_product(std::string("phases/") + machine, machine, "");
    add_product(std::string("loose/") + machine, machine, "--set dma.loosely_timed=true --set quantum_ns=1000");
  }
  const char* guest = std::getenv("NIBBLE_RISCV_HOST");
  for (const char* quantum : {"0", "10", "100", "1000", "10000", "100000"}) {
    add_gemm(std::string("quantum/") + quantum,
             std::string("--set dma.loosely_timed=true --set quantum_ns=") + quantum);
    if (guest == nullptr) continue;
    add(std::string("platform/guest/") + quantum,
        configured() + "'" + guest + "' '" + source_path("examples/riscv-host/guest.words") + "' " + quantum + " 100",
        "simulated_ns", "instructions, ");
  }
}

}  // namespace nibble
