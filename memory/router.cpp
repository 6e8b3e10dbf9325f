// SPDX-License-Identifier: Apache-2.0
#include "memory/router.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/error.h"

namespace nibble {

using Payload = tlm::tlm_generic_payload;
using Phase = tlm::tlm_phase;
using Time = sc_core::sc_time;

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
    entry.reject_unknown();
    config.windows.push_back(window);
  }
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
  std::vector<Window> sorted = windows;
  std::sort(sorted.begin(), sorted.end(), [](const Window& a, const Window& b) { return a.base < b.base; });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i].size == 0) throw InputError("router: the window at " + std::to_string(sorted[i].base) + " is empty");
    if (sorted[i].target >= targets)
      throw InputError("router: window to target " + std::to_string(sorted[i].target) + " of " +
                       std::to_string(targets));
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

  tlm::tlm_target_socket<> socket;
  Served served;
  Payload* request = nullptr;  ///< BEGIN_REQ that its target could not take yet
  Time request_at;
  Payload* open_response = nullptr;                 ///< BEGIN_RESP sent, END_RESP not received
  std::deque<std::pair<Payload*, Time>> responses;  ///< not yet handed over, with their times

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
  void end_response(Payload& payload);

  tlm::tlm_initiator_socket<> socket;
  Payload* open_request = nullptr;  ///< BEGIN_REQ sent, END_REQ not received
  unsigned last_served = 0;         ///< initiator, for round robin
  unsigned waiting = 0;             ///< initiators whose request waits for the arbiter

 private:
  Router& router_;
  const unsigned index_;
};

