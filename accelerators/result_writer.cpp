// SPDX-License-Identifier: Apache-2.0
#include "accelerators/result_writer.h"

#include <algorithm>
#include <utility>

namespace nibble {

ResultWriter::ResultWriter(sc_core::sc_module_name name, DmaEngine& dma, const MachineClock& clock)
    : sc_module(name), dma_(dma), clock_(clock) {
  SC_HAS_PROCESS(ResultWriter);
  SC_METHOD(submit_due);
  sensitive << due_;
  dont_initialize();
  SC_METHOD(finish_on_chip);
  sensitive << port_free_;
  dont_initialize();
}

void ResultWriter::start(CommandCounters& counters) {
  counters_ = &counters;
  failed_ = false;
}

std::uint64_t ResultWriter::announce(std::vector<MemoryRun> runs, Stream stream) {
  Store store;
  store.id = next_id_++;
  store.pending = runs.size();
  store.runs = std::move(runs);
  store.stream = stream;
  for (const auto& run : store.runs)
    counters_->write_bytes[static_cast<unsigned>(stream)] += run.bytes();
  stores_.push_back(std::move(store));
  return stores_.back().id;
}

std::uint64_t ResultWriter::announce_on_chip(std::uint64_t cycles, Stream stream) {
  Store store;
  store.id = next_id_++;
  store.port_cycles = std::max<std::uint64_t>(cycles, 1);
  store.stream = stream;
  stores_.push_back(std::move(store));
  return stores_.back().id;
}

/// Takes out the stores on chip whose time is over; waits for the next one's.
void ResultWriter::finish_on_chip() {
  for (auto store = stores_.begin(); store != stores_.end();) {
    if (store->port_cycles == 0 || !store->submitted) {
      ++store;
    } else if (clock_.at(store->cycle) <= sc_core::sc_time_stamp()) {
      last_stream_ = store->stream;
      store = stores_.erase(store);
      changed_.notify();
    } else {
      port_free_.notify(clock_.until(store->cycle));
      return;
    }
  }
}

void ResultWriter::release(std::uint64_t id, std::uint64_t cycle, std::vector<std::uint8_t> bytes) {
  Store& store = *find(id);
  store.cycle = cycle;
  store.bytes = std::move(bytes);
  store.released = true;
  due_.notify(clock_.until(cycle));
}

std::deque<ResultWriter::Store>::iterator ResultWriter::find(std::uint64_t id) {
  return std::find_if(stores_.begin(), stores_.end(), [id](const Store& store) { return store.id == id; });
}

bool ResultWriter::on_the_way() const {
  const auto waits = [](const ResultWriter& writer) {
    return !writer.stores_.empty() && writer.stores_.front().submitted;
  };
  return waits(*this) || std::any_of(others_.begin(), others_.end(), [&](const auto* other) { return waits(*other); });
}

bool ResultWriter::writing(std::uint64_t address) const {
  return std::any_of(stores_.begin(), stores_.end(), [address](const Store& store) {
    return !store.runs.empty() && store.runs.front().address == address;
  });
}

void ResultWriter::submit_due() {
  for (auto& store : stores_) {
    if (store.submitted) continue;
    if (!store.released) return;
    if (clock_.at(store.cycle) > sc_core::sc_time_stamp()) {
      due_.notify(clock_.until(store.cycle));
      return;
    }
    store.submitted = true;
    if (store.port_cycles > 0) {
      store.cycle = port_cycle_ = std::max(port_cycle_, store.cycle) + store.port_cycles;
      port_free_.notify(clock_.until(store.cycle));
      continue;
    }
    std::uint64_t at = 0;
    for (const auto& run : store.runs) {
      DmaTransfer transfer;
      transfer.write = true;
      transfer.address = run.address;
      transfer.row_bytes = run.row_bytes;
      transfer.rows = run.rows;
      transfer.stride = run.stride;
      transfer.stream = store.stream;
      transfer.data = store.bytes.empty() ? nullptr : store.bytes.data() + at;
      at += run.bytes();
      dma_.submit(transfer, *this, store.id);
    }
  }
}

void ResultWriter::dma_done(std::uint64_t token, tlm::tlm_response_status status) {
  const auto found = find(token);
  if (status != tlm::TLM_OK_RESPONSE) failed_ = true;
  if (--found->pending > 0) return;
  last_stream_ = found->stream;
  stores_.erase(found);
  changed_.notify();
}

void ResultWriter::cancel() {
  stores_.erase(std::remove_if(stores_.begin(), stores_.end(), [](const Store& store) { return !store.submitted; }),
                stores_.end());
}

}  // namespace nibble
