// SPDX-License-Identifier: Apache-2.0
/// What a sweep has found so far, on disk: `results.jsonl`, one line per finished point, and `shards/*.jsonl`, the same
/// of the tasks of a job array.
///
/// A line is written by one write() at the end of the file, so a process that is killed leaves whole lines but for the
/// last one, and the kernel keeps what was written. Against a crash of the system the file is synchronized every few
/// seconds (sync_period_s) and at the end; what it takes is simulated again. A line that is torn, or no JSON, is
/// dropped when the journal is read; a torn end is cut off before anything is appended.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cli/sweep/figures.h"
#include "cli/sweep/sweep_file.h"

namespace nibble {

struct PointResult {
  std::string failure;  ///< "" or a FailureKind; see cli/isolated_run.h
  std::string message;  ///< of a failure
  PointFigures figures;
};

/// By point key.
using PointResults = std::map<std::uint64_t, PointResult>;

/// One line, with its newline.
std::string journal_line(std::uint64_t key, const Settings& settings, const PointResult& result);

/// Everything that `directory` holds: results.jsonl, then the shards; of a key the last line counts. `dropped`, if not
/// null, is given the number of lines that are none.
PointResults read_journals(const std::filesystem::path& directory, std::size_t* dropped = nullptr);
/// Whether there is any.
bool has_journals(const std::filesystem::path& directory);

/// Appends to a journal, which belongs to this process until it ends.
class JournalWriter {
 public:
  static constexpr int sync_period_s = 5;  ///< [D] less than what most machines need to come up again

  /// Creates the file, or cuts off a torn line at its end. Throws InputError, also when another process writes here.
  explicit JournalWriter(const std::filesystem::path& file);
  /// Synchronizes.
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;
  /// Throws InputError when the line cannot be written whole.
  void append(const std::string& line);

 private:
  std::filesystem::path file_;
  int fd_;
  std::chrono::steady_clock::time_point synchronized_;
};

}  // namespace nibble
