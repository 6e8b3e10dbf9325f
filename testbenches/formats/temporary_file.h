// SPDX-License-Identifier: Apache-2.0
/// A file of the test's own that disappears with it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace nibble {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& contents, const std::string& ending = ".npy") {
    static int number = 0;
    const std::string name = "nibble_test_" + std::to_string(::getpid()) + "_" + std::to_string(number++) + ending;
    path_ = std::filesystem::temp_directory_path() / name;
    std::ofstream(path_, std::ios::binary) << contents;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace nibble
