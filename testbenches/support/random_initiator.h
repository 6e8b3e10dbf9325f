// SPDX-License-Identifier: Apache-2.0
/// RandomInitiator: random transactions, AT and LT through one socket, in all the ways that the base protocol allows:
/// annotated requests, responses ended in the call or late, blocking calls of several processes at a time, DMI, debug.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <systemc>
#include <tlm>
#include <utility>
#include <vector>

#include "core/random.h"
#include "transport/payload_pool.h"

namespace nibble::test {

/// An ignorable extension that nobody but the initiator knows.
struct Mark : tlm::tlm_extension<Mark> {
  std::uint64_t value = 0;
  tlm_extension_base* clone() const override { return new Mark(*this); }
  void copy_from(const tlm_extension_base& other) override { *this = static_cast<const Mark&>(other); }
};

struct RandomTraffic {
  std::uint64_t seed = 1, transactions = 0;
  std::uint64_t base = 0, bytes = 1 << 14;  ///< where it reads and writes; its own
  std::uint64_t beyond = 0;                 ///< an address that is refused; 0: none
  std::uint64_t end = 0;                    ///< what crosses it is refused; 0: nothing is to
  unsigned longest = 300, outstanding = 8;
  unsigned blocking = 2;  ///< processes that call b_transport
  bool data = true;       ///< what is read has to be what was written
  bool errors = false;    ///< any transaction may get an error response
  bool refused = true;    ///< also byte enables and short streaming widths, which have to be refused
  bool illegal = false;   ///< also what no initiator may send: no pointer, no length, no streaming width
  bool debug = true;      ///< debug and DMI accesses between
  bool non_blocking = true;
  /// Instead: a word at address, what it holds is unknown; the response that it has to get when the rest is right.
  std::function<tlm::tlm_response_status(tlm::tlm_command, std::uint64_t address)> words{};
};

class RandomInitiator : public sc_core::sc_module, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_initiator_socket<> initiator{"initiator"};

  RandomInitiator(sc_core::sc_module_name name, RandomTraffic traffic)
      : sc_module(name), traffic_(std::move(traffic)), random_(traffic_.seed), model_(traffic_.bytes) {
    initiator.bind(*this);
    SC_HAS_PROCESS(RandomInitiator);
    SC_METHOD(step);
    sensitive << wake_;
    for (unsigned i = 0; i < traffic_.blocking; ++i)
      sc_core::sc_spawn([this] { block(); });
  }
  /// What went wrong, the first few of it.
  const std::vector<std::string>& faults() const { return faults_; }
  std::uint64_t ended() const { return ended_; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t illegal() const { return illegal_; }
  std::uint64_t direct_accesses() const { return direct_accesses_; }
  std::uint64_t invalidations() const { return invalidations_; }
  bool done() const { return ended_ == traffic_.transactions && pool_.live() == 0; }

  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& p, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    if (open_ == &p) {
      open_ = nullptr;
      request_free_ = std::max(request_free_, now + (phase == tlm::END_REQ ? delay : sc_core::SC_ZERO_TIME));
      at(now, [this] { issue(); });
    }
    if (phase == tlm::END_REQ) return tlm::TLM_ACCEPTED;
    switch (random_.below(3)) {
      case 0:
        delay += some();
        finish(p);
        return tlm::TLM_COMPLETED;
      case 1:
        delay += some();
        phase = tlm::END_RESP;
        finish(p);
        return tlm::TLM_UPDATED;
      default:
        end_later(p, now + delay);
        return tlm::TLM_ACCEPTED;
    }
  }
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override {
    ++invalidations_;
    if (start <= dmi_.get_end_address() && dmi_.get_start_address() <= end) dmi_ = tlm::tlm_dmi();
  }

 private:
  struct Flight {
    std::vector<std::uint8_t> data, enables, untouched;  ///< the last: of a transaction that moves nothing
    std::uint64_t address = 0;
    bool in_region = false;  ///< and hence busy
    tlm::tlm_response_status expected = tlm::TLM_OK_RESPONSE;
    Mark mark;
    bool marked = false;
  };
  using Payload = tlm::tlm_generic_payload;

