// SPDX-License-Identifier: Apache-2.0
/// `nibble sweep`: many points, in parallel, resumable, here or as a Slurm job array (docs/sweeps.md).
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace nibble {

struct SweepOptions {
  std::string sweep;                   ///< name or file
  std::vector<std::string> overrides;  ///< of the sweep's keys
  std::int64_t jobs = 0;               ///< 0: one per processor
  double time_limit_s = 0;             ///< of a point; 0: none
  std::string out_directory;           ///< empty: nothing is kept
  bool resume = false;
  bool dry_run = false;
  bool merge = false;
  std::string shard;  ///< "3/16"; empty: all points
  std::string engine = "local";
  std::int64_t shards = 0;          ///< of a job array; 0: chosen
  std::vector<std::string> sbatch;  ///< further options of sbatch
  bool wait = false;                ///< for the job array
  bool json = false;
};
void run_sweep(const SweepOptions& options, std::ostream& out);

}  // namespace nibble
