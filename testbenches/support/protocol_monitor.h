// SPDX-License-Identifier: Apache-2.0
/// The protocol monitor of tests: what it has found fails the test at the latest when it goes away.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "transport/base_protocol_monitor.h"

namespace nibble::test {

class ProtocolMonitor : public BaseProtocolMonitor {
 public:
  using BaseProtocolMonitor::BaseProtocolMonitor;
  ~ProtocolMonitor() override {
    if (expected_) return;
    for (const std::string& violation : violations())
      FAIL_CHECK("base protocol: " << violation);
  }
  /// A test that breaks rules on purpose looks at violations() itself.
  void expect_violations() { expected_ = true; }

 private:
  bool expected_ = false;
};

}  // namespace nibble::test
