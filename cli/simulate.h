// SPDX-License-Identifier: Apache-2.0
/// Options in, report out: what `nibble run` and `nibble gemm` compute, without printing and without files. The SystemC
/// kernel cannot be restarted: a process may call one of these once. Several runs: cli/isolated_run.h.
///
/// Both throw InputError on bad options, configurations and tensors, and Interrupted after a SIGINT.
#pragma once

#include <string>
#include <vector>

#include "cli/commands.h"
#include "core/report.h"
#include "core/timeline.h"
#include "formats/tensor.h"

namespace nibble {

struct ModelResult {
  Report report;
  Tensor logits;  ///< [sequence][pass][vocabulary] of a run with data, else empty
};
/// Ignores options.out_directory and options.json. `progress`: shown while it runs; null: silent. `timeline`: gets what
/// the units do; null: nothing is recorded.
ModelResult simulate_model(const RunOptions& options, ProgressLine* progress = nullptr, Timeline* timeline = nullptr);

struct GemmResult {
  Report report;
  bool functional = false;
  std::string explanation;  ///< with options.explain: of the schedule
  std::string waveforms;    ///< VCD, where options.trace names a file
  std::vector<float> result,
      accumulator;  ///< [m][n], of a run with data where options.output, .accumulator name a file
};
/// Ignores options.json; options.output, .accumulator and .trace say what is computed and are not written.
GemmResult simulate_gemm(const GemmCommandOptions& options);

}  // namespace nibble
