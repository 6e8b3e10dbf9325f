// SPDX-License-Identifier: Apache-2.0
/// Every rule of the protocol monitor, broken once: exactly that rule is named.
#include "testbenches/support/protocol_monitor.h"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <systemc>
#include <tlm>
#include <utility>
#include <vector>

#include "transport/payload_pool.h"

using namespace nibble;

namespace {

using Payload = tlm::tlm_generic_payload;
using Phase = tlm::tlm_phase;
using Time = sc_core::sc_time;
using tlm::BEGIN_REQ;
using tlm::BEGIN_RESP;
using tlm::END_REQ;
using tlm::END_RESP;

Time ns(double value) {
  return Time(value, sc_core::SC_NS);
}

/// An initiator and a target that do what a script says, and the monitor between them.
struct Rig : sc_core::sc_module, tlm::tlm_fw_transport_if<>, tlm::tlm_bw_transport_if<> {
  using Call = std::function<tlm::tlm_sync_enum(Payload&, Phase&, Time&)>;
  tlm::tlm_initiator_socket<> initiator{"initiator"};
  tlm::tlm_target_socket<> target{"target"};
  test::ProtocolMonitor monitor{"monitor"};
  PayloadPool pool;
  Call at_target = [](Payload&, Phase&, Time&) { return tlm::TLM_ACCEPTED; }, at_initiator = at_target;
  std::function<void(Payload&, Time&)> blocking = [](Payload& p, Time&) { answer(p); };
  std::function<unsigned(Payload&)> debug = [](Payload& p) { return p.get_data_length(); };
  std::function<bool(Payload&, tlm::tlm_dmi&)> direct = [](Payload&, tlm::tlm_dmi&) { return false; };
  std::uint8_t bytes[8] = {}, enables[8] = {};

  explicit Rig(sc_core::sc_module_name name) : sc_module(name) {
    initiator.bind(*this);
    target.bind(*this);
    initiator.bind(monitor.in);
    monitor.out.bind(target);
    monitor.expect_violations();
  }
  static void answer(Payload& p) { p.set_response_status(tlm::TLM_OK_RESPONSE); }
  PooledPayload& payload(tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
    return pool.allocate(command, 64, bytes, sizeof bytes);
  }
  tlm::tlm_sync_enum forward(Payload& p, Phase phase, Time delay = sc_core::SC_ZERO_TIME) {
    return initiator->nb_transport_fw(p, phase, delay);
  }
  tlm::tlm_sync_enum backward(Payload& p, Phase phase, Time delay = sc_core::SC_ZERO_TIME) {
    if (phase == BEGIN_RESP && p.get_response_status() == tlm::TLM_INCOMPLETE_RESPONSE) answer(p);
    return target->nb_transport_bw(p, phase, delay);
  }
  /// A payload whose request has been taken.
  PooledPayload& requested(tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
    PooledPayload& p = payload(command);
    forward(p, BEGIN_REQ);
    backward(p, END_REQ);
    return p;
  }
  void blocking_call(Payload& p) {
    Time delay = ns(5);
    initiator->b_transport(p, delay);
  }

  tlm::tlm_sync_enum nb_transport_fw(Payload& p, Phase& phase, Time& delay) override {
    return at_target(p, phase, delay);
  }
  tlm::tlm_sync_enum nb_transport_bw(Payload& p, Phase& phase, Time& delay) override {
    return at_initiator(p, phase, delay);
  }
  void b_transport(Payload& p, Time& delay) override { blocking(p, delay); }
  unsigned transport_dbg(Payload& p) override { return debug(p); }
  bool get_direct_mem_ptr(Payload& p, tlm::tlm_dmi& dmi) override { return direct(p, dmi); }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}
};

Rig::Call reply(tlm::tlm_sync_enum status, Phase to, Time add = sc_core::SC_ZERO_TIME, bool with_status = true) {
  return [=](Payload& p, Phase& phase, Time& delay) {
    if (with_status && p.get_response_status() == tlm::TLM_INCOMPLETE_RESPONSE) Rig::answer(p);
    phase = to;
    delay += add;
    return status;
  };
}

struct Planted {
  std::string expected;  ///< how the text begins; empty: a legal exchange
  std::function<void(Rig&)> script;
};

