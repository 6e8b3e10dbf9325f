// SPDX-License-Identifier: Apache-2.0
#include "memory/dram_sprint.h"

#include <algorithm>

namespace nibble {

/// Whether the ages of all bursts lie within 64, and no bank has reached the row hit cap.
bool DramChannel::Sprint::fits() const {
  for (std::uint64_t banks = c_.active_[d_]; banks != 0; banks &= banks - 1) {
    const Bank& bank = c_.banks_[lowest_bit(banks)];
    const std::int64_t age = c_.jobs_[static_cast<std::size_t>(bank.head[d_])].next;
    if (bank.overtakes >= c_.row_hit_cap_ || c_.fed_[d_] - age > 64) return false;
  }
  return true;
}

void DramChannel::Sprint::enter() {
  next_ = static_cast<std::uint64_t>(c_.fed_[d_]);
  for (unsigned group = 0; group <= c_.banks_[c_.bank_count_ - 1].group; ++group) {
    group_floor_[activate_row][group] = c_.groups_[group].act_ok;
    group_floor_[column][group] = c_.groups_[group].cas_ok[d_];
  }
  for (std::uint64_t banks = c_.active_[d_]; banks != 0; banks &= banks - 1) {
    const unsigned index = lowest_bit(banks);
    const Bank& bank = c_.banks_[index];
    for (Index i = bank.head[d_]; i != none; i = c_.jobs_[static_cast<std::size_t>(i)].following) {
      const Job& job = c_.jobs_[static_cast<std::size_t>(i)];
      const Piece& piece = c_.pieces_[static_cast<std::size_t>(job.piece)];
      for (std::int64_t age = job.next; age < piece.end; age += c_.stripe_) {
        put(static_cast<unsigned>(age & 63),
            {job.row, age, job.enter, piece.local(age), job.segment, static_cast<unsigned>(job.piece),
             static_cast<std::uint8_t>(index), bank.group});
      }
    }
    if (hits_[index] != 0) {
      want_column(index);
    } else {
      want_row(index);
    }
  }
  const Index last = c_.last_piece_[d_];
  const Piece& piece = c_.pieces_[static_cast<std::size_t>(last)];
  if (last == none || !piece.extendable) return;
  following_ = piece.next_local;
  number_ = static_cast<unsigned>(last);
  place_ = {piece.bank, static_cast<std::uint64_t>(piece.row)};
}

void DramChannel::Sprint::put(unsigned slot, const Slot& burst) {
  slots_[slot] = burst;
  waiting_ |= bit(slot);
  of_bank_[burst.bank] |= bit(slot);
  if (c_.banks_[burst.bank].row == burst.row) hits_[burst.bank] |= bit(slot);
}

/// Moves all bursts to the slots in front of the next one.
void DramChannel::Sprint::close_up() {
  std::uint64_t rest = by_age(waiting_);
  for (unsigned place = 63; rest != 0; --place) {
    const auto last = static_cast<unsigned>(63 - __builtin_clzll(rest));
    rest &= ~bit(last);
    if (last != place) move(slot_at(last), slot_at(place));
  }
  find<precharge_row>();
  find<activate_row>();
  find<column>();
}

void DramChannel::Sprint::move(unsigned from, unsigned to) {
  const unsigned bank = slots_[from].bank;
  const auto move_bit = [&](std::uint64_t& set) { set = (set & ~bit(from)) | (set >> from & 1) << to; };
  move_bit(waiting_);
  move_bit(unripe_);
  move_bit(of_bank_[bank]);
  move_bit(hits_[bank]);
  for (std::uint64_t& set : wants_)
    move_bit(set);
  slots_[to] = slots_[from];
}

template <DramChannel::Kind kind>
Cycle DramChannel::Sprint::time_of(unsigned slot) const {
  const Slot& burst = slots_[slot];
  const Rank& rank = ranks_[one_rank_ ? 0 : c_.banks_[burst.bank].rank];
  const Cycle ready = std::max(c_.ready_[burst.bank], c_.floor_of(kind, rank));
  return kind == precharge_row ? ready : std::max(ready, group_floor_[kind][burst.group]);
}

/// The oldest whose bank is ready goes as soon as its rank and its group allow, unless another one's do earlier.
void DramChannel::Sprint::find_column() {
  const Cycle floor = ranks_[0].cas_ok[d_];
  if (ripe_ <= floor) {
    ripe_ = never;
    for (std::uint64_t mask = unripe_; mask != 0; mask &= mask - 1) {
      const unsigned slot = lowest_bit(mask);
      const Cycle ready = c_.ready_[slots_[slot].bank];
      if (ready > floor) {
        ripe_ = std::min(ripe_, ready);
      } else {
        unripe_ ^= bit(slot);
      }
    }
  }
  for (std::uint64_t mask = by_age(wants_[column] & ~unripe_); mask != 0; mask &= mask - 1) {
    const unsigned slot = slot_at(lowest_bit(mask));
    if (group_floor_[column][slots_[slot].group] > floor) continue;
    best_[column] = {floor, slot};
    return;
  }
  find<column>();
}

template <DramChannel::Kind kind>
void DramChannel::Sprint::find() {
  Cycle floor = c_.floor_of(kind, ranks_[0]);
  for (std::size_t i = 1; !one_rank_ && i < c_.ranks_.size(); ++i)
    floor = std::min(floor, c_.floor_of(kind, ranks_[i]));
  Best best;
  for (std::uint64_t mask = by_age(wants_[kind]); mask != 0; mask &= mask - 1) {
    const unsigned slot = slot_at(lowest_bit(mask));
    const Cycle time = time_of<kind>(slot);
    if (time < best.time) best = {time, slot};
    if (time == floor) break;
  }
  best_[kind] = best;
}

template <DramChannel::Kind kind>
void DramChannel::Sprint::want(unsigned slot, Cycle ready) {
  wants_[kind] |= bit(slot);
  c_.ready_[slots_[slot].bank] = std::max(ready, slots_[slot].enter);
  improve<kind>(slot);
}

template <DramChannel::Kind kind>
void DramChannel::Sprint::improve(unsigned slot) {
  const Cycle time = time_of<kind>(slot);
  Best& best = best_[kind];
  if (time < best.time || (time == best.time && older(slot, best.slot))) best = {time, slot};
}

/// The best command is to be found again.
unsigned DramChannel::Sprint::mark_column(unsigned bank) {
  const unsigned slot = oldest(hits_[bank]);
  const Cycle ready = std::max(c_.banks_[bank].cas_ok[d_], slots_[slot].enter);
  c_.ready_[bank] = ready;
  wants_[column] |= bit(slot);
  if (ready > ranks_[0].cas_ok[d_]) {
    unripe_ |= bit(slot);
    ripe_ = std::min(ripe_, ready);
  }
  return slot;
}

void DramChannel::Sprint::want_column(unsigned bank) {
  improve<column>(mark_column(bank));
}

void DramChannel::Sprint::want_row(unsigned index) {
  const Bank& bank = c_.banks_[index];
  const unsigned slot = oldest(of_bank_[index]);
  if (bank.row >= 0) {
    want<precharge_row>(slot, bank.pre_ok);
  } else {
    want<activate_row>(slot, bank.act_ok);
  }
}

/// Precharges of one cycle do not touch each other unless tPPD holds them apart.
void DramChannel::Sprint::precharge() {
  const Best first = best_[precharge_row];
  std::uint64_t slots = c_.timing_.ppd != 0 ? bit(first.slot) : wants_[precharge_row];
  for (; slots != 0; slots &= slots - 1) {
    const unsigned slot = lowest_bit(slots), index = slots_[slot].bank;
    if (c_.ready_[index] > first.time) continue;
    c_.precharge(index, first.time);
    wants_[precharge_row] ^= bit(slot);
    want<activate_row>(slot, c_.banks_[index].act_ok);
  }
  find<precharge_row>();
}

void DramChannel::Sprint::activate() {
  const Best first = best_[activate_row];
  const Slot& burst = slots_[first.slot];
  const unsigned index = burst.bank;
  c_.open_row(index, burst.row, c_.ready_[index], first.time);
  wants_[activate_row] ^= bit(first.slot);
  std::uint64_t hits = 0;
  for (std::uint64_t mask = of_bank_[index]; mask != 0; mask &= mask - 1) {
    const unsigned slot = lowest_bit(mask);
    if (slots_[slot].row == burst.row) hits |= bit(slot);
  }
  hits_[index] = hits;
  group_floor_[activate_row][burst.group] = c_.groups_[burst.group].act_ok;
  want_column(index);
  find<activate_row>();
}

/// Returns the bank's count of overtakes.
unsigned DramChannel::Sprint::serve() {
  const unsigned slot = best_[column].slot;
  const Cycle time = best_[column].time;
  const Slot& burst = slots_[slot];
  const unsigned index = burst.bank;
  Bank& bank = c_.banks_[index];
  bank.overtakes = oldest(of_bank_[index]) == slot ? 0 : bank.overtakes + 1;
  c_.account(index, time);
  c_.column_timing(index, time);
  group_floor_[column][burst.group] = c_.groups_[burst.group].cas_ok[d_];
  if (served_[bank.rank]++ == 0) c_.column_count(ranks_[bank.rank], 1);  // at once, because of a change of direction
  c_.complete_one(burst.segment, burst.age, time + c_.latency_[d_] + c_.burst_);
  waiting_ ^= bit(slot);
  unripe_ &= ~bit(slot);
  wants_[column] ^= bit(slot);
  of_bank_[index] ^= bit(slot);
  hits_[index] ^= bit(slot);
  if (hits_[index] != 0) {
    mark_column(index);
  } else if (of_bank_[index] != 0) {
    want_row(index);
  }
  if (!c_.feed_.empty()) feed(time + 1);
  find_best_column();
  return bank.overtakes;
}

void DramChannel::Sprint::find_best_column() {
  if (one_rank_) {
    find_column();
  } else {
    find<column>();
  }
}

void DramChannel::Sprint::feed_at_once(Cycle enter) {
  while (!c_.feed_.empty() && c_.fed_[d_] - c_.served_[d_] < c_.capacity_[d_])
    feed(enter);
  find_best_column();
  tell_best();
}

/// The burst at the head of the queue enters, and the best column command is to be found again.
void DramChannel::Sprint::feed(Cycle enter) {
  Feed& head = c_.feed_.front();
  const std::uint64_t local = head.next++;
  if (--head.left == 0) c_.feed_.pop();
  if (local != following_) {
    place_ = c_.map_.place(local & ~c_.stripe_mask_);
    number_ = std::max(number_ + 1, first_number);
  }
  following_ = ((local + 1) & c_.block_mask_) != 0 ? local + 1 : nothing;
  const unsigned slot = next_slot();
  if ((waiting_ >> slot & 1) != 0) close_up();
  const unsigned index = place_.bank ^ c_.bank_in_stripe_[local & c_.stripe_mask_];
  const std::uint64_t others = of_bank_[index], other_hits = hits_[index];
  put(slot, {static_cast<std::int64_t>(place_.row), c_.fed_[d_], enter, local, c_.entering_segment(d_, c_.fed_[d_]),
             number_, static_cast<std::uint8_t>(index), c_.banks_[index].group});
  ++c_.fed_[d_];
  ++next_;
  if (hits_[index] == other_hits) {
    if (others == 0) want_row(index);
  } else if (other_hits == 0) {
    if (others != 0) {
      wants_[precharge_row] &= ~others;
      find<precharge_row>();
    }
    mark_column(index);
  }
}

bool DramChannel::Sprint::run(Cycle until, std::int64_t longest) {
  const Cycle refresh = c_.refresh_at_;
  Ahead ahead = c_.ahead();
  bool lasts = true;
  while (lasts) {
    const Cycle row = std::min(best_[precharge_row].time, best_[activate_row].time);
    const Cycle next = std::min(row, best_[column].time);
    const bool column_next = best_[column].time < row;
    const bool decided = column_next ? ahead.bursts > 1 || ahead.other_behind : ahead.bursts > 0;
    if (next >= refresh) {
      lasts = refresh > until && !decided;
      break;
    }
    if (next > until && !decided) break;
    if (column_next) {
      lasts = ahead.bursts != 1 || !ahead.other_behind;
      if (!lasts || longest-- == 0) break;
      if (ahead.bursts > 0) --ahead.bursts;
      lasts = serve() < c_.row_hit_cap_;
    } else if (best_[precharge_row].time == row) {
      precharge();
    } else {
      activate();
    }
  }
  for (std::size_t rank = 0; rank < c_.ranks_.size(); ++rank) {
    if (served_[rank] > 1) c_.column_count(ranks_[rank], served_[rank] - 1);
    served_[rank] = 0;
  }
  tell_best();
  return lasts;
}

/// For those who ask when something happens next.
void DramChannel::Sprint::tell_best() {
  for (const Kind kind : {column, activate_row, precharge_row})
    c_.best_[kind] = {best_[kind].time, 0, true};
}

void DramChannel::Sprint::leave() {
  for (std::uint64_t banks = c_.active_[d_]; banks != 0; banks &= banks - 1) {
    Bank& bank = c_.banks_[lowest_bit(banks)];
    bank.head = bank.tail = bank.hit = {none, none};
  }
  c_.active_[d_] = 0;
  c_.free_job_ = none;
  for (std::size_t i = c_.jobs_.size(); --i != 0; c_.free_job_ = static_cast<Index>(i))
    c_.jobs_[i].following = c_.free_job_;
  c_.pieces_.resize(1);
  c_.free_pieces_.clear();
  c_.last_piece_ = {none, none};
  for (std::uint64_t mask = by_age(waiting_); mask != 0; mask &= mask - 1)
    give_back(slot_at(lowest_bit(mask)));
  c_.classify_all();
}

/// A burst that waits becomes part of a piece and of a job.
void DramChannel::Sprint::give_back(unsigned slot) {
  const Slot& burst = slots_[slot];
  Index& last = c_.last_piece_[d_];
  if (burst.piece != given_) {
    given_ = burst.piece;
    last = static_cast<Index>(c_.pieces_.size());
    c_.pieces_.emplace_back();
    c_.begin(c_.pieces_.back(), burst.local);
  }
  Piece& piece = c_.pieces_[static_cast<std::size_t>(last)];
  piece.end = burst.age + 1;
  piece.next_local = burst.local + 1;
  piece.extendable = piece.end == c_.fed_[d_] && piece.next_local == following_;
  if ((piece.jobs >> (burst.local & c_.stripe_mask_) & 1) != 0) return;  // the next one of a job
  c_.link_job(last, d_, burst.local, burst.age, burst.enter, burst.segment);
}

/// A sprint takes the place of single steps from here on; false: it would not be worth its while. Taking the window
/// over and giving it back costs as much as some ten single steps.
bool DramChannel::begin_sprint() {
  if (fed_[1 - direction_] != served_[1 - direction_]) return false;
  steps_to_sprint_ = 16;  // if nothing comes of it
  const Ahead in_queue = ahead();
  if (in_queue.other_behind && in_queue.bursts < least_sprint) return false;
  auto sprint = std::make_unique<Sprint>(*this);
  if (!sprint->fits()) return false;
  sprint->enter();
  sprint_ = std::move(sprint);
  sprint_served_ = 0;
  steps_to_sprint_ = 0;
  return true;
}

/// Goes on with the sprint, or ends it.
void DramChannel::sprint(Cycle until) {
  const std::int64_t before = served_[direction_];
  const bool lasts = sprint_->run(until, sprint_length_ - sprint_served_);
  sprint_served_ += served_[direction_] - before;
  if (!lasts || sprint_served_ == sprint_length_) end_sprint();
}

/// One that was short is not soon followed by another one; behind one that was long leaps have a try.
void DramChannel::end_sprint() {
  if (sprint_ == nullptr) return;
  sprint_->leave();
  sprint_ = nullptr;
  if (sprint_served_ < least_sprint) steps_to_sprint_ = steps_after_short_sprint;
  if (sprint_served_ == sprint_length_) sprint_length_ = std::min(2 * sprint_length_, longest_sprint);
}

/// Bursts of the direction at the head of the queue, as far as a sprint may take them.
DramChannel::Ahead DramChannel::ahead() const {
  if (pushed_[1 - direction_] == fed_[1 - direction_]) return {queued(), false};
  std::int64_t bursts = 0;
  for (std::size_t i = 0; i < feed_.size() && feed_[i].direction == direction_ && bursts <= longest_sprint; ++i)
    bursts += static_cast<std::int64_t>(feed_[i].left);
  return {bursts, true};
}

}  // namespace nibble
