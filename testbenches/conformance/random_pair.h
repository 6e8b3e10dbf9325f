// SPDX-License-Identifier: Apache-2.0
/// How many transactions a pair of sockets exchanges, and what must hold afterwards.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "testbenches/support/protocol_monitor.h"
#include "testbenches/support/random_initiator.h"
#include "testbenches/support/random_target.h"

namespace nibble::test {

/// 100,000, or what NIBBLE_TRANSACTIONS says.
inline std::uint64_t wanted_transactions() {
  const char* number = std::getenv("NIBBLE_TRANSACTIONS");
  return number == nullptr ? 100'000 : std::strtoull(number, nullptr, 10);
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
    return *monitors_.back();
  }
  RandomInitiator& operator[](std::size_t i) { return *initiators_[i]; }
  /// Everything was answered as it has to be, and no rule was broken (the monitors tell that when they go).
  void check() {
    for (std::size_t i = 0; i < initiators_.size(); ++i) {
      CAPTURE(i);
      CHECK(initiators_[i]->faults() == std::vector<std::string>{});
      CHECK(initiators_[i]->done());
      CHECK(initiators_[i]->ended() == monitors_[i]->responses());
      monitors_[i]->check_end();
    }
  }

 private:
  std::vector<std::unique_ptr<RandomInitiator>> initiators_;
  std::vector<std::unique_ptr<ProtocolMonitor>> monitors_;
};

}  // namespace nibble::test
