// SPDX-License-Identifier: Apache-2.0
/// DramChannel::Sprint, private to the sources of DramChannel: many single steps taken at a run while one direction has
/// the windows to itself. Whatever it does, the single steps would have done to the cycle.
#pragma once

#include "memory/dram_channel.h"

namespace nibble {

/// The window as a ring of 64 slots in order of age, a burst in each or nothing. Sets of slots are words; the oldest of
/// a set is its first bit from the slot of the next burst on.
class DramChannel::Sprint {
 public:
  /// Precondition: no burst of the other direction waits in its window.
  explicit Sprint(DramChannel& channel)
      : c_(channel), d_(channel.direction_), ranks_(channel.ranks_.data()), one_rank_(channel.ranks_.size() == 1) {}

  bool fits() const;
  /// Takes over the window.
  void enter();
  /// Every command up to and including cycle `until`, and later ones that nothing which is yet to arrive can change,
  /// but no more than `longest` columns. False: the window has to be given back, because of a refresh, of a row hit cap
  /// or of a burst of the other direction that would enter its window.
  [[gnu::flatten, gnu::noinline]] bool run(Cycle until, std::int64_t longest);
  /// The queue was empty and has a request of the direction: its bursts enter as far as there is room.
  [[gnu::flatten, gnu::noinline]] void feed_at_once(Cycle enter);
  /// Gives the window back.
  void leave();

 private:
  struct alignas(64) Slot {
    std::int64_t row, age;
    Cycle enter;
    std::uint64_t local;
    std::uint64_t segment;  ///< number of the segment of this burst, or of one before it
    unsigned piece;         ///< bursts of a piece have its number
    std::uint8_t bank, group;
  };
  struct Best {
    Cycle time = never;
    unsigned slot = 0;
  };

  unsigned next_slot() const { return static_cast<unsigned>(next_ & 63); }
  /// Oldest first.
  std::uint64_t by_age(std::uint64_t slots) const { return slots >> (next_ & 63) | slots << (-next_ & 63); }
  unsigned slot_at(unsigned place) const { return static_cast<unsigned>((next_ + place) & 63); }
  unsigned oldest(std::uint64_t slots) const { return slot_at(lowest_bit(by_age(slots))); }
  bool older(unsigned slot, unsigned other) const { return ((slot - next_) & 63) < ((other - next_) & 63); }

  void put(unsigned slot, const Slot& burst);
  void close_up();
  void move(unsigned from, unsigned to);
  template <Kind kind>
  Cycle time_of(unsigned slot) const;
  void find_column();
  template <Kind kind>
  void find();
  template <Kind kind>
  void want(unsigned slot, Cycle ready);
  template <Kind kind>
  void improve(unsigned slot);
  void want_row(unsigned bank);
  unsigned mark_column(unsigned bank);
  void want_column(unsigned bank);
  void precharge();
  void activate();
  unsigned serve();
  void feed(Cycle enter);
  void find_best_column();
  void tell_best();
  void give_back(unsigned slot);

  DramChannel& c_;
  const unsigned d_;
  Rank* const ranks_;
  const bool one_rank_;
  std::array<std::int64_t, 64> served_{};  ///< bursts of each rank
  std::uint64_t next_ = 0;                 ///< the slot of the next burst, counted on
  std::array<Slot, 64> slots_;
  // Sets of slots:
  std::uint64_t waiting_ = 0;
  std::array<std::uint64_t, 64> of_bank_{}, hits_{};
  std::array<std::uint64_t, kinds> wants_{};  ///< of each bank the one whose burst wants such a command
  std::uint64_t unripe_ = 0;                  ///< those of wants_[column] whose bank is not ready ...
  Cycle ripe_ = never;                        ///< ... before this cycle
  std::array<Best, kinds> best_{};
  std::array<std::array<Cycle, 64>, kinds> group_floor_;  ///< of columns and activates
  // Of the burst that entered last:
  static constexpr std::uint64_t nothing = ~std::uint64_t{0};
  static constexpr unsigned first_number = 1 << 16;  ///< above every Index
  std::uint64_t following_ = nothing;                ///< the local number that continues its piece
  unsigned number_ = first_number;                   ///< of its piece
  AddressMap::Place place_{};                        ///< of its stripe
  unsigned given_ = ~0U;                             ///< the piece that was given back last
};

}  // namespace nibble