  sc_core::sc_time some() {
    return random_.below(2) == 0 ? sc_core::SC_ZERO_TIME
                                 : sc_core::sc_time(static_cast<double>(random_.below(15)), sc_core::SC_NS);
  }
  void fault(const std::string& what, std::uint64_t address) {
    if (faults_.size() < 5)
      faults_.push_back(what + " at address " + std::to_string(address) + ", " + sc_core::sc_time_stamp().to_string());
  }
  void at(const sc_core::sc_time& time, std::function<void()> action) {
    actions_.emplace(time, std::move(action));
    wake_.notify(actions_.begin()->first > sc_core::sc_time_stamp() ? actions_.begin()->first - sc_core::sc_time_stamp()
                                                                    : sc_core::SC_ZERO_TIME);
  }
  void step() {
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    if (!begun_) {
      begun_ = true;
      if (traffic_.non_blocking) at(now, [this] { issue(); });
    }
    while (!actions_.empty() && actions_.begin()->first <= now) {
      const auto action = std::move(actions_.begin()->second);
      actions_.erase(actions_.begin());
      action();
    }
    if (!actions_.empty()) wake_.notify(actions_.begin()->first - now);
  }

  bool busy(std::uint64_t address, std::uint64_t length) const {
    for (const auto& [payload, flight] : flights_) {
      if (flight.in_region && flight.address < address + length && address < flight.address + flight.data.size())
        return true;
    }
    return false;
  }
  /// A range of the region that no transaction in flight touches; nullopt when none was found.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> free_range() {
    for (unsigned attempt = 0; attempt < 20; ++attempt) {
      const std::uint64_t length = 1 + random_.below(traffic_.longest);
      const std::uint64_t address = traffic_.base + random_.below(traffic_.bytes - length + 1);
      if (!busy(address, length)) return std::make_pair(address, length);
    }
    return std::nullopt;
  }
  /// The next transaction, held once; nullptr when it has to wait for others.
  PooledPayload* make() {
    Flight flight;
    tlm::tlm_command command = random_.below(2) == 0 ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND;
    unsigned width = 0;
    if (traffic_.words) {
      flight.address = traffic_.base + random_.below(traffic_.bytes);
      flight.data.resize(4);
      flight.expected = traffic_.words(command, flight.address);
      if (traffic_.refused) make_odd_word(flight, command, width);
    } else {
      const auto range = free_range();
      if (!range) return nullptr;
      flight.address = range->first;
      flight.data.resize(range->second);
      flight.in_region = true;
      if (traffic_.refused) make_odd(flight, command, width);
    }
    for (auto& byte : flight.data)
      byte = static_cast<std::uint8_t>(random_.next());
    PooledPayload& p = pool_.allocate(command, flight.address, nullptr, static_cast<unsigned>(flight.data.size()));
    Flight& kept = flights_[&p] = std::move(flight);
    p.set_data_ptr(kept.data.data());
    if (width != 0) p.set_streaming_width(width);
    if (command == tlm::TLM_IGNORE_COMMAND) kept.untouched = kept.data;
    if (!kept.enables.empty()) {
      p.set_byte_enable_ptr(kept.enables.data());
      p.set_byte_enable_length(static_cast<unsigned>(kept.enables.size()));
    }
    if (traffic_.illegal && random_.below(16) == 0) make_illegal(kept, p);
    kept.marked = random_.below(4) == 0;
    kept.mark.value = ++started_;
    if (kept.marked) p.set_extension(&kept.mark);
    return &p;
  }
  /// One of eight is a transaction that has to be refused, or ignored, or is odd and right.
  void make_odd(Flight& flight, tlm::tlm_command& command, unsigned& width) {
    switch (random_.below(64)) {
      case 0:
        flight.enables.assign(1 + random_.below(8), 0xFF);
        flight.expected = tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
        break;
      case 1:
        if (flight.data.size() < 2) break;
        width = static_cast<unsigned>(flight.data.size() / 2);
        flight.expected = tlm::TLM_BURST_ERROR_RESPONSE;
        break;
      case 2:
        if (traffic_.beyond == 0) break;
        flight.address = traffic_.beyond;
        flight.in_region = false;
        flight.expected = tlm::TLM_ADDRESS_ERROR_RESPONSE;
        break;
      case 3:
        command = tlm::TLM_IGNORE_COMMAND;
        break;
      case 4:
        width = static_cast<unsigned>(flight.data.size() + 1 + random_.below(100));  // no stream: one pass
        break;
      case 5:
      case 6:
        if (traffic_.end == 0) break;
        flight.data.resize(2 + random_.below(traffic_.longest));
        flight.address = traffic_.end - 1 - random_.below(flight.data.size() - 1);
        flight.in_region = false;
        flight.expected = tlm::TLM_ADDRESS_ERROR_RESPONSE;
        break;
      case 7:
        if (traffic_.beyond == 0) break;
        flight.address = ~std::uint64_t{0} - random_.below(flight.data.size());  // its end wraps
        flight.in_region = false;
        flight.expected = tlm::TLM_ADDRESS_ERROR_RESPONSE;
        break;
      default:
        break;
    }
  }
  /// The address comes first, then byte enables, then the length; a word that is ignored is right.
  void make_odd_word(Flight& flight, tlm::tlm_command& command, unsigned& width) {
    const unsigned odd = static_cast<unsigned>(random_.below(32));
    if (odd == 0) flight.enables.assign(4, 0xFF);
    if (odd == 1) flight.data.resize(1 + random_.below(3));
    if (odd == 2) flight.data.resize(8);
    if (odd == 3) width = 2;
    if (odd == 4) command = tlm::TLM_IGNORE_COMMAND;
    if (odd == 5) width = 64;
    if (flight.expected == tlm::TLM_ADDRESS_ERROR_RESPONSE || odd > 4) return;
    flight.expected = odd == 0   ? tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE
                      : odd == 4 ? tlm::TLM_OK_RESPONSE
                                 : tlm::TLM_BURST_ERROR_RESPONSE;
  }
  void make_illegal(Flight& flight, Payload& p) {
    if (flight.expected != tlm::TLM_OK_RESPONSE || p.get_command() == tlm::TLM_IGNORE_COMMAND) return;
    ++illegal_;
    flight.expected = tlm::TLM_BURST_ERROR_RESPONSE;
    switch (random_.below(4)) {
      case 0:
        p.set_data_length(0);
        break;
      case 1:
        p.set_streaming_width(0);
        break;
      case 2:
        p.set_data_ptr(nullptr);
        flight.expected = tlm::TLM_GENERIC_ERROR_RESPONSE;
        break;
      default:
        flight.enables.assign(1, 0xFF);
        p.set_byte_enable_ptr(flight.enables.data());
        p.set_byte_enable_length(0);
        flight.expected = tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
        break;
    }
  }
  bool more() const { return started_ < traffic_.transactions; }
  void issue() {
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    if (!more() || open_ != nullptr || issuing_) return;
    if (request_free_ > now && random_.below(2) == 0) return at(request_free_, [this] { issue(); });
    if (in_flight_ >= traffic_.outstanding) return;  // a response will ask again
    PooledPayload* p = make();
    if (p == nullptr) return at(now + sc_core::sc_time(10, sc_core::SC_NS), [this] { issue(); });
    ++in_flight_;
    sc_core::sc_time delay = std::max(request_free_, now + some()) - now;
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    request_free_ = now + delay;
    issuing_ = true;
    const auto status = initiator->nb_transport_fw(*p, phase, delay);
    issuing_ = false;
    if (status == tlm::TLM_ACCEPTED) {
      open_ = p;
    } else {
      if (phase == tlm::END_REQ || status == tlm::TLM_COMPLETED) request_free_ = now + delay;
      if (status == tlm::TLM_COMPLETED) finish(*p);
      if (status == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP) end_later(*p, now + delay);
    }
    if (random_.below(8) == 0) poke();
    at(now + some(), [this] { issue(); });
  }
  /// END_RESP by a call of its own, at or before the time that it means.
  void end_later(Payload& p, const sc_core::sc_time& begun) {
    const sc_core::sc_time end = begun + some();
    const sc_core::sc_time call = random_.below(2) == 0 ? end : sc_core::sc_time_stamp();
    at(call, [this, &p, end] {
      tlm::tlm_phase phase = tlm::END_RESP;
      sc_core::sc_time delay = end - sc_core::sc_time_stamp();
      initiator->nb_transport_fw(p, phase, delay);
      finish(p);
    });
  }
  void finish(Payload& p) {
    --in_flight_;
    check(p);
    at(sc_core::sc_time_stamp(), [this] { issue(); });
  }
  /// The transaction has ended: compares, releases.
  void check(Payload& p) {
    Flight& flight = flights_.at(&p);
    const auto status = p.get_response_status();
    const bool ok = status == tlm::TLM_OK_RESPONSE;
    if (status != flight.expected && !(traffic_.errors && !ok))
      fault("response " + p.get_response_string(), flight.address);
    refused_ += !ok;
    if (flight.marked && p.get_extension<Mark>() != &flight.mark) fault("extension lost", flight.address);
    if (flight.marked && flight.mark.value == 0) fault("extension changed", flight.address);
    const std::uint64_t offset = flight.address - traffic_.base;
    if (ok && traffic_.data && flight.in_region && flight.expected == tlm::TLM_OK_RESPONSE) {
      if (p.is_write()) std::copy(flight.data.begin(), flight.data.end(), model_.begin() + static_cast<long>(offset));
      if (p.is_read() &&
          !std::equal(flight.data.begin(), flight.data.end(), model_.begin() + static_cast<long>(offset)))
        fault("other data than written", flight.address);
    }
    if (!flight.untouched.empty() && flight.data != flight.untouched)
      fault("data of an ignored command", flight.address);
    if (flight.marked) p.clear_extension<Mark>();
    flights_.erase(&p);
    p.release();
    ++ended_;
  }
  void block() {
    while (more()) {
      PooledPayload* p = make();
      if (p == nullptr) {
        sc_core::wait(sc_core::sc_time(10, sc_core::SC_NS));
        continue;
      }
      sc_core::sc_time delay = some();
      initiator->b_transport(*p, delay);
      if (random_.below(2) == 0) sc_core::wait(delay);  // else it runs ahead
      check(*p);
      sc_core::wait(some() + sc_core::sc_time(1, sc_core::SC_NS));
    }
  }
  /// Debug and direct accesses to bytes that nobody else touches now: neither takes time.
  void poke() {
    poke_edges();
    const auto range = traffic_.debug && traffic_.data && !traffic_.words ? free_range() : std::nullopt;
    if (!range) return;
    const auto [address, length] = *range;
    const auto mine = model_.begin() + static_cast<long>(address - traffic_.base);
    std::vector<std::uint8_t> bytes(mine, mine + static_cast<long>(length));
    Payload p;
    p.set_address(address);
    p.set_data_ptr(bytes.data());
    p.set_data_length(static_cast<unsigned>(length));
    p.set_streaming_width(static_cast<unsigned>(length));
    const bool write = random_.below(2) == 0;
    p.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    if (write) {
      for (auto& byte : bytes)
        byte = static_cast<std::uint8_t>(random_.next());
    }
    if (random_.below(2) == 0) {
      if (initiator->transport_dbg(p) != length) fault("debug access cut short", address);
    } else if (!direct(p, address, length)) {
      return;
    }
    if (write) std::copy(bytes.begin(), bytes.end(), mine);
    if (!write && !std::equal(bytes.begin(), bytes.end(), mine))
      fault("debug or direct access reads other data", address);
  }
  /// Debug accesses of nothing, and across the end: no more than what is there.
  void poke_edges() {
    if (!traffic_.debug || traffic_.end == 0) return;
    std::uint8_t bytes[8] = {};
    Payload p;
    p.set_command(tlm::TLM_READ_COMMAND);
    p.set_address(traffic_.base);
    p.set_data_ptr(nullptr);
    if (initiator->transport_dbg(p) != 0) fault("debug access of nothing moves bytes", traffic_.base);
    p.set_address(traffic_.end - 3);
    p.set_data_ptr(bytes);
    p.set_data_length(sizeof bytes);
    p.set_streaming_width(sizeof bytes);
    if (initiator->transport_dbg(p) > 3) fault("debug access beyond the end", traffic_.end - 3);
  }
  bool direct(Payload& p, std::uint64_t address, std::uint64_t length) {
    const auto covered = [&] {
      return dmi_.get_dmi_ptr() != nullptr && dmi_.get_start_address() <= address &&
             address + length - 1 <= dmi_.get_end_address();
    };
    if (!covered()) {
      dmi_ = tlm::tlm_dmi();
      if (!initiator->get_direct_mem_ptr(p, dmi_)) dmi_ = tlm::tlm_dmi();
    }
    if (!covered()) return false;
    ++direct_accesses_;
    unsigned char* bytes = dmi_.get_dmi_ptr() + (address - dmi_.get_start_address());
    if (p.is_write()) std::copy_n(p.get_data_ptr(), length, bytes);
    if (p.is_read()) std::copy_n(bytes, length, p.get_data_ptr());
    return true;
  }

  const RandomTraffic traffic_;
  Random random_;
  std::vector<std::uint8_t> model_;
  PayloadPool pool_;
  std::map<const Payload*, Flight> flights_;
  std::multimap<sc_core::sc_time, std::function<void()>> actions_;
  sc_core::sc_event wake_;
  Payload* open_ = nullptr;
  bool issuing_ = false, begun_ = false;
  sc_core::sc_time request_free_;
  tlm::tlm_dmi dmi_;
  unsigned in_flight_ = 0;
  std::uint64_t started_ = 0, ended_ = 0, refused_ = 0, illegal_ = 0, direct_accesses_ = 0, invalidations_ = 0;
  std::vector<std::string> faults_;
};

}  // namespace nibble::test
