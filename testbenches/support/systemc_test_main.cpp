// SPDX-License-Identifier: Apache-2.0
/// Main of test benches that run the SystemC kernel. Any SystemC warning or error fails the running test case: it
/// catches duplicate names, unbound ports and stray notifications for free. So does a socket bound without a protocol
/// monitor.
#define CATCH_CONFIG_RUNNER
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <systemc>

#include "testbenches/support/link_check.h"
#include "testbenches/support/trace_option.h"

std::string& nibble::test::trace_file() {
  static std::string file;
  return file;
}

namespace {

void fail_on_report(const sc_core::sc_report& report, const sc_core::sc_actions& actions) {
  if (report.get_severity() >= sc_core::SC_WARNING) {
    const std::string text = std::string(report.get_msg_type()) + ": " + report.get_msg();
    if (report.get_severity() >= sc_core::SC_ERROR) {
      sc_core::sc_report_handler::default_handler(report, actions);
    } else {
      FAIL_CHECK("SystemC warning: " << text);
    }
    return;
  }
  sc_core::sc_report_handler::default_handler(report, actions);
}

/// Watches the sockets of every case but those with the tag [links-unchecked]: those that need a process without
/// SystemC objects, and the one that binds without a monitor on purpose.
class WatchLinks : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    const auto& tags = test.lcaseTags;
    const bool unchecked = std::find(tags.begin(), tags.end(), "links-unchecked") != tags.end();
    if (check_ == nullptr && !unchecked && sc_core::sc_get_status() == sc_core::SC_ELABORATION)
      check_ = std::make_unique<nibble::test::LinkCheck>("link_check");
  }

 private:
  std::unique_ptr<nibble::test::LinkCheck> check_;
};
CATCH_REGISTER_LISTENER(WatchLinks)

}  // namespace

int sc_main(int argc, char** argv) {
  sc_core::sc_report_handler::set_handler(fail_on_report);
  Catch::Session session;
  session.cli(session.cli() | Catch::clara::Opt(nibble::test::trace_file(),
                                                "file")["--trace"]("write the pins of an RTL bench: .vcd or .fst"));
  const int refused = session.applyCommandLine(argc, argv);
  return refused != 0 ? refused : session.run();
}

int main(int argc, char** argv) {
  setenv("NIBBLE_PROBES", "protocol", 0);  // for what binds through Links
  return sc_core::sc_elab_and_sim(argc, argv);
}
