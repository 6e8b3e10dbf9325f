// SPDX-License-Identifier: Apache-2.0
#include "memory/router.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/error.h"
#include "transport/messages.h"

namespace nibble {

using Payload = tlm::tlm_generic_payload;
using Phase = tlm::tlm_phase;
using Time = sc_core::sc_time;

namespace {

std::vector<RouterConfig::Window> by_base(std::vector<RouterConfig::Window> windows) {
  std::sort(windows.begin(), windows.end(), [](const auto& a, const auto& b) { return a.base < b.base; });
  return windows;
}

/// `delay`, or as long as it takes from now to `earliest`.
Time not_before(const Time& delay, const Time& earliest) {
  const Time now = sc_core::sc_time_stamp();
  return std::max(delay, earliest > now ? earliest - now : sc_core::SC_ZERO_TIME);
}

RouterConfig resolved(RouterConfig config) {
  config.check();
  config.windows = by_base(std::move(config.windows));
  for (unsigned i = static_cast<unsigned>(config.priorities.size()); i < config.initiators; ++i)
    config.priorities.push_back(i);
  return config;
}

}  // namespace

RouterConfig RouterConfig::single_target(unsigned initiators, std::uint64_t size) {
  RouterConfig config;
  config.initiators = initiators;
  config.windows = {{0, size, 0, false}};
  return config;
}

RouterConfig RouterConfig::from(ConfigNode node) {
  constexpr std::int64_t most_ports = 64, most_bytes = std::int64_t{1} << 62;
  RouterConfig config;
  config.initiators = static_cast<unsigned>(node.integer("initiators", 1, most_ports));
  config.targets = static_cast<unsigned>(node.integer("targets", 1, most_ports));
  config.arbitration = node.choice("arbitration", {"round_robin", "priority"}, "round_robin") == "priority"
                           ? Arbitration::priority
                           : Arbitration::round_robin;
  for (ConfigNode entry : node.children("windows")) {
    Window window;
    window.base = static_cast<std::uint64_t>(entry.integer("base", 0, most_bytes));
    window.size = static_cast<std::uint64_t>(entry.integer("size_bytes", 1, most_bytes));
    window.target = static_cast<unsigned>(entry.integer("target", 0, config.targets - 1));
    window.remap = entry.boolean("remap", false);
    if (window.remap) window.target_base = static_cast<std::uint64_t>(entry.integer("target_base", 0, most_bytes, 0));
    entry.reject_unknown();
    config.windows.push_back(window);
  }
  if (node.has("priorities")) {
    for (const double priority : node.numbers("priorities", 0, 1 << 20)) {
      config.priorities.push_back(static_cast<unsigned>(priority));
      if (config.priorities.back() != priority) node.fail("priorities", "must be whole numbers");
    }
  }
  node.ignore("priorities");
  config.age_cap = static_cast<unsigned>(node.integer("age_cap", 0, 1 << 20, config.age_cap));
  node.reject_unknown();
  try {
    config.check();
  } catch (const InputError& error) {
    node.fail("windows", error.what());
  }
  return config;
}

void RouterConfig::check() const {
  if (windows.empty()) throw InputError("router: no address window");
  if (!priorities.empty() && priorities.size() != initiators) {
    throw InputError("router: " + std::to_string(priorities.size()) + " priorities for " + std::to_string(initiators) +
                     " initiators");
  }
  const std::vector<Window> sorted = by_base(windows);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i].size == 0) throw InputError("router: the window at " + std::to_string(sorted[i].base) + " is empty");
    if (sorted[i].target >= targets)
      throw InputError("router: window to target " + std::to_string(sorted[i].target) + " of " +
                       std::to_string(targets));
    if (sorted[i].base + (sorted[i].size - 1) < sorted[i].base ||
        sorted[i].target_base + (sorted[i].size - 1) < sorted[i].target_base) {
      throw InputError("router: the window at " + std::to_string(sorted[i].base) + " reaches beyond 2^64");
    }
    if (i > 0 && sorted[i].base - sorted[i - 1].base < sorted[i - 1].size) {
      throw InputError("router: the windows at " + std::to_string(sorted[i - 1].base) + " and " +
                       std::to_string(sorted[i].base) + " overlap");
    }
  }
}

/// The router's side of one initiator.
class Router::Upstream : public tlm::tlm_fw_transport_if<> {
 public:
  Upstream(Router& router, unsigned index)
      : socket(("target" + std::to_string(index)).c_str()), router_(router), index_(index) {
    socket.bind(*this);
  }

