// SPDX-License-Identifier: Apache-2.0
/// RandomTarget: a memory that answers each transaction in one of all the ways that the base protocol allows, chosen at
/// random: early completion, END_REQ at once, late or never, responses out of order, annotated delays, errors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <systemc>
#include <tlm>
#include <vector>

#include "core/random.h"
#include "transport/transfer_tag.h"

namespace nibble::test {

class RandomTarget : public sc_core::sc_module, public tlm::tlm_fw_transport_if<> {
 public:
  tlm::tlm_target_socket<> target{"target"};

  /// `errors`: so many of 1000 transactions get an error response, and leave memory alone. `direct`: grants DMI, and
  /// takes it back at random.
  RandomTarget(sc_core::sc_module_name name, std::uint64_t seed, std::uint64_t bytes, unsigned errors = 0,
               bool direct = false)
      : sc_module(name), bytes_(bytes), random_(seed), errors_(errors), direct_(direct) {
    target.bind(*this);
    SC_METHOD(step);
    sensitive << wake_;
    dont_initialize();
  }
  std::uint64_t transactions() const { return transactions_; }
  std::uint64_t errors_given() const { return errors_given_; }
  std::vector<std::uint8_t>& bytes() { return bytes_; }

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& p, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    const sc_core::sc_time now = sc_core::sc_time_stamp(), at = now + delay;
    if (phase == tlm::END_RESP) {
      end(p, at);
      return coin(2) ? tlm::TLM_ACCEPTED : tlm::TLM_COMPLETED;
    }
    ++transactions_;
    switch (random_.below(5)) {
      case 0:
        access(p);
        delay += some();
        return tlm::TLM_COMPLETED;
      case 1:
        p.acquire();
        delay += some();
        waiting_.push_back({&p, now + delay + some(), false, {}});
        look();
        phase = tlm::END_REQ;
        return tlm::TLM_UPDATED;
      case 2:
        if (responding_ != nullptr || response_free_ > at) break;
        p.acquire();
        access(p);
        responding_ = &p;
        delay += some();
        response_free_ = now + delay;
        phase = tlm::BEGIN_RESP;
        return tlm::TLM_UPDATED;
      case 3: {
        p.acquire();
        const sc_core::sc_time taken = at + some();
        waiting_.push_back({&p, taken + some(), true, taken});
        look();
        return tlm::TLM_ACCEPTED;
      }
      default:
        break;
    }
    p.acquire();
    waiting_.push_back({&p, at + some(), false, {}});  // BEGIN_RESP stands for END_REQ
    look();
    return tlm::TLM_ACCEPTED;
  }
  void b_transport(tlm::tlm_generic_payload& p, sc_core::sc_time& delay) override {
    ++transactions_;
    if (coin(2)) {
      wait(delay + some());
      delay = sc_core::SC_ZERO_TIME;
    }
    access(p);
    delay += some();
  }
  unsigned transport_dbg(tlm::tlm_generic_payload& p) override {
    if (p.get_address() >= bytes_.size() || p.get_data_ptr() == nullptr) return 0;
    const auto length =
        static_cast<unsigned>(std::min<std::uint64_t>(p.get_data_length(), bytes_.size() - p.get_address()));
    move(p, length);
    return length;
  }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& p, tlm::tlm_dmi& dmi) override {
    dmi.set_start_address(0);
    dmi.set_end_address(bytes_.size() - 1);
    if (p.get_address() >= bytes_.size()) dmi = tlm::tlm_dmi();
    if (!direct_ || p.get_address() >= bytes_.size()) return false;
    dmi.set_dmi_ptr(bytes_.data());
    dmi.allow_read_write();
    granted_ = true;
    return true;
  }

 private:
  SC_HAS_PROCESS(RandomTarget);
  struct Waiting {
    tlm::tlm_generic_payload* payload;
    sc_core::sc_time ready;
    bool owes_end_request;
    sc_core::sc_time taken;
  };

  bool coin(unsigned of) { return random_.below(of) == 0; }
  sc_core::sc_time some() { return sc_core::sc_time(static_cast<double>(random_.below(20)), sc_core::SC_NS); }
  void move(tlm::tlm_generic_payload& p, unsigned length) {
    auto* mine = bytes_.data() + p.get_address();
    if (p.is_read()) std::copy_n(mine, length, p.get_data_ptr());
    if (p.is_write()) std::copy_n(p.get_data_ptr(), length, mine);
  }
  void access(tlm::tlm_generic_payload& p) {
    const std::uint64_t length = p.get_data_length(), address = p.get_address();
    p.set_response_status(tlm::TLM_OK_RESPONSE);
    const bool unlucky = random_.below(1000) < errors_;
    if (address > bytes_.size() || length > bytes_.size() - address) {
      p.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    } else if (p.get_byte_enable_ptr() != nullptr) {
      p.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    } else if (p.get_data_ptr() == nullptr) {
      p.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    } else if (length == 0 || p.get_streaming_width() < length) {
      p.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
    } else if (unlucky) {
      p.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    } else {
      const TransferTag* tag = TransferTag::find(p);
      if (tag == nullptr || !tag->timing_only) move(p, p.get_data_length());
      p.set_dmi_allowed(direct_ && coin(4));
    }
    errors_given_ += !p.is_response_ok();
  }
  void end(tlm::tlm_generic_payload& p, const sc_core::sc_time& at) {
    responding_ = nullptr;
    response_free_ = std::max(response_free_, at);
    p.release();
    look();
  }
  void look() { wake_.notify(sc_core::sc_time(1, sc_core::SC_NS)); }
  void step() {
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    if (granted_ && coin(50)) {
      granted_ = false;
      const std::uint64_t from = random_.below(bytes_.size());
      target->invalidate_direct_mem_ptr(from, from + random_.below(bytes_.size() - from));
    }
    end_requests(now);
    if (responding_ == nullptr && response_free_ <= now) respond(now);
    if (!waiting_.empty()) look();
  }
  void end_requests(const sc_core::sc_time& now) {
    for (Waiting& entry : waiting_) {
      if (!entry.owes_end_request || entry.taken > now) continue;
      entry.owes_end_request = false;
      tlm::tlm_phase phase = tlm::END_REQ;
      sc_core::sc_time delay = coin(2) ? sc_core::SC_ZERO_TIME : some();
      entry.ready = std::max(entry.ready, now + delay);
      target->nb_transport_bw(*entry.payload, phase, delay);
      return;  // the call may have changed the list
    }
  }
  void respond(const sc_core::sc_time& now) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (waiting_[i].ready <= now && !waiting_[i].owes_end_request) ready.push_back(i);
    }
    if (ready.empty()) return;
    std::swap(waiting_[ready[random_.below(ready.size())]], waiting_.back());
    tlm::tlm_generic_payload& p = *waiting_.back().payload;
    waiting_.pop_back();
    access(p);
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = coin(2) ? sc_core::SC_ZERO_TIME : some();
    responding_ = &p;
    response_free_ = now + delay;
    if (target->nb_transport_bw(p, phase, delay) != tlm::TLM_ACCEPTED) end(p, now + delay);
  }

  std::vector<std::uint8_t> bytes_;
  Random random_;
  const unsigned errors_;
  const bool direct_;
  bool granted_ = false;
  sc_core::sc_event wake_;
  std::vector<Waiting> waiting_;
  tlm::tlm_generic_payload* responding_ = nullptr;
  sc_core::sc_time response_free_;
  std::uint64_t transactions_ = 0, errors_given_ = 0;
};

}  // namespace nibble::test
