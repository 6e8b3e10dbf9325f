// SPDX-License-Identifier: Apache-2.0
/// DMA engine: turns strided transfers of up to three dimensions, and gathers of several such regions, into bus
/// transactions, several outstanding, and says when each transfer is complete.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "core/config_node.h"
#include "core/statistics.h"
#include "transport/transfer_tag.h"

namespace nibble {

struct DmaConfig {
  static constexpr unsigned priorities = 4;

  unsigned max_outstanding = 16;           ///< bus transactions in flight, all channels together
  std::uint64_t transaction_bytes = 4096;  ///< longest bus transaction; a power of two
  /// Transactions do not cross its multiples (a page, a burst of the bus); a power of two; 0: transaction_bytes, so
  /// that after the first one all transactions are aligned.
  std::uint64_t boundary_bytes = 0;
  unsigned channels = 1;             ///< queues of transfers that take turns on the bus
  unsigned channel_outstanding = 0;  ///< bus transactions in flight of one channel; 0: max_outstanding
  /// Transactions that may be issued past waiting ones of a lower priority before one of those has its turn; 0: any
  /// number, a low priority may then wait as long as higher ones have work. 64 is nibble's decision: below 2 % of the
  /// bandwidth goes to the lower priority, and it is never starved.
  unsigned age_cap = 64;
  std::array<std::uint8_t, stream_count> stream_priority{};  ///< 0 .. 3, of transfers that do not name their own
  /// Blocking calls instead of the phases, ahead of the kernel by at most the global quantum of TLM (0: not at all).
  bool loosely_timed = false;
  /// Keys max_outstanding, transaction_bytes, boundary_bytes, loosely_timed, channels, channel_outstanding, age_cap,
  /// and priorities, a mapping from stream names to 0 .. 3; all optional. The caller rejects unknown keys.
  static DmaConfig from(ConfigNode node);
};

/// Bytes in memory: `planes` planes, `plane_stride` apart, of `rows` rows, `stride` apart, of `row_bytes` each.
struct DmaRegion {
  std::uint64_t address = 0;
  std::uint64_t row_bytes = 0;
  std::uint64_t rows = 1;
  std::uint64_t stride = 0;
  std::uint64_t planes = 1;
  std::uint64_t plane_stride = 0;
  Stream stream = Stream::host;
  /// The bytes, plane by plane and row by row; must stay valid until completion. nullptr: timing only.
  std::uint8_t* data = nullptr;
  std::uint64_t local_stride = 0;  ///< distance of the rows in `data`; 0: packed without gaps
  std::uint64_t bytes() const { return row_bytes * rows * planes; }
};

/// One transfer: a region and, for a gather or scatter, further regions that are complete together with it, such as the
/// scales beside the codes of a tile.
struct DmaTransfer : DmaRegion {
  static constexpr std::uint8_t by_stream = 255;

  bool write = false;
  /// 0 .. 3; transactions of a lower number are issued first. by_stream: as configured for the stream of the first
  /// region.
  std::uint8_t priority = by_stream;
  unsigned channel = 0;
  std::vector<DmaRegion> beside;
  /// The regions take turns, a row each, until the shorter ones are done (codes and scales of a row arrive together);
  /// otherwise they are issued one after another.
  bool by_row = false;
  std::uint64_t bytes() const {
    std::uint64_t sum = DmaRegion::bytes();
    for (const DmaRegion& region : beside)
      sum += region.bytes();
    return sum;
  }
};

/// Called from the kernel when the last response of a transfer has arrived (sc_time_stamp() is that moment).
/// Must not block; may submit further transfers.
class DmaListener {
 public:
  virtual ~DmaListener() = default;
  /// `token` as given to submit(). `status`: TLM_OK_RESPONSE, or the first error response of the transfer.
  virtual void dma_done(std::uint64_t token, tlm::tlm_response_status status) = 0;
};

/// AT initiator. Within a channel and a priority transfers are issued in order of submission; channels take turns, a
/// transaction each; responses may return in any order. Rows and planes without a gap between them count as one. After
/// an error response the rest of its transfer is not issued. Handles every reply that the base protocol allows
/// (TLM_ACCEPTED, TLM_UPDATED, TLM_COMPLETED, annotated delays); a withheld END_REQ holds back all channels.
///
/// Loosely timed it is an LT initiator: it makes blocking calls, as many as may be outstanding overlap by their
/// annotated delays, and works ahead of the kernel up to the global quantum. Listeners are told at the time of the last
/// response all the same. What is submitted while the engine is ahead begins where the engine is.
class DmaEngine : public sc_core::sc_module, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_initiator_socket<> memory{"memory"};

  DmaEngine(sc_core::sc_module_name name, const DmaConfig& config, Statistics* statistics = nullptr);
  ~DmaEngine() override;

  /// Queues a transfer. Never blocks. Throws InternalError when a region is empty, or priority or channel are not
  /// there.
  void submit(const DmaTransfer& transfer, DmaListener& listener, std::uint64_t token);
  /// Drops transfers that are not yet on the bus; those in flight complete without a call to their listener.
  void abort();
  bool idle() const;

  /// Bytes completed per stream, reads and writes.
  std::uint64_t read_bytes(Stream stream) const;
  std::uint64_t write_bytes(Stream stream) const;
  std::uint64_t total_read_bytes() const;
  std::uint64_t total_write_bytes() const;
  std::uint64_t transactions() const;
  /// Transfers of a channel that were submitted and not yet issued to their end.
  std::uint64_t waiting(unsigned channel) const;

  // tlm_bw_transport_if
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override;

 private:
  SC_HAS_PROCESS(DmaEngine);
  struct Impl;
  void step();
  void run_ahead();
  std::unique_ptr<Impl> impl_;
};

}  // namespace nibble
