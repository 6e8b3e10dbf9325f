// SPDX-License-Identifier: Apache-2.0
/// DramChannel::Sprint, private to the sources of DramChannel: many single steps taken at a run while one direction has
/// the windows to itself. Whatever it does, the single steps would have done to the cycle.
///
/// Commands are taken in order of time only where one can change the other. A column command knows nothing of a bank
/// that is not open yet, and no burst that enters later changes the activates before: so an activate is taken when the
/// column commands have reached the end of its tRCD. A precharge concerns its bank alone, unless tPPD holds precharges
/// apart: it is noted, and takes place with the activate behind it. What is due at the end of a run is caught up with.
#pragma once

#include "memory/dram_channel.h"

namespace nibble {

/// The window as a ring of 64 slots in order of age, a burst in each or nothing. Sets of slots are words; the oldest of
/// a set is its first bit from the slot of the next burst on.
class DramChannel::Sprint {
 public:
  /// Precondition: no burst of the other direction waits in its window.
  explicit Sprint(DramChannel& channel);

  bool fits() const;
  /// Takes over the window.
  void enter();
  /// Every command up to and including cycle `until`, and later ones that nothing which is yet to arrive can change,
  /// but none from the next refresh on, and no more than `longest` columns. False: the window has to be given back,
  /// because of a row hit cap or of a burst of the other direction that would enter its window.
  [[gnu::flatten, gnu::noinline]] bool run(Cycle until, std::int64_t longest);
  /// The queue was empty and has a request of the direction: its bursts enter as far as there is room.
  [[gnu::flatten, gnu::noinline]] void feed_at_once(Cycle enter);
  /// Banks have changed: what each of them needs is to be found again.
  void find_needs();
  /// Gives the window back.
  void leave();

 private:
  struct alignas(64) Slot {  ///< as in Job and Piece
    std::int64_t row, age;
    Cycle enter;
    std::uint64_t local;
    std::uint64_t segment;  ///< number of the segment of this burst
    unsigned piece;         ///< bursts of a piece have its number
    std::uint8_t bank, group;
  };
  /// The bursts of a bank, sets of slots, and what its row command depends on.
  struct alignas(32) BankBursts {
    std::uint64_t all = 0, hits = 0;  ///< hits: of the open row
    std::int64_t row = -1;            ///< as Bank::row
    Cycle close_at = never;           ///< of a precharge that is noted
  };
  /// A command of a burst as one number: the earlier one is the smaller, among equals the older burst's.
  using Key = std::uint64_t;
  static constexpr unsigned place_bits = 12;  ///< above the bursts of a sprint and those it began with
  static_assert(longest_sprint + std::int64_t{4} * 64 < std::int64_t{1} << place_bits);
  static constexpr Key no_command = ~Key{0};
  static constexpr Cycle far = Cycle{1} << 50;  ///< later than anything, and a Key has room for it
  static Cycle time_of(Key key) { return static_cast<Cycle>(key >> place_bits); }
  static unsigned slot_of(Key key) { return static_cast<unsigned>(key & 63); }
  /// `place`: of by_age().
  Key key_at(Cycle time, unsigned place) const { return static_cast<Key>(time) << place_bits | (next_ - 64 + place); }
  Key key_of(Cycle time, unsigned slot) const { return key_at(time, static_cast<unsigned>((slot - next_) & 63)); }

  unsigned next_slot() const { return static_cast<unsigned>(next_ & 63); }
  /// Oldest first.
  std::uint64_t by_age(std::uint64_t slots) const { return rotate_right(slots, static_cast<std::int64_t>(next_)); }
  unsigned slot_at(unsigned place) const { return static_cast<unsigned>((next_ + place) & 63); }
  unsigned oldest(std::uint64_t slots) const { return slot_at(lowest_bit(by_age(slots))); }

  void put(unsigned slot, unsigned bank);
  std::uint64_t of_row(std::uint64_t slots, std::int64_t row) const;
  void close_up();
  void move(unsigned from, unsigned to);
  const Rank& rank_of(unsigned bank) const { return ranks_[rank_count_ == 1 ? 0 : c_.banks_[bank].rank]; }
  Cycle column_floor() const;
  Cycle column_time(unsigned slot) const;
  Cycle row_time(Kind kind, unsigned slot) const;
  void find_column();
  void find_late_column();
  void ripen(Cycle floor);
  template <Kind kind>
  void find_row();
  void want_row(unsigned bank);
  template <Kind kind>
  void want(unsigned slot, Cycle ready);
  void open_columns(unsigned bank, unsigned first);
  void stay_open(unsigned bank, std::uint64_t others);
  void precharge();
  void activate();
  void close(unsigned bank);
  void close_all(Cycle until);
  /// No: the last of the precharges that are noted may end the time that the rank is active, so their order counts.
  bool open_stays(const Rank& rank) const { return (open_ & ~closing_ & rank.banks) != 0; }
  void catch_up(Cycle until);
  unsigned serve();
  void column_timing(unsigned bank, unsigned group, Cycle time);
  void settle();
  void complete(std::uint64_t segment, Cycle end);
  void feed(Cycle enter);
  void tell_best();
  void give_back(unsigned slot);

  DramChannel& c_;
  const unsigned d_;
  Rank* const ranks_;
  const std::size_t rank_count_;
  const AfterColumn& after_column_;
  const Cycle rcd_, column_to_end_;
  const bool closes_at_once_;              ///< precharges concern their bank alone
  std::array<std::int64_t, 64> served_{};  ///< bursts of each rank in this run ...
  std::array<Cycle, 64> last_column_;      ///< ... and the command of the last one
  std::uint64_t next_ = 0;                 ///< the slot of the next burst, counted on
  Cycle columns_from_ = 0;                 ///< no column command to come is before this cycle
  std::array<Slot, 64> slots_;
  std::array<BankBursts, 64> banks_;
  // Sets of slots:
  std::uint64_t waiting_ = 0;
  std::uint64_t hits_ = 0;                    ///< of open rows
  std::array<std::uint64_t, kinds> wants_{};  ///< of each bank the one whose burst wants a row command
  std::uint64_t unripe_ = 0;                  ///< those of hits_ whose bank is not ready ...
  Cycle ripe_ = never;                        ///< ... any before this cycle
  // Sets of banks:
  std::uint64_t unripe_banks_ = 0;
  std::uint64_t open_ = 0;
  std::uint64_t closing_ = 0;  ///< with a precharge that is noted ...
  Cycle next_close_ = never;   ///< ... none of them before this cycle
  // Sets of groups:
  std::uint64_t served_groups_ = 0;                        ///< in this run
  std::array<Cycle, 64> group_columns_, group_activates_;  ///< from when on each group allows one
  std::array<Key, kinds> best_;                            ///< of each kind
  // Of the burst that entered last:
  static constexpr std::uint64_t nothing = ~std::uint64_t{0};
  static constexpr unsigned first_number = 1 << 16;  ///< above every Index
  std::uint64_t following_ = nothing;                ///< the local number that continues its piece
  unsigned number_ = first_number;                   ///< of its piece
  AddressMap::Place place_{};                        ///< of its stripe
  unsigned given_ = ~0U;                             ///< the piece that was given back last
};

}  // namespace nibble