Router::Router(sc_core::sc_module_name name, RouterConfig config, Statistics* statistics)
    : sc_module(name), config_(std::move(config)) {
  config_.check();
  for (unsigned i = 0; i < config_.initiators; ++i)
    upstream_.push_back(std::make_unique<Upstream>(*this, i));
  for (unsigned j = 0; j < config_.targets; ++j)
    downstream_.push_back(std::make_unique<Downstream>(*this, j));
  SC_HAS_PROCESS(Router);
  SC_METHOD(arbitrate);
  sensitive << channel_free_;
  dont_initialize();
  if (statistics == nullptr) return;
  statistics_ = std::make_unique<Statistics>(this->basename(), statistics);
  for (unsigned i = 0; i < config_.initiators; ++i) {
    Served& served = upstream_[i]->served;
    const std::string prefix = "initiator" + std::to_string(i) + "_";
    statistics_->counter(prefix + "transactions", "count", "transactions forwarded", served.transactions);
    statistics_->counter(prefix + "read_bytes", "byte", "bytes read", served.read_bytes);
    statistics_->counter(prefix + "write_bytes", "byte", "bytes written", served.write_bytes);
    statistics_->counter(prefix + "address_errors", "count", "accesses outside every window", served.address_errors);
    statistics_->derived(prefix + "waited", "ns", "time that requests waited for the arbiter", "sum over requests",
                         [&served] { return std::optional<double>(served.waited.to_seconds() * 1e9); });
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
  for (const auto& window : config_.windows) {
    const std::uint64_t offset = payload.get_address() - window.base;
    if (payload.get_address() < window.base || offset >= window.size) continue;
    return payload.get_data_length() <= window.size - offset ? &window : nullptr;
  }
  return nullptr;
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

void Router::grant(unsigned j) {
  Downstream& down = *downstream_[j];
  const auto initiators = static_cast<unsigned>(upstream_.size());
  for (unsigned step = 1; step <= initiators && down.open_request == nullptr; ++step) {
    const unsigned i = config_.arbitration == Arbitration::priority ? step - 1 : (down.last_served + step) % initiators;
    Upstream& up = *upstream_[i];
    if (up.request == nullptr || flight(*up.request).downstream != j) continue;
    Payload& payload = *std::exchange(up.request, nullptr);
    --down.waiting;
    const Time now = sc_core::sc_time_stamp();
    Time delay = up.request_at > now ? up.request_at - now : sc_core::SC_ZERO_TIME;
    if (now > up.request_at) up.served.waited += now - up.request_at;
    down.last_served = i;
    Phase phase = tlm::BEGIN_REQ;
    const auto result = down.begin_request(payload, phase, delay);
    if (result == tlm::TLM_COMPLETED) flight(payload).target_done = true;
    if (result == tlm::TLM_COMPLETED || (result == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP)) {
      up.responses.emplace_back(&payload, now + delay);  // BEGIN_RESP implies END_REQ
    } else if (result == tlm::TLM_UPDATED && phase == tlm::END_REQ) {
      up.socket->nb_transport_bw(payload, phase, delay);
    }
  }
  // Early completions leave the request channel free for those that still wait.
  if (down.waiting != 0 && down.open_request == nullptr) channel_free_.notify(sc_core::SC_ZERO_TIME);
}

void Router::Upstream::count(const Payload& payload) {
  ++served.transactions;
  if (payload.is_read()) served.read_bytes += payload.get_data_length();
  if (payload.is_write()) served.write_bytes += payload.get_data_length();
}

tlm::tlm_sync_enum Router::Upstream::nb_transport_fw(Payload& payload, Phase& phase, Time& delay) {
  if (phase == tlm::END_RESP) {
    open_response = nullptr;
    if (!responses.empty()) router_.channel_free_.notify(sc_core::SC_ZERO_TIME);
    const Flight done = router_.flight(payload);
    router_.land(payload);
    return done.target_done ? tlm::TLM_COMPLETED
                            : router_.downstream_[done.downstream]->socket->nb_transport_fw(payload, phase, delay);
  }
  const auto* window = router_.decode(payload);
  if (window == nullptr) {
    ++served.address_errors;
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return tlm::TLM_COMPLETED;
  }
  count(payload);
  if (window->remap) payload.set_address(payload.get_address() - window->base);
  router_.flights_.push_back({&payload, index_, window->target, false});
  Downstream& down = *router_.downstream_[window->target];
  if (down.open_request != nullptr || down.waiting != 0) {  // never past others that wait, though the channel be free
    ++down.waiting;
    request = &payload;
    request_at = sc_core::sc_time_stamp() + delay;
    return tlm::TLM_ACCEPTED;
  }
  down.last_served = index_;
  const auto result = down.begin_request(payload, phase, delay);
  if (result == tlm::TLM_COMPLETED) {
    router_.land(payload);
    return result;
  }
  if (result != tlm::TLM_UPDATED || phase != tlm::BEGIN_RESP) return result;
  if (open_response == nullptr && responses.empty()) {
    open_response = &payload;
    return result;
  }
  responses.emplace_back(&payload, sc_core::sc_time_stamp() + delay);
  phase = tlm::END_REQ;
  return tlm::TLM_UPDATED;
}

tlm::tlm_sync_enum Router::Upstream::begin_response(Payload& payload, Phase& phase, Time& delay) {
  open_response = &payload;
  const auto result = socket->nb_transport_bw(payload, phase, delay);
  if (result == tlm::TLM_ACCEPTED) return result;
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
    router_.downstream_[entry.downstream]->end_response(*payload);
  payload->release();
}

void Router::Upstream::b_transport(Payload& payload, Time& delay) {
  const auto* window = router_.decode(payload);
  if (window == nullptr) {
    ++served.address_errors;
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  count(payload);
  if (window->remap) payload.set_address(payload.get_address() - window->base);
  router_.downstream_[window->target]->socket->b_transport(payload, delay);
}

unsigned Router::Upstream::transport_dbg(Payload& payload) {
  const auto* window = router_.decode(payload);
  if (window == nullptr) return 0;
  const auto address = payload.get_address();
  if (window->remap) payload.set_address(address - window->base);
  const unsigned bytes = router_.downstream_[window->target]->socket->transport_dbg(payload);
  payload.set_address(address);
  return bytes;
}

bool Router::Upstream::get_direct_mem_ptr(Payload& payload, tlm::tlm_dmi& dmi) {
  const auto* window = router_.decode(payload);
  if (window == nullptr) return false;
  const std::uint64_t shift = window->remap ? window->base : 0;
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
  open_request = &payload;
  const auto result = socket->nb_transport_fw(payload, phase, delay);
  if (result != tlm::TLM_ACCEPTED) open_request = nullptr;
  return result;
}

void Router::Downstream::end_response(Payload& payload) {
  Phase phase = tlm::END_RESP;
  Time delay = sc_core::SC_ZERO_TIME;
  socket->nb_transport_fw(payload, phase, delay);
}

tlm::tlm_sync_enum Router::Downstream::nb_transport_bw(Payload& payload, Phase& phase, Time& delay) {
  if (open_request == &payload) {  // END_REQ, or BEGIN_RESP that implies it
    open_request = nullptr;
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
    const std::uint64_t shift = window.remap ? window.base : 0;
    const std::uint64_t first = window.base - shift, last = first + (window.size - 1);
    if (end < first || start > last) continue;
    for (auto& up : router_.upstream_) {
      up->socket->invalidate_direct_mem_ptr(std::max<std::uint64_t>(start, first) + shift,
                                            std::min<std::uint64_t>(end, last) + shift);
    }
  }
}

}  // namespace nibble