  tlm::tlm_sync_enum nb_transport_fw(Payload& payload, Phase& phase, Time& delay) override;
  void b_transport(Payload& payload, Time& delay) override;
  bool get_direct_mem_ptr(Payload& payload, tlm::tlm_dmi& dmi) override;
  unsigned transport_dbg(Payload& payload) override;

  /// BEGIN_RESP to the initiator now; what it answers.
  tlm::tlm_sync_enum begin_response(Payload& payload, Phase& phase, Time& delay);
  /// Hands over the oldest waiting response.
  void next_response();
  void count(const Payload& payload);
  void tell_passed(const Payload& payload, unsigned target) const;
  /// A response begins at `at` for a request that began at `begun`.
  void count_response(const Payload& payload, const Time& begun, const Time& at);

  tlm::tlm_target_socket<> socket;
  Served served;
  Payload* request = nullptr;  ///< BEGIN_REQ that its target could not take yet
  Time request_at;
  unsigned overtaken = 0;                           ///< requests granted past it
  Payload* open_response = nullptr;                 ///< BEGIN_RESP sent, END_RESP not received
  std::deque<std::pair<Payload*, Time>> responses;  ///< not yet handed over, with their times
  Time response_free;                               ///< annotated times of the channel reach to here

 private:
  Router& router_;
  const unsigned index_;
};

/// The router's side of one target.
class Router::Downstream : public tlm::tlm_bw_transport_if<> {
 public:
  Downstream(Router& router, unsigned index)
      : socket(("initiator" + std::to_string(index)).c_str()), router_(router), index_(index) {
    socket.bind(*this);
  }

  tlm::tlm_sync_enum nb_transport_bw(Payload& payload, Phase& phase, Time& delay) override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override;
  /// BEGIN_REQ to the target; keeps account of its request channel.
  tlm::tlm_sync_enum begin_request(Payload& payload, Phase& phase, Time& delay);
  void end_response(Payload& payload, Time delay);

  tlm::tlm_initiator_socket<> socket;
  Payload* open_request = nullptr;  ///< BEGIN_REQ sent, END_REQ not received
  Time request_free;                ///< annotated times of the channel reach to here
  unsigned last_served = 0;         ///< initiator, for round robin
  unsigned waiting = 0;             ///< initiators whose request waits for the arbiter

 private:
  Router& router_;
  const unsigned index_;
};

Router::Router(sc_core::sc_module_name name, RouterConfig config, Statistics* statistics)
    : sc_module(name), config_(resolved(std::move(config))) {
  for (unsigned i = 0; i < config_.initiators; ++i)
    upstream_.push_back(std::make_unique<Upstream>(*this, i));
  for (unsigned j = 0; j < config_.targets; ++j)
    downstream_.push_back(std::make_unique<Downstream>(*this, j));
  SC_HAS_PROCESS(Router);
  SC_METHOD(arbitrate);
  sensitive << channel_free_;
  dont_initialize();
  register_statistics(statistics);
}

void Router::register_statistics(Statistics* parent) {
  if (parent == nullptr) return;
  statistics_ = std::make_unique<Statistics>(this->basename(), parent);
  for (unsigned i = 0; i < config_.initiators; ++i) {
    Served& served = upstream_[i]->served;
    const std::string prefix = "initiator" + std::to_string(i) + "_";
    const auto counter = [&](const char* what, const char* unit, const char* meaning, std::uint64_t& value) {
      statistics_->counter(prefix + what, unit, meaning, value);
    };
    const auto time = [&](const char* what, const char* meaning, const char* formula, const Time& value) {
      statistics_->derived(prefix + what, "ns", meaning, formula,
                           [&value] { return std::optional<double>(value.to_seconds() * 1e9); });
    };
    counter("transactions", "count", "transactions forwarded", served.transactions);
    counter("reads", "count", "read transactions forwarded", served.reads);
    counter("writes", "count", "write transactions forwarded", served.writes);
    counter("read_bytes", "byte", "bytes read", served.read_bytes);
    counter("write_bytes", "byte", "bytes written", served.write_bytes);
    counter("address_errors", "count", "accesses outside every window", served.address_errors);
    counter("responses", "count", "responses of targets", served.responses);
    counter("error_responses", "count", "responses of targets with an error status", served.error_responses);
    time("waited", "time that requests waited for the arbiter", "sum over requests", served.waited);
    time("longest_wait", "longest wait of a request for the arbiter", "maximum over requests", served.longest_wait);
    statistics_->derived(prefix + "latency", "ns", "mean time from request to response",
                         "sum of BEGIN_RESP - BEGIN_REQ / responses", [&served] {
                           return Statistics::ratio(served.latency.to_seconds() * 1e9,
                                                    static_cast<double>(served.responses));
                         });
    time("longest_latency", "longest time from request to response", "maximum over responses", served.longest_latency);
  }
}

