// SPDX-License-Identifier: Apache-2.0
/// A DMA engine before a flat memory whose requests are written down.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/statistics.h"
#include "memory/dma_engine.h"
#include "testbenches/memory/flat_device.h"
#include "testbenches/support/dma_recorder.h"
#include "testbenches/support/monitored_links.h"
#include "transport/probe.h"

namespace nibble::test {

using Bytes = std::vector<std::uint8_t>;
using sc_core::SC_NS;
using sc_core::sc_time;

inline FlatConfig flat(double gbps = 1, double latency_ns = 10, unsigned depth = 64) {
  return flat_device(gbps, latency_ns, depth);
}

inline DmaTransfer timing_read(std::uint64_t address, std::uint64_t bytes) {
  DmaTransfer transfer;
  transfer.address = address;
  transfer.row_bytes = bytes;
  return transfer;
}

/// The addresses and lengths of the requests that an engine makes of transfers.
struct Trace {
  using Cuts = std::vector<std::pair<std::uint64_t, unsigned>>;
  explicit Trace(const DmaConfig& config, double gbps = 1, const std::string& suffix = "")
      : memory(("memory" + suffix).c_str(), flat(gbps), nullptr),
        probe(("probe" + suffix).c_str(),
              [this](const tlm::tlm_generic_payload& p, const tlm::tlm_phase& phase, const sc_time&) {
                if (phase == tlm::BEGIN_REQ) cuts.emplace_back(p.get_address(), p.get_data_length());
              }),
        dma(("dma" + suffix).c_str(), config, &statistics) {
    dma.memory.bind(probe.in);
    monitored.bind(probe.out, memory.target);
  }
  Statistics statistics{"test"};
  Cuts cuts;
  MonitoredLinks monitored;
  FlatMemory memory;
  Probe probe;
  DmaEngine dma;
  DmaRecorder done;
};

inline Bytes random_bytes(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  Bytes bytes(count);
  for (auto& byte : bytes)
    byte = static_cast<std::uint8_t>(random.next());
  return bytes;
}

}  // namespace nibble::test
