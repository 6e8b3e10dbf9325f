// SPDX-License-Identifier: Apache-2.0
#include "cli/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "core/error.h"

namespace nibble {
namespace {

/// Closes on exec, so that the pipe of errno ends with a successful start.
std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw InputError(std::string("no pipe: ") + std::strerror(errno));
  return ends;
}

[[noreturn]] void become(const std::vector<std::string>& words, int out, int err, int failed) {
  std::vector<char*> arguments;
  for (const std::string& word : words)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::signal(SIGINT, SIG_DFL);
  ::execvp(arguments[0], arguments.data());
  const int error = errno;
  while (::write(failed, &error, sizeof(error)) < 0 && errno == EINTR) {
  }
  ::_exit(127);
}

/// Reads both to their ends.
void read_both(int out, int err, ProgramResult& result) {
  std::array<pollfd, 2> open = {pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    if (::poll(open.data(), open.size(), -1) < 0) continue;
    for (pollfd& end : open) {
      if (end.fd < 0 || end.revents == 0) continue;
      std::array<char, 4096> block;
      const ssize_t got = ::read(end.fd, block.data(), block.size());
      if (got > 0) (&end == open.data() ? result.out : result.err).append(block.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) end.fd = -1;
    }
  }
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& words) {
  const auto out = make_pipe(), err = make_pipe(), failed = make_pipe();
  const pid_t process = ::fork();
  if (process == 0) become(words, out[1], err[1], failed[1]);
  for (const int end : {out[1], err[1], failed[1]})
    ::close(end);
  ProgramResult result;
  int error = process < 0 ? errno : 0;
  if (process >= 0) {
    read_both(out[0], err[0], result);
    while (::read(failed[0], &error, sizeof(error)) < 0 && errno == EINTR) {
    }
    int status = 0;
    while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  for (const int end : {out[0], err[0], failed[0]})
    ::close(end);
  if (error != 0) throw InputError(words.front() + ": cannot be started: " + std::strerror(error));
  return result;
}

std::string shell_quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word)
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string this_program() {
  std::error_code failed;
  const auto file = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) throw InputError("/proc/self/exe: " + failed.message());
  return file.string();
}

}  // namespace nibble
