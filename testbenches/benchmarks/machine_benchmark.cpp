// SPDX-License-Identifier: Apache-2.0
/// How long `nibble run` takes, per machine configuration, where it takes longest: prompts in batches, long contexts.
/// Each measurement is a process of its own, because the kernel cannot be restarted; its time is the CPU time of that
/// process. scripts/machine_totals.py measures all points.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "testbenches/benchmarks/benchmarks.h"
#include "testbenches/benchmarks/process_time.h"
#include "testbenches/support/paths.h"

namespace nibble {
namespace {

void add_run(const std::string& machine, const std::string& model, const std::string& name,
             const std::string& scenario) {
  const std::string command = "'" NIBBLE_PROGRAM "' run --accelerator " + machine + " --model " + model + " " +
                              scenario + " --json > /dev/null";
  benchmark::RegisterBenchmark(("run/" + machine + "/" + model + "/" + name).c_str(),
                               [command](benchmark::State& state) {
                                 for (auto _ : state) {
                                   const double before = children_cpu_s();
                                   if (std::system(command.c_str()) != 0) state.SkipWithError("nibble run failed");
                                   state.SetIterationTime(children_cpu_s() - before);
                                 }
                               })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kSecond);
}

}  // namespace

void register_machine_benchmarks() {
  std::vector<std::string> machines;
  for (const auto& entry : std::filesystem::directory_iterator(source_path("configs/accelerators")))
    machines.push_back(entry.path().stem().string());
  std::sort(machines.begin(), machines.end());
  for (const std::string& machine : machines) {
    for (const char* model : {"llama-2-7b", "llama-3-8b"}) {
      add_run(machine, model, "prefill_2048_batch_16", "--prefill 2048 --decode 1 --batch 16");
      add_run(machine, model, "context_65536_batch_16", "--decode 1 --context 65536 --batch 16");
    }
    add_run(machine, "opt-6.7b", "prefill_2048_batch_1", "--prefill 2048 --decode 1");
  }
}

}  // namespace nibble
