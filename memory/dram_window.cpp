// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel that moves bursts through its windows.
#include <algorithm>

#include "memory/dram_channel.h"

namespace nibble {

/// Moves bursts from the head of the queue into the windows while there is room.
void DramChannel::feed(Cycle enter) {
  while (!feed_.empty()) {
    Feed& head = feed_.front();
    const unsigned direction = head.direction;
    const std::int64_t room =
        per_bank_ ? room_for(direction, head.next) : capacity_[direction] - (fed_[direction] - served_[direction]);
    if (room <= 0) return;
    Piece& piece = piece_for(direction, head.next);
    const std::uint64_t to_block_end = block_mask_ + 1 - (head.next & block_mask_);
    const auto count = std::min({static_cast<std::uint64_t>(room), head.left, to_block_end});
    const std::uint64_t touched = piece.jobs == every_job_ ? 0 : std::min(count, stripe_mask_ + 1);
    for (std::uint64_t k = 0; k < touched; ++k) {
      if ((piece.jobs >> ((head.next + k) & stripe_mask_) & 1) != 0) continue;
      add_job(last_piece_[direction], direction, head.next + k, fed_[direction] + static_cast<std::int64_t>(k), enter);
    }
    for (std::uint64_t k = 0; per_bank_ && k < count; ++k)
      ++banks_[map_.bank(head.next + k)].waiting[direction];
    fed_[direction] += static_cast<std::int64_t>(count);
    piece.end = fed_[direction];
    head.next += count;
    head.left -= count;
    piece.next_local = head.next;
    piece.extendable = (head.next & block_mask_) != 0;
    if (head.left == 0) feed_.pop();
  }
}

/// With a queue of each bank: bursts from `local` on, in its block, up to the first whose bank is full. Capped at the
/// entries of all banks.
std::int64_t DramChannel::room_for(unsigned direction, std::uint64_t local) const {
  std::int64_t room = capacity_[direction];
  for (std::int64_t k = 0; k < stripe_; ++k) {
    const Bank& bank = banks_[map_.bank(local + static_cast<std::uint64_t>(k))];
    room = std::min(room, k + (bank_capacity_[direction] - bank.waiting[direction]) * stripe_);
  }
  return room;
}

DramChannel::Piece& DramChannel::piece_for(unsigned direction, std::uint64_t local) {
  Index& last = last_piece_[direction];
  if (last != none) {
    Piece& piece = pieces_[static_cast<std::size_t>(last)];
    if (piece.extendable && piece.next_local == local) return piece;
    if (piece.jobs == 0) free_pieces_.push_back(last);
  }
  if (free_pieces_.empty()) {
    free_pieces_.push_back(static_cast<Index>(pieces_.size()));
    pieces_.emplace_back();
  }
  last = free_pieces_.back();
  free_pieces_.pop_back();
  return pieces_[static_cast<std::size_t>(last)];
}

void DramChannel::add_job(Index piece, unsigned direction, std::uint64_t local, std::int64_t age, Cycle enter) {
  if (free_jobs_.empty()) {
    free_jobs_.push_back(static_cast<Index>(jobs_.size()));
    jobs_.emplace_back();
  }
  const Index index = free_jobs_.back();
  free_jobs_.pop_back();
  const auto residue = static_cast<std::uint8_t>(local & stripe_mask_);
  pieces_[static_cast<std::size_t>(piece)].jobs |= std::uint64_t{1} << residue;

  const AddressMap::Place place = map_.place(local);
  Bank& bank = banks_[place.bank];
  Job& job = jobs_[static_cast<std::size_t>(index)];
  job.next = age;
  job.row = place.row;
  job.enter = enter;
  job.segment = entered_[direction] = segment_of(direction, age, entered_[direction]);
  job.piece = piece;
  job.bank = static_cast<std::uint8_t>(place.bank);
  job.residue = residue;
  job.previous = bank.tail[direction];
  job.following = none;
  jobs_[static_cast<std::size_t>(job.previous)].following = index;
  bank.tail[direction] = index;
  const bool oldest = bank.head[direction] == none;
  if (oldest) bank.head[direction] = index;
  const bool hit = bank.hit[direction] == none && bank.row == static_cast<std::int64_t>(place.row);
  if (hit) bank.hit[direction] = index;
  active_[direction] |= std::uint64_t{1} << place.bank;
  if ((oldest || hit) && (direction == direction_ || direction_ == write)) classify(place.bank);
}

void DramChannel::remove_job(unsigned direction, Index index) {
  const Job& job = jobs_[static_cast<std::size_t>(index)];
  Bank& bank = banks_[job.bank];
  jobs_[static_cast<std::size_t>(job.previous)].following = job.following;
  jobs_[static_cast<std::size_t>(job.following)].previous = job.previous;
  if (bank.hit[direction] == index) bank.hit[direction] = next_hit(bank, job.following);
  if (job.previous == none) bank.head[direction] = job.following;
  if (job.following == none) bank.tail[direction] = job.previous;
  const bool last = bank.head[direction] == none;
  active_[direction] &= ~(std::uint64_t{last} << job.bank);
  Piece& piece = pieces_[static_cast<std::size_t>(job.piece)];
  piece.jobs &= ~(std::uint64_t{1} << job.residue);
  if (piece.jobs == 0 && last_piece_[direction] != job.piece) free_pieces_.push_back(job.piece);
  free_jobs_.push_back(index);
}

/// The first job from `from` on that the open row serves.
DramChannel::Index DramChannel::next_hit(const Bank& bank, Index from) const {
  while (from != none && static_cast<std::int64_t>(jobs_[static_cast<std::size_t>(from)].row) != bank.row)
    from = jobs_[static_cast<std::size_t>(from)].following;
  return from;
}

/// The next burst of a job, whose data end at `end`.
void DramChannel::complete_one(const Job& job, Cycle end) {
  Ring<Segment>& segments = segments_[direction_];
  std::uint64_t& popped = popped_[direction_];
  Segment& segment = segments[static_cast<std::size_t>(segment_of(direction_, job.next, job.segment) - popped)];
  if (--segment.remaining != 0) return;
  done_.push_back({segment.id, end});
  for (; !segments.empty() && segments.front().remaining == 0; ++popped)
    segments.pop();
}

/// Bursts of consecutive ages whose data end at first_end, first_end + spacing, ...
void DramChannel::complete(std::int64_t age, Cycle count, Cycle end, Cycle spacing, std::uint64_t& segment) {
  Ring<Segment>& segments = segments_[direction_];
  segment = segment_of(direction_, age, segment);
  auto i = static_cast<std::size_t>(segment - popped_[direction_]);
  while (count > 0) {
    Segment& here_in = segments[i];
    const Cycle here = std::min<Cycle>(count, here_in.end - age);
    here_in.remaining -= static_cast<std::uint64_t>(here);
    if (here_in.remaining == 0) done_.push_back({here_in.id, end + (here - 1) * spacing});
    age += here;
    end += here * spacing;
    count -= here;
    ++i;
  }
  for (; !segments.empty() && segments.front().remaining == 0; ++popped_[direction_])
    segments.pop();
}

/// Number of the segment that holds a waiting burst; `from` is that of an older burst, or of none.
std::uint64_t DramChannel::segment_of(unsigned direction, std::int64_t age, std::uint64_t from) const {
  const Ring<Segment>& segments = segments_[direction];
  auto i = static_cast<std::size_t>(std::max(from, popped_[direction]) - popped_[direction]);
  while (segments[i].end <= age)
    ++i;
  return popped_[direction] + i;
}

}  // namespace nibble
