// SPDX-License-Identifier: Apache-2.0
/// Links: binds the sockets of a platform, through probes where a configuration asks for them. Models know nothing of
/// it.
#pragma once

#include <memory>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "core/file.h"
#include "transport/probe_request.h"

namespace nibble {

/// Use: bind() and watch() everything before the simulation, finish() behind it.
class Links {
 public:
  /// With these probes and, behind them, those of the environment variable NIBBLE_PROBES. Throws InputError when a file
  /// cannot be written.
  explicit Links(std::vector<ProbeRequest> requests = {});
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  /// Sockets of any kind that bind to those of the base protocol, 32 bits wide: simple, multi, passthrough. Several
  /// probes on one link stand in the order of the requests, the first next to the initiator.
  template <class Initiator, class Target>
  void bind(const std::string& link, Initiator& initiator, Target& target) {
    const Chain chain = make_chain(link);
    if (chain.first == nullptr) {
      initiator.bind(target);
    } else {
      initiator.bind(*chain.first);
      chain.last->bind(target);
    }
  }
  /// A signal that `waves` may show.
  void watch(const std::string& name, const sc_core::sc_signal<bool>& signal);
  /// Writes the files, whole. Throws InputError: a request that met no link (with the names that there are), or
  /// violations of the base protocol. `complete`: nothing may be in flight.
  void finish(bool complete);

  /// What a request does with the links that it matches; one file each.
  class Recorder;

 private:
  struct Request;
  /// The probes of a link, bound to each other; empty: none.
  struct Chain {
    tlm::tlm_target_socket<>* first = nullptr;
    tlm::tlm_initiator_socket<>* last = nullptr;
  };
  Chain make_chain(const std::string& link);
  void check_used() const;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<std::string> names_;
  OutputFiles files_;
};

}  // namespace nibble
