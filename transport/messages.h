// SPDX-License-Identifier: Apache-2.0
/// What models report of their work through sc_report, in categories: the message type of a report is the name of its
/// category. All are quiet unless asked for; then they cost a comparison (docs/observing.md).
#pragma once

#include <string>
#include <systemc>
#include <tlm>
#include <vector>

namespace nibble {

class MessageCategory {
 public:
  /// `type`: the message type of sc_report; `meaning`: one line for documentation.
  constexpr MessageCategory(const char* type, const char* meaning) : type_(type), meaning_(meaning) {}
  const char* type() const { return type_; }
  const char* meaning() const { return meaning_; }
  /// One of sc_verbosity; SC_NONE: quiet.
  int verbosity() const { return verbosity_; }
  /// The kernel has a limit for all messages, too: it is raised to `verbosity` if it is lower.
  void set_verbosity(int verbosity);

  bool shows(int verbosity) const { return verbosity <= verbosity_; }
  /// Reports "TIME, SOURCE: TEXT" as SC_INFO. nullptr: the module whose process runs.
  void report(int verbosity, const sc_core::sc_object* source, const std::string& text) const;

 private:
  const char* type_;
  const char* meaning_;
  int verbosity_ = sc_core::SC_NONE;
};

/// low: what is wrong; medium: commands; high: parts of commands, registers; full: every transaction.
namespace message {
inline MessageCategory command{"/nibble/command", "commands of a machine: fetched, begun, completed; stops and resets"};
inline MessageCategory reg{"/nibble/register", "accesses to the registers of a machine"};
inline MessageCategory array{"/nibble/array", "tiles of an array, thread blocks of multiprocessors"};
inline MessageCategory vector{"/nibble/vector", "chunks of the vector unit"};
inline MessageCategory dma{"/nibble/dma", "transfers and transactions of DMA engines"};
inline MessageCategory router{"/nibble/router", "transactions that routers pass on"};
inline MessageCategory cache{"/nibble/cache", "transactions of caches"};
inline MessageCategory memory{"/nibble/memory", "transactions of memories"};
inline MessageCategory host{"/nibble/host", "the host: commands posted, interrupts"};
}  // namespace message
const std::vector<MessageCategory*>& message_categories();

/// "LEVEL" for all categories or "CATEGORY=LEVEL"; LEVEL is none, low, medium, high, full or debug. Throws InputError.
void set_verbosity(const std::string& request);

/// Reports what `text()` returns if the category shows it; `source` as above.
template <class Text>
void tell(const MessageCategory& category, int verbosity, const sc_core::sc_object* source, Text text) {
  if (category.shows(verbosity)) category.report(verbosity, source, text());
}

/// "read of 64 bytes at 0x1000"
std::string describe(const tlm::tlm_generic_payload& payload);
/// Tells of the transaction; a refused one (an error response) at verbosity low.
inline void tell_transaction(const MessageCategory& category, const sc_core::sc_object* source,
                             const tlm::tlm_generic_payload& payload, int verbosity = sc_core::SC_FULL) {
  const int least = payload.get_response_status() < tlm::TLM_INCOMPLETE_RESPONSE ? sc_core::SC_LOW : verbosity;
  tell(category, least, source, [&] { return describe(payload); });
}

}  // namespace nibble
