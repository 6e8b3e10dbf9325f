// SPDX-License-Identifier: Apache-2.0
/// Machines: several benches with scripted memories in one elaboration.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "testbenches/accelerators/machine_bench.h"
#include "testbenches/accelerators/scripted_memory.h"

namespace nibble::test {

class Machines {
 public:
  static constexpr std::uint64_t capacity = 1 << 24;

  /// A machine behind a memory of 20 ns that `body` drives.
  ScriptedMemory& add(const MachineConfig& config, const std::function<void(MachineBench&)>& body) {
    const std::string name = sc_core::sc_gen_unique_name("bench");
    memories_.push_back(
        std::make_unique<ScriptedMemory>((name + "_memory").c_str(), capacity, sc_core::sc_time(20, sc_core::SC_NS)));
    benches_.push_back(
        std::make_unique<MachineBench>(name.c_str(), config, memories_.back()->target, *memories_.back(), body));
    return *memories_.back();
  }
  /// Simulates until nothing happens any more; every body must have come to its end.
  void run() {
    sc_core::sc_start();
    for (std::size_t i = 0; i < benches_.size(); ++i) {
      CAPTURE(i);
      REQUIRE(benches_[i]->finished);
      benches_[i]->check_protocol();
    }
  }
  const MachineBench& operator[](std::size_t i) const { return *benches_.at(i); }
  std::size_t size() const { return benches_.size(); }

 private:
  std::vector<std::unique_ptr<ScriptedMemory>> memories_;
  std::vector<std::unique_ptr<MachineBench>> benches_;
};

/// One machine alone.
inline void drive(const std::function<void(MachineBench&)>& body, const std::vector<std::string>& overrides = {}) {
  Machines machines;
  machines.add(mant_config(overrides), body);
  machines.run();
}

}  // namespace nibble::test