Router::~Router() = default;

tlm::tlm_target_socket<>& Router::target(unsigned i) {
  return upstream_.at(i)->socket;
}
tlm::tlm_initiator_socket<>& Router::initiator(unsigned j) {
  return downstream_.at(j)->socket;
}
const Router::Served& Router::served(unsigned i) const {
  return upstream_.at(i)->served;
}

const RouterConfig::Window* Router::decode(const Payload& payload) const {
  const std::uint64_t address = payload.get_address();
  auto after = std::upper_bound(config_.windows.begin(), config_.windows.end(), address,
                                [](std::uint64_t a, const auto& window) { return a < window.base; });
  if (after == config_.windows.begin()) return nullptr;
  const auto& window = *--after;
  if (!window.contains(address)) return nullptr;
  return payload.get_data_length() <= window.size - (address - window.base) ? &window : nullptr;
}

Router::Flight& Router::flight(const Payload& payload) {
  const auto found =
      std::find_if(flights_.begin(), flights_.end(), [&](const Flight& entry) { return entry.payload == &payload; });
  if (found == flights_.end())
    throw InternalError(std::string(name()) + ": a target answered a payload that was not sent to it");
  return *found;
}

void Router::land(const Payload& payload) {
  Flight& entry = flight(payload);
  entry = flights_.back();
  flights_.pop_back();
}

void Router::arbitrate() {
  for (unsigned j = 0; j < downstream_.size(); ++j)
    grant(j);
  for (auto& up : upstream_)
    up->next_response();
}

unsigned Router::choose(unsigned j) {
  const auto initiators = static_cast<unsigned>(upstream_.size());
  unsigned chosen = initiators, aged = initiators;
  for (unsigned step = 1; step <= initiators; ++step) {
    const unsigned i = (downstream_[j]->last_served + step) % initiators;
    const Upstream& up = *upstream_[i];
    if (up.request == nullptr || flight(*up.request).downstream != j) continue;
    if (chosen == initiators || config_.priorities[i] < config_.priorities[chosen]) chosen = i;
    if (config_.arbitration == Arbitration::round_robin) break;
    const bool old = config_.age_cap != 0 && up.overtaken >= config_.age_cap;
    if (old && (aged == initiators || up.overtaken > upstream_[aged]->overtaken)) aged = i;
  }
  return aged != initiators ? aged : chosen;
}

void Router::grant(unsigned j) {
  Downstream& down = *downstream_[j];
  while (down.open_request == nullptr && down.waiting != 0) {
    const unsigned chosen = choose(j);
    for (unsigned i = 0; i < upstream_.size(); ++i) {
      Upstream& up = *upstream_[i];
      if (i != chosen && up.request != nullptr && flight(*up.request).downstream == j) ++up.overtaken;
    }
    pass_on(j, chosen);
  }
}

/// The waiting request of initiator i goes to target j.
void Router::pass_on(unsigned j, unsigned i) {
  Downstream& down = *downstream_[j];
  Upstream& up = *upstream_[i];
  Payload& payload = *std::exchange(up.request, nullptr);
  --down.waiting;
  up.overtaken = 0;
  const Time now = sc_core::sc_time_stamp();
  Time delay = up.request_at > now ? up.request_at - now : sc_core::SC_ZERO_TIME;
  if (now > up.request_at) {
    up.served.waited += now - up.request_at;
    up.served.longest_wait = std::max(up.served.longest_wait, now - up.request_at);
  }
  down.last_served = i;
  Phase phase = tlm::BEGIN_REQ;
  const auto result = down.begin_request(payload, phase, delay);
  const bool completed = result == tlm::TLM_COMPLETED || (result == tlm::TLM_UPDATED && phase == tlm::END_RESP);
  if (completed) flight(payload).target_done = true;
  if (completed || (result == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP)) {
    up.responses.emplace_back(&payload, now + delay);  // BEGIN_RESP implies END_REQ
    channel_free_.notify(sc_core::SC_ZERO_TIME);
  } else if (result == tlm::TLM_UPDATED && phase == tlm::END_REQ) {
    up.socket->nb_transport_bw(payload, phase, delay);
  }
}

