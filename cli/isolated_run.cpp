// SPDX-License-Identifier: Apache-2.0
#include "cli/isolated_run.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <systemc>
#include <utility>
#include <vector>

#include "accelerators/simt/kernel_measurements.h"
#include "cli/commands.h"
#include "core/error.h"
#include "core/json.h"

namespace nibble {
namespace {

using Clock = std::chrono::steady_clock;

// The first byte of what a child sends.
constexpr char sent_result = 'R', sent_input_error = 'I', sent_internal_error = 'E';
constexpr int poll_ms = 200;  ///< how late a SIGINT between two polls, or a time limit, may be noticed

/// Throws when the reader is gone.
void send(int fd, char kind, const std::string& text) {
  const std::string message = kind + text;
  for (std::size_t sent = 0; sent < message.size();) {
    const ssize_t done = ::write(fd, message.data() + sent, message.size() - sent);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) ::_exit(1);
    sent += static_cast<std::size_t>(done);
  }
}

/// The result behind what this child measured of kernels.
std::string with_measurements(const std::string& result) {
  const std::string measured = KernelMeasurements::of_this_process().take_new();
  return std::to_string(measured.size()) + ' ' + measured + result;
}

/// The result alone; this process and its next children know the measurements.
std::string learn_measurements(const std::string& sent) {
  const std::size_t begin = sent.find(' ') + 1, length = std::stoul(sent);
  KernelMeasurements::of_this_process().learn(sent.substr(begin, length));
  return sent.substr(begin + length);
}

/// In the child; does not return. The parent alone decides on a SIGINT.
[[noreturn]] void serve(int fd, pid_t parent, const std::function<std::string()>& work) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  leave_interrupts_to_parent();
  try {
    send(fd, sent_result, with_measurements(work()));
  } catch (const InputError& error) {
    send(fd, sent_input_error, error.what());
  } catch (const std::exception& error) {
    send(fd, sent_internal_error, error.what());
  }
  ::_exit(0);  // what the simulation left suspended cannot be freed
}

struct Child {
  std::size_t index = 0;
  pid_t process = -1;
  int fd = -1;
  Clock::time_point begin;
  std::string received;
  bool too_long = false;
};

std::string signal_text(int number) {
  return "signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
}

Outcome outcome_of(const Child& child, int status, double time_limit_s) {
  if (child.too_long)
    return {FailureKind::time_limit, "took longer than " + to_text(time_limit_s) + " s and was ended", {}};
  if (WIFSIGNALED(status)) return {FailureKind::crash, "the simulation ended by " + signal_text(WTERMSIG(status)), {}};
  if (WEXITSTATUS(status) != 0 || child.received.empty()) {
    return {FailureKind::crash,
            "the simulation ended with exit status " + std::to_string(WEXITSTATUS(status)) + " and without a result",
            {}};
  }
  const std::string text = child.received.substr(1);
  switch (child.received.front()) {
    case sent_result:
      return {FailureKind::none, {}, text};
    case sent_input_error:
      return {FailureKind::input, text, {}};
    default:
      return {FailureKind::internal, printable(text, 1000), {}};
  }
}

/// The children that run now. Ends them when it goes out of scope.
class Pool {
 public:
  explicit Pool(const IsolationOptions& options) : options_(options) {}
  ~Pool() {
    for (const Child& child : children_)
      ::kill(child.process, SIGKILL);
    for (Child& child : children_)
      reap(child);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  bool empty() const { return children_.empty(); }
  bool full() const { return children_.size() >= options_.jobs; }

  void start(std::size_t index, const std::function<std::string(std::size_t)>& work) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw InputError(std::string("no pipe for a simulation: ") + std::strerror(errno));
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t process = ::fork();
    if (process == 0) {
      ::close(ends[0]);
      serve(ends[1], parent, [&] { return work(index); });
    }
    const int error = errno;
    ::close(ends[1]);
    if (process < 0) {
      ::close(ends[0]);
      throw InputError(std::string("no process for a simulation: ") + std::strerror(error) + "; use fewer --jobs");
    }
    children_.push_back({index, process, ends[0], Clock::now(), {}, false});
  }

