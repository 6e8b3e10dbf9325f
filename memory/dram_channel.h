// SPDX-License-Identifier: Apache-2.0
/// DramChannel: banks and command scheduler of one DRAM channel, in memory cycles; plain C++, no kernel.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "memory/address_map.h"
#include "memory/dram_device.h"
#include "memory/ring.h"

namespace nibble {

/// Why the data bus moved nothing. Every cycle between two bursts has one cause: see docs/memory.md.
enum class LostCause : std::uint8_t {
  idle,            ///< no request waited
  latency,         ///< first data after such a time
  refresh,         ///< the bank was being refreshed
  turnaround,      ///< between reads and writes
  rank_switch,     ///< between ranks
  column_spacing,  ///< tCCD, as a rule in the same bank group
  row,             ///< precharge and activate
  activate_rate,   ///< the activate waited for tRRD or tFAW
  queue,           ///< the burst came into a full queue
};
constexpr std::size_t lost_causes = 9;
/// In the order of LostCause: "idle", "latency", ...
extern const std::array<const char*, lost_causes> lost_cause_names;
/// Cycles by cause.
using LostCycles = std::array<std::uint64_t, lost_causes>;

/// Commands of one rank.
struct RankCounters {
  std::uint64_t reads = 0, writes = 0;  ///< bursts
  std::uint64_t activates = 0;
  std::uint64_t precharges = 0;     ///< commands; one that closes all banks before a refresh counts once
  std::uint64_t refreshes = 0;      ///< commands
  std::uint64_t active_cycles = 0;  ///< cycles with at least one open bank
  RankCounters& operator+=(const RankCounters& other);
};

/// Commands and bursts of one channel, or the sum of several.
struct DramCounters : RankCounters {
  std::uint64_t misses = 0;       ///< activates of a bank that was closed
  std::uint64_t conflicts = 0;    ///< activates of a bank that another row had to leave first
  std::uint64_t turnarounds = 0;  ///< changes between reads and writes on the data bus
  LostCycles lost{};              ///< bus cycles without data up to the last burst
  DramCounters& operator+=(const DramCounters& other);
};

/// A command on the bus of a channel.
struct DramCommand {
  enum class Kind : std::uint8_t { activate, precharge, precharge_all, read, write, refresh_all, refresh_bank };
  Cycle at = 0;
  Kind kind{};
  unsigned rank = 0;
  unsigned bank = 0;  ///< of the channel; of a refresh the first, and of one that covers the rank 0
  std::uint64_t row = 0;
};

/// What it models. Requests are runs of consecutive bursts. They wait in one queue in order of arrival; from its head
/// bursts enter the read window or the write window as entries become free (an entry is free from the cycle after the
/// burst's column command), so the head may hold up what stands behind it. A window is one pool for all banks, or has
/// entries of each bank (QueueKind). Within the window of the current direction,
/// at every cycle
///   - the column command that can issue first does; among equals the oldest (first ready, first come);
///   - a bank without a waiting burst for its open row is precharged and activated for its oldest burst, as early as
///     tRAS, tRTP, tWR, tRP, tRC, tRRD, tFAW and tPPD allow; of several activates the earliest possible, then the
///     oldest;
///   - after row_hit_cap bursts that overtook an older one of the same bank, that bank counts as having no waiting hit.
/// Writes are served when there are write_high of them, or no reads, or the reads had streak_cap bursts in a row; until
/// write_low are left (none after a streak) and a read waits, or the banks of the rest are so far from ready that a
/// read comes first, or the writes had streak_cap bursts in a row, after which as many reads go first as the read
/// window holds. Row commands for bursts that wait when the direction changes count from when those entered, even
/// before the change, as if each bank had worked on its next burst. Every tREFI a rank is closed and refreshed before
/// anything else, or every tREFI / (banks / refresh_banks) the next refresh_banks of its banks. The command bus is not
/// a resource: at most three commands share the burst_cycles of a burst.
///
/// How it is fast. Between two row commands a stream only repeats itself, so such a stretch of column commands is
/// served in closed form: a leap. Where rows change too often for that, and the queue holds enough bursts of one
/// direction, single commands are taken at a run from a window that is held as sets of bits: a sprint (dram_sprint.h).
/// With leaps off the same state machine takes every burst singly, and the outcome is the same to the cycle.
class DramChannel {
 public:
  DramChannel(const DramDevice& device, const AddressMap& map);
  ~DramChannel();

