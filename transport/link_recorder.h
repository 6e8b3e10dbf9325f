// SPDX-License-Identifier: Apache-2.0
/// What the probes of Links write: one recorder per request.
#pragma once

#include <memory>
#include <string>
#include <systemc>

#include "core/file.h"
#include "transport/links.h"
#include "transport/probe.h"

namespace nibble {

class Links::Recorder {
 public:
  virtual ~Recorder() = default;
  /// A probe for one more link.
  virtual std::unique_ptr<Probe> make(const std::string& module, const std::string& link) = 0;
  virtual void watch(const std::string&, const sc_core::sc_signal<bool>&) {}
  /// Writes what is left. Throws InputError when what was seen is an error.
  virtual void finish(bool complete) = 0;
  static std::unique_ptr<Recorder> of(const ProbeRequest& request, OutputFiles& files);
};

}  // namespace nibble
