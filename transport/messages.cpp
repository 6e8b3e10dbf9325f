// SPDX-License-Identifier: Apache-2.0
#include "transport/messages.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "core/error.h"
#include "transport/transaction_probe.h"

namespace nibble {
namespace {

constexpr std::array<std::pair<const char*, int>, 6> levels{{{"none", sc_core::SC_NONE},
                                                             {"low", sc_core::SC_LOW},
                                                             {"medium", sc_core::SC_MEDIUM},
                                                             {"high", sc_core::SC_HIGH},
                                                             {"full", sc_core::SC_FULL},
                                                             {"debug", sc_core::SC_DEBUG}}};

int level_of(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [level, value] : levels) {
    if (name == level) return value;
    known.emplace_back(level);
  }
  throw InputError("verbosity: " + unknown_name("level", name, known));
}

}  // namespace

const std::vector<MessageCategory*>& message_categories() {
  static const std::vector<MessageCategory*> all{&message::command, &message::reg,    &message::array,
                                                 &message::vector,  &message::dma,    &message::router,
                                                 &message::cache,   &message::memory, &message::host};
  return all;
}

void MessageCategory::set_verbosity(int verbosity) {
  verbosity_ = verbosity;
  if (sc_core::sc_report_handler::get_verbosity_level() < verbosity)
    sc_core::sc_report_handler::set_verbosity_level(verbosity);
}

void MessageCategory::report(int verbosity, const sc_core::sc_object* source, const std::string& text) const {
  if (source == nullptr) source = sc_core::sc_get_current_process_handle().get_parent_object();
  const std::string whole =
      sc_core::sc_time_stamp().to_string() + ", " + (source != nullptr ? source->name() : "") + ": " + text;
  sc_core::sc_report_handler::report(sc_core::SC_INFO, type_, whole.c_str(), verbosity, __FILE__, __LINE__);
}

void set_verbosity(const std::string& request) {
  const auto equals = request.find('=');
  const std::string category = equals == std::string::npos ? "" : request.substr(0, equals);
  const int level = level_of(equals == std::string::npos ? request : request.substr(equals + 1));
  std::vector<std::string> known;
  bool found = false;
  for (MessageCategory* one : message_categories()) {
    known.emplace_back(one->type());
    if (equals != std::string::npos && category != one->type()) continue;
    one->set_verbosity(level);
    found = true;
  }
  if (!found) throw InputError("verbosity: " + unknown_name("category", category, known));
}

std::string describe(const tlm::tlm_generic_payload& payload) {
  char text[96];
  std::snprintf(text, sizeof text, "%s of %u bytes at 0x%llx", to_string(payload.get_command()),
                payload.get_data_length(), static_cast<unsigned long long>(payload.get_address()));
  std::string out = text;
  const auto status = payload.get_response_status();
  if (status != tlm::TLM_INCOMPLETE_RESPONSE) out += std::string(", ") + to_string(status);
  return out;
}

}  // namespace nibble