  /// Bursts [first, first + count) in local numbers arrive in cycle `at`; arrivals in the past count as arriving now.
  /// Commands see them from the next cycle on. `id` comes back in done().
  void push(std::uint64_t first, std::uint64_t count, bool write, std::uint32_t id, Cycle at);
  /// Issues every command up to and including cycle `until`, and later ones that nothing which is yet to arrive can
  /// change: as long as bursts wait in front of the windows, new ones stand behind them.
  void advance(Cycle until);

  struct Done {
    std::uint32_t id;
    Cycle at;  ///< end of the last data beat
  };
  /// Requests whose last column command was issued; the reader clears it. `at` may lie after the cycle reached.
  std::vector<Done>& done() { return done_; }

  /// No request that is not yet in done() can be complete before this cycle; `never` without requests.
  Cycle finish_bound();
  static constexpr Cycle never = std::int64_t{1} << 62;

  Cycle now() const { return now_; }
  bool idle() const { return fed_[0] == served_[0] && fed_[1] == served_[1] && feed_.empty(); }
  const DramCounters& counters() const { return counters_; }
  /// Counters with the time that banks are open, and the time without data, counted up to now().
  DramCounters counters_now() const;
  DramCounters& counters() { return counters_; }
  void reset_counters();
  /// The same of each rank.
  std::vector<RankCounters> rank_counters_now() const;
  /// Off: neither leaps nor sprints (for tests).
  void set_leaps(bool on) {
    end_sprint();
    leaps_ = on && !per_bank_;
  }
  /// Appends every command from now on, each bank's in order of time; every burst is then scheduled singly. Closing a
  /// bank with the last column command (closed page) is a precharge at the time at which it takes effect.
  void log_commands(std::vector<DramCommand>* log);

 private:
  using Index = std::int16_t;       ///< into jobs_ or pieces_
  static constexpr Index none = 0;  ///< no job, no piece; what is written to entry 0 is never read
  static constexpr unsigned read = 0, write = 1;
  static constexpr std::int64_t younger_than_all = std::int64_t{1} << 56;
  /// Of up to so many banks all are compared; of more the oldest is asked first. Both choose the same.
  static constexpr unsigned few_banks = 5;

  static unsigned lowest_bit(std::uint64_t mask) { return static_cast<unsigned>(__builtin_ctzll(mask)); }
  static std::uint64_t bit(unsigned index) { return std::uint64_t{1} << index; }

  static std::uint64_t rotate_right(std::uint64_t mask, std::int64_t by) {
    return mask >> (by & 63) | mask << (-by & 63);
  }

