// SPDX-License-Identifier: Apache-2.0
/// DMA engine: turns 2-D transfers into bus transactions, several outstanding, and says when each transfer is complete.
#pragma once

#include <cstdint>
#include <memory>
#include <systemc>
#include <tlm>

#include "core/config_node.h"
#include "core/statistics.h"
#include "transport/transfer_tag.h"

namespace nibble {

struct DmaConfig {
  unsigned max_outstanding = 16;  ///< bus transactions in flight
  std::uint64_t transaction_bytes =
      4096;  ///< longest bus transaction; a power of two; transactions do not cross its multiples
  /// Keys max_outstanding, transaction_bytes; both optional. The caller rejects unknown keys.
  static DmaConfig from(ConfigNode node);
};

/// One 2-D transfer: `rows` runs of `row_bytes`, `stride` apart.
struct DmaTransfer {
  bool write = false;
  std::uint64_t address = 0;
  std::uint64_t row_bytes = 0;
  std::uint64_t rows = 1;
  std::uint64_t stride = 0;
  Stream stream = Stream::host;
  std::uint8_t priority = 0;  ///< 0 .. 3; transactions of a lower number are issued first
  /// The bytes, rows packed without gaps; must stay valid until completion. nullptr: timing only.
  std::uint8_t* data = nullptr;
  std::uint64_t bytes() const { return row_bytes * rows; }
};

/// Called from the kernel when the last response of a transfer has arrived (sc_time_stamp() is that moment).
/// Must not block; may submit further transfers.
class DmaListener {
 public:
  virtual ~DmaListener() = default;
  /// `token` as given to submit(). `status`: TLM_OK_RESPONSE, or the first error response of the transfer.
  virtual void dma_done(std::uint64_t token, tlm::tlm_response_status status) = 0;
};

/// AT initiator. Transfers are issued in order of submission within a priority; responses may return in any order. Rows
/// without a gap between them count as one. After an error response the rest of its transfer is not issued. Handles
/// every reply that the base protocol allows (TLM_ACCEPTED, TLM_UPDATED, TLM_COMPLETED, annotated delays).
class DmaEngine : public sc_core::sc_module, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_initiator_socket<> memory{"memory"};

  DmaEngine(sc_core::sc_module_name name, const DmaConfig& config, Statistics* statistics = nullptr);
  ~DmaEngine() override;

  /// Queues a transfer (bytes() > 0). Never blocks.
  void submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token);
  /// Drops transfers that are not yet on the bus; those in flight complete without a call to their listener.
  void abort();
  bool idle() const;

  /// Bytes completed per stream, reads and writes.
  std::uint64_t read_bytes(Stream stream) const;
  std::uint64_t write_bytes(Stream stream) const;
  std::uint64_t transactions() const;

  // tlm_bw_transport_if
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override;

 private:
  SC_HAS_PROCESS(DmaEngine);
  struct Impl;
  void step();
  std::unique_ptr<Impl> impl_;
};

}  // namespace nibble
