// SPDX-License-Identifier: Apache-2.0
/// The part of DramChannel that refreshes.
#include <algorithm>

#include "memory/dram_sprint.h"

namespace nibble {

/// The steps that are due at `time`. Whatever the banks needed is to be found again.
[[gnu::noinline]] void DramChannel::refresh(Cycle time, Cycle until) {
  if (idle()) skip_idle_refreshes(until);
  for (unsigned rank = 0; rank < ranks_.size(); ++rank) {
    if (ranks_[rank].refresh_at > time) continue;
    if (!bank_refresh_) {
      refresh_all(rank);
    } else if (!ranks_[rank].closing) {
      close_for_refresh(rank);
    } else {
      refresh_banks(rank);
    }
  }
  find_refresh();
  if (sprint_ == nullptr) {
    classify_all();
  } else {
    sprint_->find_needs();
  }
}

/// All banks: closed together as soon as each allows it.
void DramChannel::refresh_all(unsigned rank_index) {
  Rank& rank = ranks_[rank_index];
  Cycle precharged = rank.refresh_at, closed = rank.refresh_at;
  for (unsigned index = 0; index < bank_count_; ++index) {
    const Bank& bank = banks_[index];
    if (bank.rank != rank_index) continue;
    if (bank.row >= 0) {
      closed = std::max(closed, bank.pre_ok);
    } else {
      precharged = std::max(precharged, bank.act_ok);
      if (close_page_) closed = std::max(closed, bank.act_ok - timing_.rp);  // it may still be about to close itself
    }
  }
  if (rank.open_banks != 0) {
    precharged = std::max(precharged, closed + timing_.rp_all);
    rank.open_banks = 1;
    count_close(rank, closed);
    ++counters_.precharges;
    ++rank.counters.precharges;
    log(DramCommand::Kind::precharge_all, rank_index, 0, 0, closed);
  }
  for (unsigned index = 0; index < bank_count_; ++index) {
    Bank& bank = banks_[index];
    if (bank.rank != rank_index) continue;
    bank.row = -1;
    bank.act_ok = notes_[index].refreshed_at = precharged + timing_.rfc;
    bank.hit = {none, none};
    bank.left_for_other_row = false;
  }
  ++counters_.refreshes;
  ++rank.counters.refreshes;
  log(DramCommand::Kind::refresh_all, rank_index, 0, 0, precharged);
  rank.refresh_at += timing_.refi;
}

/// When the next per-bank refresh of a rank is due; ranks take turns.
Cycle DramChannel::bank_refresh_due(unsigned rank) const {
  const auto sets = static_cast<Cycle>(refresh_sets_), ranks = static_cast<Cycle>(ranks_.size());
  return ((ranks_[rank].round + 1) * ranks + static_cast<Cycle>(rank)) * timing_.refi / (sets * ranks);
}

/// The first step of a per-bank refresh: its banks close and take no command until the refresh has begun.
void DramChannel::close_for_refresh(unsigned rank_index) {
  Rank& rank = ranks_[rank_index];
  const Cycle due = rank.refresh_at;
  rank.refresh_ready = due;
  const auto banks = bank_count_ / static_cast<unsigned>(ranks_.size());
  for (auto set = static_cast<unsigned>(rank.round % refresh_sets_); set < banks; set += refresh_sets_) {
    const unsigned index = rank_index * banks + set;
    Bank& bank = banks_[index];
    Cycle ready = bank.act_ok;
    if (bank.row >= 0) {
      const Cycle closed = std::max({due, bank.pre_ok, timing_.ppd == 0 ? due : rank.pre_ok});
      bank.row = -1;
      bank.hit = {none, none};
      ready = std::max(ready, closed + timing_.rp);
      rank.pre_ok = std::max(rank.pre_ok, closed + timing_.ppd);
      count_close(rank, closed);
      ++counters_.precharges;
      ++rank.counters.precharges;
      log(DramCommand::Kind::precharge, rank_index, index, 0, closed);
    }
    rank.refresh_ready = std::max(rank.refresh_ready, ready);
    bank.act_ok = never;
    bank.left_for_other_row = false;
  }
  rank.closing = true;
  rank.refresh_at = rank.refresh_ready;
}

/// The second step: the refresh command, which counts as an activate for tRRD and tFAW.
void DramChannel::refresh_banks(unsigned rank_index) {
  Rank& rank = ranks_[rank_index];
  const Cycle time = std::max(rank.refresh_ready, rank.act_ok);
  if (time > rank.refresh_at) {
    rank.refresh_at = time;
    return;
  }
  const auto banks = bank_count_ / static_cast<unsigned>(ranks_.size());
  const auto first = static_cast<unsigned>(rank.round % refresh_sets_);
  for (unsigned set = first; set < banks; set += refresh_sets_) {
    const unsigned index = rank_index * banks + set;
    banks_[index].act_ok = notes_[index].refreshed_at = time + timing_.rfc_bank;
  }
  rank.activates[rank.oldest_activate] = time;
  rank.oldest_activate = (rank.oldest_activate + 1) % 4;
  rank.act_ok = std::max(time + timing_.rrefd, rank.activates[rank.oldest_activate] + timing_.faw);
  ++counters_.refreshes;
  ++rank.counters.refreshes;
  log(DramCommand::Kind::refresh_bank, rank_index, rank_index * banks + first, 0, time);
  rank.closing = false;
  ++rank.round;
  rank.refresh_at = std::max(time, bank_refresh_due(rank_index));
}

/// Without requests and with all banks closed nothing happens but refresh: all of them up to `until` but the last at
/// once; of per-bank refreshes as many remain as decide the state of every bank.
[[gnu::noinline]] void DramChannel::skip_idle_refreshes(Cycle until) {
  for (unsigned index = 0; index < ranks_.size(); ++index) {
    Rank& rank = ranks_[index];
    if (rank.open_banks != 0 || rank.closing || rank.refresh_at > until) continue;
    std::int64_t rounds = (until - rank.refresh_at) / timing_.refi;
    if (bank_refresh_) {
      rounds = std::max<std::int64_t>(0, rounds - 2) * static_cast<std::int64_t>(refresh_sets_);
      rank.round += rounds;
      if (rounds != 0) rank.refresh_at = bank_refresh_due(index);
    } else {
      rank.refresh_at += rounds * timing_.refi;
    }
    counters_.refreshes += static_cast<std::uint64_t>(rounds);
    rank.counters.refreshes += static_cast<std::uint64_t>(rounds);
  }
  find_refresh();
}

void DramChannel::find_refresh() {
  refresh_at_ = never;
  for (const Rank& rank : ranks_)
    refresh_at_ = std::min(refresh_at_, rank.refresh_at);
}

}  // namespace nibble
