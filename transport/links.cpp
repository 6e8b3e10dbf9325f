// SPDX-License-Identifier: Apache-2.0
#include "transport/links.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "transport/link_recorder.h"

namespace nibble {

struct Links::Request {
  ProbeRequest wanted;
  std::unique_ptr<Recorder> recorder;
  std::vector<std::unique_ptr<Probe>> probes;
  bool used = false;
};

Links::Links(std::vector<ProbeRequest> requests) {
  for (ProbeRequest& more : ProbeRequest::from_environment())
    requests.push_back(std::move(more));
  for (ProbeRequest& wanted : requests) {
    requests_.push_back(std::make_unique<Request>());
    Request& request = *requests_.back();
    request.wanted = std::move(wanted);
    if (!request.wanted.file.empty()) files_.reserve(request.wanted.file);
    request.recorder = Recorder::of(request.wanted, files_);
  }
}

Links::~Links() = default;

Links::Chain Links::make_chain(const std::string& link) {
  names_.push_back(link);
  Chain chain;
  for (const auto& request : requests_) {
    if (!request->wanted.matches(link)) continue;
    std::string module = link + "_" + request->wanted.kind;
    std::replace(module.begin(), module.end(), '.', '_');
    auto probe = request->recorder->make(sc_core::sc_gen_unique_name(module.c_str()), link);
    if (probe == nullptr) continue;
    request->used = true;
    if (chain.first == nullptr) {
      chain.first = &probe->in;
    } else {
      chain.last->bind(probe->in);
    }
    chain.last = &probe->out;
    request->probes.push_back(std::move(probe));
  }
  return chain;
}

void Links::watch(const std::string& name, const sc_core::sc_signal<bool>& signal) {
  names_.push_back(name);
  for (const auto& request : requests_) {
    if (request->wanted.kind != "waves" || !request->wanted.matches(name)) continue;
    request->used = true;
    request->recorder->watch(name, signal);
  }
}

void Links::check_used() const {
  for (const auto& request : requests_) {
    if (!request->used)
      throw InputError("probe " + request->wanted.kind + ": " + unknown_name("link", request->wanted.link, names_));
  }
}

void Links::finish(bool complete) {
  check_used();
  for (const auto& request : requests_)
    request->recorder->finish(complete);
  files_.commit();
}

}  // namespace nibble
