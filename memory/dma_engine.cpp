// SPDX-License-Identifier: Apache-2.0
#include "memory/dma_engine.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "core/error.h"
#include "core/units.h"
#include "memory/dma_cursor.h"
#include "memory/ring.h"
#include "transport/messages.h"
#include "transport/payload_pool.h"

namespace nibble {
namespace {

constexpr unsigned priorities = DmaConfig::priorities;

}  // namespace

struct DmaEngine::Impl {
  struct Transfer {
    DmaCursor first;
    std::vector<DmaCursor> beside;
    std::size_t turn = 0;  ///< the region of the next transaction: 0 the first, i the one at beside[i - 1]
    bool write = false, by_row = false;
    std::uint8_t priority = 0;
    unsigned channel = 0;
    DmaListener* listener = nullptr;
    std::uint64_t token = 0;
    std::uint64_t submitted = 0;  ///< time
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
  void unqueue(std::uint32_t index);
  void retire(std::uint32_t index);
  void deliver();
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
  /// The kernel's time, read once at every entry.
  std::uint64_t now() const { return now_ticks; }
  void enter() { now_ticks = sc_core::sc_time_stamp().value(); }
  std::uint8_t* timing_only_data();

  DmaEngine& owner;
  const DmaConfig config;
  const unsigned channel_limit;  ///< transactions in flight of a channel
  std::uint64_t now_ticks = 0;
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

DmaEngine::DmaEngine(sc_core::sc_module_name name, const DmaConfig& config, Statistics* statistics)
    : sc_module(name), impl_(std::make_unique<Impl>(*this, config)) {
  const auto fits = [](std::uint64_t bytes) { return is_power_of_two(bytes) && bytes <= 1U << 30; };
  const auto& streams = config.stream_priority;
  if (config.max_outstanding == 0 || config.channels == 0 || !fits(config.transaction_bytes) ||
      (config.boundary_bytes != 0 && !fits(config.boundary_bytes)) ||
      *std::max_element(streams.begin(), streams.end()) >= priorities) {
    throw InternalError(std::string(this->name()) + ": impossible DMA configuration");
  }
  memory.bind(*this);
  impl_->register_statistics(statistics);
  SC_METHOD(step);
  sensitive << impl_->wake;
  dont_initialize();
}

DmaEngine::~DmaEngine() = default;

void DmaEngine::step() {
  impl_->step();
}
void DmaEngine::submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token) {
  impl_->submit(transfer, listener, token);
}
void DmaEngine::abort() {
  impl_->abort();
}
bool DmaEngine::idle() const {
  return impl_->waiting == 0 && impl_->in_flight == 0 && impl_->done.empty();
}
std::uint64_t DmaEngine::read_bytes(Stream stream) const {
  return impl_->read_bytes[static_cast<unsigned>(stream)];
}
std::uint64_t DmaEngine::write_bytes(Stream stream) const {
  return impl_->write_bytes[static_cast<unsigned>(stream)];
}
std::uint64_t DmaEngine::total_read_bytes() const {
  return std::accumulate(impl_->read_bytes.begin(), impl_->read_bytes.end(), std::uint64_t{0});
}
std::uint64_t DmaEngine::total_write_bytes() const {
  return std::accumulate(impl_->write_bytes.begin(), impl_->write_bytes.end(), std::uint64_t{0});
}
std::uint64_t DmaEngine::transactions() const {
  return impl_->transactions;
}
std::uint64_t DmaEngine::waiting(unsigned channel) const {
  std::uint64_t sum = 0;
  for (const auto& queue : impl_->channels.at(channel).queues)
    sum += queue.size();
  return sum;
}
tlm::tlm_sync_enum DmaEngine::nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                              sc_core::sc_time& delay) {
  return impl_->backward(payload, phase, delay);
}
void DmaEngine::invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) {}  // holds no DMI pointer