  struct Bank {
    std::int64_t row = -1;  ///< -1: closed
    std::array<Cycle, 2> cas_ok{};
    Cycle pre_ok = 0, act_ok = 0;
    std::array<Index, 2> head{none, none}, tail{none, none};  ///< jobs per direction, oldest first
    std::array<Index, 2> hit{none, none};                     ///< the oldest job of the open row
    std::uint8_t rank = 0, group = 0;                         ///< group: over all ranks
    bool left_for_other_row = false;
    unsigned overtakes = 0;
  };
  /// What is seldom asked of a bank.
  struct BankNotes {
    Cycle refreshed_at = 0;                 ///< end of the last refresh
    Cycle rate_wait = 0;                    ///< how long tRRD or tFAW held up the last activate
    std::array<std::int64_t, 2> waiting{};  ///< bursts in the window, with QueueKind::per_bank
  };
  struct Rank {
    std::uint64_t banks = 0;  ///< one bit each
    std::array<Cycle, 2> cas_ok{};
    std::array<Cycle, 4> activates{};  ///< the last four, a ring
    unsigned oldest_activate = 0;
    Cycle act_ok = 0;  ///< with tRRD and tFAW
    Cycle pre_ok = 0;
    Cycle refresh_at = 0;     ///< next step of the refresh
    std::int64_t round = 0;   ///< per-bank refreshes done
    bool closing = false;     ///< the banks of a per-bank refresh are closed, its command is to come
    Cycle refresh_ready = 0;  ///< from when their precharge and tRC allow that command
    unsigned open_banks = 0;
    Cycle active_from = 0, counted_to = 0;
    RankCounters counters;
  };
  struct Group {
    std::array<Cycle, 2> cas_ok{};
    Cycle act_ok = 0;
  };
  /// Waiting bursts of one row of one bank: ages next, next + stripe, ... below the piece's end.
  struct Job {
    std::int64_t next = 0;
    std::int64_t row = 0;
    Cycle enter = 0;
    std::uint64_t segment = 0;  ///< number of the segment of `next`, or of one before it
    Index piece = none, previous = none, following = none;
    std::uint16_t bank = 0, residue = 0;
  };
  /// Consecutive bursts in one block of the address map.
  struct Piece {
    std::int64_t end = 0;  ///< age after the last burst in the window
    std::uint64_t next_local = 0;
    std::uint64_t jobs = 0;   ///< local numbers modulo stripe that have a job, one bit each
    std::int64_t row = 0;     ///< of all its bursts
    unsigned bank = 0;        ///< of a local number that is a multiple of stripe
    bool extendable = false;  ///< the next burst of its direction may continue it
    /// Local number of the burst of that age.
    std::uint64_t local(std::int64_t age) const { return next_local - static_cast<std::uint64_t>(end - age); }
  };
  unsigned bank_of(const Piece& piece, std::uint64_t local) const {
    return piece.bank ^ bank_in_stripe_[local & stripe_mask_];
  }
  struct Feed {
    std::uint64_t next = 0, end = 0;
    unsigned direction = 0;
    std::uint64_t left() const { return end - next; }
  };
  struct Segment {
    std::int64_t end = 0;  ///< age after its last burst
    std::uint64_t remaining = 0;
    std::uint32_t id = 0;
  };
  /// The commands that a bank may need next, and the best of each kind over the banks that need it.
  enum Kind : unsigned { column, activate_row, precharge_row, kinds };
  /// The age of the burst that wants a command, and its bank: what decides between commands of one cycle.
  using Order = std::int64_t;
  static Order order_of(std::int64_t age, unsigned bank) { return age * 64 + bank; }
  struct Candidate {
    Cycle time = never;
    Order order = 0;
    bool known = false;
    unsigned bank() const { return static_cast<unsigned>(order & 63); }
    std::int64_t age() const { return order >> 6; }
    /// Becomes the other one where that comes first; without branches, because which one does is as good as random.
    void improve(Cycle other_time, Order other_order) {
      __extension__ using Both = unsigned __int128;
      const Both mine = Both(time) << 64 | static_cast<std::uint64_t>(order);
      const Both other = Both(other_time) << 64 | static_cast<std::uint64_t>(other_order);
      const Both first = std::min(mine, other);
      time = static_cast<Cycle>(first >> 64);
      order = static_cast<Order>(first);
    }
  };

