// SPDX-License-Identifier: Apache-2.0
/// CachePipeline: the inside of a Cache: look-up, miss registers, fills, write-backs and the time of each. It knows
/// payloads but no phases; the protocol is the Cache's. Users take memory/cache.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "memory/cache_config.h"
#include "memory/cache_store.h"
#include "memory/dma_engine.h"
#include "memory/ring.h"
#include "transport/payload_pool.h"

namespace nibble {

/// What a cache counted. Segments are the parts of transactions that lie in one line; every segment is one of hit, line
/// miss, sector miss and merged.
struct CacheCounters {
  std::uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0, refused = 0, errors = 0;
  std::uint64_t segments = 0;
  std::uint64_t hits = 0;           ///< all sectors there, nothing to wait for
  std::uint64_t line_misses = 0;    ///< no tag
  std::uint64_t sector_misses = 0;  ///< a tag, but sectors missing that nobody had asked for
  std::uint64_t merged = 0;         ///< waits for sectors that were asked for already
  std::uint64_t evictions = 0;      ///< lines that lost their place
  std::uint64_t writebacks = 0;     ///< lines with dirty sectors written to the memory
  std::uint64_t fills = 0, fill_bytes = 0, writeback_bytes = 0, forwarded_bytes = 0;
  std::uint64_t write_errors = 0;                 ///< write-backs that the memory refused: their data are lost
  std::uint64_t data_reads = 0, data_writes = 0;  ///< accesses of one bank, bytes_per_cycle wide
  std::uint64_t bank_wait_cycles = 0;             ///< segments, fills and evictions behind others of their bank
  std::uint64_t mshr_stalls = 0, target_stalls = 0, set_stalls = 0, write_stalls = 0, order_stalls = 0;
  std::uint64_t stall_ticks = 0;  ///< time with a stalled look-up
  std::uint64_t latency_ticks = 0, longest_latency_ticks = 0, responses = 0;
};

enum class CacheMaintenance : std::uint8_t {
  clean,      ///< dirty sectors are written back, lines stay
  flush,      ///< dirty sectors are written back, lines go
  invalidate  ///< lines go, dirty sectors are lost
};

class CachePipeline final : private DmaListener {
 public:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

  using Responses = TimeHeap<tlm::tlm_generic_payload*>;
  /// Finished transactions go into `responses`, with the times at which their responses begin; `changed` is called when
  /// a fill or write has ended outside of advance().
  CachePipeline(const CacheConfig& config, DmaEngine& below, Responses& responses, std::function<void()> changed);

  /// A checked transaction enters at `now`; only when accepts().
  void enter(tlm::tlm_generic_payload& payload, std::uint64_t now);
  bool accepts() const { return current_ == none && maintenance_.empty(); }
  /// What is due leaves for the memory; what was stalled tries again.
  void advance(std::uint64_t now);
  /// When advance() has to be called next at the latest; `never` when nothing waits to leave.
  std::uint64_t next_departure() const { return later_.empty() ? never : later_.top().time; }

  /// Nothing is on its way to or from the memory.
  bool drained() const { return accepts() && mshrs_used_ == 0 && writes_.active.empty() && later_.empty(); }
  /// LT: the whole transaction at once, through blocking calls below. Only when drained(). Returns its end.
  std::uint64_t serve(tlm::tlm_generic_payload& payload, std::uint64_t arrival);
  /// Debug: below, with what the cache knows better.
  unsigned debug(tlm::tlm_generic_payload& payload);

  void maintain(CacheMaintenance what, std::uint64_t start, std::uint64_t end);
  /// Maintenance operations that are complete.
  std::uint64_t maintained() const { return maintained_; }

  CacheCounters counters;

