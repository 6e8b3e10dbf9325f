// SPDX-License-Identifier: Apache-2.0
/// Router: several initiators, several targets, an address map and an arbiter per target. Combinational: it adds no
/// time of its own; what it models is that a target takes one request at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "core/config_node.h"
#include "core/statistics.h"

namespace nibble {

enum class Arbitration {
  round_robin,  ///< the initiator after the one served last
  priority      ///< the lowest priority number, fixed; in turns among equals
};

struct RouterConfig {
  /// Addresses [base, base + size) go to initiator socket `target`: as they are, or with `remap` counted from
  /// `target_base`. Several windows may lead to one target.
  struct Window {
    std::uint64_t base = 0, size = 0;
    unsigned target = 0;
    bool remap = false;
    std::uint64_t target_base = 0;
    bool contains(std::uint64_t address) const { return address >= base && address - base < size; }
    /// What to subtract from an address of the initiator to get that of the target (modulo 2^64).
    std::uint64_t shift() const { return remap ? base - target_base : 0; }
  };
  unsigned initiators = 1, targets = 1;
  Arbitration arbitration = Arbitration::round_robin;
  std::vector<Window> windows;
  std::vector<unsigned> priorities{};  ///< one per initiator, lower first; empty: their indices
  /// Requests that may be granted past a waiting one before it has its turn (arbitration by priority); 0: any number, a
  /// low priority may then wait as long as higher ones have requests. 64 is nibble's decision, as in the DMA engine.
  unsigned age_cap = 64;

  /// Everything from address 0 goes to one target.
  static RouterConfig single_target(unsigned initiators, std::uint64_t size);
  /// Keys: initiators, targets, arbitration (round_robin | priority), priorities (list), age_cap, windows (list of
  /// base, size_bytes, target, remap, target_base).
  static RouterConfig from(ConfigNode node);
  /// Throws InputError: no window, overlapping or empty windows, windows beyond 2^64, a target that is not there,
  /// another number of priorities than of initiators.
  void check() const;
};

/// Base-protocol sockets on both sides: AT with request and response exclusion, LT (without waiting for the arbiter),
/// debug, and DMI whose ranges are cut to the window and translated, as are invalidations. An access outside every
/// window, or one that crosses the end of its window, is answered with TLM_ADDRESS_ERROR_RESPONSE.
class Router : public sc_core::sc_module {
 public:
  Router(sc_core::sc_module_name name, RouterConfig config, Statistics* statistics = nullptr);
  ~Router() override;

  /// Bound by initiator i.
  tlm::tlm_target_socket<>& target(unsigned i);
  /// Bound to target j.
  tlm::tlm_initiator_socket<>& initiator(unsigned j);

  /// What initiator i has had served.
  struct Served {
    std::uint64_t transactions = 0;  ///< requests sent on to a target
    std::uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;
    std::uint64_t address_errors = 0;  ///< requests outside every window
    std::uint64_t responses = 0;       ///< handed back by a target
    std::uint64_t error_responses = 0;
    sc_core::sc_time waited;        ///< for the arbiter, sum over requests
    sc_core::sc_time longest_wait;  ///< for the arbiter
    sc_core::sc_time latency;       ///< from BEGIN_REQ to BEGIN_RESP or completion, sum over responses
    sc_core::sc_time longest_latency;
  };
  const Served& served(unsigned i) const;

 private:
  class Upstream;
  class Downstream;
  /// A payload between BEGIN_REQ and END_RESP.
  struct Flight {
    tlm::tlm_generic_payload* payload = nullptr;
    unsigned upstream = 0, downstream = 0;
    sc_core::sc_time begun;    ///< BEGIN_REQ of the initiator, annotation included
    bool target_done = false;  ///< the target completed it early and expects no END_RESP
  };
  const RouterConfig::Window* decode(const tlm::tlm_generic_payload& payload) const;
  Flight& flight(const tlm::tlm_generic_payload& payload);
  void land(const tlm::tlm_generic_payload& payload);
  /// Gives free targets the next waiting request and free initiators the next waiting response.
  void arbitrate();
  void grant(unsigned downstream);
  /// The initiator whose waiting request target j takes next; the number of initiators when none waits.
  unsigned choose(unsigned downstream);
  void pass_on(unsigned downstream, unsigned upstream);
  void register_statistics(Statistics* parent);

  const RouterConfig config_;
  std::vector<std::unique_ptr<Upstream>> upstream_;
  std::vector<std::unique_ptr<Downstream>> downstream_;
  std::vector<Flight> flights_;
  sc_core::sc_event channel_free_;
  std::unique_ptr<Statistics> statistics_;
};

}  // namespace nibble
