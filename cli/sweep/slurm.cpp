// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/slurm.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "cli/subprocess.h"
#include "core/error.h"
#include "core/file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  return text;
}

std::string one_line(std::string text) {
  text = trimmed(text);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

ProgramResult run_slurm(const std::vector<std::string>& words) {
  try {
    return run_program(words);
  } catch (const InputError& error) {
    throw InputError(std::string(error.what()) + "; --engine slurm needs Slurm's commands on this machine");
  }
}

/// "0-3,7".
std::string array_text(const std::vector<std::size_t>& tasks) {
  std::string out;
  for (std::size_t i = 0; i < tasks.size();) {
    std::size_t last = i;
    while (last + 1 < tasks.size() && tasks[last + 1] == tasks[last] + 1)
      ++last;
    out += (out.empty() ? "" : ",") + std::to_string(tasks[i]);
    if (last > i) out += "-" + std::to_string(tasks[last]);
    i = last + 1;
  }
  return out;
}

/// A line of a script cannot hold a line break, and #SBATCH lines know no quotes around a blank in a path's middle.
void check_directory(const std::string& directory) {
  if (directory.find_first_of(" \t\n%\\'\"") != std::string::npos)
    throw InputError(directory + ": blanks, quotes, '%' and '\\' in the name of --out do not go with --engine slurm");
}

std::string header(const SlurmJob& job, const std::string& name, const std::string& log) {
  return "#!/bin/bash\n#SBATCH --job-name=nibble-" + name + "\n#SBATCH --output=" + job.directory + "/slurm/" + log +
         "\n#SBATCH --open-mode=append\n#SBATCH --ntasks=1\n";
}

std::string command_text(const SlurmJob& job) {
  std::string out = "exec";
  for (const std::string& word : job.command)
    out += " " + shell_quoted(word);
  return out + " --out " + shell_quoted(job.directory);
}

std::string submit(const std::string& script, const std::string& text, const std::vector<std::string>& options) {
  OutputFiles files;
  files.make_directory(fs::path(script).parent_path());
  files.write(script, text);
  files.commit();
  std::vector<std::string> words = {"sbatch", "--parsable"};
  words.insert(words.end(), options.begin(), options.end());
  words.push_back(script);
  const ProgramResult result = run_slurm(words);
  if (result.status != 0) throw InputError("sbatch: " + one_line(result.err.empty() ? result.out : result.err));
  const std::string id = trimmed(result.out);
  return id.substr(0, id.find(';'));  // "ID;CLUSTER" on federations
}

}  // namespace

std::string submit_array(const SlurmJob& job) {
  check_directory(job.directory);
  const std::string text = header(job, job.name, "shard-%a.log") +
                           "#SBATCH --requeue\n#SBATCH --cpus-per-task=" + std::to_string(job.processors) + "\n" +
                           command_text(job) + " --shard \"$SLURM_ARRAY_TASK_ID\"/" + std::to_string(job.shards) +
                           " --jobs \"${SLURM_CPUS_PER_TASK:-1}\"\n";
  std::vector<std::string> options = {"--array=" + array_text(job.tasks)};
  options.insert(options.end(), job.options.begin(), job.options.end());
  std::string id = submit(job.directory + "/slurm/sweep.sbatch", text, options);
  OutputFiles files;
  files.write(job.directory + "/slurm/job", id + "\n");
  files.commit();
  return id;
}

std::string submit_merge(const SlurmJob& job, const std::string& array) {
  const std::string text = header(job, job.name + "-merge", "merge.log") + command_text(job) + " --merge\n";
  std::vector<std::string> options = {"--dependency=afterany:" + array};
  options.insert(options.end(), job.options.begin(), job.options.end());
  return submit(job.directory + "/slurm/merge.sbatch", text, options);
}

std::size_t active_tasks(const std::string& id) {
  const ProgramResult result = run_slurm({"squeue", "--noheader", "--array", "--format=%T", "--jobs=" + id});
  if (result.status != 0) {
    if (result.err.find("Invalid job id") != std::string::npos) return 0;  // ended, and forgotten
    throw InputError("squeue: " + one_line(result.err));
  }
  std::size_t tasks = 0;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);)
    tasks += trimmed(line).empty() ? 0 : 1;
  return tasks;
}

std::string submitted_array(const std::string& directory) {
  const fs::path file = fs::path(directory) / "slurm" / "job";
  std::error_code none;
  return fs::exists(file, none) ? trimmed(read_file(file)) : "";
}

}  // namespace nibble
