// SPDX-License-Identifier: Apache-2.0
#include "memory/dram.h"

#include <algorithm>

#include "memory/dram_energy.h"

namespace nibble {

Dram::Dram(sc_core::sc_module_name name, const DramDevice& device, Statistics* statistics)
    : TimedTarget(name, device.geometry.capacity_bytes(), device.queues.transactions, statistics),
      device_(device),
      map_(device.mapping, device.geometry),
      tck_(sc_core::sc_time(device.tck_ns, sc_core::SC_NS).value()) {
  for (unsigned channel = 0; channel < device.geometry.channels; ++channel) {
    channels_.push_back(std::make_unique<DramChannel>(device_, map_));
  }
  last_here_.resize(channels_.size());
  bounds_.assign(channels_.size(), DramChannel::never);
  register_statistics();
}

void Dram::register_statistics() {
  for (unsigned i = 0; i < channels_.size(); ++i) {
    DramCounters& n = channels_[i]->counters();
    channel_statistics_.push_back(std::make_unique<Statistics>("channel" + std::to_string(i), &group()));
    Statistics& s = *channel_statistics_.back();
    s.counter("reads", "count", "bursts read", n.reads);
    s.counter("writes", "count", "bursts written", n.writes);
    s.counter("activates", "count", "rows opened", n.activates);
    s.counter("precharges", "count", "precharge commands, one for all banks counts once", n.precharges);
    s.counter("refreshes", "count", "refresh commands", n.refreshes);
    s.counter("row_misses", "count", "rows opened in a closed bank", n.misses);
    s.counter("row_conflicts", "count", "rows opened after another row was closed for them", n.conflicts);
    s.counter("turnarounds", "count", "changes between reads and writes on the data bus", n.turnarounds);
  }
  group().derived("row_hit_rate", "ratio", "bursts that found their row open", "1 - activates / (reads + writes)",
                  [this]() -> std::optional<double> {
                    const DramCounters n = counters();
                    if (n.reads + n.writes == 0) return std::nullopt;
                    return std::max(0.0,
                                    1 - static_cast<double>(n.activates) / static_cast<double>(n.reads + n.writes));
                  });
  group().derived("bus_busy", "ratio", "share of the time in which the data buses move data",
                  "(reads + writes) x burst cycles / (channels x elapsed cycles)", [this] {
                    const DramCounters n = counters();
                    const double busy =
                        static_cast<double>(n.reads + n.writes) * static_cast<double>(device_.geometry.burst_cycles());
                    return Statistics::ratio(busy, static_cast<double>(channels_.size()) * elapsed_cycles());
                  });
}

double Dram::peak_bandwidth() const {
  const double burst_seconds = static_cast<double>(device_.geometry.burst_cycles()) * device_.tck_ns * 1e-9;
  return static_cast<double>(channels_.size()) * static_cast<double>(burst_bytes()) / burst_seconds;
}

double Dram::idle_latency() const {
  const DramTiming& t = device_.timing;
  const Cycle decode = 1;  // a request is seen in the cycle after its arrival
  return static_cast<double>(decode + t.rcd_read + t.cl + device_.geometry.burst_cycles()) * device_.tck_ns * 1e-9;
}

sc_core::sc_time Dram::direct_latency() const {
  return sc_core::sc_time::from_value(time_of(device_.timing.cl + device_.geometry.burst_cycles()));
}

/// Hands a transaction to its channels in the first memory cycle that is not before `at`.
std::uint32_t Dram::start(tlm::tlm_generic_payload* payload, const tlm::tlm_generic_payload& access, std::uint64_t at) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(transactions_.size()));
    transactions_.emplace_back();
  }
  const std::uint32_t id = free_.back();
  free_.pop_back();
  const std::uint64_t first = access.get_address() / burst_bytes();
  const std::uint64_t end = (access.get_address() + access.get_data_length() - 1) / burst_bytes() + 1;
  const Cycle cycle = cycle_after(at);
  Transaction& transaction = transactions_[id];
  transaction = {payload, 0, 0, 0};
  const auto send = [&](unsigned channel, std::uint64_t from, std::uint64_t count) {
    transaction.channels |= std::uint64_t{1} << channel;
    channels_[channel]->push(from, count, access.is_write(), id, cycle);
    if (observer() != nullptr) tell_begin(channel, cycle);
    changed_ |= std::uint64_t{1} << channel;
  };
  const std::uint64_t touched = map_.channels_of(first, end);
  for (std::uint64_t mask = touched; mask != 0; mask &= mask - 1) {
    const auto channel = static_cast<unsigned>(__builtin_ctzll(mask));
    const std::uint64_t from = map_.local_from(first, channel);
    send(channel, from, map_.local_from(end, channel) - from);
  }
  enlist(id);
  for (std::uint64_t mask = transaction.channels; mask != 0; mask &= mask - 1) {
    collect(static_cast<unsigned>(__builtin_ctzll(mask)));
  }
  return id;
}