void DmaEngine::Impl::register_statistics(Statistics* parent) {
  if (parent == nullptr) return;
  const auto ns = [](std::uint64_t ticks) { return sc_core::sc_time::from_value(ticks).to_seconds() * 1e9; };
  statistics = std::make_unique<Statistics>(owner.basename(), parent);
  statistics->counter("transactions", "count", "bus transactions completed", transactions);
  statistics->counter("errors", "count", "bus transactions with an error response", errors);
  statistics->counter("transfers", "count", "transfers completed, also with an error", transfers_done);
  statistics->derived("transfer_latency", "ns", "mean time of a transfer from submission to its last response",
                      "sum over transfers / transfers",
                      [this, ns] { return Statistics::ratio(ns(transfer_time), static_cast<double>(transfers_done)); });
  statistics->derived("outstanding", "count", "mean number of transactions in flight",
                      "integral of transactions in flight / elapsed time", [this] {
                        return Statistics::ratio(static_cast<double>(in_flight_time),
                                                 static_cast<double>(sc_core::sc_time_stamp().value()));
                      });
  statistics->derived("request_blocked", "ns", "time in which a request waited for the target to take it",
                      "sum of END_REQ - BEGIN_REQ", [this, ns] { return std::optional<double>(ns(blocked_time)); });
  for (unsigned i = 0; i < stream_count; ++i) {
    const std::string stream = to_string(static_cast<Stream>(i));
    statistics->counter("read_bytes_" + stream, "byte", "bytes read for stream " + stream, read_bytes[i]);
    statistics->counter("write_bytes_" + stream, "byte", "bytes written for stream " + stream, write_bytes[i]);
    statistics->derived("queue_time_" + stream, "ns", "time that transfers of stream " + stream + " waited to begin",
                        "sum of first BEGIN_REQ - submission",
                        [this, ns, i] { return std::optional<double>(ns(queue_time[i])); });
  }
}

void DmaEngine::Impl::submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token) {
  enter();
  const std::uint8_t priority = transfer.priority == DmaTransfer::by_stream
                                    ? config.stream_priority[static_cast<unsigned>(transfer.stream)]
                                    : transfer.priority;
  bool empty = transfer.DmaRegion::bytes() == 0;
  for (const DmaRegion& region : transfer.beside)
    empty |= region.bytes() == 0;
  if (empty || priority >= priorities || transfer.channel >= config.channels) {
    throw InternalError(std::string(owner.name()) + ": empty DMA transfer, priority above 3, or unknown channel");
  }
  if (free_transfers.empty()) {
    free_transfers.push_back(static_cast<std::uint32_t>(transfers.size()));
    transfers.emplace_back();
  }
  const std::uint32_t index = free_transfers.back();
  free_transfers.pop_back();
  Transfer& entry = transfers[index];
  entry.first = DmaCursor(transfer);
  entry.beside.clear();
  for (const DmaRegion& region : transfer.beside)
    entry.beside.emplace_back(region);
  entry.write = transfer.write;
  entry.by_row = transfer.by_row;
  entry.priority = priority;
  entry.channel = transfer.channel;
  entry.listener = &listener;
  entry.token = token;
  entry.submitted = now();
  entry.turn = 0;
  entry.in_flight = 0;
  entry.queued = true;
  entry.started = entry.dropped = false;
  entry.status = tlm::TLM_OK_RESPONSE;
  channels[transfer.channel].queues[priority].push(index);
  ++waiting_at[priority];
  ++waiting;
  tell(message::dma, sc_core::SC_HIGH, &owner, [&] {
    return std::string("transfer ") + std::to_string(index) + " submitted, " + (transfer.write ? "write" : "read") +
           " of " + std::to_string(transfer.bytes()) + " bytes, stream " + to_string(transfer.stream);
  });
  wake_soon();
}

void DmaEngine::Impl::abort() {
  for (auto& channel : channels) {
    for (auto& queue : channel.queues) {
      for (; !queue.empty(); queue.pop()) {
        transfers[queue.front()].queued = false;
        if (transfers[queue.front()].in_flight == 0) free_transfers.push_back(queue.front());
      }
    }
  }
  waiting_at = {};
  overtaken = {};
  waiting = 0;
  done.clear();
  for (Transfer& transfer : transfers)
    transfer.dropped = true;
}

void DmaEngine::Impl::wake_soon() {
  if (wake_pending || stepping) return;
  wake_pending = true;
  wake.notify(sc_core::SC_ZERO_TIME);
}

