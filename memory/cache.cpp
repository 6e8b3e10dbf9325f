// SPDX-License-Identifier: Apache-2.0
#include "memory/cache.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/units.h"
#include "transport/messages.h"

namespace nibble {
namespace {

/// The engine below: as many transactions as the cache can have on the way, fills before writes.
DmaConfig below(const CacheConfig& config) {
  DmaConfig dma;
  dma.max_outstanding = config.mshrs + config.write_buffer;
  dma.transaction_bytes = config.fill_bytes;
  return dma;
}

const CacheConfig& checked(const CacheConfig& config) {
  if (config.banks == 0 || config.bytes_per_cycle == 0 || !(config.clock_mhz > 0) || config.mshrs == 0 ||
      config.mshr_targets == 0 || config.write_buffer == 0 || config.queue_depth == 0 ||
      !is_power_of_two(config.fill_bytes) || config.fill_bytes < config.geometry.line_bytes) {
    throw InternalError("cache: impossible configuration");
  }
  return config;
}

}  // namespace

Cache::Cache(sc_core::sc_module_name name, const CacheConfig& config, Statistics* statistics)
    : sc_module(name),
      FourPhaseTarget(target, config.queue_depth),
      config_(checked(config)),
      below_("below", below(config)),
      pipeline_(config_, below_, responses(), [this] { wake_event().notify(sc_core::SC_ZERO_TIME); }) {
  target.bind(*this);
  below_.memory.bind(memory);
  SC_METHOD(on_wake);
  sensitive << wake_event();
  dont_initialize();
  register_statistics(statistics);
}

Cache::~Cache() = default;

void Cache::maintain(CacheMaintenance what, std::uint64_t start, std::uint64_t end) {
  pipeline_.maintain(what, start, end);
}

SramEnergy Cache::energy(const CostBook& book, double seconds) const {
  SramEnergy energy = sram_energy(book, {config_.geometry.capacity_bytes, config_.banks, config_.bytes_per_cycle},
                                  counters().data_reads, counters().data_writes, seconds);
  energy.left_out = "tags and miss registers";
  return energy;
}

/// Without a bound all but the last byte, so that ends of transactions can be counted.
tlm::tlm_response_status Cache::check(const tlm::tlm_generic_payload& payload) const {
  return check_access(payload, config_.memory_bytes != 0 ? config_.memory_bytes : ~std::uint64_t{0});
}

void Cache::enter(tlm::tlm_generic_payload& payload, std::uint64_t now) {
  const auto status = check(payload);
  if (status == tlm::TLM_OK_RESPONSE && payload.get_command() != tlm::TLM_IGNORE_COMMAND) {
    tell_transaction(message::cache, this, payload);
    pipeline_.enter(payload, now);
    return;
  }
  pipeline_.counters.refused += status != tlm::TLM_OK_RESPONSE;
  payload.set_response_status(status);
  tell_transaction(message::cache, this, payload);
  responses().push(now, &payload);
}

void Cache::on_wake() {
  step();
  if (std::exchange(maintenance_told_, pipeline_.maintained()) != pipeline_.maintained()) {
    maintained_.notify(sc_core::SC_ZERO_TIME);
  }
  if (blocking_users_ != 0 && !serving_ && pipeline_.drained()) drained_.notify(sc_core::SC_ZERO_TIME);
}

void Cache::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const auto status = check(payload);
  if (status != tlm::TLM_OK_RESPONSE || payload.get_command() == tlm::TLM_IGNORE_COMMAND) {
    pipeline_.counters.refused += status != tlm::TLM_OK_RESPONSE;
    payload.set_response_status(status);
    tell_transaction(message::cache, this, payload);
    return;
  }
  tell_transaction(message::cache, this, payload);
  std::uint64_t arrival = sc_core::sc_time_stamp().value() + delay.value();
  ++blocking_users_;
  while (serving_ || !pipeline_.drained())
    sc_core::wait(drained_);
  serving_ = true;
  arrival = std::max<std::uint64_t>(arrival, sc_core::sc_time_stamp().value());
  const std::uint64_t end = pipeline_.serve(payload, arrival);
  serving_ = false;
  --blocking_users_;
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  delay = sc_core::sc_time::from_value(std::max(end, now) - now);
  if (blocking_users_ != 0) drained_.notify(sc_core::SC_ZERO_TIME);
  // A request, or maintenance, may have come meanwhile.
  wake_event().notify(sc_core::SC_ZERO_TIME);
}