  void feed_at_once(unsigned direction);
  void feed(Cycle enter);
  std::int64_t room_for(unsigned direction, std::uint64_t local) const;
  Piece& piece_for(unsigned direction, std::uint64_t local);
  void begin(Piece& piece, std::uint64_t local) const;
  std::uint64_t entering_segment(unsigned direction, std::int64_t age);
  void add_job(Index piece, unsigned direction, std::uint64_t local, std::int64_t age, Cycle enter);
  bool link_job(Index piece, unsigned direction, std::uint64_t local, std::int64_t age, Cycle enter,
                std::uint64_t segment);
  void remove_job(unsigned direction, Index job);
  Index next_hit(const Bank& bank, Index from) const;

  void work(Cycle until);
  void choose_direction();
  void choose_between();
  bool drain_stalls() const;
  Cycle bound_of_new(unsigned direction, std::int64_t count) const;
  void classify(unsigned bank);
  void need(unsigned bank, Kind kind, Cycle ready);
  void need_instead(unsigned bank, Kind kind, Cycle ready);
  void need_nothing(unsigned bank);
  /// While writes are served, a bank without waiting writes is opened for a waiting read.
  bool prepares_read(const Bank& bank) const {
    return direction_ == write && bank.head[write] == none && bank.head[read] != none && bank.hit[read] == none;
  }
  void classify_all();
  Cycle floor_of(Kind kind, const Rank& rank) const;
  Cycle floor_of(Kind kind, const Bank& bank) const;
  template <Kind kind>
  void find();
  template <Kind kind>
  void find_by_age(Cycle floor, Candidate& best) const;
  template <Kind kind>
  Cycle group_floor(unsigned bank) const;
  void reorder(unsigned bank, std::int64_t age);
  void enlist(unsigned bank, Kind kind);
  void delist(unsigned bank, Kind kind);
  bool fits_list(std::int64_t age);
  Kind choose();
  Cycle stripe_spacing() const { return stripe_spacings_[direction_]; }
  Cycle row_time() const { return std::min(best_[activate_row].time, best_[precharge_row].time); }
  bool decided(Cycle time, Cycle until, Cycle bursts) const;
  /// Bursts that wait in front of the windows.
  std::int64_t queued() const { return pushed_[read] - fed_[read] + pushed_[write] - fed_[write]; }
  void issue(Kind kind, Cycle until);
  void precharge(unsigned bank, Cycle time);
  /// `ready`: when tRRD and tFAW apart it could have issued.
  void activate(unsigned bank, std::int64_t row, Cycle ready, Cycle time);
  void open_row(unsigned bank, std::int64_t row, Cycle ready, Cycle time);
  void serve(unsigned bank, Cycle time);
  /// Row commands for one bank of a stripe; never: not needed.
  struct Opening {
    unsigned bank = 0;
    std::int64_t row = 0;
    Cycle precharge = never, ready = 0, activate = never;
  };
  using Openings = std::array<Opening, 64>;
  /// What the rank forbids to row commands.
  struct Pace {
    Cycle pre_ok, act_ok, last;  ///< last: the latest activate
    std::array<Cycle, 4> activates;
    unsigned oldest;
    std::array<Cycle, 64> group_ok;
  };
  class Sprint;
  bool begin_sprint();
  void sprint(Cycle until);
  void end_sprint();
  /// What stands in front of the windows.
  struct Ahead {
    std::int64_t bursts = 0;    ///< of the direction, up to the first of the other one
    bool other_behind = false;  ///< the other one has some
  };
  Ahead ahead() const;
  // Bursts of a sprint; single steps from a short one to the next.
  static constexpr std::int64_t least_sprint = 24, first_sprint = 96, longest_sprint = 1024;
  static constexpr std::int64_t steps_after_short_sprint = 64;
  bool try_leap(Cycle until);
  bool leap(Cycle until);
  Cycle leap_length(Cycle supply, Cycle until) const;
  Cycle leap_supply(const Piece& piece, Index index, std::int64_t age) const;
  Cycle extension(const Piece& last) const;
  bool quiet_entry(const AddressMap::Place& place, Index served) const;
  Cycle quiet_entries(Index served, Cycle own, Cycle wanted) const;
  Cycle in_turn(const Piece& piece, const Job& first, Cycle count) const;
  Cycle older_column(const Candidate& chosen) const;
  void leap_columns(const Job& first, Cycle time, Cycle count);
  bool may_leap_rows(const Piece& piece, const Job& first) const;
  bool leap_rows(Piece& piece, const Job& first, Cycle until);
  bool leap_runs(Piece& piece, const Job& first, Cycle until);
  /// Bursts from the front of the queue: whole feeds, then the first of the next one. `end`: local number after the
  /// last.
  struct Taken {
    std::size_t feeds = 0;
    std::uint64_t bursts = 0, end = 0;
  };
  Cycle next_run(const Taken& taken, Cycle limit) const;
  void take(Taken& taken, std::uint64_t bursts) const;
  bool open_stripe(std::uint64_t local, Cycle enter, Pace& pace, Openings& openings) const;
  bool open_in_time(const Openings& openings, Cycle slot, std::uint64_t in_use) const;
  Pace pace_now() const;
  void apply(const Openings& openings);
  void leave_window(const Piece& piece, const Job& first, Cycle last);
  void enter_window(const Job& first, Cycle start, Cycle count, Cycle waiting, const Taken& taken);
  /// What a column command forbids to later ones: how long in its rank and in its group, by their direction.
  struct AfterColumn {
    std::array<Cycle, 2> rank{}, group{};
    Cycle precharge = 0;  ///< of its bank
  };
  AfterColumn after_column(unsigned direction) const;
  void column_timing(unsigned bank, Cycle time);
  Cycle other_rank_gap(unsigned direction) const;
  void column_to_precharge(unsigned bank, Cycle time);
  void column_count(Rank& rank, Cycle count);
  void account(unsigned bank, Cycle time);
  void account_gap(unsigned bank, Cycle time);
  void account_stretch(Cycle count, Cycle spacing);
  void lose(LostCause cause, Cycle cycles) {
    counters_.lost[static_cast<std::size_t>(cause)] += static_cast<std::uint64_t>(cycles);
  }
  void log(DramCommand::Kind kind, unsigned rank, unsigned bank, std::uint64_t row, Cycle at) {
    if (log_ != nullptr) log_->push_back({at, kind, rank, bank, row});
  }
  void complete_one(std::uint64_t segment, std::int64_t age, Cycle end);
  void complete(std::int64_t first_age, Cycle count, Cycle first_end, Cycle spacing, std::uint64_t& segment);
  std::uint64_t segment_of(unsigned direction, std::int64_t age, std::uint64_t from) const;
  void close_if_unused(unsigned bank);
  void refresh(Cycle time, Cycle until);
  void refresh_all(unsigned rank);
  void close_for_refresh(unsigned rank);
  void refresh_banks(unsigned rank);
  Cycle bank_refresh_due(unsigned rank) const;
  void skip_idle_refreshes(Cycle until);
  void count_close(Rank& rank, Cycle time);
  void find_refresh();