void Router::Upstream::count(const Payload& payload) {
  ++served.transactions;
  if (payload.is_read()) {
    ++served.reads;
    served.read_bytes += payload.get_data_length();
  }
  if (payload.is_write()) {
    ++served.writes;
    served.write_bytes += payload.get_data_length();
  }
}

void Router::Upstream::tell_passed(const Payload& payload, unsigned target) const {
  tell(message::router, sc_core::SC_FULL, &router_, [&] {
    return describe(payload) + ", from initiator " + std::to_string(index_) + " to target " + std::to_string(target);
  });
}

void Router::Upstream::count_response(const Payload& payload, const Time& begun, const Time& at) {
  ++served.responses;
  served.error_responses += payload.is_response_error();
  served.latency += at - begun;
  served.longest_latency = std::max(served.longest_latency, at - begun);
}

tlm::tlm_sync_enum Router::Upstream::nb_transport_fw(Payload& payload, Phase& phase, Time& delay) {
  if (phase == tlm::END_RESP) {
    open_response = nullptr;
    response_free = sc_core::sc_time_stamp() + delay;
    if (!responses.empty()) router_.channel_free_.notify(sc_core::SC_ZERO_TIME);
    const Flight done = router_.flight(payload);
    router_.land(payload);
    return done.target_done ? tlm::TLM_COMPLETED
                            : router_.downstream_[done.downstream]->socket->nb_transport_fw(payload, phase, delay);
  }
  if (phase != tlm::BEGIN_REQ || request != nullptr) {
    SC_REPORT_ERROR("/nibble/protocol", (std::string(router_.name()) + ": unexpected phase on the forward path, or a " +
                                         "second request before the END_REQ of the first")
                                            .c_str());
    return tlm::TLM_ACCEPTED;
  }
  const auto* window = router_.decode(payload);
  if (window == nullptr) {
    ++served.address_errors;
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    tell_transaction(message::router, &router_, payload);
    return tlm::TLM_COMPLETED;
  }
  count(payload);
  tell_passed(payload, window->target);
  payload.set_address(payload.get_address() - window->shift());
  const Time begun = sc_core::sc_time_stamp() + delay;
  router_.flights_.push_back({&payload, index_, window->target, begun, false});
  Downstream& down = *router_.downstream_[window->target];
  if (down.open_request != nullptr || down.waiting != 0) {  // never past others that wait, though the channel be free
    ++down.waiting;
    request = &payload;
    request_at = begun;
    return tlm::TLM_ACCEPTED;
  }
  down.last_served = index_;
  const auto result = down.begin_request(payload, phase, delay);
  if (result == tlm::TLM_COMPLETED || (result == tlm::TLM_UPDATED && phase == tlm::END_RESP)) {
    count_response(payload, begun, sc_core::sc_time_stamp() + delay);
    router_.land(payload);
    return tlm::TLM_COMPLETED;
  }
  if (result != tlm::TLM_UPDATED || phase != tlm::BEGIN_RESP) return result;
  const Time at = sc_core::sc_time_stamp() + delay;
  if (open_response == nullptr && responses.empty() && at >= response_free) {
    count_response(payload, begun, at);
    open_response = &payload;
    return result;
  }
  responses.emplace_back(&payload, at);
  router_.channel_free_.notify(sc_core::SC_ZERO_TIME);
  phase = tlm::END_REQ;
  return tlm::TLM_UPDATED;
}

tlm::tlm_sync_enum Router::Upstream::begin_response(Payload& payload, Phase& phase, Time& delay) {
  open_response = &payload;
  Time begin = not_before(delay, response_free);
  count_response(payload, router_.flight(payload).begun, sc_core::sc_time_stamp() + begin);
  const auto result = socket->nb_transport_bw(payload, phase, begin);
  if (result == tlm::TLM_ACCEPTED) return result;
  delay = begin;
  response_free = sc_core::sc_time_stamp() + delay;
  open_response = nullptr;  // TLM_COMPLETED, or TLM_UPDATED to END_RESP
  if (!responses.empty()) router_.channel_free_.notify(sc_core::SC_ZERO_TIME);
  router_.land(payload);
  return result;
}

void Router::Upstream::next_response() {
  if (open_response != nullptr || responses.empty()) return;
  const auto [payload, at] = responses.front();
  responses.pop_front();
  const Flight entry = router_.flight(*payload);
  Phase phase = tlm::BEGIN_RESP;
  const Time now = sc_core::sc_time_stamp();
  Time delay = at > now ? at - now : sc_core::SC_ZERO_TIME;
  // The initiator may give the payload back inside the call: it must live until the target has had its END_RESP.
  payload->acquire();
  if (begin_response(*payload, phase, delay) != tlm::TLM_ACCEPTED && !entry.target_done)
    router_.downstream_[entry.downstream]->end_response(*payload, delay);
  payload->release();
}

