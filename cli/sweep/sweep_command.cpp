// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/sweep_command.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "cli/commands.h"
#include "cli/isolated_run.h"
#include "cli/machine_files.h"
#include "cli/subprocess.h"
#include "cli/sweep/journal.h"
#include "cli/sweep/slurm.h"
#include "cli/sweep/sweep_output.h"
#include "cli/sweep/sweep_page.h"
#include "cli/sweep/sweep_run.h"
#include "core/error.h"
#include "core/file.h"
#include "core/table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t most_jobs = 4096, most_shards = 100'000;
constexpr std::size_t usual_shards = 32;  ///< [D] enough to spread, few enough for any MaxArraySize

std::int64_t in_range(const char* name, std::int64_t value, std::int64_t most) {
  if (value < 1 || value > most)
    throw InputError("--" + std::string(name) + " must be 1 to " + std::to_string(most) + ", not " +
                     std::to_string(value));
  return value;
}

unsigned jobs_of(const SweepOptions& options) {
  return options.jobs == 0 ? available_processors() : static_cast<unsigned>(in_range("jobs", options.jobs, most_jobs));
}

/// "3/16".
std::pair<std::size_t, std::size_t> shard_of(const std::string& text) {
  std::size_t shard = 0, shards = 1;
  if (text.empty()) return {shard, shards};
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, shard);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, shards) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || shards == 0 || shards > most_shards || shard >= shards)
    throw InputError("--shard must be I/N with I from 0 to N - 1, not '" + text + "'");
  return {shard, shards};
}

void check_options(const SweepOptions& options) {
  const auto needs_out = [&](bool given, const char* name) {
    if (given && options.out_directory.empty()) throw InputError(std::string(name) + " needs --out DIR");
  };
  needs_out(options.resume, "--resume");
  needs_out(options.merge, "--merge");
  needs_out(!options.shard.empty(), "--shard");
  const bool slurm = options.engine == "slurm";
  if (!slurm && options.engine != "local")
    throw InputError("--engine must be local or slurm, not '" + options.engine + "'");
  needs_out(slurm, "--engine slurm");
  if (!slurm && (options.shards != 0 || !options.sbatch.empty() || options.wait))
    throw InputError("--shards, --sbatch and --wait belong to --engine slurm");
  const int ways =
      (options.dry_run ? 1 : 0) + (options.merge ? 1 : 0) + (options.shard.empty() ? 0 : 1) + (slurm ? 1 : 0);
  if (ways > 1) throw InputError("--dry-run, --merge, --shard and --engine slurm exclude each other");
  if (options.time_limit_s < 0) throw InputError("--time-limit must not be below 0");
}

/// In a child, because it builds memories.
void check_values_apart(const SweepFile& sweep) {
  run_isolated(
      std::size_t{1}, {},
      [&](std::size_t) {
        check_values(sweep);
        return std::string();
      },
      [](std::size_t, const Outcome& outcome) {
        if (outcome.failure == FailureKind::input) throw InputError(outcome.message);
        if (!outcome.ok()) throw InternalError("sweep: the check of the values: " + outcome.message);
      });
}

void make_directories(const fs::path& directory) {
  OutputFiles files;
  files.make_directory(directory);
  files.commit();
}

/// What earlier runs found. A directory with results is taken only by who asks for it.
PointResults earlier_results(const SweepOptions& options) {
  if (options.out_directory.empty()) return {};
  const bool goes_on = options.resume || options.merge || options.dry_run || !options.shard.empty();
  if (!goes_on) {
    if (has_journals(options.out_directory))
      throw InputError(options.out_directory +
                       ": holds results of a sweep already; --resume goes on with it, or name another directory");
    return {};
  }
  std::size_t dropped = 0;
  PointResults results = read_journals(options.out_directory, &dropped);
  if (dropped > 0) {
    std::cerr << "note: " << dropped << (dropped == 1 ? " line" : " lines") << " of the results in "
              << options.out_directory << " torn or unreadable; these points run again\n";
  }
  return results;
}