  /// Waits for the next end, or a little. Calls done() for every child that ended.
  void wait(const std::function<void(std::size_t, Outcome)>& done) {
    std::vector<pollfd> ready;
    for (const Child& child : children_)
      ready.push_back({child.fd, POLLIN, 0});
    const int count = ::poll(ready.data(), ready.size(), poll_ms);
    stop_if_interrupted();
    end_overdue();
    if (count <= 0) return;
    for (std::size_t i = ready.size(); i-- > 0;) {
      if (ready[i].revents == 0 || !read_some(children_[i])) continue;
      Child child = std::move(children_[i]);
      children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
      const int status = reap(child);
      Outcome outcome = outcome_of(child, status, options_.time_limit_s);
      if (outcome.ok()) outcome.result = learn_measurements(outcome.result);
      done(child.index, std::move(outcome));
    }
  }

 private:
  /// Whether the child has closed its end.
  static bool read_some(Child& child) {
    std::array<char, 65536> block;
    const ssize_t got = ::read(child.fd, block.data(), block.size());
    if (got < 0) return errno != EINTR && errno != EAGAIN;
    child.received.append(block.data(), static_cast<std::size_t>(got));
    return got == 0;
  }

  static int reap(Child& child) {
    ::close(child.fd);
    int status = 0;
    while (::waitpid(child.process, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }

  void end_overdue() {
    if (options_.time_limit_s <= 0) return;
    for (Child& child : children_) {
      if (child.too_long) continue;
      child.too_long = std::chrono::duration<double>(Clock::now() - child.begin).count() > options_.time_limit_s;
      if (child.too_long) ::kill(child.process, SIGKILL);
    }
  }

  IsolationOptions options_;
  std::vector<Child> children_;
};

}  // namespace

const char* to_string(FailureKind kind) {
  switch (kind) {
    case FailureKind::none:
      return "";
    case FailureKind::input:
      return "input";
    case FailureKind::internal:
      return "internal";
    case FailureKind::crash:
      return "crash";
    case FailureKind::time_limit:
      return "time_limit";
  }
  return "";
}

void run_isolated(const std::function<std::optional<std::size_t>()>& next, const IsolationOptions& options,
                  const std::function<std::string(std::size_t)>& work,
                  const std::function<void(std::size_t, Outcome)>& done) {
  if (options.jobs == 0) throw InternalError("isolated runs: no jobs");
  if (sc_core::sc_get_status() != sc_core::SC_ELABORATION || !sc_core::sc_get_top_level_objects().empty())
    throw InternalError("isolated runs: SystemC objects exist already");
  Pool pool(options);
  for (bool more = true; more || !pool.empty();) {
    while (more && !pool.full()) {
      stop_if_interrupted();
      const std::optional<std::size_t> index = next();
      more = index.has_value();
      if (more) pool.start(*index, work);
    }
    if (!pool.empty()) pool.wait(done);
  }
}

void run_isolated(std::size_t count, const IsolationOptions& options,
                  const std::function<std::string(std::size_t)>& work,
                  const std::function<void(std::size_t, Outcome)>& done) {
  std::size_t begun = 0;
  run_isolated([&] { return begun < count ? std::optional<std::size_t>(begun++) : std::nullopt; }, options, work, done);
}

void simulate_isolated(std::size_t count, const IsolationOptions& options,
                       const std::function<Report(std::size_t)>& work,
                       const std::function<void(std::size_t, IsolatedReport)>& done) {
  run_isolated(
      count, options, [&](std::size_t index) { return report_json(work(index)); },
      [&](std::size_t index, const Outcome& outcome) {
        IsolatedReport report{outcome.failure, outcome.message, std::nullopt};
        if (outcome.ok()) report.report = read_report(outcome.result, "simulation " + std::to_string(index));
        done(index, std::move(report));
      });
}

unsigned available_processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1U, static_cast<unsigned>(CPU_COUNT(&set)));
}

}  // namespace nibble
