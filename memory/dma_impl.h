// SPDX-License-Identifier: Apache-2.0
/// The inside of DmaEngine, private to its sources: transfers, queues, transactions under way.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "memory/dma_cursor.h"
#include "memory/dma_engine.h"
#include "memory/ring.h"
#include "transport/payload_pool.h"

namespace nibble {

struct DmaEngine::Impl {
  static constexpr unsigned priorities = DmaConfig::priorities;

  struct Transfer {
    DmaCursor first;
    std::vector<DmaCursor> beside;
    std::size_t turn = 0;  ///< the region of the next transaction: 0 the first, i the one at beside[i - 1]
    bool write = false, by_row = false;
    std::uint8_t priority = 0;
    unsigned channel = 0;
    DmaListener* listener = nullptr;
    std::uint64_t token = 0;
    std::uint64_t submitted = 0, end = 0;  ///< times; the end is known when loosely timed
    unsigned in_flight = 0;
    bool queued = true;    ///< has transactions left to issue
    bool started = false;  ///< has issued one
    bool dropped = false;  ///< aborted: no call to the listener
    tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;
    DmaCursor& region(std::size_t i) { return i == 0 ? first : beside[i - 1]; }
  };
  struct Channel {
    std::array<Ring<std::uint32_t>, priorities> queues;  ///< transfers with transactions still to issue
    unsigned in_flight = 0;
  };
  struct Done {
    DmaListener* listener;
    std::uint64_t token;
    tlm::tlm_response_status status;
  };
  enum class Later : std::uint8_t { request_free, complete, complete_and_end };
  struct Event {
    Later what;
    PooledPayload* payload;
  };

  Impl(DmaEngine& owner_, const DmaConfig& config_)
      : owner(owner_),
        config(config_),
        channel_limit(config_.channel_outstanding == 0 ? config_.max_outstanding : config_.channel_outstanding),
        channels(config_.channels) {}

  void submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token);
  void abort();
  void step();
  void run_ahead();
  void tell_due();
  void free_slots();
  tlm::tlm_sync_enum backward(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase, sc_core::sc_time& delay);
  void register_statistics(Statistics* parent);

  bool can_issue() const { return open == nullptr && in_flight < config.max_outstanding && waiting != 0; }
  Ring<std::uint32_t>* channel_of(unsigned priority);
  Ring<std::uint32_t>* pick();
  bool issue();
  PooledPayload& cut(std::uint32_t index);
  void next_region(Transfer& transfer, bool row_done);
  void issued(PooledPayload& payload, tlm::tlm_sync_enum status, const tlm::tlm_phase& phase, std::uint64_t at);
  void complete(PooledPayload& payload);
  void answered(PooledPayload& payload);
  void free_slot(unsigned channel);
  void unqueue(std::uint32_t index);
  void retire(std::uint32_t index);
  void deliver();
  void issue_blocking(PooledPayload& payload);
  void wake_soon();
  void request_taken() {
    open = nullptr;
    blocked_time += now() - open_from;
  }
  void leave_queue(unsigned priority) {
    --waiting;
    if (--waiting_at[priority] == 0) overtaken[priority] = 0;
  }
  void count_in_flight(int change) {
    in_flight_time += in_flight * (now() - in_flight_from);
    in_flight_from = now();
    in_flight += static_cast<unsigned>(change);
  }
  /// The kernel's time, read once at every entry; loosely timed, that of the engine, which may be ahead.
  std::uint64_t now() const { return now_ticks; }
  void enter() { now_ticks = std::max<std::uint64_t>(sc_core::sc_time_stamp().value(), local_ticks); }
  std::uint8_t* timing_only_data();

  DmaEngine& owner;
  const DmaConfig config;
  const unsigned channel_limit;  ///< transactions in flight of a channel
  std::uint64_t now_ticks = 0;
  // Loosely timed:
  std::uint64_t local_ticks = 0;  ///< up to where the engine has issued
  TimeHeap<unsigned> slots;       ///< when transactions under way end, by channel
  TimeHeap<Done> ends;            ///< when transfers end
  sc_core::sc_event wake{"wake"};
  bool wake_pending = false, stepping = false;

  std::vector<Transfer> transfers;
  std::vector<std::uint32_t> free_transfers;
  std::vector<Channel> channels;
  std::array<std::uint64_t, priorities> waiting_at{};  ///< transfers in the queues of a priority
  std::array<unsigned, priorities> overtaken{};        ///< transactions issued past it since its last turn
  unsigned only = 0;                                   ///< a priority that may be the only one with transfers
  std::array<unsigned, priorities> last_channel{};     ///< the channel that had the last turn
  std::uint64_t waiting = 0;                           ///< transfers in the queues
  Ring<Done> done;

  PayloadPool pool;
  PooledPayload* open = nullptr;  ///< request whose END_REQ is outstanding
  unsigned in_flight = 0;
  TimeHeap<Event> later;
  std::vector<std::uint8_t> no_data;  ///< what timing-only payloads point at

  std::array<std::uint64_t, stream_count> read_bytes{}, write_bytes{}, queue_time{};
  std::uint64_t transactions = 0, errors = 0, transfers_done = 0;
  std::uint64_t open_from = 0, blocked_time = 0, in_flight_from = 0, in_flight_time = 0, transfer_time = 0;
  std::unique_ptr<Statistics> statistics;
};

}  // namespace nibble