bool Cache::get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
  dmi.allow_none();
  dmi.set_start_address(0);
  dmi.set_end_address(~std::uint64_t{0});
  return false;
}

unsigned Cache::transport_dbg(tlm::tlm_generic_payload& payload) {
  return pipeline_.debug(payload);
}

void Cache::register_statistics(Statistics* parent) {
  if (parent == nullptr) return;
  statistics_ = std::make_unique<Statistics>(basename(), parent);
  CacheCounters& c = pipeline_.counters;
  const auto count = [this](const char* name, const char* meaning, std::uint64_t& value) {
    statistics_->counter(name, "count", meaning, value);
  };
  const auto bytes = [this](const char* name, const char* meaning, std::uint64_t& value) {
    statistics_->counter(name, "byte", meaning, value);
  };
  count("reads", "read transactions", c.reads);
  count("writes", "write transactions", c.writes);
  bytes("read_bytes", "bytes asked for by read transactions", c.read_bytes);
  bytes("write_bytes", "bytes carried by write transactions", c.write_bytes);
  count("responses", "transactions answered", c.responses);
  count("refused", "transactions refused at the socket", c.refused);
  count("errors", "transactions that failed because the memory did", c.errors);
  count("held_back", "requests whose END_REQ was withheld", held_back());
  count("segments", "parts of transactions in one line each", c.segments);
  count("hits", "segments served without the memory", c.hits);
  count("line_misses", "segments whose line was not there", c.line_misses);
  count("sector_misses", "segments whose line was there, but not all sectors", c.sector_misses);
  count("merged", "segments that joined a miss on its way", c.merged);
  count("evictions", "lines that lost their place", c.evictions);
  count("writebacks", "lines with dirty sectors written to the memory", c.writebacks);
  count("write_errors", "write-backs that the memory refused", c.write_errors);
  count("fills", "lines, or parts of lines, that came from the memory", c.fills);
  bytes("fill_bytes", "bytes read from the memory", c.fill_bytes);
  bytes("writeback_bytes", "bytes written back to the memory", c.writeback_bytes);
  bytes("forwarded_bytes", "bytes of writes that went on to the memory", c.forwarded_bytes);
  count("data_reads", "reads of one bank", c.data_reads);
  count("data_writes", "writes of one bank", c.data_writes);
  statistics_->counter("bank_wait_cycles", "cycle", "cycles that work waited for its bank", c.bank_wait_cycles);
  count("mshr_stalls", "look-ups that found no free miss register", c.mshr_stalls);
  count("target_stalls", "look-ups that found no free target in their miss register", c.target_stalls);
  count("set_stalls", "look-ups that found all ways waiting for the memory", c.set_stalls);
  count("write_stalls", "look-ups that found the write buffer full", c.write_stalls);
  count("order_stalls", "look-ups that waited for a write of the same line", c.order_stalls);
  register_derived(*statistics_);
}

void Cache::register_derived(Statistics& group) {
  const CacheCounters& c = pipeline_.counters;
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  const auto ns = [](std::uint64_t ticks) { return sc_core::sc_time::from_value(ticks).to_seconds() * 1e9; };
  group.derived("hit_rate", "ratio", "share of the segments that hit", "hits / segments",
                [&c, number] { return Statistics::ratio(number(c.hits), number(c.segments)); });
  group.derived("latency", "ns", "mean time from request to response", "sum over transactions / responses",
                [&c, number, ns] { return Statistics::ratio(ns(c.latency_ticks), number(c.responses)); });
  group.derived("longest_latency", "ns", "longest time from request to response", "maximum over transactions",
                [&c, ns] { return std::optional<double>(ns(c.longest_latency_ticks)); });
  group.derived("stall_time", "ns", "time with a stalled look-up", "sum over stalls",
                [&c, ns] { return std::optional<double>(ns(c.stall_ticks)); });
  group.derived("traffic_ratio", "ratio", "bytes at the memory per byte asked for",
                "(fill_bytes + writeback_bytes + forwarded_bytes) / (read_bytes + write_bytes)", [&c, number] {
                  return Statistics::ratio(number(c.fill_bytes + c.writeback_bytes + c.forwarded_bytes),
                                           number(c.read_bytes + c.write_bytes));
                });
}

}  // namespace nibble