  // Fixed by the device.
  const DramTiming timing_;
  const Cycle burst_;
  const AddressMap map_;
  const std::array<Cycle, 2> latency_;  ///< column command to first data
  const std::array<AfterColumn, 2> after_column_;
  const std::array<std::int64_t, 2> capacity_;
  const std::int64_t write_high_, write_low_;
  const unsigned row_hit_cap_, streak_cap_;
  const bool close_page_, per_bank_, bank_refresh_;
  const bool sprints_;                               ///< the device allows them
  const std::array<std::int64_t, 2> bank_capacity_;  ///< with QueueKind::per_bank
  const unsigned refresh_sets_;                      ///< per-bank refreshes that make one of the rank
  const unsigned bank_count_;
  const std::uint64_t stripe_mask_, block_mask_;
  std::int64_t stripe_;
  std::array<std::uint16_t, 64> bank_in_stripe_{};  ///< exclusive-ored with that of the stripe's first burst
  std::uint64_t every_job_;                         ///< Piece::jobs when all have one
  std::array<Cycle, 2> stripe_spacings_{};          ///< of column commands that walk a stripe; 0: irregular
  bool leaps_ = true;

  // State.
  Cycle now_ = 0;
  Cycle refresh_at_ = 0;  ///< the next of any rank
  unsigned direction_ = read;
  std::int64_t drain_to_ = 0;     ///< in the write direction: waiting writes at which a waiting read interrupts
  bool stall_ends_drain_ = true;  ///< in the write direction: see drain_stalls()
  std::int64_t left_behind_ = 0;  ///< writes older than this waited when the last drain ended
  std::int64_t hold_ = 0;         ///< in the read direction: reads that go before waiting writes, however many
  unsigned streak_ = 0;           ///< bursts served while the other direction waited
  unsigned last_direction_ = read, last_rank_ = 0;
  Cycle data_end_ = 0;     ///< of the last burst
  Cycle entered_at_ = 0;   ///< when the last burst entered a window
  Cycle work_from_ = 0;    ///< from when on there has always been a waiting burst
  Cycle quiet_until_ = 0;  ///< nothing is to be done before, unless something enters a window
  unsigned steps_to_leap_ = 0, failed_leaps_ = 0;
  std::int64_t steps_to_sprint_ = 0;  ///< single steps to take before the next sprint
  std::int64_t sprint_served_ = 0;    ///< bursts of this sprint, or of the last one
  /// After so many leaps are tried again; twice as many when none comes of it.
  std::int64_t sprint_length_ = first_sprint;
  Cycle bound_ = never;
  bool bound_known_ = true;
  std::array<Bank, 64> banks_;
  std::array<BankNotes, 64> notes_;
  std::vector<Rank> ranks_;
  std::array<Group, 64> groups_;           ///< of all ranks
  std::array<std::uint64_t, 2> active_{};  ///< banks with jobs, one bit each
  // For the current direction, per bank with jobs: the command that it needs, the time from which the bank itself
  // allows it, and the burst that wants it.
  std::array<std::uint64_t, kinds> needing_{};
  std::array<Kind, 64> need_of_;  ///< kinds: none
  std::array<Candidate, kinds> best_{};
  std::array<Cycle, 64> ready_{};
  std::array<Order, 64> order_{};
  std::array<std::uint8_t, 64> group_of_{};
  std::array<unsigned, kinds> needed_{};  ///< banks of needing_
  // The same banks by the age of that burst, modulo 64, bursts from listed_from_ to 63 after it; those of unlisted_
  // have an age outside.
  std::array<std::uint64_t, kinds> listed_{};
  std::array<unsigned, 64> listed_bank_{};  ///< the bank of each bit
  std::int64_t listed_from_ = 0;
  std::uint64_t unlisted_ = 0;  ///< banks, one bit each
  std::array<std::int64_t, 2> fed_{}, served_{}, pushed_{};
  std::array<Index, 2> last_piece_{none, none};
  std::vector<Job> jobs_;  ///< the first one is nobody's; the free ones are linked by `following`
  Index free_job_ = none;
  std::vector<Piece> pieces_;  ///< likewise
  std::vector<Index> free_pieces_;
  Ring<Feed> feed_;
  std::array<Ring<Segment>, 2> segments_;
  std::array<std::uint64_t, 2> popped_{};  ///< segments removed
  std::array<std::uint64_t, 2> entered_{~std::uint64_t{0},
                                        ~std::uint64_t{0}};  ///< number of the last job's segment ...
  std::array<std::int64_t, 2> entered_end_{};                ///< ... and its end
  std::vector<Done> done_;
  DramCounters counters_;
  std::vector<DramCommand>* log_ = nullptr;
  std::unique_ptr<Sprint> sprint_;  ///< while there is one, it has the jobs, the pieces and the needs
};

}  // namespace nibble
