// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel that moves bursts through its windows.
#include <algorithm>

#include "memory/dram_channel.h"

namespace nibble {

/// Moves bursts from the head of the queue into the windows while there is room; none enters before one ahead of it.
void DramChannel::feed(Cycle enter) {
  enter = std::max(enter, entered_at_);
  while (!feed_.empty()) {
    Feed& head = feed_.front();
    const unsigned direction = head.direction;
    const std::int64_t room =
        per_bank_ ? room_for(direction, head.next) : capacity_[direction] - (fed_[direction] - served_[direction]);
    if (room <= 0) return;
    entered_at_ = enter;
    const std::uint64_t first = head.next;
    Piece& piece = piece_for(direction, first);
    const std::uint64_t to_block_end = block_mask_ + 1 - (first & block_mask_);
    const auto count = std::min({static_cast<std::uint64_t>(room), head.left(), to_block_end});
    if (piece.jobs != every_job_) {
      const std::uint64_t touched = std::min(count, stripe_mask_ + 1);
      for (std::uint64_t k = 0; k < touched; ++k) {
        if ((piece.jobs >> ((first + k) & stripe_mask_) & 1) != 0) continue;
        add_job(last_piece_[direction], direction, first + k, fed_[direction] + static_cast<std::int64_t>(k), enter);
      }
    }
    for (std::uint64_t k = 0; per_bank_ && k < count; ++k)
      ++notes_[bank_of(piece, first + k)].waiting[direction];
    fed_[direction] += static_cast<std::int64_t>(count);
    piece.end = fed_[direction];
    piece.next_local = head.next = first + count;
    piece.extendable = (piece.next_local & block_mask_) != 0;
    if (head.next == head.end) feed_.pop();
  }
}

/// With a queue of each bank: bursts from `local` on, in its block, up to the first whose bank is full. Capped at the
/// entries of all banks.
std::int64_t DramChannel::room_for(unsigned direction, std::uint64_t local) const {
  std::int64_t room = capacity_[direction];
  for (std::int64_t k = 0; k < stripe_; ++k) {
    const BankNotes& bank = notes_[map_.bank(local + static_cast<std::uint64_t>(k))];
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
  Piece& piece = pieces_[static_cast<std::size_t>(last)];
  begin(piece, local);
  return piece;
}

/// The piece is to hold bursts of the block of that local number.
void DramChannel::begin(Piece& piece, std::uint64_t local) const {
  const AddressMap::Place place = map_.place(local & ~stripe_mask_);
  piece.bank = place.bank;
  piece.row = static_cast<std::int64_t>(place.row);
}

void DramChannel::add_job(Index piece, unsigned direction, std::uint64_t local, std::int64_t age, Cycle enter) {
  const bool matters = link_job(piece, direction, local, age, enter, entering_segment(direction, age));
  if (matters && (direction == direction_ || direction_ == write)) classify(bank_of(pieces_[piece], local));
}

/// Whether the job is the first of its bank, or of its open row.
bool DramChannel::link_job(Index piece_index, unsigned direction, std::uint64_t local, std::int64_t age, Cycle enter,
                           std::uint64_t segment) {
  if (free_job_ == none) {
    free_job_ = static_cast<Index>(jobs_.size());
    jobs_.emplace_back();
  }
  const Index index = free_job_;
  Job& job = jobs_[static_cast<std::size_t>(index)];
  free_job_ = job.following;
  const auto residue = static_cast<unsigned>(local & stripe_mask_);
  Piece& piece = pieces_[static_cast<std::size_t>(piece_index)];
  piece.jobs |= bit(residue);
  const unsigned bank_index = bank_of(piece, local);
  Bank& bank = banks_[bank_index];
  const Index previous = bank.tail[direction];
  job.next = age;
  job.row = piece.row;
  job.enter = enter;
  job.segment = segment;
  job.piece = piece_index;
  job.bank = static_cast<std::uint16_t>(bank_index);
  job.residue = static_cast<std::uint16_t>(residue);
  job.previous = previous;
  job.following = none;
  bank.tail[direction] = index;
  bool matters = false;
  if (previous == none) {
    bank.head[direction] = index;
    active_[direction] |= bit(bank_index);
    matters = true;
  } else {
    jobs_[static_cast<std::size_t>(previous)].following = index;
  }
  if (bank.row == piece.row && bank.hit[direction] == none) {
    bank.hit[direction] = index;
    matters = true;
  }
  return matters;
}

/// Number of the segment of a burst that enters the window after all others.
std::uint64_t DramChannel::entering_segment(unsigned direction, std::int64_t age) {
  std::uint64_t& segment = entered_[direction];
  std::int64_t& end = entered_end_[direction];
  if (age < end) return segment;
  const Ring<Segment>& segments = segments_[direction];
  const std::uint64_t popped = popped_[direction];
  std::uint64_t number = std::max(segment + 1, popped);
  while ((end = segments[static_cast<std::size_t>(number - popped)].end) <= age)
    ++number;
  return segment = number;
}

void DramChannel::remove_job(unsigned direction, Index index) {
  Job& job = jobs_[static_cast<std::size_t>(index)];
  Bank& bank = banks_[job.bank];
  const Index previous = job.previous, following = job.following;
  if (bank.hit[direction] == index) bank.hit[direction] = next_hit(bank, following);
  (previous == none ? bank.head[direction] : jobs_[static_cast<std::size_t>(previous)].following) = following;
  (following == none ? bank.tail[direction] : jobs_[static_cast<std::size_t>(following)].previous) = previous;
  if (bank.head[direction] == none) active_[direction] &= ~bit(job.bank);
  Piece& piece = pieces_[static_cast<std::size_t>(job.piece)];
  piece.jobs &= ~bit(job.residue);
  if (piece.jobs == 0 && last_piece_[direction] != job.piece) free_pieces_.push_back(job.piece);
  job.following = free_job_;
  free_job_ = index;
}

/// The first job from `from` on that the open row serves.
DramChannel::Index DramChannel::next_hit(const Bank& bank, Index from) const {
  while (from != none && jobs_[static_cast<std::size_t>(from)].row != bank.row)
    from = jobs_[static_cast<std::size_t>(from)].following;
  return from;
}

/// The burst of that age, whose data end at `end`. It belongs to the segment of that number or to a later one.
void DramChannel::complete_one(std::uint64_t number, std::int64_t age, Cycle end) {
  Ring<Segment>& segments = segments_[direction_];
  const std::uint64_t popped = popped_[direction_];
  auto i = static_cast<std::size_t>(std::max(number, popped) - popped);
  while (segments[i].end <= age)
    ++i;
  Segment& segment = segments[i];
  if (--segment.remaining != 0) return;
  done_.push_back({segment.id, end});
  if (i != 0) return;
  do {
    segments.pop();
    ++popped_[direction_];
  } while (!segments.empty() && segments.front().remaining == 0);
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
