// SPDX-License-Identifier: Apache-2.0
#include "transport/probe_request.h"

#include <cstdlib>
#include <sstream>

#include "core/error.h"

namespace nibble {
namespace {

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() > ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

/// '*' matches any text, everything else itself.
bool glob(const char* pattern, const char* text) {
  for (; *pattern != '\0'; ++pattern, ++text) {
    if (*pattern == '*') {
      for (;; ++text) {
        if (glob(pattern + 1, text)) return true;
        if (*text == '\0') return false;
      }
    }
    if (*pattern != *text) return false;
  }
  return *text == '\0';
}

}  // namespace

bool ProbeRequest::matches(const std::string& name) const {
  return glob(link.c_str(), name.c_str());
}

ProbeRequest ProbeRequest::from(ConfigNode node) {
  ProbeRequest request;
  request.kind = node.choice("kind", {"protocol", "transactions", "bandwidth", "latency", "waves", "lt"});
  request.link = node.string("link", request.link);
  if (request.kind != "protocol" && request.kind != "lt") request.file = node.string("file");
  if (request.kind == "bandwidth") request.window_ns = node.number("window_ns", 1, 1e12, request.window_ns);
  node.reject_unknown();
  const bool transactions = request.kind == "transactions";
  if (transactions && !ends_with(request.file, ".csv") && !ends_with(request.file, ".json"))
    node.fail("file", "must end in .csv or .json (Perfetto), not " + request.file);
  if (request.kind == "waves" && !ends_with(request.file, ".vcd") && !ends_with(request.file, ".fst"))
    node.fail("file", "must end in .vcd or .fst, not " + request.file);
  return request;
}

ProbeRequest ProbeRequest::parse(const std::string& text) {
  std::istringstream parts(text);
  std::string part, yaml;
  std::getline(parts, part, ',');
  yaml = "kind: \"" + part + "\"\n";
  while (std::getline(parts, part, ',')) {
    const auto equals = part.find('=');
    if (equals == std::string::npos)
      throw InputError("probe '" + text + "': expected kind[,key=value...], found '" + part + "'");
    const std::string value = part.substr(equals + 1);
    const bool number = !value.empty() && value.find_first_not_of("0123456789.") == std::string::npos;
    yaml += part.substr(0, equals) + ": " + (number ? value : "\"" + value + "\"") + "\n";
  }
  return from(ConfigNode::parse(yaml, "probe '" + text + "'"));
}

std::vector<ProbeRequest> ProbeRequest::all(ConfigNode node) {
  std::vector<ProbeRequest> requests;
  for (const ConfigNode& entry : node.children("probes"))
    requests.push_back(from(entry));
  return requests;
}

std::vector<ProbeRequest> ProbeRequest::from_environment() {
  std::vector<ProbeRequest> requests;
  const char* more = std::getenv("NIBBLE_PROBES");
  std::istringstream texts(more == nullptr ? "" : more);
  for (std::string text; std::getline(texts, text, ';');)
    requests.push_back(parse(text));
  return requests;
}

}  // namespace nibble
