// SPDX-License-Identifier: Apache-2.0
/// PayloadPool: the memory manager of an initiator. Owns payloads, reuses them without allocation, resets and counts
/// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tlm>
#include <vector>

#include "transport/transfer_tag.h"

namespace nibble {

class PayloadPool;

/// A payload of a PayloadPool. `tag` is attached for the life of the slot; `owner` belongs to the initiator.
class PooledPayload final : public tlm::tlm_generic_payload {
 public:
  explicit PooledPayload(PayloadPool& pool);
  ~PooledPayload() override;

  TransferTag tag;
  std::uint64_t owner = 0;

 private:
  friend class PayloadPool;
  std::vector<std::uint8_t> bytes_;  ///< empty until a transfer without a caller's buffer asks for it
};

/// Every attribute of a payload is set on every allocation (status TLM_INCOMPLETE_RESPONSE, no byte enables, streaming
/// width equal to the length); automatic extensions of the last user are dropped when the reference count reaches 0.
/// The pool must outlive its payloads' last release().
class PayloadPool final : public tlm::tlm_mm_interface {
 public:
  PayloadPool() = default;
  PayloadPool(const PayloadPool&) = delete;
  PayloadPool& operator=(const PayloadPool&) = delete;

  /// A payload, acquired once, that points at the caller's bytes (valid until the response).
  PooledPayload& allocate(tlm::tlm_command command, std::uint64_t address, std::uint8_t* data, unsigned length) {
    if (free_.empty()) grow();
    PooledPayload& payload = *free_.back();
    free_.pop_back();
    ++live_;
    ++allocations_;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(data);
    payload.set_data_length(length);
    payload.set_streaming_width(length);
    payload.set_byte_enable_ptr(nullptr);
    payload.set_byte_enable_length(0);
    payload.set_dmi_allowed(false);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    payload.tag.stream = Stream::host;
    payload.tag.timing_only = false;
    payload.owner = 0;
    payload.acquire();
    return payload;
  }

  /// The same with bytes that the pool owns, set to 0.
  PooledPayload& allocate(tlm::tlm_command command, std::uint64_t address, unsigned length);

  /// Called by release() when the last reference is gone.
  void free(tlm::tlm_generic_payload* payload) override;

  std::size_t live() const { return live_; }                  ///< allocated and not yet freed
  std::size_t capacity() const { return slots_.size(); }      ///< payloads ever created
  std::uint64_t allocations() const { return allocations_; }  ///< calls of allocate()

 private:
  void grow();

  std::vector<std::unique_ptr<PooledPayload>> slots_;
  std::vector<PooledPayload*> free_;
  std::size_t live_ = 0;
  std::uint64_t allocations_ = 0;
};

}  // namespace nibble
