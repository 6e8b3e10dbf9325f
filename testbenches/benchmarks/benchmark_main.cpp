// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <systemc>

#include "testbenches/benchmarks/benchmarks.h"

int sc_main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  nibble::register_cache_benchmarks();
  nibble::register_memory_benchmarks();
  nibble::register_arithmetic_benchmarks();
  nibble::register_machine_benchmarks();
  nibble::register_platform_benchmarks();
  nibble::register_sweep_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}