/// Runs every script in a rig and a process of its own.
void run(const std::vector<Planted>& planted) {
  std::vector<std::unique_ptr<Rig>> rigs;
  for (const Planted& entry : planted) {
    rigs.push_back(std::make_unique<Rig>(sc_core::sc_gen_unique_name("rig")));
    Rig& rig = *rigs.back();
    sc_core::sc_spawn([&rig, &entry] { entry.script(rig); });
  }
  sc_core::sc_start();
  for (std::size_t i = 0; i < planted.size(); ++i) {
    CAPTURE(i, planted[i].expected);
    const auto& found = rigs[i]->monitor.violations();
    if (planted[i].expected.empty()) {
      CHECK(found == std::vector<std::string>{});
      continue;
    }
    REQUIRE(found.size() == 1);
    CHECK_THAT(found[0], Catch::StartsWith(planted[i].expected + " ("));
  }
}

/// Changes an attribute between END_REQ and BEGIN_RESP.
Planted changed(const std::string& what, const std::function<void(Rig&, Payload&)>& change,
                tlm::tlm_command command = tlm::TLM_READ_COMMAND) {
  return {"either side: " + what + " changed in flight", [=](Rig& rig) {
            Payload& p = rig.requested(command);
            change(rig, p);
            rig.backward(p, BEGIN_RESP);
          }};
}

}  // namespace

TEST_CASE("every legal exchange passes the monitor") {
  run({
      {"",
       [](Rig& rig) {  // four phases
         Payload& p = rig.requested();
         rig.backward(p, BEGIN_RESP);
         rig.forward(p, END_RESP);
         rig.monitor.check_end();
         CHECK(rig.monitor.requests() == 1);
         CHECK(rig.monitor.responses() == 1);
       }},
      {"",
       [](Rig& rig) {  // BEGIN_RESP stands for END_REQ; the initiator ends in the call
         rig.at_initiator = reply(tlm::TLM_COMPLETED, BEGIN_RESP, ns(3));
         Payload& p = rig.payload();
         rig.forward(p, BEGIN_REQ, ns(2));
         rig.backward(p, BEGIN_RESP, ns(4));
         rig.monitor.check_end();
       }},
      {"",
       [](Rig& rig) {  // END_REQ in the call, END_RESP in the call
         rig.at_target = reply(tlm::TLM_UPDATED, END_REQ, ns(1), false);
         rig.at_initiator = reply(tlm::TLM_UPDATED, END_RESP);
         Payload& p = rig.payload();
         rig.forward(p, BEGIN_REQ);
         rig.backward(p, BEGIN_RESP, ns(7));
         rig.monitor.check_end();
       }},
      {"",
       [](Rig& rig) {  // the response in the call of the request
         rig.at_target = reply(tlm::TLM_UPDATED, BEGIN_RESP, ns(9));
         Payload& p = rig.payload();
         rig.forward(p, BEGIN_REQ);
         rig.at_target = reply(tlm::TLM_COMPLETED, END_RESP);
         rig.forward(p, END_RESP, ns(10));
         rig.monitor.check_end();
       }},
      {"",
       [](Rig& rig) {  // early completion, then the same payload again
         rig.at_target = reply(tlm::TLM_COMPLETED, BEGIN_REQ, ns(9));
         Payload& p = rig.payload();
         rig.forward(p, BEGIN_REQ);
         p.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
         rig.forward(p, BEGIN_REQ, ns(20));
         rig.monitor.check_end();
       }},
      {"",
       [](Rig& rig) {  // a phase that is not of the base protocol is ignored
         Payload& p = rig.requested();
         rig.forward(p, Phase(17));
         rig.backward(p, BEGIN_RESP);
       }},
      {"",
       [](Rig& rig) {  // several blocking calls at a time, each with its payload
         rig.blocking = [](Payload& p, Time&) {
           sc_core::wait(ns(5));
           Rig::answer(p);
         };
         sc_core::sc_spawn([&rig] { rig.blocking_call(rig.payload()); });
         rig.blocking_call(rig.payload());
         sc_core::wait(ns(1));
         rig.monitor.check_end();
       }},
      {"",
       [](Rig& rig) {  // an interconnect behind the link translates addresses
         rig.monitor.address_may_change();
         Payload& p = rig.requested();
         p.set_address(0);
         rig.backward(p, BEGIN_RESP);
       }},
  });
}

