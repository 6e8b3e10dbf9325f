// SPDX-License-Identifier: Apache-2.0
/// TransferTag: says what the bytes of a payload are, and whether they are there at all.
#pragma once

#include <cstdint>
#include <systemc>
#include <tlm>

namespace nibble {

/// The stream that a transfer belongs to; traffic and stalls are reported per stream.
enum class Stream : std::uint8_t {
  command,
  weight,
  activation,
  key_value,  ///< operands and results that lie in a KV cache
  metadata,   ///< group metadata that is moved apart from its codes
  partial_sum,
  output,
  vector,
  host
};
constexpr unsigned stream_count = 9;
const char* to_string(Stream stream);

/// Ignorable extension. Written once by the initiator, read-only for everyone else.
///   stream      which operand of the command the bytes belong to
///   timing_only the data pointer points at bytes that are no operand: a target that knows the tag neither reads nor
///               writes them, any other target does no harm by treating them as data
/// Absent on traffic from foreign initiators: find() returns nullptr.
class TransferTag final : public tlm::tlm_extension<TransferTag> {
 public:
  Stream stream = Stream::host;
  bool timing_only = false;

  static const TransferTag* find(const tlm::tlm_generic_payload& payload) {
    return payload.get_extension<TransferTag>();
  }
  tlm_extension_base* clone() const override { return new TransferTag(*this); }
  void copy_from(const tlm_extension_base& other) override { *this = static_cast<const TransferTag&>(other); }
};

}  // namespace nibble