void DmaEngine::Impl::step() {
  wake_pending = false;
  stepping = true;
  enter();
  while (!later.empty() && later.top().time <= now()) {
    const Event event = later.top().item;
    later.pop();
    if (open == event.payload) request_taken();
    if (event.what == Later::request_free) continue;
    if (event.what == Later::complete_and_end) {
      tlm::tlm_phase phase = tlm::END_RESP;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      owner.memory->nb_transport_fw(*event.payload, phase, delay);
    }
    complete(*event.payload);
  }
  do {
    deliver();
    while (can_issue() && issue()) {
    }
  } while (!done.empty());
  stepping = false;
  if (!later.empty()) wake.notify(sc_core::sc_time::from_value(later.top().time - now()));
}

void DmaEngine::Impl::deliver() {
  while (!done.empty()) {
    const Done next = done.front();
    done.pop();
    next.listener->dma_done(next.token, next.status);
  }
}

std::uint8_t* DmaEngine::Impl::timing_only_data() {
  if (no_data.empty()) no_data.assign(config.transaction_bytes, 0);
  return no_data.data();
}

/// The next channel, in turns, that has a transfer of this priority and may issue; nullptr when none.
Ring<std::uint32_t>* DmaEngine::Impl::channel_of(unsigned priority) {
  if (waiting_at[priority] == 0) return nullptr;
  for (unsigned step = 1; step <= config.channels; ++step) {
    const unsigned i = config.channels == 1 ? 0 : (last_channel[priority] + step) % config.channels;
    Channel& channel = channels[i];
    if (channel.queues[priority].empty() || channel.in_flight >= channel_limit) continue;
    return &channel.queues[priority];
  }
  return nullptr;
}

/// The queue of the next transaction: the lowest priority number, unless one above it was overtaken too often.
Ring<std::uint32_t>* DmaEngine::Impl::pick() {
  if (config.channels == 1 && waiting == waiting_at[only]) return channel_of(only);  // nobody to be passed
  std::array<Ring<std::uint32_t>*, priorities> ready{};
  unsigned best = priorities;
  for (unsigned p = priorities; p-- > 0;) {
    ready[p] = channel_of(p);
    if (ready[p] != nullptr) best = p;
  }
  if (best == priorities) return nullptr;
  only = best;
  unsigned chosen = best;
  for (unsigned p = best + 1; p < priorities; ++p) {
    if (ready[p] != nullptr && config.age_cap != 0 && overtaken[p] >= config.age_cap &&
        (chosen == best || overtaken[p] > overtaken[chosen])) {
      chosen = p;
    }
  }
  for (unsigned p = best + 1; p < priorities; ++p)
    overtaken[p] = waiting_at[p] == 0 || p == chosen ? 0 : overtaken[p] + 1;
  return ready[chosen];
}

/// The payload of the next transaction of a transfer; moves its cursor.
PooledPayload& DmaEngine::Impl::cut(std::uint32_t index) {
  Transfer& transfer = transfers[index];
  DmaCursor& cursor = transfer.region(transfer.turn);
  const auto cut = cursor.next(config.transaction_bytes,
                               config.boundary_bytes == 0 ? config.transaction_bytes : config.boundary_bytes);
  PooledPayload& payload =
      pool.allocate(transfer.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND, cut.address,
                    cut.data != nullptr ? cut.data : timing_only_data(), static_cast<unsigned>(cut.length));
  payload.tag.stream = cursor.stream();
  payload.tag.timing_only = cut.data == nullptr;
  payload.owner = index;
  next_region(transfer, cut.ends_row);
  return payload;
}

void DmaEngine::Impl::next_region(Transfer& transfer, bool row_done) {
  const std::size_t regions = transfer.beside.size() + 1;
  if (!row_done || (!transfer.by_row && !transfer.region(transfer.turn).done())) return;
  for (std::size_t step = 1; step <= regions; ++step) {
    const std::size_t i = (transfer.turn + step) % regions;
    if (transfer.region(i).done()) continue;
    transfer.turn = i;
    return;
  }
  transfer.queued = false;
}

/// False when no channel may issue.
bool DmaEngine::Impl::issue() {
  Ring<std::uint32_t>* queue = pick();
  if (queue == nullptr) return false;
  const std::uint32_t index = queue->front();
  PooledPayload& payload = cut(index);
  Transfer& transfer = transfers[index];
  last_channel[transfer.priority] = transfer.channel;
  if (!transfer.started) {
    transfer.started = true;
    queue_time[static_cast<unsigned>(transfer.first.stream())] += now() - transfer.submitted;
  }
  if (!transfer.queued) {
    queue->pop();
    leave_queue(transfer.priority);
  }
  ++transfer.in_flight;
  ++channels[transfer.channel].in_flight;
  count_in_flight(1);
  open = &payload;
  open_from = now();
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const auto status = owner.memory->nb_transport_fw(payload, phase, delay);
  issued(payload, status, phase, delay.value());
  return true;
}

