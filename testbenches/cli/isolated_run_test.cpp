// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <map>
#include <thread>

#include "accelerators/simt/kernel_measurements.h"
#include "cli/commands.h"
#include "cli/isolated_run.h"
#include "cli/simulate.h"
#include "core/error.h"

using namespace nibble;
using Catch::Matchers::Contains;

namespace {

GemmCommandOptions product(const std::string& accelerator, std::int64_t m) {
  GemmCommandOptions options;
  options.accelerator = accelerator;
  options.m = m;
  options.k = 256;
  options.n = 256;
  return options;
}

std::map<std::size_t, Outcome> outcomes(std::size_t count, const IsolationOptions& options,
                                        const std::function<std::string(std::size_t)>& work) {
  std::map<std::size_t, Outcome> all;
  run_isolated(count, options, work,
               [&](std::size_t index, Outcome outcome) { CHECK(all.emplace(index, std::move(outcome)).second); });
  return all;
}

}  // namespace

TEST_CASE("every piece of work gives its result once, large ones too", "[links-unchecked]") {
  const auto all = outcomes(20, {3}, [](std::size_t i) { return std::string(i * 40'000, static_cast<char>('a' + i)); });
  REQUIRE(all.size() == 20);
  for (const auto& [index, outcome] : all) {
    CHECK(outcome.ok());
    CHECK(outcome.result == std::string(index * 40'000, static_cast<char>('a' + index)));
  }
}

TEST_CASE("kernels that one child measured are known to the next", "[links-unchecked]") {
  const SmConfig multiprocessor;
  const TensorCoreGeometry tensor_core;
  const GemmKernelConfig kernel;
  const auto all = outcomes(4, {1}, [&](std::size_t i) {
    bool measured = false;
    const KernelRun run{multiprocessor, tensor_core, kernel, 8 + i / 2, 1, 1, 400};
    const SmCounters& counters = KernelMeasurements::of_this_process().of(run, [&] {
      measured = true;
      SmCounters made;
      made.cycles = 1000 + i;
      return made;
    });
    return std::to_string(counters.cycles) + (measured ? " measured" : " known");
  });
  CHECK(all.at(0).result == "1000 measured");
  CHECK(all.at(1).result == "1000 known");
  CHECK(all.at(2).result == "1002 measured");
  CHECK(all.at(3).result == "1002 known");
}

TEST_CASE("results come in order of completion", "[links-unchecked]") {
  std::vector<std::size_t> order;
  run_isolated(
      2, {2},
      [](std::size_t i) {
        if (i == 0) std::this_thread::sleep_for(std::chrono::milliseconds(500));
        return std::string();
      },
      [&](std::size_t index, const Outcome&) { order.push_back(index); });
  CHECK(order == std::vector<std::size_t>{1, 0});
}

TEST_CASE("what ends a child is told, and the others go on", "[links-unchecked]") {
  const auto all = outcomes(6, {2, 1.0}, [](std::size_t i) -> std::string {
    if (i == 0) throw InputError("f.yaml:1:1: wrong");
    if (i == 1) throw std::logic_error("a\nbug");
    if (i == 2) std::raise(SIGKILL);
    if (i == 3) ::_exit(3);
    if (i == 4) std::this_thread::sleep_for(std::chrono::seconds(100));
    return "fine";
  });
  CHECK(all.at(0).failure == FailureKind::input);
  CHECK(all.at(0).message == "f.yaml:1:1: wrong");
  CHECK(all.at(1).failure == FailureKind::internal);
  CHECK(all.at(1).message == "a?bug");
  CHECK(all.at(2).failure == FailureKind::crash);
  CHECK_THAT(all.at(2).message, Contains("signal 9 (Killed)"));
  CHECK(all.at(3).failure == FailureKind::crash);
  CHECK_THAT(all.at(3).message, Contains("exit status 3 and without a result"));
  CHECK(all.at(4).failure == FailureKind::time_limit);
  CHECK_THAT(all.at(4).message, Contains("took longer than 1 s"));
  CHECK(all.at(5).result == "fine");
}

TEST_CASE("an exception of the caller ends the children", "[links-unchecked]") {
  const pid_t self = ::getpid();
  CHECK_THROWS_AS(run_isolated(
                      3, {3},
                      [](std::size_t i) -> std::string {
                        if (i != 0) std::this_thread::sleep_for(std::chrono::seconds(100));
                        return "";
                      },
                      [](std::size_t, const Outcome&) { throw InputError("full"); }),
                  InputError);
  CHECK(::getpid() == self);
}

TEST_CASE("an interrupt ends the children", "[links-unchecked]") {
  install_interrupt_handler();
  CHECK_THROWS_AS(run_isolated(
                      3, {3},
                      [parent = ::getpid()](std::size_t i) -> std::string {
                        if (i == 2) ::kill(parent, SIGINT);
                        std::this_thread::sleep_for(std::chrono::seconds(100));
                        return "";
                      },
                      [](std::size_t, const Outcome&) {}),
                  Interrupted);
}

TEST_CASE("simulations in children give what they give here", "[links-unchecked]") {
  std::map<std::size_t, IsolatedReport> all;
  const std::vector<std::string> machines = {"mant", "harmonia", "no-such-machine"};
  simulate_isolated(
      3, {2}, [&](std::size_t i) { return simulate_gemm(product(machines[i], 64)).report; },
      [&](std::size_t index, IsolatedReport report) { all.emplace(index, std::move(report)); });
  REQUIRE(all.size() == 3);
  CHECK(all.at(2).failure == FailureKind::input);
  CHECK_THAT(all.at(2).message, Contains("unknown accelerator 'no-such-machine'"));
  REQUIRE(all.at(0).report);
  REQUIRE(all.at(1).report);
  CHECK(all.at(1).report->accelerator == "harmonia");
  Report here = simulate_gemm(product("mant", 64)).report;
  Report there = *all.at(0).report;
  here.wall_s = there.wall_s = 0;
  here.peak_rss_bytes = there.peak_rss_bytes = 0;
  CHECK(report_json(here) == report_json(there));
  CHECK_THROWS_AS(outcomes(1, {1}, [](std::size_t) { return std::string(); }), InternalError);
}

TEST_CASE("a child forgets the interrupt that came just before its fork, and ignores later ones", "[links-unchecked]") {
  install_interrupt_handler();
  std::raise(SIGINT);
  CHECK(interrupt_requested());
  leave_interrupts_to_parent();
  CHECK_FALSE(interrupt_requested());
  std::raise(SIGINT);
  CHECK_NOTHROW(stop_if_interrupted());
}
