// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "cli/sweep/point_run.h"
#include "core/error.h"
#include "core/file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> journals_in(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code none;
  for (fs::directory_iterator file(directory / "shards", none), end; !none && file != end; file.increment(none)) {
    if (file->path().extension() == ".jsonl") files.push_back(file->path());
  }
  std::sort(files.begin(), files.end());
  if (fs::exists(directory / "results.jsonl", none)) files.insert(files.begin(), directory / "results.jsonl");
  return files;
}

const std::string& text_of(const JsonValue& line, const char* name) {
  const JsonValue* value = line.find(name);
  if (value == nullptr || value->kind != JsonValue::Kind::string) throw InputError(std::string("no ") + name);
  return value->string;
}

/// Throws InputError for what is no line of a journal.
void read_line(const std::string& text, PointResults& results) {
  const JsonValue line = parse_json(text, "line");
  const std::string& digits = text_of(line, "key");
  std::uint64_t key = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), key, 16);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) throw InputError("no key");
  PointResult result;
  if (line.find("failure") != nullptr) {
    result.failure = text_of(line, "failure");
    result.message = text_of(line, "message");
  } else {
    result.figures = read_figures(line, "line");
  }
  results[key] = std::move(result);
}

}  // namespace

std::string journal_line(std::uint64_t key, const Settings& settings, const PointResult& result) {
  JsonWriter json(JsonWriter::Layout::compact);
  json.begin_object().field("key", key_text(key)).key("settings").begin_object();
  for (const auto& [name, value] : settings)
    json.field(name, value);
  json.end_object();
  if (result.failure.empty()) {
    write_figures(json, result.figures);
  } else {
    json.field("failure", result.failure).field("message", result.message);
  }
  json.end_object();
  return json.str();
}

bool has_journals(const fs::path& directory) {
  return !journals_in(directory).empty();
}

PointResults read_journals(const fs::path& directory, std::size_t* dropped) {
  PointResults results;
  for (const fs::path& file : journals_in(directory)) {
    const std::string text = read_file(file);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      try {
        if (end == std::string::npos) throw InputError("torn");
        read_line(text.substr(begin, end - begin), results);
      } catch (const InputError&) {
        if (dropped != nullptr) ++*dropped;
      }
      begin = end == std::string::npos ? text.size() : end + 1;
    }
  }
  return results;
}

JournalWriter::JournalWriter(const fs::path& file)
    : file_(file),
      fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666)),
      synchronized_(std::chrono::steady_clock::now()) {
  if (fd_ < 0) throw InputError(file.string() + ": cannot be written: " + std::strerror(errno));
  struct flock lock {};  // of this process, not of its children, and gone with it
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd_, F_SETLK, &lock) != 0) {
    const bool held = errno == EACCES || errno == EAGAIN;
    const std::string why = std::strerror(errno);
    ::close(fd_);
    throw InputError(file.string() +
                     (held ? ": another sweep writes here now; wait for it, or end it" : ": cannot be locked: " + why));
  }
  // The lock would go with any other descriptor of this file that is closed; it is read through this one.
  off_t end = ::lseek(fd_, 0, SEEK_END);
  char last = '\n';
  while (end > 0 && ::pread(fd_, &last, 1, end - 1) == 1 && last != '\n')
    --end;
  if (::ftruncate(fd_, end) != 0) {
    const std::string why = std::strerror(errno);
    ::close(fd_);
    throw InputError(file.string() + ": cannot be written: " + why);
  }
}

JournalWriter::~JournalWriter() {
  ::fsync(fd_);
  ::close(fd_);
}

void JournalWriter::append(const std::string& line) {
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t done = ::write(fd_, line.data() + written, line.size() - written);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw InputError(file_.string() + ": cannot be written: " + std::strerror(errno));
    written += static_cast<std::size_t>(done);
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - synchronized_ < std::chrono::seconds(sync_period_s)) return;
  ::fsync(fd_);
  synchronized_ = now;
}

}  // namespace nibble
