// SPDX-License-Identifier: Apache-2.0
#include "transport/register_file.h"

#include <cstdio>
#include <set>
#include <utility>

#include "core/error.h"

namespace nibble {
namespace {

constexpr unsigned word_bytes = 4;

std::uint32_t load_word(const unsigned char* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
         static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
}

void store_word(unsigned char* bytes, std::uint32_t word) {
  for (unsigned i = 0; i < word_bytes; ++i)
    bytes[i] = static_cast<unsigned char>(word >> (8 * i) & 0xFFU);
}

std::string hex(std::uint64_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%0*llx", digits, static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

const char* to_string(Access access) {
  switch (access) {
    case Access::read_only:
      return "ro";
    case Access::read_write:
      return "rw";
    case Access::write_one_to_clear:
      return "w1c";
    case Access::write_only:
      return "wo";
  }
  return "invalid";
}

RegisterFile::RegisterFile(std::vector<Register> registers) {
  std::set<std::string> names;
  for (Register& definition : registers) {
    const std::string name = definition.name;
    const std::uint64_t offset = definition.offset;
    if (offset % word_bytes != 0)
      throw InternalError("register " + name + ": offset " + hex(offset, 3) + " is no multiple of 4");
    if (!names.insert(name).second) throw InternalError("register " + name + " is defined twice");
    const std::uint32_t value = definition.reset;
    if (!cells_.emplace(offset, Cell{std::move(definition), value}).second) {
      throw InternalError("register " + name + ": offset " + hex(offset, 3) + " is taken");
    }
  }
}

void RegisterFile::access(tlm::tlm_generic_payload& payload) {
  payload.set_response_status(try_access(payload));
}

tlm::tlm_response_status RegisterFile::try_access(tlm::tlm_generic_payload& payload) {
  const auto found = cells_.find(payload.get_address());
  if (found == cells_.end()) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  if (payload.get_byte_enable_ptr() != nullptr) return tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  if (payload.get_data_ptr() == nullptr) return tlm::TLM_GENERIC_ERROR_RESPONSE;
  if (payload.get_data_length() != word_bytes || payload.get_streaming_width() < word_bytes) {
    return tlm::TLM_BURST_ERROR_RESPONSE;
  }
  Cell& target = found->second;
  const Register& definition = target.definition;
  if (payload.is_read()) {
    if (definition.access == Access::write_only) return tlm::TLM_COMMAND_ERROR_RESPONSE;
    if (definition.on_read) target.value = definition.on_read(target.value);
    store_word(payload.get_data_ptr(), target.value);
  } else if (payload.is_write()) {
    if (definition.access == Access::read_only) return tlm::TLM_COMMAND_ERROR_RESPONSE;
    const std::uint32_t word = load_word(payload.get_data_ptr());
    target.value = definition.access == Access::write_one_to_clear ? target.value & ~word : word;
    if (definition.on_write) definition.on_write(word);
  }
  return tlm::TLM_OK_RESPONSE;
}

unsigned RegisterFile::debug(tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_ptr() == nullptr ? 0 : payload.get_data_length();
  unsigned done = 0;
  for (; length - done >= word_bytes; done += word_bytes) {
    const auto found = cells_.find(payload.get_address() + done);
    if (found == cells_.end()) break;
    Cell& target = found->second;
    if (payload.is_read()) {
      store_word(payload.get_data_ptr() + done, target.value);
    } else if (payload.is_write()) {
      if (target.definition.access == Access::read_only) break;
      target.value = load_word(payload.get_data_ptr() + done);
    }
  }
  return done;
}

std::uint32_t RegisterFile::get(std::uint64_t offset) const {
  return cell(offset).value;
}

void RegisterFile::set(std::uint64_t offset, std::uint32_t value) {
  cell(offset).value = value;
}

std::string RegisterFile::text(std::uint64_t offset) const {
  const auto found = cells_.find(offset);
  return found == cells_.end() ? "" : found->second.definition.name + " = " + hex(found->second.value, 1);
}

void RegisterFile::reset() {
  for (auto& entry : cells_)
    entry.second.value = entry.second.definition.reset;
}

namespace {

/// A bar would end the cell.
std::string in_a_cell(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::string RegisterFile::markdown() const {
  std::string text = "| offset | name | access | reset | meaning |\n|---|---|---|---|---|\n";
  for (const auto& entry : cells_) {
    const Register& r = entry.second.definition;
    text += "| " + hex(r.offset, 3) + " | " + r.name + " | " + to_string(r.access) + " | " + hex(r.reset, 8) + " | " +
            in_a_cell(r.meaning) + " |\n";
  }
  return text;
}

RegisterFile::Cell& RegisterFile::cell(std::uint64_t offset) {
  const auto found = cells_.find(offset);
  if (found == cells_.end()) throw InternalError("no register at offset " + hex(offset, 3));
  return found->second;
}

const RegisterFile::Cell& RegisterFile::cell(std::uint64_t offset) const {
  return const_cast<RegisterFile*>(this)->cell(offset);
}

}  // namespace nibble
