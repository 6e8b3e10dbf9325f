// SPDX-License-Identifier: Apache-2.0
/// A sweep as a Slurm job array: task I of N runs `nibble sweep SWEEP --out DIR --shard I/N`, which appends to
/// DIR/shards/I-of-N.jsonl and passes over what any journal of DIR has already. Tasks that are killed, time out or lose
/// their node are submitted again by the same command with --resume.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nibble {

struct SlurmJob {
  std::string name;                  ///< of the sweep
  std::string directory;             ///< DIR, absolute, on a file system that all nodes share
  std::vector<std::string> command;  ///< program and arguments, without --out, --shard, --jobs
  std::vector<std::size_t> tasks;    ///< shards to run
  std::size_t shards = 1;            ///< N
  unsigned processors = 1;           ///< of a task
  std::vector<std::string> options;  ///< further options of sbatch, as written
};

/// Writes DIR/slurm/sweep.sbatch and submits it; the id of the array. Throws InputError with what sbatch said.
std::string submit_array(const SlurmJob& job);
/// Submits DIR/slurm/merge.sbatch, which merges after the array has ended, however it ended.
std::string submit_merge(const SlurmJob& job, const std::string& array);
/// How many tasks of the job are waiting or running.
std::size_t active_tasks(const std::string& id);
/// The array submitted last for this directory, or an empty string.
std::string submitted_array(const std::string& directory);

}  // namespace nibble
