// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel::Sprint that takes the window over and gives it back, and what decides when.
#include <algorithm>

#include "memory/dram_sprint.h"

namespace nibble {

DramChannel::Sprint::Sprint(DramChannel& channel)
    : c_(channel),
      d_(channel.direction_),
      ranks_(channel.ranks_.data()),
      rank_count_(channel.ranks_.size()),
      after_column_(channel.after_column_[channel.direction_]),
      rcd_(channel.direction_ == read ? channel.timing_.rcd_read : channel.timing_.rcd_write),
      column_to_end_(channel.latency_[channel.direction_] + channel.burst_),
      closes_at_once_(channel.timing_.ppd == 0) {}

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
  next_ = 64 + static_cast<std::uint64_t>(c_.fed_[d_] & 63);
  for (std::uint64_t banks = c_.active_[d_]; banks != 0; banks &= banks - 1) {
    const unsigned index = lowest_bit(banks);
    const Bank& bank = c_.banks_[index];
    for (Index i = bank.head[d_]; i != none; i = c_.jobs_[static_cast<std::size_t>(i)].following) {
      const Job& job = c_.jobs_[static_cast<std::size_t>(i)];
      const Piece& piece = c_.pieces_[static_cast<std::size_t>(job.piece)];
      columns_from_ = std::max(columns_from_, job.enter);
      for (std::int64_t age = job.next; age < piece.end; age += c_.stripe_) {
        const auto slot = static_cast<unsigned>(age & 63);
        slots_[slot] = {job.row,
                        age,
                        job.enter,
                        piece.local(age),
                        c_.segment_of(d_, age, job.segment),
                        static_cast<unsigned>(job.piece),
                        static_cast<std::uint8_t>(index),
                        bank.group};
        put(slot, index);
      }
    }
  }
  find_needs();
  const Index last = c_.last_piece_[d_];
  const Piece& piece = c_.pieces_[static_cast<std::size_t>(last)];
  if (last == none || !piece.extendable) return;
  following_ = piece.next_local;
  number_ = static_cast<unsigned>(last);
  place_ = {piece.bank, static_cast<std::uint64_t>(piece.row)};
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
    bursts += static_cast<std::int64_t>(feed_[i].left());
  return {bursts, true};
}

}  // namespace nibble