/// On a terminal: how far, how fast.
class SweepProgressLine {
 public:
  void show(const SweepProgress& state) {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    if (seconds - shown_ < 0.1 && state.finished != state.of) return;
    shown_ = seconds;
    const double rate = seconds > 0 ? static_cast<double>(state.simulated) / seconds : 0;
    std::string text = std::to_string(state.finished) + " of " + std::to_string(state.of) + " points";
    if (state.failed > 0) text += ", " + std::to_string(state.failed) + " failed";
    if (rate > 0) {
      text += ", " + fixed(rate, rate < 10 ? 1 : 0) + " per second, " +
              fixed(static_cast<double>(state.of - state.finished) / rate, 0) + " s left";
    }
    line_.show(text);
  }

 private:
  ProgressLine line_;
  Clock::time_point begin_ = Clock::now();
  double shown_ = -1;
};

void simulate(SweepRun& run, const SweepOptions& options) {
  const auto [shard, shards] = shard_of(options.shard);
  SweepRunOptions how{jobs_of(options), options.time_limit_s, shard, shards, {}};
  const fs::path out = options.out_directory;
  if (!out.empty()) {
    const fs::path directory = options.shard.empty() ? out : out / "shards";
    make_directories(directory);
    how.journal = options.shard.empty()
                      ? out / "results.jsonl"
                      : directory / (std::to_string(shard) + "-of-" + std::to_string(shards) + ".jsonl");
  }
  SweepProgress last;
  try {
    SweepProgressLine line;
    run.run(how, [&](const SweepProgress& state) { line.show(last = state); });
  } catch (const Interrupted&) {
    if (!out.empty())
      std::cerr << last.finished << " of " << last.of << " points are in " << out.string() << "; --resume goes on\n";
    throw;
  }
}

/// Without what differs between runs that give the same.
std::string command_of(const SweepOptions& options) {
  std::string out = "nibble sweep " + options.sweep;
  for (const std::string& assignment : options.overrides)
    out += " --set " + shell_quoted(assignment);
  return out;
}

void write_and_print(SweepRun& run, const SweepOptions& options, std::ostream& out) {
  run.judge();
  if (!options.out_directory.empty()) {
    const fs::path directory = options.out_directory;
    OutputFiles files;
    files.write(directory / "results.csv", sweep_csv(run, false));
    files.write(directory / "pareto.csv", sweep_csv(run, true));
    files.write(directory / "sweep.json", sweep_json(run));
    files.write(directory / "report.html", sweep_page(run, command_of(options)));
    files.commit();
  }
  out << (options.json ? sweep_json(run) : sweep_text(run));
  const auto& rows = run.rows();
  const auto failed =
      std::find_if(rows.begin(), rows.end(), [](const SweepRow& row) { return row.status == PointStatus::failed; });
  if (failed != rows.end() && run.count(PointStatus::failed) == rows.size())
    throw InputError("all " + std::to_string(rows.size()) + " points failed, the first: " + failed->result.message);
}

void merge(SweepRun& run, const SweepOptions& options, std::ostream& out) {
  const std::size_t pending = run.count(PointStatus::pending);
  if (pending > 0) {
    throw InputError(options.out_directory + ": " + std::to_string(pending) + " of " +
                     std::to_string(run.rows().size()) +
                     " points have no result yet; --resume runs them here, "
                     "--engine slurm --resume submits them");
  }
  write_and_print(run, options, out);
}