 private:
  using Mask = CacheTags::Mask;
  using Slot = CacheTags::Slot;
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  struct Request {
    tlm::tlm_generic_payload* payload = nullptr;
    std::uint64_t next = 0, end = 0;  ///< addresses still to look up
    std::uint64_t begun = 0, ready = 0;
    unsigned pending = 0;  ///< segments and forwarded writes that wait for the memory
    bool write = false, timing_only = false, looked_up = false;
    Stream stream = Stream::host;
    tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;
  };
  struct Segment {
    std::uint64_t line = 0, offset = 0, length = 0;
    Mask touched = 0, covered = 0;
  };
  struct Target {
    std::uint32_t request = none;
    Segment segment;
    bool install = true;  ///< a write makes its sectors valid; otherwise it updates those that are
  };
  struct Mshr {
    Slot slot = CacheTags::none;
    Mask pending = 0;  ///< sectors on their way
    Mask failed = 0;
    Mask wanted = 0;  ///< sectors that targets wait for
    std::deque<Target> targets;
    tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;
  };
  /// Bytes on their way from or to the memory.
  struct Move {
    std::uint64_t address = 0, length = 0, leave = 0;
    std::vector<std::uint8_t> bytes;  ///< empty: timing only
    bool timing_only = false;
    Stream stream = Stream::host;
    unsigned credits = 0;          ///< of the write buffer
    std::uint32_t request = none;  ///< that waits for it (forwarded writes)
    bool overlaps(std::uint64_t a, std::uint64_t n) const { return a < address + length && address < a + n; }
    /// Takes a run of bytes behind its own; false when it does not fit there.
    bool append(std::uint64_t at, std::uint64_t n, std::uint64_t most, bool without_bytes, Stream of) {
      if (at != address + length || length + n > most || without_bytes != timing_only || of != stream) return false;
      length += n;
      return true;
    }
  };
  struct Moves {
    std::vector<Move> all;
    std::vector<std::uint32_t> free;
    std::vector<std::uint32_t> active;  ///< in order of their creation
  };
  struct Departure {
    bool write;
    std::uint32_t index;
  };
  enum class Look : std::uint8_t { done, mshr, target, set, write, order };
  struct Plan;
  struct Maintenance {
    CacheMaintenance what;
    std::uint64_t start, end;
    Slot cursor;
  };

  void dma_done(std::uint64_t token, tlm::tlm_response_status status) override;
  void look_up_current(std::uint64_t now);
  void stalled(Look reason, std::uint64_t now);
  Segment next_segment(const Request& request) const;
  Look look_up(std::uint32_t index, const Segment& segment, std::uint64_t now);
  Plan plan(const Request& request, const Segment& segment);
  Look obstacle(const Plan& plan, const Segment& segment);
  void miss(std::uint32_t index, const Segment& segment, Plan& plan, std::uint64_t now);
  void count(const Plan& plan);
  void access(const Request& request, const Segment& segment, Slot slot, bool install);
  std::uint64_t occupy(std::uint64_t line, std::uint64_t cycles, std::uint64_t now);
  void finish(std::uint32_t index, std::uint64_t now);

  Mshr& mshr_for(Slot slot);
  void serve_targets(Mshr& mshr, std::uint64_t start, std::uint64_t now);
  void request_fill(const Request& request, std::uint64_t line, Mask sectors, std::uint64_t leave);
  void filled(std::uint32_t index, tlm::tlm_response_status status, std::uint64_t now);
  void split(const Move& fill, std::uint64_t now);

  static std::uint32_t new_move(Moves& moves, Move move);
  static Move end_move(Moves& moves, std::uint32_t index);
  void close(Moves& moves, std::uint32_t& open, bool write);
  bool room_for_write() const { return write_credits_ < config_.write_buffer; }
  void write_back(Slot slot, std::uint64_t now, std::uint64_t leave);
  void forward(std::uint32_t index, const Segment& segment, std::uint64_t leave);
  void written(std::uint32_t index, tlm::tlm_response_status status, std::uint64_t now);
  bool writing(std::uint64_t line, bool write_backs_only) const;
  void send_open();
  void depart(const Departure& what);
  void depart_blocking(const Departure& what, std::uint64_t& now);
  void maintain_next(std::uint64_t now);
  void debug_lines(tlm::tlm_generic_payload& payload, std::uint64_t length);

  const CacheConfig config_;
  const std::uint64_t period_;  ///< of the clock, in ticks of the kernel
  DmaEngine& below_;
  Responses& ready_;
  const std::function<void()> changed_;
  CacheTags tags_;
  CacheStore store_;
  std::vector<std::uint64_t> bank_free_;
  std::vector<Request> requests_;
  std::vector<std::uint32_t> free_requests_;
  std::uint32_t current_ = none;  ///< the request whose segments are being looked up
  Look stall_ = Look::done;
  std::uint64_t stalled_from_ = 0;
  std::vector<Mshr> mshrs_;
  std::vector<std::uint32_t> free_mshrs_, mshr_of_;  ///< by slot
  std::vector<Stream> stream_of_;                    ///< by slot: of the last write
  unsigned mshrs_used_ = 0, write_credits_ = 0;
  Moves fills_, writes_;
  std::uint32_t open_fill_ = none, open_write_ = none;  ///< may still grow by the next line
  TimeHeap<Departure> later_;
  std::deque<Maintenance> maintenance_;
  std::uint64_t maintained_ = 0;
  bool blocking_ = false;  ///< serve() is running
  std::uint64_t blocking_end_ = 0;
  PayloadPool pool_;
};

}  // namespace nibble
