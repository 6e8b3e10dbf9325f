// SPDX-License-Identifier: Apache-2.0
#include "accelerators/simt/kernel_measurements.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using namespace nibble;
using Catch::Matchers::Contains;

namespace {

const SmConfig multiprocessor;
const TensorCoreGeometry tensor_core;
const GemmKernelConfig kernel;

/// As if the run took so many cycles, and how often it was asked for.
std::uint64_t cycles_of(KernelMeasurements& known, const KernelRun& run, std::uint64_t cycles, int& simulated) {
  return known
      .of(run,
          [&] {
            ++simulated;
            SmCounters made;
            made.cycles = cycles;
            return made;
          })
      .cycles;
}

}  // namespace

TEST_CASE("a run of a kernel is simulated once, and again when anything about it differs") {
  KernelMeasurements known;
  int simulated = 0;
  const KernelRun run{multiprocessor, tensor_core, kernel, 8, 2, 1, 400};
  CHECK(cycles_of(known, run, 1000, simulated) == 1000);
  CHECK(cycles_of(known, run, 2000, simulated) == 1000);
  CHECK(simulated == 1);

  SmConfig other_multiprocessor;
  ++other_multiprocessor.shared_latency;
  TensorCoreGeometry other_core;
  other_core.order = {StepAxis::m, StepAxis::n, StepAxis::k};
  GemmKernelConfig other_kernel;
  other_kernel.result_operations += 1.0 / 1024;
  for (const KernelRun& other : {KernelRun{other_multiprocessor, tensor_core, kernel, 8, 2, 1, 400},
                                 KernelRun{multiprocessor, other_core, kernel, 8, 2, 1, 400},
                                 KernelRun{multiprocessor, tensor_core, other_kernel, 8, 2, 1, 400},
                                 KernelRun{multiprocessor, tensor_core, kernel, 24, 2, 1, 400},
                                 KernelRun{multiprocessor, tensor_core, kernel, 8, 3, 1, 400},
                                 KernelRun{multiprocessor, tensor_core, kernel, 8, 2, 2, 400},
                                 KernelRun{multiprocessor, tensor_core, kernel, 8, 2, 1, 401}}) {
    const int before = simulated;
    CHECK(cycles_of(known, other, 3000, simulated) == 3000);
    CHECK(simulated == before + 1);
  }
}

TEST_CASE("what one process has simulated another one learns") {
  KernelMeasurements first, second;
  int simulated = 0;
  const KernelRun run{multiprocessor, tensor_core, kernel, 8, 2, 1, 400};
  CHECK(cycles_of(first, run, 1000, simulated) == 1000);
  const std::string told = first.take_new();
  CHECK(first.take_new().empty());
  second.learn(told);
  CHECK(cycles_of(second, run, 2000, simulated) == 1000);
  CHECK(simulated == 1);
  CHECK(second.take_new().empty());  // it is not the second one's own
  CHECK_THROWS_MATCHES(second.learn(told.substr(0, told.size() - 1)), InternalError,
                       Catch::Matchers::Message("measurements of kernels: cut off"));
}
