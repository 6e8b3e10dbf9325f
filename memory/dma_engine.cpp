// SPDX-License-Identifier: Apache-2.0
#include "memory/dma_engine.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"
#include "core/units.h"
#include "memory/ring.h"
#include "transport/payload_pool.h"

namespace nibble {
namespace {

constexpr unsigned priorities = 4;

}  // namespace

struct DmaEngine::Impl {
  struct Transfer {
    DmaTransfer what;
    DmaListener* listener = nullptr;
    std::uint64_t token = 0;
    std::uint64_t row = 0, offset = 0;  ///< of the next transaction; row == what.rows: all issued
    unsigned in_flight = 0;
    bool dropped = false;  ///< aborted: no call to the listener
    tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;
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

  Impl(DmaEngine& owner_, const DmaConfig& config_) : owner(owner_), config(config_) {}

  void submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token);
  void abort();
  void step();
  tlm::tlm_sync_enum backward(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase, sc_core::sc_time& delay);
  void register_statistics(Statistics* parent);

  bool can_issue() const { return open == nullptr && in_flight < config.max_outstanding && waiting != 0; }
  void issue();
  void issued(PooledPayload& payload, tlm::tlm_sync_enum status, const tlm::tlm_phase& phase, std::uint64_t at);
  void complete(PooledPayload& payload);
  void retire(std::uint32_t index);
  void deliver();
  void wake_soon();
  std::uint8_t* placeholder();

  DmaEngine& owner;
  const DmaConfig config;
  sc_core::sc_event wake{"wake"};
  bool wake_pending = false, stepping = false;

  std::vector<Transfer> transfers;
  std::vector<std::uint32_t> free_transfers;
  std::array<Ring<std::uint32_t>, priorities> queues;  ///< transfers with transactions still to issue
  std::uint64_t waiting = 0;                           ///< transfers in the queues
  Ring<Done> done;

  PayloadPool pool;
  PooledPayload* open = nullptr;  ///< request whose END_REQ is outstanding
  unsigned in_flight = 0;
  TimeHeap<Event> later;
  std::vector<std::uint8_t> placeholder_bytes;

  std::array<std::uint64_t, stream_count> read_bytes{}, write_bytes{};
  std::uint64_t transactions = 0, errors = 0;
  std::unique_ptr<Statistics> statistics;
};

DmaConfig DmaConfig::from(ConfigNode node) {
  DmaConfig config;
  config.max_outstanding = static_cast<unsigned>(node.integer("max_outstanding", 1, 4096, config.max_outstanding));
  config.transaction_bytes = static_cast<std::uint64_t>(
      node.integer("transaction_bytes", 4, 1 << 20, static_cast<std::int64_t>(config.transaction_bytes)));
  if (!is_power_of_two(config.transaction_bytes)) node.fail("transaction_bytes", "must be a power of two");
  return config;
}

DmaEngine::DmaEngine(sc_core::sc_module_name name, const DmaConfig& config, Statistics* statistics)
    : sc_module(name), impl_(std::make_unique<Impl>(*this, config)) {
  if (config.max_outstanding == 0 || !is_power_of_two(config.transaction_bytes) ||
      config.transaction_bytes > 1U << 30) {
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
std::uint64_t DmaEngine::transactions() const {
  return impl_->transactions;
}
tlm::tlm_sync_enum DmaEngine::nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                              sc_core::sc_time& delay) {
  return impl_->backward(payload, phase, delay);
}
void DmaEngine::invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) {}  // holds no DMI pointer

void DmaEngine::Impl::register_statistics(Statistics* parent) {
  if (parent == nullptr) return;
  statistics = std::make_unique<Statistics>(owner.basename(), parent);
  statistics->counter("transactions", "count", "bus transactions completed", transactions);
  statistics->counter("errors", "count", "bus transactions with an error response", errors);
  for (unsigned i = 0; i < stream_count; ++i) {
    const std::string stream = to_string(static_cast<Stream>(i));
    statistics->counter("read_bytes_" + stream, "byte", "bytes read for stream " + stream, read_bytes[i]);
    statistics->counter("write_bytes_" + stream, "byte", "bytes written for stream " + stream, write_bytes[i]);
  }
}

void DmaEngine::Impl::submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token) {
  if (transfer.row_bytes == 0 || transfer.rows == 0 || transfer.priority >= priorities) {
    throw InternalError(std::string(owner.name()) + ": empty DMA transfer or priority above 3");
  }
  if (free_transfers.empty()) {
    free_transfers.push_back(static_cast<std::uint32_t>(transfers.size()));
    transfers.emplace_back();
  }
  const std::uint32_t index = free_transfers.back();
  free_transfers.pop_back();
  Transfer& entry = transfers[index];
  entry = Transfer{};
  entry.what = transfer;
  if (transfer.stride == transfer.row_bytes) {
    entry.what.row_bytes = transfer.bytes();
    entry.what.rows = 1;
  }
  entry.listener = &listener;
  entry.token = token;
  queues[transfer.priority].push(index);
  ++waiting;
  wake_soon();
}

