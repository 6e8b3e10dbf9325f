// SPDX-License-Identifier: Apache-2.0
/// Output files that are either whole or absent, and input read in one piece.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nibble {

/// Several output files that appear together: each is written to a temporary name in its directory and renamed by
/// commit(); without commit() nothing is left behind. Errors name the file and the reason (InputError: the user chose
/// the place): "FILE: cannot be written: No such file or directory". A symbolic link is followed; a device or pipe
/// (/dev/null, /dev/stdout) is written in place by commit().
class OutputFiles {
 public:
  OutputFiles();
  ~OutputFiles();
  OutputFiles(const OutputFiles&) = delete;
  OutputFiles& operator=(const OutputFiles&) = delete;

  /// Creates the directory (and its parents) when absent and checks that it can be written; throws InputError
  /// otherwise. A directory created here is removed again when commit() is never reached.
  void make_directory(const std::filesystem::path& directory);
  /// Checks, before a long run, that `file` could be written here (directory present and writable, target no
  /// directory).
  void reserve(const std::filesystem::path& file);
  /// A second write of the same file replaces the first. The directory must exist.
  void write(const std::filesystem::path& file, std::string_view contents);
  /// Writes behind what was written of this file before (the first time like write()).
  void append(const std::filesystem::path& file, std::string_view contents);
  /// Renames every temporary file to its name. When one fails, throws InputError and removes those files that did not
  /// exist before.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The whole file, or what a pipe gives; throws InputError "FILE: cannot be read: ...", also above 1 GiB.
std::string read_file(const std::filesystem::path& file);

}  // namespace nibble
