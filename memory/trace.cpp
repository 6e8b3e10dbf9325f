// SPDX-License-Identifier: Apache-2.0
#include "memory/trace.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "core/units.h"

namespace nibble {
namespace {

constexpr std::uint64_t longest_request = mib;

class TraceReader {
 public:
  explicit TraceReader(const std::string& origin) : origin_(origin) {}

  void line(std::string_view text) {
    ++number_;
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (text.empty() || text.front() == '#') return;
    if (!header_seen_) {
      if (text != "cycle,op,address,bytes") fail("the first line should be the header 'cycle,op,address,bytes'");
      header_seen_ = true;
      return;
    }
    TraceRequest request;
    request.line = number_;
    request.cycle = value(field(text, "cycle"), "cycle");
    request.write = operation(field(text, "op"));
    request.address = value(field(text, "address"), "address");
    if (text.find(',') != std::string_view::npos) fail("more than four fields");
    request.bytes = value(text, "bytes");
    if (request.bytes == 0 || request.bytes > longest_request) fail("bytes should be between 1 and 1048576");
    if (request.cycle >> 53 != 0) fail("cycle should be below 2^53");
    if (!requests.empty() && request.cycle < requests.back().cycle) fail("cycle is below that of the line before");
    requests.push_back(request);
  }
  void end() const {
    if (!header_seen_) throw InputError(origin_ + ": empty; expected the header 'cycle,op,address,bytes' and requests");
    if (requests.empty()) throw InputError(origin_ + ": no request after the header");
  }

  std::vector<TraceRequest> requests;

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(origin_ + ":" + std::to_string(number_) + ": " + what);
  }
  /// The text up to the next comma, which is removed together with it.
  std::string_view field(std::string_view& text, const char* name) const {
    const auto comma = text.find(',');
    if (comma == std::string_view::npos) {
      fail(std::string("ends after '") + name + "'; expected cycle,op,address,bytes");
    }
    const std::string_view found = text.substr(0, comma);
    text.remove_prefix(comma + 1);
    return found;
  }
  static std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ')
      text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ')
      text.remove_suffix(1);
    return text;
  }
  std::uint64_t value(std::string_view text, const char* name) const {
    const std::string_view shown = trim(text);
    std::string_view digits = shown;
    int base = 10;
    if (digits.substr(0, 2) == "0x" || digits.substr(0, 2) == "0X") {
      digits.remove_prefix(2);
      base = 16;
    }
    std::uint64_t number = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
    if (result.ec == std::errc::result_out_of_range) fail(std::string(name) + " does not fit into 64 bits");
    if (result.ec != std::errc() || result.ptr != digits.data() + digits.size()) {
      fail(std::string(name) + " '" + std::string(shown) +
           "' is no number; expected decimal or 0x and hexadecimal digits");
    }
    return number;
  }
  bool operation(std::string_view text) const {
    const std::string_view op = trim(text);
    if (op == "R" || op == "r") return false;
    if (op != "W" && op != "w") fail("op '" + std::string(op) + "' should be R or W");
    return true;
  }

  std::string origin_;
  std::size_t number_ = 0;
  bool header_seen_ = false;
};

}  // namespace

std::vector<TraceRequest> parse_trace(const std::string& text, const std::string& origin) {
  TraceReader reader(origin);
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    reader.line(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  reader.end();
  return std::move(reader.requests);
}

std::vector<TraceRequest> read_trace(const std::filesystem::path& file) {
  return parse_trace(read_file(file), file.string());
}

void check_addresses(const std::vector<TraceRequest>& trace, const std::string& origin, std::uint64_t capacity_bytes) {
  for (const TraceRequest& request : trace) {
    if (request.bytes <= capacity_bytes && request.address <= capacity_bytes - request.bytes) continue;
    const std::string place = request.line != 0 ? ":" + std::to_string(request.line) : "";
    throw InputError(origin + place + ": address " + std::to_string(request.address) + " and " +
                     std::to_string(request.bytes) + " bytes from there lie beyond the memory, which has " +
                     std::to_string(capacity_bytes) + " bytes");
  }
}

std::string trace_csv(const std::vector<TraceRequest>& trace) {
  std::string text = "cycle,op,address,bytes\n";
  char line[96];
  for (const TraceRequest& r : trace) {
    const int length = std::snprintf(
        line, sizeof line, "%llu,%c,0x%llx,%llu\n", static_cast<unsigned long long>(r.cycle), r.write ? 'W' : 'R',
        static_cast<unsigned long long>(r.address), static_cast<unsigned long long>(r.bytes));
    text.append(line, static_cast<std::size_t>(length));
  }
  return text;
}

}  // namespace nibble
