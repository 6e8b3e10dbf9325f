// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel that knows what each bank needs, and chooses the next command.
#include <algorithm>

#include "memory/dram_channel.h"

namespace nibble {

/// Records what the bank needs next in the current direction. To be called after every change of the bank or of its
/// jobs.
void DramChannel::classify(unsigned index) {
  const Bank& bank = banks_[index];
  const unsigned d = direction_;
  need_nothing(index);
  const bool ahead = prepares_read(bank);
  const Index head = ahead ? bank.head[read] : bank.head[d], hit = bank.hit[d];
  if (head == none) return;
  const bool overtaken = bank.overtakes >= row_hit_cap_ && head != hit;
  if (hit != none && !overtaken && !ahead) {
    const Job& job = jobs_[static_cast<std::size_t>(hit)];
    order_[index] = order_of(job.next, index);
    need(index, column, std::max(bank.cas_ok[d], job.enter));
    return;
  }
  const Job& job = jobs_[static_cast<std::size_t>(head)];
  order_[index] = order_of(ahead ? job.next + younger_than_all : job.next, index);
  const bool open = bank.row >= 0;
  need(index, open ? precharge_row : activate_row, std::max(open ? bank.pre_ok : bank.act_ok, job.enter));
}

/// The bank needs this from `ready` on, for the burst named by order_.
void DramChannel::need(unsigned index, Kind kind, Cycle ready) {
  ready_[index] = ready;
  need_of_[index] = kind;
  needing_[kind] |= bit(index);
  ++needed_[kind];
  enlist(index, kind);
  if (best_[kind].known) best_[kind].improve(std::max(ready, floor_of(kind, banks_[index])), order_[index]);
}

void DramChannel::need_nothing(unsigned index) {
  const Kind was = need_of_[index];
  if (was == kinds) return;
  need_of_[index] = kinds;
  needing_[was] &= ~bit(index);
  --needed_[was];
  delist(index, was);
  if (best_[was].bank() == index) best_[was].known = false;
}

/// The bank needs another command for the same burst.
void DramChannel::need_instead(unsigned index, Kind kind, Cycle ready) {
  const Kind was = need_of_[index];
  const std::uint64_t bank = bit(index);
  const std::uint64_t age = (~unlisted_ >> index & 1) << (order_[index] >> 6 & 63);
  ready_[index] = ready;
  need_of_[index] = kind;
  needing_[was] &= ~bank;
  needing_[kind] |= bank;
  listed_[was] &= ~age;
  listed_[kind] |= age;
  --needed_[was];
  ++needed_[kind];
  if (best_[was].bank() == index) best_[was].known = false;
  if (best_[kind].known) best_[kind].improve(std::max(ready, floor_of(kind, banks_[index])), order_[index]);
}

/// The bank needs the same for another burst; the best of that kind is to be found again.
void DramChannel::reorder(unsigned index, std::int64_t age) {
  const Kind kind = need_of_[index];
  delist(index, kind);
  order_[index] = order_of(age, index);
  enlist(index, kind);
}

/// Enters a bank into the list by age, unless its burst is too far from the others.
void DramChannel::enlist(unsigned index, Kind kind) {
  const std::int64_t age = order_[index] >> 6;
  if (static_cast<std::uint64_t>(age - listed_from_) >= 64 && !fits_list(age)) {
    unlisted_ |= bit(index);
    return;
  }
  listed_[kind] |= bit(static_cast<unsigned>(age & 63));
  listed_bank_[static_cast<std::size_t>(age & 63)] = index;
}

void DramChannel::delist(unsigned index, Kind kind) {
  const std::uint64_t unlisted = unlisted_ >> index & 1;
  listed_[kind] &= ~((unlisted ^ 1) << (order_[index] >> 6 & 63));
  unlisted_ &= ~(unlisted << index);
}

/// Moves listed_from_ so that this age has a place beside all that are listed; false: there is none.
[[gnu::noinline]] bool DramChannel::fits_list(std::int64_t age) {
  const std::uint64_t all = listed_[column] | listed_[activate_row] | listed_[precharge_row];
  if (all == 0) {
    listed_from_ = age;
    return true;
  }
  const std::uint64_t by_age = rotate_right(all, listed_from_);
  if (age > listed_from_) {
    listed_from_ += lowest_bit(by_age);
    return age - listed_from_ < 64;
  }
  const std::int64_t youngest = listed_from_ + 63 - __builtin_clzll(by_age);
  if (youngest - age >= 64) return false;
  listed_from_ = age;
  return true;
}

[[gnu::noinline]] void DramChannel::classify_all() {
  needing_ = listed_ = {};
  unlisted_ = 0;
  needed_ = {};
  need_of_.fill(kinds);
  best_ = {};
  for (std::uint64_t mask = active_[read] | active_[write]; mask != 0; mask &= mask - 1)
    classify(lowest_bit(mask));
}

/// From when on the rank, and with its bank group the bank, allow a command of this kind.
Cycle DramChannel::floor_of(Kind kind, const Rank& rank) const {
  if (kind == column) return rank.cas_ok[direction_];
  return kind == precharge_row ? rank.pre_ok : rank.act_ok;
}

Cycle DramChannel::floor_of(Kind kind, const Bank& bank) const {
  const Cycle rank = floor_of(kind, ranks_[bank.rank]);
  const Group& group = groups_[bank.group];
  if (kind == column) return std::max(rank, group.cas_ok[direction_]);
  return kind == precharge_row ? rank : std::max(rank, group.act_ok);
}

/// The earliest command of a kind; among equals the one that the oldest burst wants.
template <DramChannel::Kind kind>
void DramChannel::find() {
  Candidate best;
  for (const Rank& rank : ranks_) {
    const std::uint64_t banks = needing_[kind] & rank.banks;
    if (banks == 0) continue;
    const Cycle floor = floor_of(kind, rank);
    if (needed_[kind] > few_banks && ranks_.size() == 1 && (unlisted_ & banks) == 0) {
      find_by_age<kind>(floor, best);
      continue;
    }
    for (std::uint64_t mask = banks; mask != 0; mask &= mask - 1) {
      const unsigned index = lowest_bit(mask);
      best.improve(std::max({ready_[index], floor, group_floor<kind>(index)}), order_[index]);
    }
  }
  best.known = true;
  best_[kind] = best;
}

/// The oldest burst comes first here, and of many banks in one rank one of the oldest can, as a rule, have its command
/// as soon as the rank allows any.
template <DramChannel::Kind kind>
void DramChannel::find_by_age(Cycle floor, Candidate& best) const {
  for (std::uint64_t mask = rotate_right(listed_[kind], listed_from_); mask != 0; mask &= mask - 1) {
    const unsigned index = listed_bank_[static_cast<std::size_t>((lowest_bit(mask) + listed_from_) & 63)];
    const Cycle time = std::max({ready_[index], floor, group_floor<kind>(index)});
    best.improve(time, order_[index]);
    if (time == floor) return;
  }
}

/// From when on its bank group allows a bank a command of this kind.
template <DramChannel::Kind kind>
Cycle DramChannel::group_floor(unsigned index) const {
  if (kind == precharge_row) return 0;
  const Group& group = groups_[group_of_[index]];
  return kind == column ? group.cas_ok[direction_] : group.act_ok;
}

/// The kind of the next command; in one cycle precharge goes before activate before column. `kinds`: nothing to do.
DramChannel::Kind DramChannel::choose() {
  if (!best_[column].known) find<column>();
  if (!best_[activate_row].known) find<activate_row>();
  if (!best_[precharge_row].known) find<precharge_row>();
  Kind next = precharge_row;
  if (best_[activate_row].time < best_[next].time) next = activate_row;
  if (best_[column].time < best_[next].time) next = column;
  return best_[next].time == never ? kinds : next;
}

}  // namespace nibble
