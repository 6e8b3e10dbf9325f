// SPDX-License-Identifier: Apache-2.0
#include "transport/link_recorder.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "transport/base_protocol_monitor.h"
#include "transport/transaction_probe.h"
#include "transport/wave_file.h"

namespace nibble {
namespace {

/// Text is handed to the file in pieces of this size.
constexpr std::size_t piece = std::size_t{1} << 20;

double ns(const sc_core::sc_time& time) {
  return time.to_seconds() * 1e9;
}

template <class... Values>
std::string text(const char* format, Values... values) {
  char line[512];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

unsigned long long number(std::uint64_t value) {
  return value;
}

class ProtocolRecorder final : public Links::Recorder {
 public:
  std::unique_ptr<Probe> make(const std::string& module, const std::string&) override {
    auto monitor = std::make_unique<BaseProtocolMonitor>(module.c_str());
    monitor->address_may_change();  // an interconnect may stand behind
    monitors_.push_back(monitor.get());
    return monitor;
  }
  void finish(bool complete) override {
    std::uint64_t count = 0;
    std::string first;
    for (BaseProtocolMonitor* monitor : monitors_) {
      if (complete) monitor->check_end();
      count += monitor->violation_count();
      if (first.empty() && !monitor->violations().empty()) first = monitor->violations().front();
    }
    if (count != 0)
      throw InputError("base protocol: " + std::to_string(count) + " violations, the first by the " + first);
  }

 private:
  std::vector<BaseProtocolMonitor*> monitors_;
};

/// Every transaction goes on as a blocking call, and is completed early: the target may not wait in it.
class LooseLink final : public Probe {
 public:
  explicit LooseLink(const std::string& module)
      : Probe(module.c_str(), [](const tlm::tlm_generic_payload&, const tlm::tlm_phase&, const sc_core::sc_time&) {}) {}
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    if (phase == tlm::BEGIN_REQ) out->b_transport(payload, delay);
    return tlm::TLM_COMPLETED;
  }
};

class LooseRecorder final : public Links::Recorder {
 public:
  std::unique_ptr<Probe> make(const std::string& module, const std::string&) override {
    return std::make_unique<LooseLink>(module);
  }
  void finish(bool) override {}
};

/// Rows or slices, written as transactions end.
class TransactionRecorder final : public Links::Recorder {
 public:
  TransactionRecorder(std::string file, OutputFiles& files)
      : file_(std::move(file)), files_(files), csv_(file_.back() == 'v') {
    pending_ = csv_ ? "link,transaction,command,stream,address,bytes,begin_req_ns,end_req_ns,begin_resp_ns,"
                      "end_resp_ns,status\n"
                    : "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  }
  std::unique_ptr<Probe> make(const std::string& module, const std::string& link) override {
    const unsigned track = ++links_;
    if (!csv_)
      add_event(
          text("{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%u,\"args\":{\"name\":\"%s\"}}", track, link.c_str()));
    return std::make_unique<TransactionProbe>(module.c_str(), [this, link, track](const TransactionRecord& record) {
      csv_ ? add_row(link, record) : add_slice(link, track, record);
      if (pending_.size() > piece) flush();
    });
  }
  void finish(bool) override {
    if (!csv_) pending_ += "\n]}\n";
    flush();
  }

 private:
  void add_row(const std::string& link, const TransactionRecord& r) {
    pending_ += text("%s,%llu,%s,%s,0x%llx,%u,%.3f,%.3f,%.3f,%.3f,%s\n", link.c_str(), number(r.number),
                     to_string(r.command), to_string(r.stream), number(r.address), r.bytes, ns(r.begin_request),
                     ns(r.end_request), ns(r.begin_response), ns(r.end_response), to_string(r.status));
  }
  void add_event(const std::string& event) {
    if (!std::exchange(first_, false)) pending_ += ",\n";
    pending_ += event;
  }
  void add_slice(const std::string& link, unsigned track, const TransactionRecord& r) {
    const std::string head =
        text("\"cat\":\"%s\",\"id\":\"%u.%llu\",\"pid\":%u,\"tid\":1,\"name\":\"%s %s\"", link.c_str(), track,
             number(r.number), track, to_string(r.command), to_string(r.stream));
    add_event("{\"ph\":\"b\"," + head +
              text(",\"ts\":%.6f,\"args\":{\"address\":\"0x%llx\",\"bytes\":%u,\"status\":\"%s\"}}",
                   ns(r.begin_request) * 1e-3, number(r.address), r.bytes, to_string(r.status)));
    add_event("{\"ph\":\"e\"," + head + text(",\"ts\":%.6f}", ns(r.end_response) * 1e-3));
  }
  void flush() {
    files_.append(file_, pending_);
    pending_.clear();
  }

  const std::string file_;
  OutputFiles& files_;
  const bool csv_;
  std::string pending_;
  bool first_ = true;
  unsigned links_ = 0;
};

/// Bytes whose response begins in a window.
class BandwidthRecorder final : public Links::Recorder {
 public:
  BandwidthRecorder(const ProbeRequest& request, OutputFiles& files)
      : file_(request.file), window_ns_(request.window_ns), files_(files) {}
  std::unique_ptr<Probe> make(const std::string& module, const std::string& link) override {
    links_.push_back({link, {}});
    auto& windows = links_.back().second;
    return std::make_unique<TransactionProbe>(module.c_str(), [this, &windows](const TransactionRecord& r) {
      if (r.status != tlm::TLM_OK_RESPONSE) return;
      auto& bytes = windows[static_cast<std::uint64_t>(ns(r.begin_response) / window_ns_)];
      bytes[r.command == tlm::TLM_WRITE_COMMAND ? 1 : 0] += r.bytes;
    });
  }
  void finish(bool) override {
    std::string out = "link,from_ns,to_ns,read_bytes,write_bytes,read_gbps,write_gbps\n";
    for (const auto& [link, windows] : links_) {
      for (const auto& [window, bytes] : windows) {
        const double from = static_cast<double>(window) * window_ns_;
        out += text("%s,%.3f,%.3f,%llu,%llu,%.6g,%.6g\n", link.c_str(), from, from + window_ns_, number(bytes[0]),
                    number(bytes[1]), static_cast<double>(bytes[0]) / window_ns_,
                    static_cast<double>(bytes[1]) / window_ns_);
      }
    }
    files_.write(file_, out);
  }

