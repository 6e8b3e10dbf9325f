// SPDX-License-Identifier: Apache-2.0
#include "memory/dram_sprint.h"

#include <algorithm>

namespace nibble {

void DramChannel::Sprint::find_needs() {
  hits_ = unripe_ = unripe_banks_ = open_ = closing_ = 0;
  ripe_ = next_close_ = never;
  wants_ = {};
  best_.fill(no_command);
  for (unsigned index = 0; index < c_.bank_count_; ++index) {
    const Bank& bank = c_.banks_[index];
    group_activates_[bank.group] = c_.groups_[bank.group].act_ok;
    group_columns_[bank.group] = c_.groups_[bank.group].cas_ok[d_];
  }
  for (unsigned index = 0; index < c_.bank_count_; ++index) {
    BankBursts& bank = banks_[index];
    bank.row = c_.banks_[index].row;
    bank.close_at = never;
    open_ |= static_cast<std::uint64_t>(bank.row >= 0) << index;
    bank.hits = of_row(bank.all, bank.row);
    hits_ |= bank.hits;
    if (bank.hits != 0) {
      open_columns(index, oldest(bank.hits));
    } else if (bank.all != 0) {
      want_row(index);
    }
  }
  tell_best();
}

/// Those that are of this row.
std::uint64_t DramChannel::Sprint::of_row(std::uint64_t slots, std::int64_t row) const {
  std::uint64_t result = 0;
  for (; slots != 0; slots &= slots - 1) {
    const unsigned slot = lowest_bit(slots);
    result |= static_cast<std::uint64_t>(slots_[slot].row == row) << slot;
  }
  return result;
}

void DramChannel::Sprint::put(unsigned slot, unsigned bank) {
  waiting_ |= bit(slot);
  banks_[bank].all |= bit(slot);
}

/// Moves all bursts to the slots in front of the next one.
void DramChannel::Sprint::close_up() {
  std::uint64_t rest = by_age(waiting_);
  for (unsigned place = 63; rest != 0; --place) {
    const auto last = static_cast<unsigned>(63 - __builtin_clzll(rest));
    rest &= ~bit(last);
    if (last != place) move(slot_at(last), slot_at(place));
  }
  find_row<precharge_row>();
  find_row<activate_row>();
  find_column();
}

void DramChannel::Sprint::move(unsigned from, unsigned to) {
  BankBursts& bank = banks_[slots_[from].bank];
  const auto move_bit = [&](std::uint64_t& set) { set = (set & ~bit(from)) | (set >> from & 1) << to; };
  move_bit(waiting_);
  move_bit(hits_);
  move_bit(unripe_);
  move_bit(bank.all);
  move_bit(bank.hits);
  for (std::uint64_t& set : wants_)
    move_bit(set);
  slots_[to] = slots_[from];
}

/// When the burst, which hits, could have its column command.
Cycle DramChannel::Sprint::column_time(unsigned slot) const {
  const Slot& burst = slots_[slot];
  return std::max(
      {c_.banks_[burst.bank].cas_ok[d_], columns_from_, rank_of(burst.bank).cas_ok[d_], group_columns_[burst.group]});
}

/// When the bank of the burst, which is ready for a row command from ready_ on, could have it.
Cycle DramChannel::Sprint::row_time(Kind kind, unsigned slot) const {
  const Slot& burst = slots_[slot];
  const Rank& rank = rank_of(burst.bank);
  const Cycle ready = c_.ready_[burst.bank];
  return kind == precharge_row ? std::max(ready, rank.pre_ok)
                               : std::max({ready, rank.act_ok, group_activates_[burst.group]});
}

/// The earliest cycle of a column command as far as the ranks go.
Cycle DramChannel::Sprint::column_floor() const {
  Cycle floor = ranks_[0].cas_ok[d_];
  for (std::size_t i = 1; i < rank_count_; ++i)
    floor = std::min(floor, ranks_[i].cas_ok[d_]);
  return std::max(floor, columns_from_);
}

/// The oldest whose bank is ready goes as soon as its rank and its group allow, unless another one's do earlier.
void DramChannel::Sprint::find_column() {
  const Cycle floor = column_floor();
  if (ripe_ <= floor) ripen(floor);
  for (std::uint64_t mask = by_age(hits_ & ~unripe_); mask != 0; mask &= mask - 1) {
    const unsigned place = lowest_bit(mask);
    const Slot& burst = slots_[slot_at(place)];
    if (group_columns_[burst.group] > floor || (rank_count_ != 1 && rank_of(burst.bank).cas_ok[d_] > floor)) continue;
    best_[column] = key_at(floor, place);
    return;
  }
  find_late_column();
}

/// Of each bank the oldest that hits.
void DramChannel::Sprint::find_late_column() {
  Key best = no_command;
  for (std::uint64_t mask = by_age(hits_); mask != 0;) {
    const unsigned place = lowest_bit(mask), slot = slot_at(place);
    best = std::min(best, key_at(column_time(slot), place));
    mask &= ~by_age(banks_[slots_[slot].bank].hits);
  }
  best_[column] = best;
}

/// The banks that are ready by now.
void DramChannel::Sprint::ripen(Cycle floor) {
  ripe_ = never;
  for (std::uint64_t banks = unripe_banks_; banks != 0; banks &= banks - 1) {
    const unsigned index = lowest_bit(banks);
    const Cycle ready = c_.banks_[index].cas_ok[d_];
    if (ready > floor) {
      ripe_ = std::min(ripe_, ready);
    } else {
      unripe_banks_ ^= bit(index);
      unripe_ &= ~banks_[index].hits;
    }
  }
}

template <DramChannel::Kind kind>
void DramChannel::Sprint::find_row() {
  Cycle floor = c_.floor_of(kind, ranks_[0]);
  for (std::size_t i = 1; i < rank_count_; ++i)
    floor = std::min(floor, c_.floor_of(kind, ranks_[i]));
  Key best = no_command;
  for (std::uint64_t mask = by_age(wants_[kind]); mask != 0; mask &= mask - 1) {
    const unsigned place = lowest_bit(mask);
    const Cycle time = row_time(kind, slot_at(place));
    best = std::min(best, key_at(time, place));
    if (time == floor) break;
  }
  best_[kind] = best;
}

/// No burst of the bank hits: it is to be opened for the oldest one.
void DramChannel::Sprint::want_row(unsigned index) {
  const Bank& bank = c_.banks_[index];
  const unsigned slot = oldest(banks_[index].all);
  Cycle ready = std::min(std::max(bank.act_ok, slots_[slot].enter), far);
  if (bank.row >= 0) {
    const Cycle ready_to_close = std::max(bank.pre_ok, slots_[slot].enter);
    if (!closes_at_once_) return want<precharge_row>(slot, ready_to_close);
    const Cycle close = std::max(ready_to_close, rank_of(index).pre_ok);
    banks_[index].close_at = close;
    next_close_ = std::min(next_close_, close);
    closing_ |= bit(index);
    ready = std::max(ready, close + c_.timing_.rp);
  }
  want<activate_row>(slot, ready);
}

template <DramChannel::Kind kind>
void DramChannel::Sprint::want(unsigned slot, Cycle ready) {
  wants_[kind] |= bit(slot);
  c_.ready_[slots_[slot].bank] = ready;
  best_[kind] = std::min(best_[kind], key_of(row_time(kind, slot), slot));
}

/// The bank has hits, `first` the oldest of them.
void DramChannel::Sprint::open_columns(unsigned index, unsigned first) {
  const Cycle ready = c_.banks_[index].cas_ok[d_];
  if (ready > column_floor()) {
    unripe_banks_ |= bit(index);
    unripe_ |= banks_[index].hits;
    ripe_ = std::min(ripe_, ready);
  }
  best_[column] = std::min(best_[column], key_of(column_time(first), first));
}

/// A burst that hits entered before the bank, which had `others`, was closed.
void DramChannel::Sprint::stay_open(unsigned index, std::uint64_t others) {
  closing_ &= ~bit(index);
  banks_[index].close_at = never;
  for (const Kind kind : {activate_row, precharge_row})
    wants_[kind] &= ~others;
  if ((others >> slot_of(best_[activate_row]) & 1) != 0) find_row<activate_row>();
  if ((others >> slot_of(best_[precharge_row]) & 1) != 0) find_row<precharge_row>();
}

/// With tPPD; see want_row() for the others.
void DramChannel::Sprint::precharge() {
  const unsigned slot = slot_of(best_[precharge_row]), index = slots_[slot].bank;
  banks_[index].close_at = time_of(best_[precharge_row]);
  wants_[precharge_row] ^= bit(slot);
  close(index);
  want_row(index);
  find_row<precharge_row>();
}

void DramChannel::Sprint::activate() {
  const unsigned first = slot_of(best_[activate_row]);
  const Cycle time = time_of(best_[activate_row]);
  const Slot& burst = slots_[first];
  const unsigned index = burst.bank;
  if (closing_ != 0) {
    if (!open_stays(rank_of(index))) {
      close_all(time);
    } else if ((closing_ >> index & 1) != 0) {
      close(index);
    }
  }
  c_.open_row(index, burst.row, c_.ready_[index], time);
  open_ |= bit(index);
  wants_[activate_row] ^= bit(first);
  BankBursts& bank = banks_[index];
  bank.row = burst.row;
  bank.hits = of_row(bank.all, burst.row);
  hits_ |= bank.hits;
  group_activates_[burst.group] = c_.groups_[burst.group].act_ok;
  open_columns(index, first);
  find_row<activate_row>();
}

/// The precharge at close_at takes place.
void DramChannel::Sprint::close(unsigned index) {
  BankBursts& bank = banks_[index];
  c_.precharge(index, bank.close_at);
  bank.row = -1;
  bank.close_at = never;
  closing_ &= ~bit(index);
  open_ &= ~bit(index);
}

/// All precharges up to and including `until`, in order of time: the last one ends the time that a rank is active.
void DramChannel::Sprint::close_all(Cycle until) {
  for (;;) {
    unsigned first = 0;
    next_close_ = never;
    for (std::uint64_t banks = closing_; banks != 0; banks &= banks - 1) {
      const unsigned index = lowest_bit(banks);
      if (banks_[index].close_at >= next_close_) continue;
      next_close_ = banks_[index].close_at;
      first = index;
    }
    if (next_close_ > until) return;
    close(first);
  }
}

/// The row commands up to and including `until` that were left behind.
void DramChannel::Sprint::catch_up(Cycle until) {
  for (;;) {
    const Cycle precharges = time_of(best_[precharge_row]), activates = time_of(best_[activate_row]);
    if (std::min(precharges, activates) > until) break;
    if (precharges <= activates) {
      precharge();
    } else {
      activate();
    }
  }
  close_all(until);
}

/// Returns the bank's count of overtakes.
unsigned DramChannel::Sprint::serve() {
  const unsigned slot = slot_of(best_[column]);
  const Cycle time = time_of(best_[column]);
  const Slot& burst = slots_[slot];
  const unsigned index = burst.bank;
  BankBursts& bank = banks_[index];
  unsigned& overtakes = c_.banks_[index].overtakes;
  const bool overtakes_one = (by_age(bank.all) & (by_age(bit(slot)) - 1)) != 0;
  overtakes = (overtakes + 1) * static_cast<unsigned>(overtakes_one);
  c_.account(index, time);
  column_timing(index, burst.group, time);
  complete(burst.segment, time + column_to_end_);
  waiting_ ^= bit(slot);
  hits_ ^= bit(slot);
  unripe_ &= ~bit(slot);
  bank.all ^= bit(slot);
  bank.hits ^= bit(slot);
  if (bank.hits == 0 && bank.all != 0) want_row(index);
  if (!c_.feed_.empty()) feed(time + 1);
  find_column();
  return overtakes;
}

/// What a column command forbids to later ones of its direction; see settle() for the other one.
void DramChannel::Sprint::column_timing(unsigned index, unsigned group, Cycle time) {
  Bank& bank = c_.banks_[index];
  bank.pre_ok = std::max(bank.pre_ok, time + after_column_.precharge);
  for (std::size_t i = 0; rank_count_ != 1 && i < rank_count_; ++i)
    ranks_[i].cas_ok[d_] = std::max(ranks_[i].cas_ok[d_], time + c_.burst_ + c_.timing_.rtrs);
  ranks_[bank.rank].cas_ok[d_] = time + after_column_.rank[d_];
  group_columns_[group] = c_.groups_[group].cas_ok[d_] = time + after_column_.group[d_];
  served_groups_ |= bit(group);
  last_column_[bank.rank] = time;
  if (served_[bank.rank]++ == 0) c_.column_count(ranks_[bank.rank], 1);  // at once, because of a change of direction
}

/// Counts the columns of a run, and tells what they forbid to the other direction.
void DramChannel::Sprint::settle() {
  c_.choose_direction();  // as single steps would behind every command
  if (served_groups_ == 0) return;
  const unsigned other = 1 - d_;
  for (; served_groups_ != 0; served_groups_ &= served_groups_ - 1) {
    std::array<Cycle, 2>& group = c_.groups_[lowest_bit(served_groups_)].cas_ok;
    group[other] = group[d_] - after_column_.group[d_] + after_column_.group[other];
  }
  for (std::size_t i = 0; i < rank_count_; ++i) {
    Cycle& ready = ranks_[i].cas_ok[other];
    if (served_[i] != 0) ready = last_column_[i] + after_column_.rank[other];
    for (std::size_t k = 0; k < rank_count_; ++k) {
      if (served_[k] == 0 || (served_[i] != 0 && last_column_[k] <= last_column_[i])) continue;
      ready = std::max(ready, last_column_[k] + c_.other_rank_gap(d_));
    }
  }
  for (std::size_t i = 0; i < rank_count_; ++i) {
    if (served_[i] > 1) c_.column_count(ranks_[i], served_[i] - 1);
    served_[i] = 0;
  }
  Ring<Segment>& segments = c_.segments_[d_];
  for (; !segments.empty() && segments.front().remaining == 0; ++c_.popped_[d_])
    segments.pop();
}

/// One burst of the segment of that number. The segments that are done are removed at the end of a run.
void DramChannel::Sprint::complete(std::uint64_t number, Cycle end) {
  Segment& segment = c_.segments_[d_][static_cast<std::size_t>(number - c_.popped_[d_])];
  if (--segment.remaining != 0) return;
  Done& done = c_.done_.emplace_back();
  done.id = segment.id;
  done.at = end;
}

void DramChannel::Sprint::feed_at_once(Cycle enter) {
  columns_from_ = std::max(columns_from_, enter);
  while (!c_.feed_.empty() && c_.fed_[d_] - c_.served_[d_] < c_.capacity_[d_]) {
    feed(enter);
    const unsigned slot = slot_at(63);
    if (banks_[slots_[slot].bank].hits == bit(slot))
      best_[column] = std::min(best_[column], key_of(column_time(slot), slot));
  }
  tell_best();
}

/// The burst at the head of the queue enters. The best column command is to be found again, or compared with its own.
void DramChannel::Sprint::feed(Cycle enter) {
  Feed& head = c_.feed_.front();
  const std::uint64_t local = head.next++;
  if (head.next == head.end) c_.feed_.pop();
  if (local != following_) {
    place_ = c_.map_.place(local & ~c_.stripe_mask_);
    number_ = std::max(number_ + 1, first_number);
  }
  following_ = ((local + 1) & c_.block_mask_) != 0 ? local + 1 : nothing;
  const unsigned slot = next_slot();
  if ((waiting_ >> slot & 1) != 0) close_up();
  const unsigned index = place_.bank ^ c_.bank_in_stripe_[local & c_.stripe_mask_];
  BankBursts& bank = banks_[index];
  const std::int64_t age = c_.fed_[d_]++;
  Slot& burst = slots_[slot];
  burst.row = static_cast<std::int64_t>(place_.row);
  burst.age = age;
  burst.enter = enter;
  burst.local = local;
  burst.segment = c_.entering_segment(d_, age);
  burst.piece = number_;
  burst.bank = static_cast<std::uint8_t>(index);
  burst.group = c_.group_of_[index];
  const bool alone = bank.all == 0, first_hit = bank.hits == 0;
  const bool hit = (bank.row == burst.row) & (bank.close_at >= enter);  // without branches: as good as random
  put(slot, index);
  const std::uint64_t hits = std::uint64_t{hit} << slot;
  hits_ |= hits;
  bank.hits |= hits;
  unripe_ |= (unripe_banks_ >> index & std::uint64_t{hit}) << slot;
  ++next_;
  if (!first_hit) return;
  if (hit) {
    if (!alone) stay_open(index, bank.all);
  } else if (alone) {
    want_row(index);
  }
}

bool DramChannel::Sprint::run(Cycle until, std::int64_t longest) {
  const Cycle refresh = c_.refresh_at_;
  Ahead ahead = c_.ahead();
  // Up to which cycle commands are taken: what waits in front of the windows keeps arrivals away from them.
  const auto limit = [&](std::int64_t taken) {
    return ahead.bursts > taken || (taken != 0 && ahead.other_behind) ? refresh : std::min(refresh, until + 1);
  };
  Cycle column_limit = limit(1), row_limit = limit(0);
  Cycle reached = 0;  // row commands are caught up with to there
  bool lasts = true, capped = false;
  while (lasts) {
    const Cycle columns = time_of(best_[column]);
    const Cycle activates = time_of(best_[activate_row]), precharges = time_of(best_[precharge_row]);
    if (columns < activates + rcd_ && columns < precharges) {
      if (columns >= column_limit) break;
      lasts = ahead.bursts != 1 || !ahead.other_behind;
      if (!lasts || longest-- == 0) break;
      if (ahead.bursts > 0 && --ahead.bursts <= 1) {
        column_limit = limit(1);
        row_limit = limit(0);
      }
      reached = columns;
      capped = serve() >= c_.row_hit_cap_;
      lasts = !capped;
    } else {
      if (std::min(precharges, activates) >= row_limit) break;
      if (precharges <= activates) {
        precharge();
      } else {
        activate();
      }
    }
  }
  if (!capped) {
    const Cycle columns = time_of(best_[column]);
    reached = std::max(reached, ahead.bursts > 0 ? columns : std::min(columns, until));
  }
  catch_up(std::min(reached, refresh - 1));
  settle();
  tell_best();
  return lasts;
}

/// For those who ask when something happens next.
void DramChannel::Sprint::tell_best() {
  const auto tell = [this](Kind kind, Cycle time) { c_.best_[kind] = {time < far ? time : never, 0, true}; };
  tell(column, time_of(best_[column]));
  tell(activate_row, time_of(best_[activate_row]));
  tell(precharge_row, std::min(time_of(best_[precharge_row]), next_close_));
}

}  // namespace nibble