void DmaEngine::Impl::abort() {
  for (auto& queue : queues) {
    for (; !queue.empty(); queue.pop()) {
      Transfer& transfer = transfers[queue.front()];
      transfer.row = transfer.what.rows;
      if (transfer.in_flight == 0) free_transfers.push_back(queue.front());
    }
  }
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
  const std::uint64_t now = sc_core::sc_time_stamp().value();
  while (!later.empty() && later.top().time <= now) {
    const Event event = later.top().item;
    later.pop();
    if (open == event.payload) open = nullptr;
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
    while (can_issue())
      issue();
  } while (!done.empty());
  stepping = false;
  if (!later.empty()) wake.notify(sc_core::sc_time::from_value(later.top().time - now));
}

void DmaEngine::Impl::deliver() {
  while (!done.empty()) {
    const Done next = done.front();
    done.pop();
    next.listener->dma_done(next.token, next.status);
  }
}

std::uint8_t* DmaEngine::Impl::placeholder() {
  if (placeholder_bytes.empty()) placeholder_bytes.assign(config.transaction_bytes, 0);
  return placeholder_bytes.data();
}

void DmaEngine::Impl::issue() {
  auto& queue = *std::find_if(queues.begin(), queues.end(), [](const auto& q) { return !q.empty(); });
  const std::uint32_t index = queue.front();
  Transfer& transfer = transfers[index];
  const DmaTransfer& what = transfer.what;

  const std::uint64_t address = what.address + transfer.row * what.stride + transfer.offset;
  const std::uint64_t to_boundary = config.transaction_bytes - (address & (config.transaction_bytes - 1));
  const std::uint64_t length = std::min(what.row_bytes - transfer.offset, to_boundary);
  std::uint8_t* data =
      what.data != nullptr ? what.data + transfer.row * what.row_bytes + transfer.offset : placeholder();
  PooledPayload& payload = pool.allocate(what.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND, address, data,
                                         static_cast<unsigned>(length));
  payload.tag.stream = what.stream;
  payload.tag.timing_only = what.data == nullptr;
  payload.owner = index;

  transfer.offset += length;
  if (transfer.offset == what.row_bytes) {
    transfer.offset = 0;
    if (++transfer.row == what.rows) {
      queue.pop();
      --waiting;
    }
  }
  ++transfer.in_flight;
  ++in_flight;
  open = &payload;
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const auto status = owner.memory->nb_transport_fw(payload, phase, delay);
  issued(payload, status, phase, delay.value());
}

/// What the target said to BEGIN_REQ; `delay` is its annotation.
void DmaEngine::Impl::issued(PooledPayload& payload, tlm::tlm_sync_enum status, const tlm::tlm_phase& phase,
                             std::uint64_t delay) {
  if (status == tlm::TLM_ACCEPTED) return;
  const bool completed = status == tlm::TLM_COMPLETED || phase == tlm::END_RESP;
  const bool response = !completed && phase == tlm::BEGIN_RESP;
  if (delay == 0 && !response) {
    open = nullptr;
    if (completed) complete(payload);
    return;
  }
  const Later what = completed ? Later::complete : response ? Later::complete_and_end : Later::request_free;
  later.push(sc_core::sc_time_stamp().value() + delay, {what, &payload});
}

tlm::tlm_sync_enum DmaEngine::Impl::backward(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                             sc_core::sc_time& delay) {
  auto& mine = static_cast<PooledPayload&>(payload);
  const std::uint64_t at = sc_core::sc_time_stamp().value() + delay.value();
  if (phase == tlm::END_REQ) {
    if (delay == sc_core::SC_ZERO_TIME) {
      open = nullptr;
      wake_soon();
    } else {
      later.push(at, {Later::request_free, &mine});
      wake.notify(delay);
    }
    return tlm::TLM_ACCEPTED;
  }
  if (phase != tlm::BEGIN_RESP) {
    SC_REPORT_ERROR("nibble/protocol", (std::string(owner.name()) + ": unexpected phase on the backward path").c_str());
    return tlm::TLM_ACCEPTED;
  }
  if (delay == sc_core::SC_ZERO_TIME) {
    if (open == &mine) open = nullptr;
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
  const unsigned stream = static_cast<unsigned>(transfer.what.stream);
  ++transactions;
  if (payload.is_response_ok()) {
    (transfer.what.write ? write_bytes : read_bytes)[stream] += payload.get_data_length();
  } else {
    ++errors;
    if (transfer.status == tlm::TLM_OK_RESPONSE) transfer.status = payload.get_response_status();
    if (transfer.row != transfer.what.rows) {
      // Still queued, perhaps not at the front: taken out here, so that issue() only meets transfers with work left.
      transfer.row = transfer.what.rows;
      auto& queue = queues[transfer.what.priority];
      for (std::size_t i = queue.size(); i > 0; --i) {
        const std::uint32_t other = queue.front();
        queue.pop();
        if (other != index) queue.push(other);
      }
      --waiting;
    }
  }
  payload.release();
  --in_flight;
  --transfer.in_flight;
  if (transfer.in_flight == 0 && transfer.row == transfer.what.rows) retire(index);
}

void DmaEngine::Impl::retire(std::uint32_t index) {
  const Transfer& transfer = transfers[index];
  if (!transfer.dropped) done.push({transfer.listener, transfer.token, transfer.status});
  free_transfers.push_back(index);
}

}  // namespace nibble
