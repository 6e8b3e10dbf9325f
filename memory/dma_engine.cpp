// SPDX-License-Identifier: Apache-2.0
#include "memory/dma_engine.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "core/error.h"
#include "core/units.h"
#include "memory/dma_impl.h"
#include "transport/messages.h"

namespace nibble {
namespace {

constexpr unsigned priorities = DmaConfig::priorities;

}  // namespace

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
  if (config.loosely_timed) {
    SC_THREAD(run_ahead);  // blocking calls may wait
    return;
  }
  SC_METHOD(step);
  sensitive << impl_->wake;
  dont_initialize();
}

DmaEngine::~DmaEngine() = default;

void DmaEngine::step() {
  impl_->step();
}
void DmaEngine::run_ahead() {
  for (;;) {
    impl_->run_ahead();  // what was submitted before the simulation
    sc_core::wait(impl_->wake);
  }
}
void DmaEngine::submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token) {
  impl_->submit(transfer, listener, token);
}
void DmaEngine::abort() {
  impl_->abort();
}
bool DmaEngine::idle() const {
  const bool over = impl_->config.loosely_timed ? impl_->ends.empty() : impl_->in_flight == 0;
  return impl_->waiting == 0 && over && impl_->done.empty();
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
  entry.submitted = sc_core::sc_time_stamp().value();
  entry.end = 0;
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
  while (!ends.empty())
    ends.pop();
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
  if (config.loosely_timed) {
    issue_blocking(payload);
    return true;
  }
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
  free_slot(transfers[payload.owner].channel);
  answered(payload);
}

void DmaEngine::Impl::free_slot(unsigned channel) {
  count_in_flight(-1);
  --channels[channel].in_flight;
}

/// Takes the response; the payload is given back.
void DmaEngine::Impl::answered(PooledPayload& payload) {
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
    const Done end{transfer.listener, transfer.token, transfer.status};
    if (config.loosely_timed) {
      ends.push(transfer.end, end);
    } else {
      done.push(end);
    }
    ++transfers_done;
    transfer_time += std::max(now(), transfer.end) - transfer.submitted;
  }
  free_transfers.push_back(index);
}

}  // namespace nibble
