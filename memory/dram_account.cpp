// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel that counts: commands, and the cause of every bus cycle without data.
#include <algorithm>

#include "memory/dram_channel.h"

namespace nibble {

const std::array<const char*, lost_causes> lost_cause_names{
    "idle", "latency", "refresh", "turnaround", "rank_switch", "column_spacing", "row", "activate_rate", "queue"};

RankCounters& RankCounters::operator+=(const RankCounters& other) {
  reads += other.reads;
  writes += other.writes;
  activates += other.activates;
  precharges += other.precharges;
  refreshes += other.refreshes;
  active_cycles += other.active_cycles;
  return *this;
}

DramCounters& DramCounters::operator+=(const DramCounters& other) {
  RankCounters::operator+=(other);
  misses += other.misses;
  conflicts += other.conflicts;
  turnarounds += other.turnarounds;
  for (std::size_t i = 0; i < lost.size(); ++i)
    lost[i] += other.lost[i];
  return *this;
}

/// `count` column commands in the current direction.
void DramChannel::column_count(Rank& rank, Cycle count) {
  const unsigned d = direction_;
  const auto bursts = static_cast<std::uint64_t>(count);
  (d == read ? counters_.reads : counters_.writes) += bursts;
  (d == read ? rank.counters.reads : rank.counters.writes) += bursts;
  if (last_direction_ != d) {
    ++counters_.turnarounds;
    last_direction_ = d;
  }
  served_[d] += count;
  const bool others = fed_[1 - d] != served_[1 - d];
  if (others) streak_ += static_cast<unsigned>(count);
  // With nobody to be held back the second command ends it, as choose_direction() in front of it would.
  hold_ = others || count == 1 ? std::max<Cycle>(0, hold_ - count) : 0;
}

/// Of a column command at `time`. To be called before column_timing().
void DramChannel::account(unsigned index, Cycle time) {
  const Cycle start = time + latency_[direction_];
  if (start != data_end_) account_gap(index, time);
  last_rank_ = banks_[index].rank;
  data_end_ = start + burst_;
}

/// Divides the time between the end of the last data and those of a column command at `time` by cause, in the order in
/// which LostCause names them: each takes what it alone would have left of the rest.
[[gnu::noinline]] void DramChannel::account_gap(unsigned index, Cycle time) {
  const Bank& bank = banks_[index];
  const unsigned d = direction_;
  const Cycle latency = latency_[d];
  // Data cannot begin before a request waited, and then not before the latency of its command.
  const Cycle worked = std::max(data_end_, work_from_);
  lose(LostCause::idle, worked - data_end_);
  Cycle cursor = std::max(data_end_, work_from_ + latency);
  lose(LostCause::latency, cursor - worked);
  cursor -= latency;
  const auto until = [&](LostCause cause, Cycle limit) {
    const Cycle reached = std::min(limit, time);
    if (reached <= cursor) return;
    lose(cause, reached - cursor);
    cursor = reached;
  };
  until(LostCause::refresh, notes_[index].refreshed_at);
  const Cycle bus = floor_of(column, bank);
  until(d != last_direction_      ? LostCause::turnaround
        : bank.rank != last_rank_ ? LostCause::rank_switch
                                  : LostCause::column_spacing,
        bus);
  until(LostCause::row, std::max(cursor, bank.cas_ok[d] - notes_[index].rate_wait));
  until(LostCause::activate_rate, bank.cas_ok[d]);
  until(LostCause::queue, time);
}

/// `count` more column commands, `spacing` apart, which stand behind one another only because of tCCD.
void DramChannel::account_stretch(Cycle count, Cycle spacing) {
  lose(LostCause::column_spacing, count * (spacing - burst_));
  data_end_ += count * spacing;
}

DramCounters DramChannel::counters_now() const {
  DramCounters result = counters_;
  for (const RankCounters& rank : rank_counters_now())
    result.active_cycles += rank.active_cycles;
  for (const Rank& rank : ranks_)
    result.active_cycles -= rank.counters.active_cycles;
  if (now_ > data_end_)
    result.lost[static_cast<std::size_t>(LostCause::idle)] += static_cast<std::uint64_t>(now_ - data_end_);
  return result;
}

std::vector<RankCounters> DramChannel::rank_counters_now() const {
  std::vector<RankCounters> result;
  for (const Rank& rank : ranks_) {
    result.push_back(rank.counters);
    if (rank.open_banks == 0) continue;
    result.back().active_cycles += static_cast<std::uint64_t>(std::max<Cycle>(0, now_ - rank.active_from));
  }
  return result;
}

void DramChannel::reset_counters() {
  counters_ = {};
  data_end_ = std::max(data_end_, now_);
  for (Rank& rank : ranks_) {
    rank.counters = {};
    rank.active_from = std::max(rank.active_from, now_);
  }
}

void DramChannel::log_commands(std::vector<DramCommand>* log) {
  end_sprint();
  log_ = log;
  leaps_ = log == nullptr && !per_bank_;
}

}  // namespace nibble
