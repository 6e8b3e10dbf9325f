// SPDX-License-Identifier: Apache-2.0
#include "memory/flat_memory.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/units.h"
#include "memory/quantities.h"

namespace nibble {

FlatConfig FlatConfig::from(ConfigNode node) {
  FlatConfig config;
  config.bandwidth_gbps = node.string("bandwidth_gbps") == "infinite" ? std::numeric_limits<double>::infinity()
                                                                      : node.number("bandwidth_gbps", 0.001, 1e5);
  config.bandwidth_gbps *= static_cast<double>(node.integer("channels", 1, 1024, 1));
  config.latency_ns = node.number("latency_ns", 0, 1e6, 0);
  config.capacity_bytes = static_cast<std::uint64_t>(node.integer("capacity_mib", 1, 1 << 24, 16384)) * mib;
  config.burst_bytes = static_cast<std::uint64_t>(node.integer("burst_bytes", 1, 4096, 1));
  config.queue_depth = static_cast<unsigned>(node.integer("queue_depth", 1, 65536, 64));
  config.read_pj_per_bit = number_or_unknown(node, "read_pj_per_bit", 0, 1e4);
  config.write_pj_per_bit = number_or_unknown(node, "write_pj_per_bit", 0, 1e4);
  config.background_mw = number_or_unknown(node, "background_mw", 0, 1e6);
  config.source = node.string("source");
  return config;
}

FlatMemory::FlatMemory(sc_core::sc_module_name name, const FlatConfig& config, Statistics* statistics)
    : TimedTarget(name, config.capacity_bytes, config.queue_depth, statistics),
      config_(config),
      ticks_per_byte_(1.0 / (config.bandwidth_gbps * 1e9 * sc_core::sc_get_time_resolution().to_seconds())),
      latency_ticks_(sc_core::sc_time(config.latency_ns, sc_core::SC_NS).value()) {
  group().counter("bus_read_bytes", "byte", "bytes read on the bus, whole bursts", bus_read_bytes_);
  group().counter("bus_write_bytes", "byte", "bytes written on the bus, whole bursts", bus_write_bytes_);
  group().derived(
      "bus_busy", "ratio", "share of the time in which the bus moves data", "bus busy time / elapsed time", [this] {
        return Statistics::ratio(static_cast<double>(busy_ticks_),
                                 static_cast<double>((sc_core::sc_time_stamp() - statistics_from_).value()));
      });
}

std::uint64_t FlatMemory::serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) {
  const std::uint64_t first = payload.get_address() / config_.burst_bytes;
  const std::uint64_t last = (payload.get_address() + payload.get_data_length() - 1) / config_.burst_bytes;
  const std::uint64_t bytes = (last - first + 1) * config_.burst_bytes;
  (payload.is_read() ? bus_read_bytes_ : bus_write_bytes_) += bytes;
  if (arrival > busy_until_) {
    busy_from_ = busy_until_ = arrival;
    busy_bytes_ = 0;
  }
  // From the start of the busy period, so that rounding to the time resolution does not add up.
  busy_bytes_ += bytes;
  const auto until =
      busy_from_ + static_cast<std::uint64_t>(std::llround(static_cast<double>(busy_bytes_) * ticks_per_byte_));
  busy_ticks_ += until - busy_until_;
  if (observer() != nullptr) {
    ChannelWork work;
    (payload.is_read() ? work.read_bytes : work.write_bytes) = bytes;
    observer()->channel_worked(0, busy_until_, until, work);
  }
  busy_until_ = until;
  return until + latency_ticks_;
}

void FlatMemory::admit(tlm::tlm_generic_payload& payload, std::uint64_t now) {
  respond(payload, serve(payload, now));
}

double FlatMemory::idle_latency() const {
  return config_.latency_ns * 1e-9 + static_cast<double>(config_.burst_bytes) / peak_bandwidth();
}

sc_core::sc_time FlatMemory::direct_latency() const {
  return sc_core::sc_time(idle_latency(), sc_core::SC_SEC);
}

MemoryEnergy FlatMemory::energy() const {
  MemoryEnergy energy;
  energy.known = config_.read_pj_per_bit && config_.write_pj_per_bit && config_.background_mw;
  energy.read_pj = config_.read_pj_per_bit.value_or(0) * 8 * static_cast<double>(bus_read_bytes_);
  energy.write_pj = config_.write_pj_per_bit.value_or(0) * 8 * static_cast<double>(bus_write_bytes_);
  const double elapsed_ns = (sc_core::sc_time_stamp() - statistics_from_).to_seconds() * 1e9;
  energy.background_pj = config_.background_mw.value_or(0) * elapsed_ns;  // mW x ns = pJ
  return energy;
}

void FlatMemory::reset_statistics() {
  group().reset();
  busy_ticks_ = 0;
  statistics_from_ = sc_core::sc_time_stamp();
}

}  // namespace nibble