/// Records for which channels the transaction waits.
void Dram::enlist(std::uint32_t id) {
  Transaction& transaction = transactions_[id];
  if ((transaction.channels & (transaction.channels - 1)) == 0) {
    wait_for(static_cast<unsigned>(__builtin_ctzll(transaction.channels)), 1);
    return;
  }
  transaction.position = static_cast<std::uint32_t>(several_.size());
  several_.push_back(id);
}

void Dram::admit(tlm::tlm_generic_payload& payload, std::uint64_t now) {
  start(&payload, payload, now);
}

std::uint64_t Dram::serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival) {
  const std::uint32_t id = start(nullptr, payload, arrival);
  while (const std::uint64_t mask = transactions_[id].channels) {
    const auto channel = static_cast<unsigned>(__builtin_ctzll(mask));
    channels_[channel]->advance(channels_[channel]->finish_bound());
    changed_ |= std::uint64_t{1} << channel;
    collect(channel);
  }
  free_.push_back(id);
  return time_of(transactions_[id].finish);
}

/// Takes what a channel has finished.
void Dram::collect(unsigned channel) {
  auto& done = channels_[channel]->done();
  for (const DramChannel::Done& part : done)
    finish_part(part.id, channel, part.at);
  done.clear();
}

void Dram::finish_part(std::uint32_t id, unsigned channel, Cycle at) {
  Transaction& transaction = transactions_[id];
  transaction.channels &= ~(std::uint64_t{1} << channel);
  transaction.finish = std::max(transaction.finish, at);
  if (observer() != nullptr) tell_end(channel, at);
  if (transaction.channels == 0) {
    wait_for(channel, -1);
    if (transaction.payload == nullptr) return;
    respond(*transaction.payload, time_of(transaction.finish));
    free_.push_back(id);
  } else if ((transaction.channels & (transaction.channels - 1)) == 0) {
    several_[transaction.position] = several_.back();
    transactions_[several_.back()].position = transaction.position;
    several_.pop_back();
    enlist(id);
  }
}

void Dram::tell_begin(unsigned channel, Cycle at) {
  if (told_.empty()) told_.resize(channels_.size());
  Told& told = told_[channel];
  if (told.open++ == 0) told.begin = at;
}

void Dram::tell_end(unsigned channel, Cycle at) {
  Told& told = told_[channel];
  told.end = std::max(told.end, at);
  if (--told.open > 0) return;
  const DramCounters& n = channels_[channel]->counters();
  ChannelWork now;
  now.read_bytes = n.reads * burst_bytes();
  now.write_bytes = n.writes * burst_bytes();
  now.activates = n.activates;
  now.precharges = n.precharges;
  now.refreshes = n.refreshes;
  const ChannelWork& before = told.done;
  observer()->channel_worked(
      channel, time_of(told.begin), time_of(told.end),
      {now.read_bytes - before.read_bytes, now.write_bytes - before.write_bytes, now.activates - before.activates,
       now.precharges - before.precharges, now.refreshes - before.refreshes});
  told.done = now;
}