TEST_CASE("what an initiator does wrong is caught") {
  run({
      {"initiator: response status preset",
       [](Rig& rig) {
         Payload& p = rig.payload();
         Rig::answer(p);
         rig.forward(p, BEGIN_REQ);
       }},
      {"initiator: DMI hint preset",
       [](Rig& rig) {
         Payload& p = rig.payload();
         p.set_dmi_allowed(true);
         rig.blocking_call(p);
       }},
      {"initiator: no data pointer",
       [](Rig& rig) {
         Payload& p = rig.payload();
         p.set_data_ptr(nullptr);
         rig.forward(p, BEGIN_REQ);
       }},
      {"initiator: no data length",
       [](Rig& rig) {
         Payload& p = rig.payload();
         p.set_data_length(0);
         rig.forward(p, BEGIN_REQ);
       }},
      {"initiator: no streaming width",
       [](Rig& rig) {
         Payload& p = rig.payload();
         p.set_streaming_width(0);
         rig.forward(p, BEGIN_REQ);
       }},
      {"initiator: byte enables of no length",
       [](Rig& rig) {
         Payload& p = rig.payload();
         p.set_byte_enable_ptr(rig.enables);
         rig.forward(p, BEGIN_REQ);
       }},
      {"initiator: non-blocking transport without memory manager or reference",
       [](Rig& rig) {
         static Payload p;
         p.set_read();
         p.set_data_ptr(rig.bytes);
         p.set_data_length(4);
         p.set_streaming_width(4);
         rig.forward(p, BEGIN_REQ);
       }},
      {"initiator: request exclusion: BEGIN_REQ before the END_REQ of the request before",
       [](Rig& rig) {
         rig.forward(rig.payload(), BEGIN_REQ);
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"initiator: reuse of a payload before its END_RESP",
       [](Rig& rig) {
         Payload& p = rig.requested();
         rig.forward(p, BEGIN_REQ);
       }},
      {"initiator: phase of a payload that is not in flight", [](Rig& rig) { rig.forward(rig.payload(), END_RESP); }},
      {"initiator: phases out of order", [](Rig& rig) { rig.forward(rig.requested(), END_RESP); }},
      {"initiator: phase on the wrong path", [](Rig& rig) { rig.forward(rig.requested(), BEGIN_RESP); }},
      {"initiator: phase on the wrong path", [](Rig& rig) { rig.forward(rig.requested(), END_REQ); }},
      {"initiator: forward call from within a backward call",
       [](Rig& rig) {
         rig.at_initiator = [&rig](Payload& p, Phase& phase, Time&) {
           if (phase == BEGIN_RESP) rig.forward(p, END_RESP);
           return tlm::TLM_ACCEPTED;
         };
         rig.backward(rig.requested(), BEGIN_RESP);
       }},
      {"initiator: TLM_ACCEPTED with another phase",
       [](Rig& rig) {
         Payload& p = rig.requested();
         rig.at_initiator = reply(tlm::TLM_ACCEPTED, END_RESP);
         rig.backward(p, BEGIN_RESP);
       }},
      {"initiator: TLM_ACCEPTED with another delay",
       [](Rig& rig) {
         Payload& p = rig.requested();
         rig.at_initiator = reply(tlm::TLM_ACCEPTED, BEGIN_RESP, ns(1));
         rig.backward(p, BEGIN_RESP);
       }},
      {"initiator: reply that cannot follow the phase",
       [](Rig& rig) {
         rig.at_initiator = reply(tlm::TLM_COMPLETED, END_REQ, ns(0), false);
         rig.requested();
       }},
      {"initiator: reply that cannot follow the phase",
       [](Rig& rig) {
         Payload& p = rig.requested();
         rig.at_initiator = reply(tlm::TLM_UPDATED, BEGIN_REQ);
         rig.backward(p, BEGIN_RESP);
       }},
      {"initiator: nb_transport waits",
       [](Rig& rig) {
         rig.at_initiator = [](Payload&, Phase&, Time&) {
           sc_core::wait(ns(1));
           return tlm::TLM_ACCEPTED;
         };
         rig.requested();
       }},
      {"initiator: b_transport of a payload that is in flight",
       [](Rig& rig) {
         Payload& p = rig.requested();
         rig.blocking_call(p);
       }},
      {"initiator: b_transport of a payload that is in flight",
       [](Rig& rig) {
         Payload& p = rig.payload();
         rig.blocking = [&rig, again = true](Payload& inner, Time&) mutable {
           if (std::exchange(again, false)) {
             rig.blocking_call(inner);
             inner.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
           }
           Rig::answer(inner);
         };
         rig.blocking_call(p);
       }},
      {"initiator: payload is inside b_transport",
       [](Rig& rig) {
         rig.blocking = [&rig](Payload& p, Time&) {
           rig.forward(p, BEGIN_REQ);
           Rig::answer(p);
         };
         rig.blocking_call(rig.payload());
       }},
      {"initiator: time runs backwards on the channel",
       [](Rig& rig) {
         rig.at_target = reply(tlm::TLM_UPDATED, END_REQ, ns(0), false);
         rig.forward(rig.payload(), BEGIN_REQ, ns(5));
         rig.at_target = reply(tlm::TLM_ACCEPTED, BEGIN_REQ, ns(0), false);
         rig.forward(rig.payload(), BEGIN_REQ, ns(4));
       }},
      {"initiator: transaction open at the end",
       [](Rig& rig) {
         rig.backward(rig.requested(), BEGIN_RESP);
         rig.monitor.check_end();
       }},
  });
}

TEST_CASE("attributes that change in flight are caught") {
  const auto write = tlm::TLM_WRITE_COMMAND;
  run({
      changed("command", [](Rig&, Payload& p) { p.set_command(tlm::TLM_IGNORE_COMMAND); }),
      changed("address", [](Rig&, Payload& p) { p.set_address(65); }),
      changed("data pointer", [](Rig& rig, Payload& p) { p.set_data_ptr(rig.enables); }),
      changed("data length", [](Rig&, Payload& p) { p.set_data_length(4); }),
      changed("streaming width", [](Rig&, Payload& p) { p.set_streaming_width(4); }),
      changed("byte enables", [](Rig&, Payload& p) { p.set_byte_enable_length(1); }),
      changed(
          "bytes of a write, or byte enables,", [](Rig& rig, Payload&) { rig.bytes[7] ^= 1; }, write),
      {"",
       [](Rig& rig) {  // the bytes of a read are the target's to write
         Payload& p = rig.requested();
         rig.bytes[0] = 3;
         rig.backward(p, BEGIN_RESP);
       }},
      {"either side: address changed in flight",
       [](Rig& rig) {
         rig.at_target = [](Payload& p, Phase&, Time&) {
           p.set_address(0);
           Rig::answer(p);
           return tlm::TLM_COMPLETED;
         };
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"either side: data length changed in flight",
       [](Rig& rig) {
         rig.blocking = [](Payload& p, Time&) {
           p.set_data_length(1);
           Rig::answer(p);
         };
         rig.blocking_call(rig.payload());
       }},
  });
}

TEST_CASE("what a target does wrong with phases is caught") {
  run({
      {"target: phases out of order", [](Rig& rig) { rig.backward(rig.requested(), END_REQ); }},
      {"target: phases out of order",
       [](Rig& rig) {
         Payload& p = rig.payload();
         rig.forward(p, BEGIN_REQ);
         rig.backward(p, BEGIN_RESP);
         rig.backward(p, END_REQ);
       }},
      {"target: phase of a payload that is not in flight", [](Rig& rig) { rig.backward(rig.payload(), END_REQ); }},
      {"target: phase of a payload that is not in flight",
       [](Rig& rig) {  // after early completion
         rig.at_target = reply(tlm::TLM_COMPLETED, BEGIN_REQ);
         Payload& p = rig.payload();
         rig.forward(p, BEGIN_REQ);
         rig.backward(p, BEGIN_RESP);
       }},
      {"target: phase on the wrong path", [](Rig& rig) { rig.backward(rig.requested(), BEGIN_REQ); }},
      {"target: phase on the wrong path", [](Rig& rig) { rig.backward(rig.requested(), END_RESP); }},
      {"target: response exclusion: BEGIN_RESP before the END_RESP of the response before",
       [](Rig& rig) {
         Payload &first = rig.requested(), &second = rig.requested();
         rig.backward(first, BEGIN_RESP);
         rig.backward(second, BEGIN_RESP);
       }},
      {"target: TLM_UPDATED to a phase that cannot follow",
       [](Rig& rig) {
         rig.at_target = reply(tlm::TLM_UPDATED, END_RESP);
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"target: TLM_UPDATED to a phase that cannot follow",
       [](Rig& rig) {
         Payload& p = rig.requested();
         rig.backward(p, BEGIN_RESP);
         rig.at_target = reply(tlm::TLM_UPDATED, END_RESP);
         rig.forward(p, END_RESP);
       }},
      {"target: TLM_ACCEPTED with another phase",
       [](Rig& rig) {
         rig.at_target = reply(tlm::TLM_ACCEPTED, END_REQ, ns(0), false);
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"target: TLM_ACCEPTED with another delay",
       [](Rig& rig) {
         rig.at_target = reply(tlm::TLM_ACCEPTED, BEGIN_REQ, ns(1), false);
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"target: backward call from within a forward call",
       [](Rig& rig) {
         rig.at_target = [&rig](Payload& p, Phase&, Time&) {
           rig.backward(p, END_REQ);
           return tlm::TLM_ACCEPTED;
         };
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"target: nb_transport waits",
       [](Rig& rig) {
         rig.at_target = [](Payload&, Phase&, Time&) {
           sc_core::wait(ns(1));
           return tlm::TLM_ACCEPTED;
         };
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"target: transaction open at the end",
       [](Rig& rig) {
         rig.requested();
         rig.monitor.check_end();
       }},
      {"target: b_transport open at the end",
       [](Rig& rig) {
         sc_core::sc_spawn([&rig] { rig.blocking_call(rig.payload()); });
         rig.blocking = [](Payload& p, Time&) {
           sc_core::wait(ns(5));
           Rig::answer(p);
         };
         sc_core::wait(ns(1));
         rig.monitor.check_end();
       }},
  });
}

TEST_CASE("what a target does wrong with statuses and times is caught") {
  run({
      {"target: response without a status",
       [](Rig& rig) {
         Payload& p = rig.requested();
         Phase phase = BEGIN_RESP;
         Time delay;
         rig.target->nb_transport_bw(p, phase, delay);
       }},
      {"target: completed without a status",
       [](Rig& rig) {
         rig.at_target = reply(tlm::TLM_COMPLETED, BEGIN_REQ, ns(0), false);
         rig.forward(rig.payload(), BEGIN_REQ);
       }},
      {"target: completed without a status",
       [](Rig& rig) {
         rig.blocking = [](Payload&, Time&) {};
         rig.blocking_call(rig.payload());
       }},
      {"target: response status changed after BEGIN_RESP",
       [](Rig& rig) {
         Payload& p = rig.requested();
         rig.backward(p, BEGIN_RESP);
         p.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
         rig.forward(p, END_RESP);
       }},
      {"target: time runs backwards in the transaction",
       [](Rig& rig) {
         Payload& p = rig.payload();
         rig.forward(p, BEGIN_REQ, ns(5));
         rig.backward(p, BEGIN_RESP, ns(4));
       }},
      {"target: time runs backwards in the transaction",
       [](Rig& rig) {
         rig.at_target = [](Payload& p, Phase&, Time& delay) {
           Rig::answer(p);
           delay = sc_core::SC_ZERO_TIME;
           return tlm::TLM_COMPLETED;
         };
         rig.forward(rig.payload(), BEGIN_REQ, ns(5));
       }},
      {"target: time runs backwards in the transaction",
       [](Rig& rig) {
         rig.blocking = [](Payload& p, Time& delay) {
           Rig::answer(p);
           delay = ns(4);
         };
         rig.blocking_call(rig.payload());
       }},
      {"target: time runs backwards on the channel",
       [](Rig& rig) {
         Payload &first = rig.requested(), &second = rig.requested();
         rig.at_initiator = reply(tlm::TLM_COMPLETED, BEGIN_RESP);
         rig.backward(first, BEGIN_RESP, ns(5));
         rig.at_initiator = reply(tlm::TLM_ACCEPTED, BEGIN_RESP);
         rig.backward(second, BEGIN_RESP, ns(4));
       }},
      {"target: debug transport waits",
       [](Rig& rig) {
         rig.debug = [](Payload& p) {
           sc_core::wait(ns(1));
           return p.get_data_length();
         };
         rig.initiator->transport_dbg(rig.payload());
       }},
      {"target: debug transport of more bytes than asked for",
       [](Rig& rig) {
         rig.debug = [](Payload&) { return 9U; };
         rig.initiator->transport_dbg(rig.payload());
       }},
      {"target: debug transport changed attributes",
       [](Rig& rig) {
         rig.debug = [](Payload& p) {
           p.set_address(0);
           return 8U;
         };
         rig.initiator->transport_dbg(rig.payload());
       }},
      {"target: DMI region without the address asked for",
       [](Rig& rig) {
         rig.direct = [](Payload&, tlm::tlm_dmi& dmi) {
           dmi.set_end_address(63);
           return false;
         };
         tlm::tlm_dmi dmi;
         rig.initiator->get_direct_mem_ptr(rig.payload(), dmi);
       }},
      {"target: DMI granted without pointer or access",
       [](Rig& rig) {
         rig.direct = [](Payload&, tlm::tlm_dmi&) { return true; };
         tlm::tlm_dmi dmi;
         rig.initiator->get_direct_mem_ptr(rig.payload(), dmi);
       }},
      {"target: DMI invalidation of no region", [](Rig& rig) { rig.target->invalidate_direct_mem_ptr(5, 4); }},
  });
}
