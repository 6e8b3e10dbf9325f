// SPDX-License-Identifier: Apache-2.0
/// RegisterFile: 32-bit registers as a table of name, offset, access, reset value, meaning and side effects.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tlm>
#include <vector>

namespace nibble {

enum class Access : std::uint8_t { read_only, read_write, write_one_to_clear, write_only };
/// "ro", "rw", "w1c", "wo".
const char* to_string(Access access);

struct Register {
  std::string name;
  std::uint64_t offset = 0;  ///< byte offset from the base of the block, a multiple of 4
  Access access = Access::read_write;
  std::uint32_t reset = 0;
  std::string meaning{};  ///< one line, printed in the register table
  /// Runs after a bus write was stored; the argument is the word as written. Not run by debug accesses or set().
  std::function<void(std::uint32_t written)> on_write{};
  /// Runs before a bus read; what it returns is stored and read. Not run by debug accesses or get().
  std::function<std::uint32_t(std::uint32_t stored)> on_read{};
};

/// Plain class: a module forwards b_transport and transport_dbg to it. Words are little endian on the bus whatever the
/// host.
class RegisterFile {
 public:
  /// Throws InternalError when an offset is not a multiple of 4 or taken, or a name is taken: the table is part of the
  /// model.
  explicit RegisterFile(std::vector<Register> registers);

  /// One bus access; sets the response status and never throws.
  ///   no register at the address                 TLM_ADDRESS_ERROR_RESPONSE (also for an address inside a register)
  ///   length other than 4, streaming             TLM_BURST_ERROR_RESPONSE
  ///   byte enables                               TLM_BYTE_ENABLE_ERROR_RESPONSE
  ///   no data pointer                            TLM_GENERIC_ERROR_RESPONSE
  ///   write to ro, read of wo                    TLM_COMMAND_ERROR_RESPONSE
  ///   TLM_IGNORE_COMMAND                         TLM_OK_RESPONSE, nothing happens
  void access(tlm::tlm_generic_payload& payload);
  /// Debug access without side effects: any number of whole words; reads everything (wo too), writes rw and wo and w1c
  /// as plain storage. Returns the number of bytes transferred; stops before the first word that cannot be accessed.
  unsigned debug(tlm::tlm_generic_payload& payload);

  /// The stored value, as the model sees it. Throws InternalError for an offset without register.
  std::uint32_t get(std::uint64_t offset) const;
  void set(std::uint64_t offset, std::uint32_t value);
  /// "doorbell = 0x1"; empty for an offset without register.
  std::string text(std::uint64_t offset) const;
  void reset();

  /// The table for documentation: offset, name, access, reset, meaning; Markdown.
  std::string markdown() const;

 private:
  struct Cell {
    Register definition;
    std::uint32_t value;
  };
  tlm::tlm_response_status try_access(tlm::tlm_generic_payload& payload);
  Cell& cell(std::uint64_t offset);
  const Cell& cell(std::uint64_t offset) const;

  std::map<std::uint64_t, Cell> cells_;
};

}  // namespace nibble
