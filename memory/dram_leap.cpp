// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel that serves many bursts at once.
#include <algorithm>

#include "memory/dram_channel.h"

namespace nibble {

/// How many bursts of the piece, starting with the chosen one, can be served without anything else happening in
/// between: the chosen burst is the oldest of all, the following ones stand in turn in the banks of the stripe and are
/// ready in their turn, and no row command, refresh, change of direction or new job falls before the last of them. 1:
/// no leap.
Cycle DramChannel::leap_length(const Choice& choice, Cycle until) const {
  if (stripe_spacing_ == 0 || choice.age != choice.oldest) return 1;
  if (stripe_spacing_ != timing_.ccd_s && choice.columns != 1) return 1;
  const unsigned d = direction_;
  const Index index = jobs_[static_cast<std::size_t>(banks_[choice.bank].hit[d])].piece;
  const Piece& piece = pieces_[static_cast<std::size_t>(index)];
  const Cycle last = std::min({until, refresh_at() - 1, choice.row - 1});
  Cycle count = std::min((last - choice.time) / stripe_spacing_ + 1, leap_supply(piece, index, choice.age));

  const std::int64_t waiting = fed_[d] - served_[d], others = fed_[1 - d] - served_[1 - d];
  if (others != 0) {
    count = std::min<Cycle>(count, streak_cap_ - streak_);
    if (d == write) count = std::min(count, waiting - drain_to_);
    if (hold_ > 0) count = std::min(count, hold_);
  }
  if (count <= 1) return 1;

  const Job& chosen = jobs_[static_cast<std::size_t>(banks_[choice.bank].hit[d])];
  for (Cycle k = 0; k < std::min(count, stripe_); ++k) {
    const Index next = piece.jobs[(chosen.residue + static_cast<std::uint64_t>(k)) & stripe_mask_];
    if (next == none) return k;
    const Job& job = jobs_[static_cast<std::size_t>(next)];
    const Bank& bank = banks_[job.bank];
    const Cycle slot = choice.time + k * stripe_spacing_;
    if (job.next != choice.age + k || bank.hit[d] != next || bank.head[d] != next || bank.cas_ok[d] > slot ||
        groups_[bank.group].cas_ok[d] > slot || job.enter > slot) {
      return k;
    }
    if (job.following != none) {
      // The bank's next row may be opened as soon as this one has served its last burst: that is where the leap must
      // end.
      const Cycle waiting_here = piece.end - choice.age;
      count = std::min(count, k + ((waiting_here - 1 - k) & ~(stripe_ - 1)) + 1);
    }
  }
  return count;
}

/// Bursts that the windows and the queue provide for a leap before a new job would have to be made.
Cycle DramChannel::leap_supply(const Piece& piece, Index index, std::int64_t age) const {
  const unsigned d = direction_;
  const std::int64_t waiting = piece.end - age;
  const std::int64_t keep = close_page_ ? stripe_ : 0;  // a closed-page bank must see its next burst, or it would close
  const bool feeds = !feed_.empty() && feed_.front().direction == d;
  if (!feeds) return waiting - keep;
  const Feed& head = feed_.front();
  const Piece& last = pieces_[static_cast<std::size_t>(last_piece_[d])];
  Cycle quiet = 0;
  if (last.extendable && last.next_local == head.next && last.live == static_cast<unsigned>(stripe_)) {
    const std::uint64_t to_block_end = block_mask_ + 1 - (head.next & block_mask_);
    quiet = static_cast<Cycle>(std::min(head.left, to_block_end));
  }
  const bool other_enters = quiet == static_cast<Cycle>(head.left) && feed_.size() > 1 && feed_[1].direction != d;
  const Cycle before_new_job = quiet + (other_enters ? 0 : 1);
  if (last_piece_[d] != index) return std::min(before_new_job, waiting - keep);
  if (waiting <= stripe_) return 1;
  return std::min(before_new_job, waiting + quiet - keep);
}

void DramChannel::leap(unsigned first_bank, Cycle time, Cycle count) {
  const unsigned d = direction_;
  const Job first = jobs_[static_cast<std::size_t>(banks_[first_bank].hit[d])];
  const Index piece_index = first.piece;
  const Cycle spacing = stripe_spacing_;
  column_count(count);
  complete(first.next, count, time + latency_[d] + burst_, spacing);
  feed(time + (count - 1) * spacing + 1);
  Piece& piece = pieces_[static_cast<std::size_t>(piece_index)];
  const Cycle touched = std::min(count, stripe_);
  // The last `touched` commands decide what the banks and groups must respect afterwards.
  for (Cycle k = count - touched; k < count; ++k) {
    const Index index = piece.jobs[(first.residue + static_cast<std::uint64_t>(k)) & stripe_mask_];
    Job& job = jobs_[static_cast<std::size_t>(index)];
    const unsigned bank = job.bank;
    banks_[bank].overtakes = 0;
    column_timing(bank, time + k * spacing);
    job.next = first.next + k + stripe_;
    if (job.next >= piece.end) remove_job(d, index);
    if (close_page_) close_if_unused(bank);
  }
}

}  // namespace nibble