void Router::Upstream::b_transport(Payload& payload, Time& delay) {
  const auto* window = router_.decode(payload);
  if (window == nullptr) {
    ++served.address_errors;
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    tell_transaction(message::router, &router_, payload);
    return;
  }
  count(payload);
  tell_passed(payload, window->target);
  const auto address = payload.get_address();
  const Time begun = sc_core::sc_time_stamp() + delay;
  payload.set_address(address - window->shift());
  router_.downstream_[window->target]->socket->b_transport(payload, delay);
  payload.set_address(address);
  count_response(payload, begun, sc_core::sc_time_stamp() + delay);
}

unsigned Router::Upstream::transport_dbg(Payload& payload) {
  const auto* window = router_.decode(payload);
  if (window == nullptr) return 0;
  const auto address = payload.get_address();
  payload.set_address(address - window->shift());
  const unsigned bytes = router_.downstream_[window->target]->socket->transport_dbg(payload);
  payload.set_address(address);
  return bytes;
}

bool Router::Upstream::get_direct_mem_ptr(Payload& payload, tlm::tlm_dmi& dmi) {
  const auto* window = router_.decode(payload);
  if (window == nullptr) {
    dmi.set_start_address(payload.get_address());
    dmi.set_end_address(payload.get_address());
    dmi.allow_none();
    return false;
  }
  const std::uint64_t shift = window->shift();
  payload.set_address(payload.get_address() - shift);
  const bool granted = router_.downstream_[window->target]->socket->get_direct_mem_ptr(payload, dmi);
  payload.set_address(payload.get_address() + shift);
  // The target speaks of its own addresses; the initiator sees the part that lies in the window (end addresses
  // inclusive).
  const std::uint64_t first = window->base - shift, last = first + (window->size - 1);
  const std::uint64_t start = std::max<std::uint64_t>(dmi.get_start_address(), first);
  const std::uint64_t end = std::min<std::uint64_t>(dmi.get_end_address(), last);
  if (granted) dmi.set_dmi_ptr(dmi.get_dmi_ptr() + (start - dmi.get_start_address()));
  dmi.set_start_address(start + shift);
  dmi.set_end_address(end + shift);
  return granted;
}

tlm::tlm_sync_enum Router::Downstream::begin_request(Payload& payload, Phase& phase, Time& delay) {
  const Time now = sc_core::sc_time_stamp();
  Time begin = not_before(delay, request_free);
  request_free = now + begin;
  open_request = &payload;
  const auto result = socket->nb_transport_fw(payload, phase, begin);
  if (result == tlm::TLM_ACCEPTED) return result;
  open_request = nullptr;
  delay = begin;
  if (result == tlm::TLM_UPDATED && phase == tlm::END_REQ) request_free = now + delay;
  return result;
}

void Router::Downstream::end_response(Payload& payload, Time delay) {
  Phase phase = tlm::END_RESP;
  socket->nb_transport_fw(payload, phase, delay);
}

tlm::tlm_sync_enum Router::Downstream::nb_transport_bw(Payload& payload, Phase& phase, Time& delay) {
  if (open_request == &payload) {  // END_REQ, or BEGIN_RESP that implies it
    open_request = nullptr;
    if (phase == tlm::END_REQ) request_free = std::max(request_free, sc_core::sc_time_stamp() + delay);
    router_.channel_free_.notify(sc_core::SC_ZERO_TIME);
  }
  Upstream& up = *router_.upstream_[router_.flight(payload).upstream];
  if (phase != tlm::BEGIN_RESP) return up.socket->nb_transport_bw(payload, phase, delay);
  if (up.open_response == nullptr && up.responses.empty()) return up.begin_response(payload, phase, delay);
  up.responses.emplace_back(&payload, sc_core::sc_time_stamp() + delay);
  return tlm::TLM_ACCEPTED;
}

void Router::Downstream::invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) {
  for (const auto& window : router_.config_.windows) {
    if (window.target != index_) continue;
    const std::uint64_t shift = window.shift();
    const std::uint64_t first = window.base - shift, last = first + (window.size - 1);
    if (end < first || start > last) continue;
    for (auto& up : router_.upstream_) {
      up->socket->invalidate_direct_mem_ptr(std::max<std::uint64_t>(start, first) + shift,
                                            std::min<std::uint64_t>(end, last) + shift);
    }
  }
}

}  // namespace nibble
