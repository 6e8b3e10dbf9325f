// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel that serves many bursts at once. Whatever it does, single steps would have done to the
/// cycle.
#include <algorithm>

#include "memory/dram_channel.h"

namespace nibble {

/// Where leaps keep failing, single steps come between the attempts, and where they yield little, sprints.
bool DramChannel::try_leap(Cycle until) {
  if (steps_to_leap_ != 0) {
    --steps_to_leap_;
  } else {
    const std::int64_t before = served_[direction_];
    if (leap(until)) {
      failed_leaps_ = 0;
      // As long as leaps cover more bursts than single steps do, they are waited for.
      steps_to_sprint_ = std::min<std::int64_t>(steps_to_sprint_ + served_[direction_] - before, 256);
      sprint_length_ = first_sprint;
      return true;
    }
    failed_leaps_ = std::min(failed_leaps_ + 1, 4U);
    steps_to_leap_ = (1U << failed_leaps_) - 2;
  }
  if (steps_to_sprint_ != 0) {
    --steps_to_sprint_;
    return false;
  }
  if (!sprints_ || !begin_sprint()) return false;
  steps_to_leap_ = 0;
  return true;
}

/// Starts with the best column command; false: nothing done, a single step is due.
[[gnu::noinline]] bool DramChannel::leap(Cycle until) {
  const Candidate chosen = best_[column];
  const Job& job = jobs_[static_cast<std::size_t>(banks_[chosen.bank()].hit[direction_])];
  Piece& piece = pieces_[static_cast<std::size_t>(job.piece)];
  if (piece.end - chosen.age() <= 1 || stripe_spacing() == 0) return false;
  // Between writes so far apart a read of another rank could end the drain.
  if (direction_ == write && ranks_.size() != 1 && stripe_spacing() > burst_ + timing_.rtrs) return false;
  if (std::min(row_time(), refresh_at_) <= chosen.time + stripe_spacing()) return false;  // not even two bursts
  const Cycle turn_of_others = older_column(chosen);
  if (turn_of_others <= chosen.time + stripe_spacing()) return false;
  const Job first = job;
  const Cycle supply = leap_supply(piece, first.piece, chosen.age());
  if (supply <= 1)
    return may_leap_rows(piece, first) && (leap_runs(piece, first, until) || leap_rows(piece, first, until));
  const Cycle before_others = (turn_of_others - 1 - chosen.time) / stripe_spacing() + 1;
  const Cycle count = in_turn(piece, first, leap_length(std::min(supply, before_others), until));
  if (count <= 1) return false;
  leap_columns(first, chosen.time, count);
  return true;
}

/// Bursts that the windows and the queue provide before a row command would have to be issued for one that enters.
Cycle DramChannel::leap_supply(const Piece& piece, Index index, std::int64_t age) const {
  const unsigned d = direction_;
  const std::int64_t waiting = piece.end - age;
  const std::int64_t keep = close_page_ ? stripe_ : 0;  // a closed-page bank must see its next burst, or it would close
  if (feed_.empty() || feed_.front().direction != d) return waiting - keep;
  const bool last = last_piece_[d] == index;
  const Cycle own = extension(pieces_[static_cast<std::size_t>(last_piece_[d])]);
  if (last && own != 0 && waiting <= stripe_) return 1;
  const Cycle wanted = waiting + (last ? own : 0) - keep;
  // Not beyond the last quiet burst: what enters then is an event of its own.
  return std::min(wanted, std::max<Cycle>(quiet_entries(index, own, wanted), 1));
}

/// Bursts at the head of the queue that continue the piece which entered last, whose banks all have their job.
Cycle DramChannel::extension(const Piece& last) const {
  const Feed& head = feed_.front();
  if (!last.extendable || last.next_local != head.next || last.jobs != every_job_) return 0;
  return static_cast<Cycle>(std::min(head.left(), block_mask_ + 1 - (head.next & block_mask_)));
}

/// Whether a burst of that row may enter the window while a piece is served and cause no more than a row hit: its bank
/// is idle and its row open, or it stands behind what the bank has to do beside that piece.
bool DramChannel::quiet_entry(const AddressMap::Place& place, Index served) const {
  const Bank& bank = banks_[place.bank];
  const bool open = bank.row == static_cast<std::int64_t>(place.row);
  if (bank.head[direction_] == none) return open;
  const Job& head = jobs_[static_cast<std::size_t>(bank.head[direction_])];
  return (bank.hit[direction_] != none || !open) && (head.piece != served || head.following != none);
}

/// How many of the next `wanted` bursts may enter the window one after another while the piece `served` is. The first
/// `own` of them continue the last piece; the others are examined.
Cycle DramChannel::quiet_entries(Index served, Cycle own, Cycle wanted) const {
  Cycle quiet = own;
  if (stripe_spacing() != timing_.ccd_s) return quiet;  // a hit in another bank group would go in between
  auto skip = static_cast<std::uint64_t>(own);
  for (std::size_t i = 0; i < feed_.size() && quiet < wanted; ++i) {
    const Feed& item = feed_[i];
    if (item.direction != direction_) return quiet;
    std::uint64_t local = item.next + skip, left = item.left() - skip;
    skip = 0;
    while (left > 0 && quiet < wanted) {
      const std::uint64_t length = std::min(left, block_mask_ + 1 - (local & block_mask_));
      const auto touched = std::min({static_cast<Cycle>(length), stripe_, wanted - quiet});
      for (Cycle k = 0; k < touched; ++k) {
        if (!quiet_entry(map_.place(local + static_cast<std::uint64_t>(k)), served)) return quiet + k;
      }
      quiet += static_cast<Cycle>(length);
      local += length;
      left -= length;
    }
  }
  return quiet < wanted ? never : quiet;  // the queue runs dry: nothing else can enter
}

/// When a burst that is older than the chosen one can have its column command: it then goes first. Between two bursts
/// of a stripe with gaps any other burst could.
Cycle DramChannel::older_column(const Candidate& chosen) const {
  std::uint64_t others = needing_[column] & ~(std::uint64_t{1} << chosen.bank());
  if (stripe_spacing() != timing_.ccd_s) return others == 0 ? never : chosen.time;
  Cycle first = never;
  for (; others != 0; others &= others - 1) {
    const auto index = lowest_bit(others);
    const Cycle time = std::max(ready_[index], floor_of(column, banks_[index]));
    first = std::min(first, order_[index] < chosen.order ? time : never);
  }
  return first;
}

/// `supply` cut down so that no row command, refresh, change of direction or arrival falls before the last burst.
Cycle DramChannel::leap_length(Cycle supply, Cycle until) const {
  const unsigned d = direction_;
  const Cycle start = best_[column].time;
  Cycle count = supply;
  const Cycle last = std::min(refresh_at_, row_time()) - 1;
  if (last < start + (count - 1) * stripe_spacing()) count = (last - start) / stripe_spacing() + 1;
  if (fed_[1 - d] != served_[1 - d]) {
    count = std::min<Cycle>(count, streak_cap_ - streak_);
    if (d == write) count = std::min(count, fed_[d] - served_[d] - drain_to_);
    if (hold_ > 0) count = std::min(count, hold_);
  }
  if (!decided(start + (count - 1) * stripe_spacing(), until, count)) {
    const Cycle until_then = start <= until ? (until - start) / stripe_spacing() + 1 : 1;
    count = std::min(count, std::max(until_then, queued() - 1));
  }
  return count;
}

/// How many of `count` bursts from `first` on stand in turn in the banks of the stripe, each ready when its turn comes.
Cycle DramChannel::in_turn(const Piece& piece, const Job& first, Cycle count) const {
  const unsigned d = direction_;
  Cycle slot = best_[column].time;
  for (Cycle k = 0; k < std::min(count, stripe_); ++k, slot += stripe_spacing()) {
    const Bank& bank = banks_[bank_of(piece, piece.local(first.next + k))];
    const Index next = bank.head[d];
    if (next == none) return k;
    const Job& job = jobs_[static_cast<std::size_t>(next)];
    if (job.piece != first.piece || job.next != first.next + k || bank.hit[d] != next || bank.cas_ok[d] > slot ||
        groups_[bank.group].cas_ok[d] > slot || job.enter > slot) {
      return k;
    }
    const bool another_row = job.following != none && next_hit(bank, job.following) == none;
    if (another_row || (d == write && bank.head[read] != none)) {
      // The bank's next row may be opened as soon as this one has served its last burst: that is where the leap must
      // end.
      const Cycle waiting_here = piece.end - first.next;
      count = std::min(count, k + ((waiting_here - 1 - k) & ~(stripe_ - 1)) + 1);
    }
  }
  return count;
}

void DramChannel::leap_columns(const Job& first, Cycle time, Cycle count) {
  const unsigned d = direction_;
  const Cycle spacing = stripe_spacing();
  account(first.bank, time);
  account_stretch(count - 1, spacing);
  column_count(ranks_[banks_[first.bank].rank], count);
  std::uint64_t segment = first.segment;
  complete(first.next, count, time + latency_[d] + burst_, spacing, segment);
  feed(time + (count - 1) * spacing + 1);
  Piece& piece = pieces_[static_cast<std::size_t>(first.piece)];
  const Cycle touched = std::min(count, stripe_);
  // The last `touched` commands decide what the banks and groups must respect afterwards.
  for (Cycle k = count - touched; k < count; ++k) {
    const unsigned bank = bank_of(piece, piece.local(first.next + k));
    const Index index = banks_[bank].head[d];
    Job& job = jobs_[static_cast<std::size_t>(index)];
    banks_[bank].overtakes = 0;
    column_timing(bank, time + k * spacing);
    job.next = first.next + k + stripe_;
    if (job.next < piece.end) {
      reorder(bank, job.next);  // all else that classify() would find is as before
      continue;
    }
    remove_job(d, index);
    if (close_page_) close_if_unused(bank);
    classify(bank);
  }
}

/// Whether the queue is about to enter another block, its banks idle, while the piece in the window goes on being
/// served.
bool DramChannel::may_leap_rows(const Piece& piece, const Job& first) const {
  const unsigned d = direction_;
  if (stripe_spacing() != timing_.ccd_s || close_page_ || ranks_.size() != 1) return false;
  if (feed_.empty() || feed_.front().direction != d || last_piece_[d] != first.piece) return false;
  if (d == write && active_[read] != 0) return false;  // its banks open for reads as soon as they can
  if ((needing_[activate_row] | needing_[precharge_row]) != 0) return false;
  const Feed& head = feed_.front();
  if (piece.extendable && piece.next_local == head.next) return false;
  const std::int64_t waiting = piece.end - first.next;
  return waiting > stripe_ && fed_[d] - served_[d] == waiting;
}

/// The row commands that open the stripe of a block whose bursts enter the window from cycle `enter` on. False: they
/// are not sure to be issued one after another in that order. `pace` holds what the rank forbids, before and after.
bool DramChannel::open_stripe(std::uint64_t local, Cycle enter, Pace& pace, Openings& openings) const {
  Cycle ready_before = 0;
  for (Cycle k = 0; k < stripe_; ++k, enter += stripe_spacing()) {
    const AddressMap::Place place = map_.place(local + static_cast<std::uint64_t>(k));
    const Bank& bank = banks_[place.bank];
    if (bank.head[direction_] != none) return false;
    Opening& opening = openings[static_cast<std::size_t>(k)];
    opening.bank = place.bank;
    opening.row = static_cast<std::int64_t>(place.row);
    opening.precharge = opening.activate = never;
    if (bank.row == static_cast<std::int64_t>(place.row)) continue;
    Cycle ready = std::max(bank.act_ok, enter);
    if (bank.row >= 0) {
      const Cycle alone = std::max(bank.pre_ok, enter);
      if (alone < pace.pre_ok - timing_.ppd) return false;
      opening.precharge = std::max(alone, pace.pre_ok);
      pace.pre_ok = opening.precharge + timing_.ppd;
      ready = std::max(ready, opening.precharge + timing_.rp);
    }
    const Cycle time = std::max({ready, pace.act_ok, pace.activates[pace.oldest] + timing_.faw});
    if (ready < ready_before || pace.group_ok[bank.group] > time) return false;
    ready_before = opening.ready = ready;
    opening.activate = pace.last = time;
    pace.act_ok = time + timing_.rrd_s;
    pace.group_ok[bank.group] = time + timing_.rrd_l;
    pace.activates[pace.oldest] = time;
    pace.oldest = (pace.oldest + 1) % 4;
  }
  return true;
}

DramChannel::Pace DramChannel::pace_now() const {
  const Rank& rank = ranks_[0];
  Pace pace{rank.pre_ok, rank.act_ok, 0, rank.activates, rank.oldest_activate, {}};
  for (std::size_t g = 0; g <= banks_[bank_count_ - 1].group; ++g)
    pace.group_ok[g] = groups_[g].act_ok;
  return pace;
}

void DramChannel::apply(const Openings& openings) {
  for (Cycle k = 0; k < stripe_; ++k) {
    const Opening& opening = openings[static_cast<std::size_t>(k)];
    if (opening.precharge != never) precharge(opening.bank, opening.precharge);
    if (opening.activate != never) activate(opening.bank, opening.row, opening.ready, opening.activate);
  }
}

/// The banks of the next block are closed and opened one after another while the piece in the window goes on being
/// served. Taken only when these row commands are done before the last burst of the leap; then they need not be
/// scheduled singly.
bool DramChannel::leap_rows(Piece& piece, const Job& first, Cycle until) {
  const Feed& head = feed_.front();
  const auto entering = static_cast<Cycle>(std::min(head.left(), block_mask_ + 1 - (head.next & block_mask_)));
  if (entering < stripe_) return false;
  const Cycle start = best_[column].time;
  Openings openings;
  Pace pace = pace_now();
  pace.last = start;
  if (!open_stripe(head.next, start + 1, pace, openings)) return false;
  const Cycle count = std::max(stripe_, (pace.last - start + stripe_spacing() - 1) / stripe_spacing() + 1);
  if (count > std::min(piece.end - first.next, entering) || in_turn(piece, first, count) != count) return false;
  if (leap_length(count, until) != count) return false;
  leap_columns(first, start, count);
  apply(openings);
  for (Cycle k = 0; k < stripe_; ++k)
    classify(openings[static_cast<std::size_t>(k)].bank);
  return true;
}

/// Runs of the queue, each inside one block, pass through the window one after another: the bursts of one are served
/// while the next enters and its rows are opened. Begins with the last `waiting` bursts of a run in the window and the
/// next run at the head of the queue; ends likewise, so no jobs but those of the last run need exist.
bool DramChannel::leap_runs(Piece& piece, const Job& first, Cycle until) {
  const Cycle spacing = stripe_spacing(), start = best_[column].time;
  const Cycle waiting = piece.end - first.next, least = waiting + stripe_;
  if (waiting % stripe_ != 0 || first.residue != 0 || map_.hashed()) return false;
  Cycle supply = 0;
  for (std::size_t i = 0; i < feed_.size() && feed_[i].direction == direction_; ++i)
    supply += static_cast<Cycle>(feed_[i].left());
  const Cycle most = supply < least ? 0 : leap_length(supply, until);
  if (most < least || in_turn(piece, first, waiting) != waiting) return false;

  Taken taken;
  Cycle count = 0;
  Openings openings, before;
  std::uint64_t banks_before = 0;
  Pace pace = pace_now();
  for (;;) {
    const Cycle run = next_run(taken, most - count);
    if (run < least) break;
    const Cycle enter = start + count * spacing + 1, slot = enter - 1 + waiting * spacing;
    pace.last = 0;
    if (!open_stripe(feed_[taken.feeds].next + taken.bursts, enter, pace, openings)) break;
    // Every row is open when its first burst comes, and before the run after it begins to enter.
    if (pace.last >= enter + (run - 1) * spacing || !open_in_time(openings, slot, banks_before)) break;
    if (count == 0) {
      account(first.bank, start);
      leave_window(piece, first, start + (waiting - stripe_) * spacing);
    } else {
      const Cycle last = start + (waiting + count - stripe_) * spacing;
      for (Cycle k = 0; k < stripe_; ++k)
        column_to_precharge(before[static_cast<std::size_t>(k)].bank, last + k * spacing);
    }
    apply(openings);
    banks_before = 0;
    for (Cycle k = 0; k < stripe_; ++k) {
      before[static_cast<std::size_t>(k)] = openings[static_cast<std::size_t>(k)];
      banks_before |= std::uint64_t{1} << openings[static_cast<std::size_t>(k)].bank;
    }
    count += run;
    take(taken, static_cast<std::uint64_t>(run));
  }
  if (count == 0) return false;
  const Cycle last = start + (count - stripe_) * spacing;
  for (Cycle k = 0; k < stripe_; ++k)
    column_timing(before[static_cast<std::size_t>(k)].bank, last + k * spacing);
  enter_window(first, start, count, waiting, taken);
  return true;
}

/// Bursts of the queue behind those taken that stand in one block, whole stripes, at most `limit`; 0: none, or not
/// aligned.
Cycle DramChannel::next_run(const Taken& taken, Cycle limit) const {
  if (taken.feeds >= feed_.size() || feed_[taken.feeds].direction != direction_) return 0;
  const Feed& feed = feed_[taken.feeds];
  const std::uint64_t local = feed.next + taken.bursts;
  if ((local & stripe_mask_) != 0) return 0;
  const auto run = static_cast<Cycle>(std::min(feed.left() - taken.bursts, block_mask_ + 1 - (local & block_mask_)));
  return std::min(run, limit) & ~(stripe_ - 1);
}

void DramChannel::take(Taken& taken, std::uint64_t bursts) const {
  taken.bursts += bursts;
  taken.end = feed_[taken.feeds].next + taken.bursts;
  if (taken.bursts == feed_[taken.feeds].left()) taken = {taken.feeds + 1, 0, taken.end};
}

/// Whether the banks of a stripe are not in use and their rows can be read or written from `slot` on, one after
/// another.
bool DramChannel::open_in_time(const Openings& openings, Cycle slot, std::uint64_t in_use) const {
  const Cycle rcd = direction_ == read ? timing_.rcd_read : timing_.rcd_write;
  for (Cycle k = 0; k < stripe_; ++k, slot += stripe_spacing()) {
    const Opening& opening = openings[static_cast<std::size_t>(k)];
    if ((in_use >> opening.bank & 1) != 0) return false;
    const Cycle ready = opening.activate == never ? banks_[opening.bank].cas_ok[direction_] : opening.activate + rcd;
    if (ready > slot) return false;
  }
  return true;
}

/// All bursts of the piece are served, the last one of each bank from `last` on.
void DramChannel::leave_window(const Piece& piece, const Job& first, Cycle last) {
  for (Cycle k = 0; k < stripe_; ++k) {
    const unsigned bank = bank_of(piece, piece.local(first.next + k));
    banks_[bank].overtakes = 0;
    column_to_precharge(bank, last + k * stripe_spacing());
    remove_job(direction_, banks_[bank].head[direction_]);
    classify(bank);
  }
}

/// After `count` bursts from `start` on, the window holds the last `waiting` of those taken from the queue.
void DramChannel::enter_window(const Job& first, Cycle start, Cycle count, Cycle waiting, const Taken& taken) {
  const unsigned d = direction_;
  account_stretch(count - 1, stripe_spacing());
  column_count(ranks_[0], count);
  std::uint64_t segment = first.segment;
  complete(first.next, count, start + latency_[d] + burst_, stripe_spacing(), segment);
  for (std::size_t i = 0; i < taken.feeds; ++i)
    feed_.pop();
  if (taken.bursts != 0) feed_.front().next += taken.bursts;
  fed_[d] += count;
  Piece& piece = pieces_[static_cast<std::size_t>(first.piece)];
  piece.end = fed_[d];
  piece.next_local = taken.end;
  piece.extendable = (taken.end & block_mask_) != 0;
  begin(piece, taken.end - 1);
  for (Cycle k = 0; k < stripe_; ++k) {
    add_job(first.piece, d, taken.end - static_cast<std::uint64_t>(waiting - k), fed_[d] - waiting + k, start);
  }
  feed(start + (count - 1) * stripe_spacing() + 1);
}

}  // namespace nibble