/// One transaction more, or less, waits for this channel alone.
void Dram::wait_for(unsigned channel, int transactions) {
  last_here_[channel] += static_cast<unsigned>(transactions);
  const std::uint64_t bit = std::uint64_t{1} << channel;
  awaited_ = last_here_[channel] != 0 ? awaited_ | bit : awaited_ & ~bit;
}

/// Brings bounds_ up to date: a channel finishes nothing before its own.
void Dram::find_bounds() const {
  for (; changed_ != 0; changed_ &= changed_ - 1) {
    const auto channel = static_cast<unsigned>(__builtin_ctzll(changed_));
    const Cycle before = bounds_[channel], bound = channels_[channel]->finish_bound();
    bounds_[channel] = bound;
    if (bound <= earliest_) {
      earliest_ = bound;
    } else if (before == earliest_) {
      earliest_ = *std::min_element(bounds_.begin(), bounds_.end());
    }
  }
}

void Dram::advance(std::uint64_t now) {
  const auto cycle = static_cast<Cycle>(now / tck_);
  find_bounds();
  if (earliest_ > cycle) return;
  for (unsigned channel = 0; channel < channels_.size(); ++channel) {
    if (bounds_[channel] > cycle) continue;
    channels_[channel]->advance(cycle);
    changed_ |= std::uint64_t{1} << channel;
    collect(channel);
  }
}

void Dram::synchronize() {
  const auto cycle = static_cast<Cycle>(sc_core::sc_time_stamp().value() / tck_);
  for (unsigned channel = 0; channel < channels_.size(); ++channel) {
    channels_[channel]->advance(cycle);
    changed_ |= std::uint64_t{1} << channel;
    collect(channel);
  }
}

/// A transaction is complete when the last of its channels is; no other channel need be looked at before.
std::uint64_t Dram::next_event() const {
  find_bounds();
  if (several_.empty()) return earliest_ == DramChannel::never ? never : time_of(earliest_);
  Cycle next = DramChannel::never;
  for (std::uint64_t mask = awaited_; mask != 0; mask &= mask - 1)
    next = std::min(next, bounds_[static_cast<unsigned>(__builtin_ctzll(mask))]);
  for (const std::uint32_t id : several_) {
    Cycle last = 0;
    for (std::uint64_t rest = transactions_[id].channels; rest != 0 && last < next; rest &= rest - 1)
      last = std::max(last, bounds_[static_cast<unsigned>(__builtin_ctzll(rest))]);
    next = std::min(next, last);
  }
  return next == DramChannel::never ? never : time_of(next);
}

double Dram::elapsed_cycles() const {
  return static_cast<double>(sc_core::sc_time_stamp().value() - statistics_from_) / static_cast<double>(tck_);
}

DramCounters Dram::counters() const {
  // What lies before now has happened, looked at or not: bringing the channels up to date changes nothing that can be
  // seen.
  const_cast<Dram*>(this)->synchronize();
  DramCounters sum;
  for (const auto& channel : channels_)
    sum += channel->counters_now();
  return sum;
}

DramCounters Dram::counters(unsigned channel) const {
  const_cast<Dram*>(this)->synchronize();
  return channels_.at(channel)->counters_now();
}

std::vector<Dram::RankReport> Dram::ranks() const {
  const_cast<Dram*>(this)->synchronize();
  std::vector<RankReport> reports;
  for (unsigned channel = 0; channel < channels_.size(); ++channel) {
    const auto ranks = channels_[channel]->rank_counters_now();
    for (unsigned rank = 0; rank < ranks.size(); ++rank)
      reports.push_back({channel, rank, ranks[rank], dram_energy(device_, ranks[rank], elapsed_cycles())});
  }
  return reports;
}

MemoryEnergy Dram::energy() const {
  return dram_energy(device_, counters(),
                     static_cast<double>(channels_.size() * device_.geometry.ranks) * elapsed_cycles());
}

void Dram::reset_statistics() {
  counters();
  group().reset();
  for (const auto& channel : channels_)
    channel->reset_counters();
  for (Told& told : told_)
    told.done = {};
  statistics_from_ = sc_core::sc_time_stamp().value();
}

}  // namespace nibble
