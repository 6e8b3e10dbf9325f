// SPDX-License-Identifier: Apache-2.0
#include "transport/payload_pool.h"

namespace nibble {

PooledPayload::PooledPayload(PayloadPool& pool) : tlm_generic_payload(&pool) {
  set_extension(&tag);
}

// The base class frees the extensions that it still holds; the tag is a member and must not be among them.
PooledPayload::~PooledPayload() {
  clear_extension(&tag);
}

PooledPayload& PayloadPool::allocate(tlm::tlm_command command, std::uint64_t address, unsigned length) {
  PooledPayload& payload = allocate(command, address, nullptr, length);
  payload.bytes_.assign(length, 0);
  payload.set_data_ptr(payload.bytes_.data());
  return payload;
}

void PayloadPool::free(tlm::tlm_generic_payload* payload) {
  payload->reset();
  free_.push_back(static_cast<PooledPayload*>(payload));
  --live_;
}

void PayloadPool::grow() {
  slots_.push_back(std::make_unique<PooledPayload>(*this));
  free_.reserve(slots_.capacity());
  free_.push_back(slots_.back().get());
}

}  // namespace nibble
