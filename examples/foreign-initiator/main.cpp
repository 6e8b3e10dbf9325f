// SPDX-License-Identifier: Apache-2.0
/// nibble's DRAM under somebody else's initiator: nothing of nibble on the other side of the socket, only the
/// standard's convenience socket, a payload pool of its own and the four phases.
#include <tlm_utils/simple_initiator_socket.h>
#include <array>
#include <cstdio>
#include <memory>
#include <systemc>
#include <tlm>

#include "memory/memory_system.h"
#include "transport/links.h"

/// Reads a megabyte in lines of 64 bytes, in order or strided, up to eight on their way.
class Reader : public sc_core::sc_module, public tlm::tlm_mm_interface {
 public:
  tlm_utils::simple_initiator_socket<Reader> socket{"socket"};
  static constexpr unsigned lines = 16384, line_bytes = 64, most = 8;

  Reader(sc_core::sc_module_name name, std::uint64_t base, std::uint64_t stride)
      : sc_module(name), base_(base), stride_(stride) {
    SC_HAS_PROCESS(Reader);
    socket.register_nb_transport_bw(this, &Reader::backward);
    for (auto& payload : payloads_) {
      payload.set_mm(this);
      payload.set_command(tlm::TLM_READ_COMMAND);
      payload.set_data_ptr(bytes_.data());
      payload.set_data_length(line_bytes);
      payload.set_streaming_width(line_bytes);
      free_.push_back(&payload);
    }
    SC_THREAD(run);
  }
  double gigabytes_per_second() const { return lines * line_bytes / finished_.to_seconds() / 1e9; }
  unsigned failed() const { return failed_; }

 private:
  using Payload = tlm::tlm_generic_payload;

  void run() {
    begun_ = sc_core::sc_time_stamp();
    for (unsigned line = 0; line < lines; ++line) {
      while (free_.empty())
        wait(freed_);
      Payload& payload = *free_.back();
      free_.pop_back();
      payload.acquire();
      payload.set_address(base_ + line * stride_ % (lines * stride_));
      payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
      payload.set_dmi_allowed(false);
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      const auto status = socket->nb_transport_fw(payload, phase, delay);
      if (status == tlm::TLM_ACCEPTED) wait(request_taken_);  // END_REQ comes on the backward path
      if (status == tlm::TLM_COMPLETED) done(payload);
    }
    while (free_.size() < most)
      wait(freed_);
    finished_ = sc_core::sc_time_stamp() - begun_;
  }
  tlm::tlm_sync_enum backward(Payload& payload, tlm::tlm_phase& phase, sc_core::sc_time&) {
    if (phase == tlm::END_REQ) {
      request_taken_.notify(sc_core::SC_ZERO_TIME);
      return tlm::TLM_ACCEPTED;
    }
    done(payload);
    return tlm::TLM_COMPLETED;
  }
  void done(Payload& payload) {
    failed_ += !payload.is_response_ok();
    payload.release();
  }
  void free(Payload* payload) override {
    payload->reset();
    free_.push_back(payload);
    freed_.notify(sc_core::SC_ZERO_TIME);
  }

  const std::uint64_t base_, stride_;
  std::array<Payload, most> payloads_;
  std::array<unsigned char, line_bytes> bytes_{};
  std::vector<Payload*> free_;
  sc_core::sc_event request_taken_, freed_;
  sc_core::sc_time begun_, finished_;
  unsigned failed_ = 0;
};

int sc_main(int, char**) {
  const nibble::ConfigNode preset = nibble::ConfigNode::load("memories", "ddr4-3200");
  const auto near = nibble::make_memory("in_order", preset, nullptr);
  const auto far = nibble::make_memory("strided", preset.unread_copy(), nullptr);
  Reader in_order("reader", 0, 64), strided("jumper", 0, 8192 + 64);
  nibble::Links links;  // the environment variable NIBBLE_PROBES puts probes on them
  links.bind("reader.memory", in_order.socket, near->target);
  links.bind("jumper.memory", strided.socket, far->target);
  sc_core::sc_start();
  links.finish(true);
  std::printf("ddr4-3200, peak %.1f GB/s: in order %.1f GB/s, strided %.1f GB/s\n", near->peak_bandwidth() * 1e-9,
              in_order.gigabytes_per_second(), strided.gigabytes_per_second());
  const bool sane = in_order.gigabytes_per_second() > 2 * strided.gigabytes_per_second() &&
                    in_order.gigabytes_per_second() * 1e9 < near->peak_bandwidth();
  return sane && in_order.failed() + strided.failed() == 0 ? 0 : 1;
}
