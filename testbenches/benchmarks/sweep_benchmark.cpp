// SPDX-License-Identifier: Apache-2.0
/// Points of `nibble sweep` per second of processor time: products of 512 x 4096 x 4096 on M-ANT, everything included
/// (reading configurations, processes, simulation, journal, outputs). The goal is 20.
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "testbenches/benchmarks/benchmarks.h"

namespace nibble {
namespace {

constexpr int points = 100;
const char* const sweep =
    "name: speed\nsettings: {accelerator: mant, m: 512, k: 4096, n: 4096}\n"
    "axes:\n  array.columns: {from: 8, to: 160, step: 8}\n  buffers.weight_kib: [32, 64, 128, 256, 512]\n";

double children_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void run_sweep(benchmark::State& state) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("nibble_sweep_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "speed.yaml") << sweep;
  const std::string command = "'" NIBBLE_PROGRAM "' sweep '" + (folder / "speed.yaml").string() + "' --jobs 1 --out '" +
                              (folder / "out").string() + "' > /dev/null";
  for (auto _ : state) {
    fs::remove_all(folder / "out");
    const double before = children_cpu_s();
    if (std::system(command.c_str()) != 0) state.SkipWithError("nibble sweep failed");
    const double taken = children_cpu_s() - before;
    state.SetIterationTime(taken);
    state.counters["points_per_cpu_second"] = points / taken;
  }
  fs::remove_all(folder);
}

}  // namespace

void register_sweep_benchmarks() {
  benchmark::RegisterBenchmark("sweep/gemm_512x4096x4096", run_sweep)
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kSecond);
}

}  // namespace nibble
