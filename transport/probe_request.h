// SPDX-License-Identifier: Apache-2.0
/// ProbeRequest: which probe a user wants on which links of a platform (docs/observing.md).
#pragma once

#include <string>
#include <vector>

#include "core/config_node.h"

namespace nibble {

/// Kinds:
///   protocol      checks the rules of the base protocol; the run fails when one is broken
///   transactions  every transaction as a row (file ending .csv) or a slice of a Perfetto trace (.json)
///   bandwidth     bytes per window of `window_ns`, CSV
///   latency       histogram of the times from request to response, CSV
///   waves         requests, responses and transactions under way, and signals, as VCD or FST
///   lt            no probe, but an approximation: passes transactions on as blocking calls (loosely timed)
struct ProbeRequest {
  std::string kind;
  std::string link = "*";  ///< name of the link or signal; '*' stands for any text
  std::string file;        ///< of all kinds but protocol and lt
  double window_ns = 1000;

  bool matches(const std::string& name) const;
  /// Keys kind, link, file, window_ns. Throws InputError.
  static ProbeRequest from(ConfigNode node);
  /// "kind[,key=value...]", as options are given.
  static ProbeRequest parse(const std::string& text);
  /// The list `probes` of a configuration; absent: none.
  static std::vector<ProbeRequest> all(ConfigNode node);
  /// Those of the environment variable NIBBLE_PROBES, as options are given, separated by semicolons.
  static std::vector<ProbeRequest> from_environment();
};

}  // namespace nibble