/// What the target said to BEGIN_REQ; `delay` is its annotation.
void DmaEngine::Impl::issued(PooledPayload& payload, tlm::tlm_sync_enum status, const tlm::tlm_phase& phase,
                             std::uint64_t delay) {
  if (status == tlm::TLM_ACCEPTED) return;
  const bool completed = status == tlm::TLM_COMPLETED || phase == tlm::END_RESP;
  const bool response = !completed && phase == tlm::BEGIN_RESP;
  // Early completion frees the request channel at once; its delay is that of the response.
  if (completed || (delay == 0 && !response)) request_taken();
  if (delay == 0 && !response) {
    if (completed) complete(payload);
    return;
  }
  const Later what = completed ? Later::complete : response ? Later::complete_and_end : Later::request_free;
  later.push(now() + delay, {what, &payload});
}

tlm::tlm_sync_enum DmaEngine::Impl::backward(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                             sc_core::sc_time& delay) {
  auto& mine = static_cast<PooledPayload&>(payload);
  enter();
  const std::uint64_t at = now() + delay.value();
  if (phase == tlm::END_REQ) {
    if (delay == sc_core::SC_ZERO_TIME) {
      request_taken();
      wake_soon();
    } else {
      later.push(at, {Later::request_free, &mine});
      wake.notify(delay);
    }
    return tlm::TLM_ACCEPTED;
  }
  if (phase != tlm::BEGIN_RESP) {
    SC_REPORT_ERROR("/nibble/protocol",
                    (std::string(owner.name()) + ": unexpected phase on the backward path").c_str());
    return tlm::TLM_ACCEPTED;
  }
  if (delay == sc_core::SC_ZERO_TIME) {
    if (open == &mine) request_taken();
    complete(mine);
    if (!done.empty() || can_issue()) wake_soon();
  } else {
    later.push(at, {Later::complete, &mine});
    wake.notify(delay);
  }
  return tlm::TLM_COMPLETED;
}

void DmaEngine::Impl::complete(PooledPayload& payload) {
  const auto index = static_cast<std::uint32_t>(payload.owner);
  Transfer& transfer = transfers[index];
  tell_transaction(message::dma, &owner, payload);
  ++transactions;
  if (payload.is_response_ok()) {
    (transfer.write ? write_bytes : read_bytes)[static_cast<unsigned>(payload.tag.stream)] += payload.get_data_length();
  } else {
    ++errors;
    if (transfer.status == tlm::TLM_OK_RESPONSE) transfer.status = payload.get_response_status();
    if (transfer.queued) unqueue(index);
  }
  payload.release();
  count_in_flight(-1);
  --channels[transfer.channel].in_flight;
  --transfer.in_flight;
  if (transfer.in_flight == 0 && !transfer.queued) retire(index);
}

/// Takes a transfer, perhaps not at the front, out of its queue, so that issue() only meets transfers with work left.
void DmaEngine::Impl::unqueue(std::uint32_t index) {
  Transfer& transfer = transfers[index];
  transfer.queued = false;
  auto& queue = channels[transfer.channel].queues[transfer.priority];
  for (std::size_t i = queue.size(); i > 0; --i) {
    const std::uint32_t other = queue.front();
    queue.pop();
    if (other != index) queue.push(other);
  }
  leave_queue(transfer.priority);
}

void DmaEngine::Impl::retire(std::uint32_t index) {
  const Transfer& transfer = transfers[index];
  tell(message::dma, sc_core::SC_HIGH, &owner, [&] {
    return "transfer " + std::to_string(index) + (transfer.dropped ? " dropped" : " complete") +
           (transfer.status == tlm::TLM_OK_RESPONSE ? "" : ", with an error");
  });
  if (!transfer.dropped) {
    done.push({transfer.listener, transfer.token, transfer.status});
    ++transfers_done;
    transfer_time += now() - transfer.submitted;
  }
  free_transfers.push_back(index);
}

}  // namespace nibble
