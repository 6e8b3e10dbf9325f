// SPDX-License-Identifier: Apache-2.0
#include "memory/dram_channel.h"

#include <algorithm>

#include "memory/dram_sprint.h"

namespace nibble {
namespace {

/// Distance of column commands that walk consecutive banks of a stripe again and again, or 0 when it is not constant.
Cycle spacing_of_stripe(const AddressMap& map, const DramGeometry& geometry, Cycle ccd_s, Cycle ccd_l) {
  const std::uint64_t stripe = std::uint64_t{1} << map.stripe_bits();
  const auto group_of = [&](std::uint64_t k) { return map.place(k % stripe).bank / geometry.banks_per_group; };
  std::uint64_t nearest = stripe;  // distance at which a group comes again
  bool one_group = true;
  for (std::uint64_t k = 0; k < stripe; ++k) {
    if (group_of(k) / geometry.bank_groups != group_of(0) / geometry.bank_groups) return 0;
    one_group = one_group && group_of(k) == group_of(0);
    std::uint64_t distance = 1;
    while (group_of(k) != group_of(k + distance))
      ++distance;
    nearest = std::min(nearest, distance);
  }
  if (static_cast<Cycle>(nearest) * ccd_s >= ccd_l) return ccd_s;
  return one_group ? ccd_l : 0;
}

/// Entries in the configuration are those of one of so many queues.
unsigned queues_of(const DramDevice& device) {
  return device.queues.queue == QueueKind::per_bank ? device.geometry.banks() : 1;
}

}  // namespace

DramChannel::DramChannel(const DramDevice& device, const AddressMap& map)
    : timing_(device.timing),
      burst_(device.geometry.burst_cycles()),
      map_(map),
      latency_{device.timing.cl, device.timing.cwl},
      after_column_{after_column(read), after_column(write)},
      capacity_{std::int64_t{device.queues.reads} * queues_of(device),
                std::int64_t{device.queues.writes} * queues_of(device)},
      write_high_(device.queues.write_high),
      write_low_(device.queues.write_low),
      row_hit_cap_(device.queues.row_hit_cap),
      streak_cap_(device.queues.streak_cap),
      close_page_(device.queues.page_policy == PagePolicy::closed),
      per_bank_(device.queues.queue == QueueKind::per_bank),
      bank_refresh_(device.queues.refresh == RefreshKind::per_bank),
      sprints_(!close_page_ && !per_bank_ && *std::max_element(capacity_.begin(), capacity_.end()) <= 32),
      bank_capacity_{device.queues.reads, device.queues.writes},
      refresh_sets_(device.geometry.banks_per_rank() / device.geometry.refresh_banks),
      bank_count_(device.geometry.banks()),
      stripe_mask_((std::uint64_t{1} << map.stripe_bits()) - 1),
      block_mask_((std::uint64_t{1} << map.block_bits()) - 1),
      stripe_(std::int64_t{1} << map.stripe_bits()),
      every_job_(~std::uint64_t{0} >> (64 - stripe_)),
      stripe_spacings_{spacing_of_stripe(map, device.geometry, timing_.ccd_s, timing_.ccd_l),
                       spacing_of_stripe(map, device.geometry, timing_.ccd_s, timing_.ccd_l_write)},
      leaps_(!per_bank_),
      ranks_(device.geometry.ranks) {
  const DramGeometry& g = device.geometry;
  classify_all();
  jobs_.emplace_back();
  pieces_.emplace_back();
  for (unsigned bank = 0; bank < bank_count_; ++bank) {
    banks_[bank].group = static_cast<std::uint8_t>(bank / g.banks_per_group);
    group_of_[bank] = banks_[bank].group;
    banks_[bank].rank = static_cast<std::uint8_t>(bank / (g.banks_per_group * g.bank_groups));
    ranks_[banks_[bank].rank].banks |= std::uint64_t{1} << bank;
  }
  for (unsigned rank = 0; rank < ranks_.size(); ++rank) {
    ranks_[rank].refresh_at =
        bank_refresh_ ? bank_refresh_due(rank)
                      : timing_.refi + static_cast<Cycle>(rank) * timing_.refi / static_cast<Cycle>(ranks_.size());
    ranks_[rank].activates.fill(-timing_.faw);
  }
  for (std::uint64_t k = 0; k <= stripe_mask_; ++k)
    bank_in_stripe_[k] = static_cast<std::uint16_t>(map_.bank(k) ^ map_.bank(0));
  find_refresh();
}

DramChannel::~DramChannel() = default;

void DramChannel::push(std::uint64_t first, std::uint64_t count, bool is_write, std::uint32_t id, Cycle at) {
  advance(at);
  const unsigned direction = is_write ? write : read;
  pushed_[direction] += static_cast<std::int64_t>(count);
  segments_[direction].push({pushed_[direction], count, id});
  if (feed_.empty()) {
    if (idle()) work_from_ = now_ + 1;
    if (direction != direction_) end_sprint();
    feed_.push({first, first + count, direction});
    if (sprint_ == nullptr) {
      feed_at_once(direction);
    } else if (fed_[direction] - served_[direction] < capacity_[direction]) {
      sprint_->feed_at_once(now_ + 1);
      quiet_until_ = 0;
    }
  } else if (feed_.back().direction == direction && feed_.back().end == first) {
    feed_.back().end += count;
  } else {
    feed_.push({first, first + count, direction});
  }
  if (bound_known_ && bound_ > now_ + latency_[direction] + burst_)
    bound_ = std::min(bound_, bound_of_new(direction, static_cast<std::int64_t>(count)));
}

/// The queue was empty: otherwise its head waits for room, and so does what stands behind it.
[[gnu::flatten, gnu::noinline]] void DramChannel::feed_at_once(unsigned direction) {
  const std::int64_t fed = fed_[direction];
  feed(now_ + 1);
  if (fed == fed_[direction]) return;
  const unsigned before = direction_;
  quiet_until_ = 0;
  choose_direction();  // here too, so that the outcome does not depend on when advance() is called
  bound_known_ = bound_known_ && before == direction_;
}

/// The request just pushed cannot be complete before this cycle, whatever the banks' state.
Cycle DramChannel::bound_of_new(unsigned direction, std::int64_t count) const {
  const std::int64_t ahead = pushed_[direction] - capacity_[direction] - served_[direction];
  Cycle column_time = ranks_[0].cas_ok[direction];
  for (const Rank& rank : ranks_)
    column_time = std::min(column_time, rank.cas_ok[direction]);
  column_time = std::max(column_time, now_ + 1);
  return column_time + (std::max(count, ahead) - 1) * timing_.ccd_s + latency_[direction] + burst_;
}

void DramChannel::advance(Cycle until) {
  if (until >= quiet_until_) work(until);
  now_ = std::max(now_, until);
  if (bound_ <= until) bound_known_ = false;
}

[[gnu::flatten, gnu::noinline]] void DramChannel::work(Cycle until) {
  if (until <= now_) return;
  for (bool first = true;; first = false) {
    if (sprint_ == nullptr) choose_direction();
    const Kind kind = choose();
    const Cycle time = kind == kinds ? never : best_[kind].time;
    const Cycle refresh_time = refresh_at_;
    // Running ahead is worth its while only together with work that is due: it then happens in long stretches.
    const Cycle next = std::min(time, refresh_time);
    if (next > until && (first || !decided(next, until, kind == column ? 1 : 0))) {
      quiet_until_ = next;
      return;
    }
    bound_known_ = false;
    if (time >= refresh_time) {
      refresh(refresh_time, until);
    } else if (sprint_ != nullptr) {
      sprint(until);
    } else {
      issue(kind, until);
    }
  }
}

/// Whether what happens at `time`, taking up to `bursts` from the queue, can no longer be changed by an arrival after
/// `until`.
bool DramChannel::decided(Cycle time, Cycle until, Cycle bursts) const {
  return time <= until || (time != never && queued() > bursts);
}

void DramChannel::choose_direction() {
  const unsigned other = 1 - direction_;
  if (fed_[other] == served_[other]) {
    streak_ = 0;
    hold_ = 0;
  } else {
    choose_between();
  }
}

[[gnu::noinline]] void DramChannel::choose_between() {
  const std::int64_t reads = fed_[read] - served_[read], writes = fed_[write] - served_[write];
  const bool forced = streak_ >= streak_cap_;
  if (direction_ == read) {
    if (reads != 0 && !forced && (writes < write_high_ || hold_ > 0)) return;
    drain_to_ = forced ? 0 : write_low_;
    stall_ends_drain_ = !forced;
    hold_ = 0;
  } else {
    if (writes > drain_to_ && !forced && !drain_stalls()) return;
    hold_ = forced ? capacity_[read] : 0;
    left_behind_ = fed_[write];
  }
  direction_ = 1 - direction_;
  streak_ = 0;
  classify_all();
}

/// Whether data of a read could be on the bus before those of the next write, because the banks of the waiting writes
/// are not ready. Not before a first write was served, nor while so many wait that they would be next again, or some
/// that an earlier drain left behind: each drain takes those.
[[gnu::noinline]] bool DramChannel::drain_stalls() const {
  if (streak_ == 0 || !stall_ends_drain_ || fed_[write] - served_[write] >= write_high_) return false;
  Cycle next_read = never, next_write = never;
  for (std::uint64_t mask = active_[read]; mask != 0; mask &= mask - 1) {
    const Bank& bank = banks_[lowest_bit(mask)];
    if (bank.hit[read] == none) continue;
    const Cycle enter = jobs_[static_cast<std::size_t>(bank.hit[read])].enter;
    next_read = std::min(next_read, std::max({bank.cas_ok[read], enter, groups_[bank.group].cas_ok[read],
                                              ranks_[bank.rank].cas_ok[read]}));
  }
  if (next_read == never) return false;
  next_read += latency_[read];
  for (std::uint64_t mask = active_[write]; mask != 0; mask &= mask - 1) {
    const unsigned index = lowest_bit(mask);
    const Bank& bank = banks_[index];
    if (jobs_[static_cast<std::size_t>(bank.head[write])].next < left_behind_) return false;
    const Kind kind = need_of_[index];
    const Cycle opening = kind == column ? 0 : timing_.rcd_write + (kind == precharge_row ? timing_.rp : 0);
    next_write = std::min(next_write, std::max(ready_[index], floor_of(kind, bank)) + opening + latency_[write]);
    if (next_write <= next_read) return false;
  }
  return true;
}

void DramChannel::issue(Kind kind, Cycle until) {
  const Candidate chosen = best_[kind];
  const unsigned index = chosen.bank();
  if (kind == precharge_row) {
    // Precharges of one cycle do not touch each other unless tPPD holds them apart.
    std::uint64_t banks = timing_.ppd != 0 ? bit(index) : needing_[precharge_row];
    for (; banks != 0; banks &= banks - 1) {
      const unsigned bank = lowest_bit(banks);
      if (ready_[bank] > chosen.time) continue;
      const Index wanted = banks_[bank].head[prepares_read(banks_[bank]) ? read : direction_];
      precharge(bank, chosen.time);
      need_instead(bank, activate_row, std::max(banks_[bank].act_ok, jobs_[static_cast<std::size_t>(wanted)].enter));
    }
  } else if (kind == activate_row) {
    const Bank& bank = banks_[index];
    const bool ahead = prepares_read(bank);
    const Job& job = jobs_[static_cast<std::size_t>(bank.head[ahead ? read : direction_])];
    activate(index, job.row, ready_[index], chosen.time);
    if (ahead) {
      need_nothing(index);
    } else {
      need_instead(index, column, std::max(bank.cas_ok[direction_], job.enter));
    }
  } else if (!leaps_ || !try_leap(until)) {
    serve(index, chosen.time);
  }
}

void DramChannel::precharge(unsigned index, Cycle time) {
  Bank& bank = banks_[index];
  Rank& rank = ranks_[bank.rank];
  bank.row = -1;
  bank.act_ok = std::max(bank.act_ok, time + timing_.rp);
  bank.hit = {none, none};
  bank.left_for_other_row = true;
  rank.pre_ok = std::max(rank.pre_ok, time + timing_.ppd);
  count_close(rank, time);
  ++counters_.precharges;
  ++rank.counters.precharges;
  log(DramCommand::Kind::precharge, bank.rank, index, 0, time);
  if (timing_.ppd != 0) best_[precharge_row].known = false;
}

void DramChannel::activate(unsigned index, std::int64_t row, Cycle ready, Cycle time) {
  open_row(index, row, ready, time);
  Bank& bank = banks_[index];
  bank.hit = {next_hit(bank, bank.head[read]), next_hit(bank, bank.head[write])};
}

void DramChannel::open_row(unsigned index, std::int64_t row, Cycle ready, Cycle time) {
  Bank& bank = banks_[index];
  Rank& rank = ranks_[bank.rank];
  bank.row = row;
  notes_[index].rate_wait = time - ready;
  bank.cas_ok = {time + timing_.rcd_read, time + timing_.rcd_write};
  bank.pre_ok = time + timing_.ras;
  bank.act_ok = time + timing_.rc;
  bank.overtakes = 0;
  rank.activates[rank.oldest_activate] = time;
  rank.oldest_activate = (rank.oldest_activate + 1) % 4;
  rank.act_ok = std::max(time + timing_.rrd_s, rank.activates[rank.oldest_activate] + timing_.faw);
  groups_[bank.group].act_ok = time + timing_.rrd_l;
  if (rank.open_banks++ == 0) rank.active_from = std::max(time, rank.counted_to);
  ++counters_.activates;
  ++rank.counters.activates;
  log(DramCommand::Kind::activate, bank.rank, index, static_cast<std::uint64_t>(row), time);
  ++(bank.left_for_other_row ? counters_.conflicts : counters_.misses);
  bank.left_for_other_row = false;
  best_[activate_row].known = false;
}

void DramChannel::count_close(Rank& rank, Cycle time) {
  if (--rank.open_banks == 0) {
    const auto cycles = static_cast<std::uint64_t>(std::max<Cycle>(0, time - rank.active_from));
    counters_.active_cycles += cycles;
    rank.counters.active_cycles += cycles;
    rank.counted_to = std::max(rank.counted_to, time);
  }
}

/// One column command to the oldest waiting burst of the bank's open row.
void DramChannel::serve(unsigned index, Cycle time) {
  Bank& bank = banks_[index];
  const unsigned d = direction_;
  const Index job_index = bank.hit[d];
  Job& job = jobs_[static_cast<std::size_t>(job_index)];
  bank.overtakes = bank.head[d] == job_index ? 0 : bank.overtakes + 1;
  account(index, time);
  column_timing(index, time);
  column_count(ranks_[bank.rank], 1);
  if (per_bank_) --notes_[index].waiting[d];
  log(d == read ? DramCommand::Kind::read : DramCommand::Kind::write, bank.rank, index,
      static_cast<std::uint64_t>(job.row), time);
  complete_one(job.segment, job.next, time + latency_[d] + burst_);
  const std::int64_t next = job.next += stripe_;
  const bool exhausted = next >= pieces_[static_cast<std::size_t>(job.piece)].end;
  if (exhausted) remove_job(d, job_index);
  feed(time + 1);
  if (close_page_) close_if_unused(index);
  if (exhausted || bank.overtakes != 0 || close_page_) {
    classify(index);
  } else {
    reorder(index, next);  // it needs the same again, from the same time on
  }
}

DramChannel::AfterColumn DramChannel::after_column(unsigned d) const {
  const DramTiming& t = timing_;
  const Cycle data_end = latency_[d] + burst_;
  AfterColumn after;
  after.rank[d] = t.ccd_s;
  after.group[d] = d == read ? t.ccd_l : t.ccd_l_write;
  after.rank[1 - d] = d == read ? t.rtw : data_end + t.wtr_s;
  after.group[1 - d] = d == read ? t.rtw : data_end + t.wtr_l;
  after.precharge = d == read ? t.rtp : data_end + t.wr;
  return after;
}

/// What a column command at `time` forbids to later commands.
void DramChannel::column_timing(unsigned index, Cycle time) {
  best_[column].known = false;
  const Bank& bank = banks_[index];
  const unsigned d = direction_, other = 1 - d;
  const AfterColumn& after = after_column_[d];
  Rank& rank = ranks_[bank.rank];
  Group& group = groups_[bank.group];
  column_to_precharge(index, time);
  rank.cas_ok = {time + after.rank[read], time + after.rank[write]};
  group.cas_ok = {time + after.group[read], time + after.group[write]};
  if (ranks_.size() == 1) return;
  for (Rank& r : ranks_) {
    if (&r == &rank) continue;
    r.cas_ok[d] = std::max(r.cas_ok[d], time + burst_ + timing_.rtrs);
    r.cas_ok[other] = std::max(r.cas_ok[other], time + other_rank_gap(d));
  }
}

/// From a column command to one of the other direction in another rank.
Cycle DramChannel::other_rank_gap(unsigned d) const {
  return std::max<Cycle>(1, latency_[d] + burst_ + timing_.rtrs - latency_[1 - d]);
}

void DramChannel::column_to_precharge(unsigned index, Cycle time) {
  Cycle& pre_ok = banks_[index].pre_ok;
  pre_ok = std::max(pre_ok, time + after_column_[direction_].precharge);
}

/// Closed page: a bank without waiting bursts for its row closes behind the last one (auto precharge).
void DramChannel::close_if_unused(unsigned index) {
  Bank& bank = banks_[index];
  if (bank.row < 0 || bank.hit[read] != none || bank.hit[write] != none) return;
  bank.row = -1;
  bank.act_ok = std::max(bank.act_ok, bank.pre_ok + timing_.rp);
  count_close(ranks_[bank.rank], bank.pre_ok);
  ++counters_.precharges;
  ++ranks_[bank.rank].counters.precharges;
  log(DramCommand::Kind::precharge, bank.rank, index, 0, bank.pre_ok);
}

Cycle DramChannel::finish_bound() {
  if (bound_known_) return std::max(bound_, now_ + 1);
  bound_known_ = true;
  if (idle()) return bound_ = never;
  choose();
  const Cycle rcd = std::min(timing_.rcd_read, timing_.rcd_write);
  const Cycle column_time =
      std::min({best_[column].time, best_[activate_row].time + rcd, best_[precharge_row].time + timing_.rp + rcd,
                bank_refresh_ ? refresh_at_ : never});  // banks that wait for their refresh are no candidates
  Cycle bound = never;
  for (const unsigned d : {read, write}) {
    if (segments_[d].empty()) continue;
    // A request is complete after all its bursts, and a burst is served at the earliest when it entered the window.
    std::int64_t fewest = never;
    for (std::size_t i = 0; i < segments_[d].size(); ++i) {
      const Segment& segment = segments_[d][i];
      const std::int64_t ahead = segment.end - capacity_[d] - served_[d];
      if (ahead >= fewest) break;
      fewest = std::min(fewest, std::max(static_cast<std::int64_t>(segment.remaining), ahead));
    }
    const std::int64_t others = d == direction_ ? 0 : 1;  // the other direction comes after one more burst of this one
    bound = std::min(bound, column_time + (fewest - 1 + others) * timing_.ccd_s + latency_[d] + burst_);
  }
  bound_ = bound;
  return std::max(bound, now_ + 1);
}

}  // namespace nibble
