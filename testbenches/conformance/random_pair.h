// SPDX-License-Identifier: Apache-2.0
/// How many transactions a pair of sockets exchanges, and what must hold afterwards.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "testbenches/support/monitored_links.h"
#include "testbenches/support/random_initiator.h"
#include "testbenches/support/random_target.h"

namespace nibble::test {

/// 100,000, or what NIBBLE_TRANSACTIONS says.
inline std::uint64_t wanted_transactions() {
  const char* number = std::getenv("NIBBLE_TRANSACTIONS");
  return number == nullptr ? 100'000 : std::strtoull(number, nullptr, 10);
}

/// Appends "pair,transactions,error responses,violations" to the file that NIBBLE_CONFORMANCE_LOG names
/// (scripts/conformance_table.py); the pair is the running test case.
inline void log_pair(std::uint64_t transactions, std::uint64_t refused, std::uint64_t violations) {
  const char* file = std::getenv("NIBBLE_CONFORMANCE_LOG");
  if (file == nullptr) return;
  std::ofstream(file, std::ios::app) << '"' << Catch::getResultCapture().getCurrentTestName() << "\"," << transactions
                                     << ',' << refused << ',' << violations << '\n';
}

/// Rules that initiators with RandomTraffic::illegal break; targets have to answer all the same.
inline void tolerate_illegal(ProtocolMonitor& monitor) {
  for (const char* rule : {"no data pointer", "no data length", "no streaming width", "byte enables of no length"})
    monitor.tolerate(rule);
}

/// Initiators of random traffic, each with a monitor before it.
class RandomInitiators {
 public:
  /// One more, bound to `target` through a monitor.
  ProtocolMonitor& add(const RandomTraffic& traffic, tlm::tlm_target_socket<>& target) {
    const auto name = [](const char* part) { return std::string(sc_core::sc_gen_unique_name(part)); };
    initiators_.push_back(std::make_unique<RandomInitiator>(name("initiator").c_str(), traffic));
    monitors_.push_back(std::make_unique<ProtocolMonitor>(name("near").c_str()));
    initiators_.back()->initiator.bind(monitors_.back()->in);
    monitors_.back()->out.bind(target);
    if (traffic.illegal) tolerate_illegal(*monitors_.back());
    return *monitors_.back();
  }
  RandomInitiator& operator[](std::size_t i) { return *initiators_[i]; }
  /// Everything was answered as it has to be, and no rule was broken (the monitors tell that when they go).
  void check() {
    std::uint64_t transactions = 0, refused = 0, violations = 0;
    for (std::size_t i = 0; i < initiators_.size(); ++i) {
      CAPTURE(i);
      CHECK(initiators_[i]->faults() == std::vector<std::string>{});
      CHECK(initiators_[i]->done());
      CHECK(initiators_[i]->ended() == monitors_[i]->responses());
      monitors_[i]->check_end();
      CHECK(initiators_[i]->illegal() == monitors_[i]->tolerated_count());
      transactions += initiators_[i]->ended();
      refused += initiators_[i]->refused();
      violations += monitors_[i]->violation_count();
    }
    log_pair(transactions, refused, violations);
  }

 private:
  std::vector<std::unique_ptr<RandomInitiator>> initiators_;
  std::vector<std::unique_ptr<ProtocolMonitor>> monitors_;
};

}  // namespace nibble::test