SlurmJob slurm_job(const SweepRun& run, const SweepOptions& options) {
  SlurmJob job;
  job.name = run.sweep().name;
  job.directory = fs::absolute(options.out_directory).lexically_normal().string();
  while (job.directory.size() > 1 && job.directory.back() == '/')
    job.directory.pop_back();
  job.command = {this_program(), "sweep", options.sweep};
  for (const std::string& assignment : options.overrides)
    job.command.insert(job.command.end(), {"--set", assignment});
  if (options.time_limit_s > 0)
    job.command.insert(job.command.end(), {"--time-limit", std::to_string(options.time_limit_s)});
  job.processors = options.jobs == 0 ? 1 : static_cast<unsigned>(in_range("jobs", options.jobs, most_jobs));
  job.options = options.sbatch;
  const std::size_t pending = run.count(PointStatus::pending);
  job.shards = options.shards == 0 ? std::clamp<std::size_t>(pending, 1, usual_shards)
                                   : static_cast<std::size_t>(in_range("shards", options.shards, most_shards));
  std::vector<bool> wanted(job.shards);
  for (std::size_t i = 0; i < run.rows().size(); ++i) {
    if (run.rows()[i].status == PointStatus::pending || run.rows()[i].status == PointStatus::failed)
      wanted[i % job.shards] = wanted[i % job.shards] || run.rows()[i].status == PointStatus::pending;
  }
  for (std::size_t i = 0; i < job.shards; ++i) {
    if (wanted[i]) job.tasks.push_back(i);
  }
  return job;
}

void wait_for(const std::string& id) {
  ProgressLine line;
  for (std::size_t tasks = active_tasks(id); tasks > 0; tasks = active_tasks(id)) {
    line.show("Slurm job " + id + ": " + std::to_string(tasks) + " tasks waiting or running");
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (!interrupt_requested()) continue;
      std::cerr << "\nSlurm job " << id << " goes on; scancel " << id << " ends it\n";
      throw Interrupted{};
    }
  }
}

/// Submits what is pending, or merges when nothing is.
void run_on_slurm(SweepRun& run, const SweepOptions& options, std::ostream& out) {
  make_directories(options.out_directory);
  const SlurmJob job = slurm_job(run, options);
  const std::string earlier = submitted_array(job.directory);
  if (!earlier.empty()) {
    const std::size_t active = active_tasks(earlier);
    if (active > 0) {
      throw InputError("Slurm job " + earlier + " has " + std::to_string(active) +
                       " tasks of this sweep waiting or running; wait for it, or end it: scancel " + earlier);
    }
  }
  if (job.tasks.empty()) return merge(run, options, out);
  const std::string id = submit_array(job);
  if (options.wait) {
    std::cerr << "Slurm job " << id << ": " << job.tasks.size() << " tasks\n";
    wait_for(id);
    SweepRun ended(run.sweep(), read_journals(options.out_directory));
    ended.collect();
    return merge(ended, options, out);
  }
  const std::string merging = submit_merge(job, id);
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("job", id).field("merge_job", merging);
    json.field("tasks", static_cast<std::uint64_t>(job.tasks.size()));
    json.field("shards", static_cast<std::uint64_t>(job.shards)).end_object();
    out << json.str();
    return;
  }
  out << "Slurm job " << id << ": " << job.tasks.size() << " tasks for " << run.count(PointStatus::pending)
      << " points; job " << merging << " merges. To look: squeue --jobs=" << id << "," << merging << "\n";
}

}  // namespace

void run_sweep(const SweepOptions& options, std::ostream& out) {
  check_options(options);
  SweepFile sweep = SweepFile::from(load_configuration("sweeps", options.sweep, options.overrides, {}));
  check_values_apart(sweep);
  SweepRun run(std::move(sweep), earlier_results(options));
  const bool slurm = options.engine == "slurm";
  if (options.dry_run || options.merge || slurm) run.collect();
  if (options.dry_run) {
    run.judge();
    out << (options.json ? sweep_json(run) : points_text(run));
  } else if (slurm) {
    run_on_slurm(run, options, out);
  } else if (options.merge) {
    merge(run, options, out);
  } else if (!options.shard.empty()) {
    simulate(run, options);
    out << "shard " << options.shard << " of sweep " << run.sweep().name << " is complete\n";
  } else {
    simulate(run, options);
    write_and_print(run, options, out);
  }
}

}  // namespace nibble
