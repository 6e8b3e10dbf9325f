// SPDX-License-Identifier: Apache-2.0
#include "memory/scratchpad_memory.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"

namespace nibble {

ScratchpadMemoryConfig ScratchpadMemoryConfig::from(ConfigNode node) {
  ScratchpadMemoryConfig config;
  config.array = ScratchpadConfig::from(node);
  config.clock_mhz = node.number("clock_mhz", 1, 100000);
  config.latency_cycles = static_cast<unsigned>(node.integer("latency_cycles", 1, 65536, config.latency_cycles));
  config.queue_depth = static_cast<unsigned>(node.integer("queue_depth", 1, 65536, config.queue_depth));
  config.source = node.string("source", "");
  node.reject_unknown();
  return config;
}

ScratchpadMemory::ScratchpadMemory(sc_core::sc_module_name name, const ScratchpadMemoryConfig& config,
                                   Statistics* statistics)
    : TimedTarget(name, config.array.capacity_bytes, config.queue_depth, statistics),
      config_(config),
      period_(std::max<std::uint64_t>(1, sc_core::sc_time(1e3 / config.clock_mhz, sc_core::SC_NS).value())),
      ports_(config.array.read_ports + config.array.write_ports + config.array.shared_ports),
      port_free_(static_cast<std::size_t>(config.array.banks) * ports_, 0) {
  static_cast<void>(Scratchpad(config.array));  // checks it
  if (config.latency_cycles == 0 || config.queue_depth == 0) {
    throw InternalError(std::string(this->name()) + ": impossible scratchpad configuration");
  }
  group().counter("bank_reads", "count", "reads of one bank", reads_);
  group().counter("bank_writes", "count", "writes of one bank", writes_);
  group().counter("bank_wait_cycles", "cycle", "cycles that words waited for a port of their bank, sum over words",
                  wait_cycles_);
}

std::uint64_t ScratchpadMemory::serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) {
  const ScratchpadConfig& array = config_.array;
  const bool write = payload.is_write();
  const std::uint64_t edge = round_up(arrival, period_);
  const std::uint64_t first = payload.get_address() / array.width_bytes;
  const std::uint64_t last = (payload.get_address() + payload.get_data_length() - 1) / array.width_bytes;
  std::uint64_t end = edge;
  for (std::uint64_t word = first; word <= last; ++word) {
    std::uint64_t* ports = &port_free_[word % array.banks * ports_];
    std::uint64_t* own = ports + (write ? array.read_ports : 0);
    std::uint64_t* shared = ports + array.read_ports + array.write_ports;
    std::uint64_t* best = std::min_element(own, own + (write ? array.write_ports : array.read_ports));
    std::uint64_t* other = std::min_element(shared, shared + array.shared_ports);
    const bool has_own = (write ? array.write_ports : array.read_ports) != 0;
    if (!has_own || (array.shared_ports != 0 && *best > edge && *other < *best)) best = other;
    const std::uint64_t start = std::max(edge, *best);
    *best = start + period_;
    wait_cycles_ += (start - edge) / period_;
    end = std::max(end, start);
  }
  (write ? writes_ : reads_) += last - first + 1;
  return end + config_.latency_cycles * period_;
}

void ScratchpadMemory::admit(tlm::tlm_generic_payload& payload, std::uint64_t now) {
  respond(payload, serve(payload, now));
}

double ScratchpadMemory::peak_bandwidth() const {
  const ScratchpadConfig& array = config_.array;
  return static_cast<double>(array.banks) * ports_ * array.width_bytes * config_.clock_mhz * 1e6;
}

double ScratchpadMemory::idle_latency() const {
  return config_.latency_cycles / (config_.clock_mhz * 1e6);
}

sc_core::sc_time ScratchpadMemory::direct_latency() const {
  return sc_core::sc_time::from_value(config_.latency_cycles * period_);
}

SramEnergy ScratchpadMemory::energy(const CostBook& book) const {
  const ScratchpadConfig& array = config_.array;
  return scratchpad_energy(book, array, reads_, writes_, (sc_core::sc_time_stamp() - statistics_from_).to_seconds());
}

void ScratchpadMemory::reset_statistics() {
  group().reset();
  statistics_from_ = sc_core::sc_time_stamp();
}

}  // namespace nibble