 private:
  const std::string file_;
  const double window_ns_;
  OutputFiles& files_;
  /// Windows without traffic are left out.
  std::deque<std::pair<std::string, std::map<std::uint64_t, std::array<std::uint64_t, 2>>>> links_;
};

/// Times from BEGIN_REQ to BEGIN_RESP, in buckets that double.
class LatencyRecorder final : public Links::Recorder {
 public:
  LatencyRecorder(std::string file, OutputFiles& files) : file_(std::move(file)), files_(files) {}
  std::unique_ptr<Probe> make(const std::string& module, const std::string& link) override {
    links_.push_back({link, {}});
    auto& buckets = links_.back().second;
    return std::make_unique<TransactionProbe>(module.c_str(), [&buckets](const TransactionRecord& r) {
      const double latency = ns(r.begin_response - r.begin_request);
      unsigned bucket = 0;
      for (double above = 1; latency >= above; above *= 2)
        ++bucket;
      Bucket& entry = buckets[{r.command, bucket}];
      ++entry.count;
      entry.sum_ns += latency;
    });
  }
  void finish(bool) override {
    std::string out = "link,command,from_ns,below_ns,transactions,mean_ns\n";
    for (const auto& [link, buckets] : links_) {
      for (const auto& [key, entry] : buckets) {
        const std::uint64_t below = std::uint64_t{1} << key.second, from = key.second == 0 ? 0 : below / 2;
        out += text("%s,%s,%llu,%llu,%llu,%.3f\n", link.c_str(), to_string(key.first), number(from), number(below),
                    number(entry.count), entry.sum_ns / static_cast<double>(entry.count));
      }
    }
    files_.write(file_, out);
  }

 private:
  struct Bucket {
    std::uint64_t count = 0;
    double sum_ns = 0;
  };
  const std::string file_;
  OutputFiles& files_;
  std::deque<std::pair<std::string, std::map<std::pair<tlm::tlm_command, unsigned>, Bucket>>> links_;
};

/// A link as three numbers: open requests, open responses, transactions under way.
class WaveProbe final : public TransactionProbe {
 public:
  WaveProbe(const std::string& module, const std::string& link, WaveFile& file)
      : TransactionProbe(module.c_str(), [](const TransactionRecord&) {}),
        file_(file),
        request_(file.add(link + ".request", 1)),
        response_(file.add(link + ".response", 1)),
        under_way_(file.add(link + ".under_way", 32)) {}
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    const auto status = TransactionProbe::nb_transport_fw(payload, phase, delay);
    show();
    return status;
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay) override {
    const auto status = TransactionProbe::nb_transport_bw(payload, phase, delay);
    show();
    return status;
  }

 private:
  void show() {
    file_.set(request_, std::uint64_t{waiting_requests() != 0});
    file_.set(response_, std::uint64_t{waiting_responses() != 0});
    file_.set(under_way_, under_way());
  }
  WaveFile& file_;
  const unsigned request_, response_, under_way_;
};

class WaveRecorder final : public Links::Recorder {
 public:
  explicit WaveRecorder(const std::string& file) : file_(WaveFile::create(file)) {}
  std::unique_ptr<Probe> make(const std::string& module, const std::string& link) override {
    return std::make_unique<WaveProbe>(module, link, *file_);
  }
  void watch(const std::string& name, const sc_core::sc_signal<bool>& signal) override {
    const unsigned wave = file_->add(name, 1);
    sc_core::sc_spawn_options options;
    options.spawn_method();
    options.set_sensitivity(&signal.value_changed_event());
    sc_core::sc_spawn([this, wave, &signal] { file_->set(wave, std::uint64_t{signal.read()}); },
                      sc_core::sc_gen_unique_name("wave"), &options);
  }
  void finish(bool) override { file_.reset(); }

 private:
  std::unique_ptr<WaveFile> file_;
};

}  // namespace

std::unique_ptr<Links::Recorder> Links::Recorder::of(const ProbeRequest& request, OutputFiles& files) {
  if (request.kind == "transactions") return std::make_unique<TransactionRecorder>(request.file, files);
  if (request.kind == "bandwidth") return std::make_unique<BandwidthRecorder>(request, files);
  if (request.kind == "latency") return std::make_unique<LatencyRecorder>(request.file, files);
  if (request.kind == "lt") return std::make_unique<LooseRecorder>();
  if (request.kind == "waves") return std::make_unique<WaveRecorder>(request.file);
  return std::make_unique<ProtocolRecorder>();
}

}  // namespace nibble
