// SPDX-License-Identifier: Apache-2.0
#include "accelerators/platform.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <exception>
#include <sstream>
#include <utility>

#include "accelerators/iso_variant.h"
#include "accelerators/run_records.h"
#include "core/error.h"
#include "core/table.h"
#include "core/units.h"
#include "transport/main_stack.h"
#include "transport/messages.h"

namespace nibble {
namespace {

constexpr std::uint64_t queue_address = 0;
constexpr std::uint32_t queue_entries = 64;
constexpr double watch_cycles = 50'000;

StreamFigures by_stream(const std::array<std::uint64_t, stream_count>& counts) {
  const auto of = [&](Stream stream) { return counts[static_cast<unsigned>(stream)]; };
  StreamFigures figures;
  figures.weight = of(Stream::weight);
  figures.activation = of(Stream::activation);
  figures.kv = of(Stream::key_value);
  figures.metadata = of(Stream::metadata);
  figures.output = of(Stream::output);
  figures.partial_sum = of(Stream::partial_sum);
  figures.vector = of(Stream::vector);
  figures.command = of(Stream::command);
  return figures;
}

/// The needed products at the peak rate of the modes that performed them.
std::uint64_t ideal_cycles(const CommandCounters& c, const LoweredCommand& command, const MachineConfig& config) {
  const FormatsConfig& formats = config.formats;
  double cycles_per_mac = 1 / config.macs_per_cycle(formats.activation, formats.weight);
  if (c.macs() > 0) {
    double cycles = 0;
    for (std::size_t i = 0; i < c.macs_by_mode.size(); ++i) {
      if (c.macs_by_mode[i] > 0) cycles += static_cast<double>(c.macs_by_mode[i]) / config.macs_per_cycle_in_mode(i);
    }
    cycles_per_mac = cycles / static_cast<double>(c.macs());
  }
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(command.macs) * cycles_per_mac));
}

ReportFigures figures_of(const CommandCounters& c, const LoweredCommand& command, const MachineConfig& config,
                         EnergyLedger& ledger) {
  ReportFigures f;
  f.cycles = c.cycles;
  f.compute_cycles = c.compute_cycles;
  f.fill_drain_cycles = c.fill_drain_cycles;
  f.memory_stall_cycles = c.memory_stall_cycles;
  f.output_stall_cycles = c.output_stall_cycles;
  f.exposed_quantizer_cycles = c.exposed_quantizer_cycles;
  f.weight_load_cycles = c.weight_load_cycles;
  f.hidden_cycles = c.hidden_cycles;
  f.memory_stalls = by_stream(c.stall_by_stream);
  f.output_stalls = by_stream(c.output_stall_by_stream);
  f.time_s = static_cast<double>(c.cycles) / (config.clock_mhz * 1e6);
  f.macs = command.macs;
  f.pe_macs = c.macs();
  f.ideal_cycles = ideal_cycles(c, command, config);
  auto bytes = c.read_bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] += c.write_bytes[i];
  f.traffic = by_stream(bytes);
  f.prefetched_bytes = c.prefetched_bytes;
  f.compulsory_bytes = command.compulsory_bytes;
  f.sram_read_bytes = ledger.sram_read_bytes(c);
  f.sram_write_bytes = ledger.sram_written_bytes(c);
  f.overflows = c.overflows;
  f.activity = ledger.activity(c);
  return f;
}

/// Parts that the memory has no figures for.
std::vector<std::string> left_out_parts(const MemoryEnergy& energy) {
  std::vector<std::string> parts;
  std::istringstream text(energy.left_out);
  for (std::string part; std::getline(text >> std::ws, part, ',');)
    parts.push_back(part);
  return parts;
}

/// What a difference stands for, in its own measure.
struct Share {
  double read = 1, write = 1, all = 1, time = 1;
};

DramFigures dram_figures(const MemoryEnergy& before, const MemoryEnergy& now, const Share& share) {
  DramFigures dram;
  dram.activate = (now.activate_pj - before.activate_pj) * share.all;
  dram.read = (now.read_pj - before.read_pj) * share.read;
  dram.write = (now.write_pj - before.write_pj) * share.write;
  dram.refresh = (now.refresh_pj - before.refresh_pj) * share.time;
  dram.interface = (now.io_pj - before.io_pj) * share.all;
  dram.background = (now.background_pj - before.background_pj) * share.time;
  const std::vector<std::string> left_out = left_out_parts(now);
  for_each_cause(dram, dram, [&](const char* name, std::optional<double>& part, const auto&) {
    if (!now.known || std::find(left_out.begin(), left_out.end(), name) != left_out.end()) part = std::nullopt;
  });
  return dram;
}

/// What commands cost the memory. It counts what was simulated; what stands for more of its kind counts in proportion:
/// bytes and commands by bytes that the machine moved, refreshes and background by time.
class MemoryMeter {
 public:
  MemoryMeter(const MemorySystem& memory, const Accelerator& machine)
      : memory_(memory), machine_(machine), before_(read()), rounds_begin_(before_) {}

  /// Fills in what came together since the last call: a command's share, with what ran beside it and was read ahead. A
  /// command of a round that stands for others gets what it asked for and the time it took, at the mean of the rounds
  /// so far, once for each of them.
  void take(const LoweredCommand& command, const CommandCounters& counters, ReportFigures& figures) {
    Reading now = read();
    now.cycles = before_.cycles + counters.cycles - counters.repeated_cycles;
    const bool stands = command.repeated_rounds > 0;
    const Reading& from = stands ? rounds_begin_ : before_;
    // Of a difference: what was simulated, and what else stands for it; never fewer bytes than were asked for.
    const auto share_of = [&](std::uint64_t simulated, std::uint64_t all, std::uint64_t repeated) {
      if (simulated == 0) return 1.0;
      if (stands) return static_cast<double>((1 + command.repeated_rounds) * all) / static_cast<double>(simulated);
      return 1 + static_cast<double>(repeated) / static_cast<double>(simulated);
    };
    const std::uint64_t read = now.read_bytes - from.read_bytes, written = now.write_bytes - from.write_bytes;
    const std::uint64_t reads = std::min(read, now.asked_read - from.asked_read);
    const std::uint64_t writes = std::min(written, now.asked_write - from.asked_write);
    Share share;
    share.read = share_of(reads, counters.total_read_bytes(), counters.repeated_read_bytes);
    share.write = share_of(writes, counters.total_write_bytes(), counters.repeated_write_bytes);
    share.all = share_of(reads + writes, counters.total_read_bytes() + counters.total_write_bytes(),
                         counters.repeated_read_bytes + counters.repeated_write_bytes);
    share.time = share_of(now.cycles - from.cycles, counters.cycles, counters.repeated_cycles);
    figures.dram_read_bytes = scaled(read, share.read);
    figures.dram_write_bytes = scaled(written, share.write);
    figures.dram = dram_figures(from.energy, now.energy, share);
    before_ = now;
    if (command.round == 0) rounds_begin_ = now;
  }

 private:
  struct Reading {
    std::uint64_t read_bytes = 0, write_bytes = 0;  ///< on the bus, whole bursts
    std::uint64_t asked_read = 0, asked_write = 0;  ///< by the machine
    MemoryEnergy energy;
    std::uint64_t cycles = 0;  ///< of commands
  };
  Reading read() const {
    return {memory_.bus_read_bytes(),           memory_.bus_write_bytes(), machine_.dma().total_read_bytes(),
            machine_.dma().total_write_bytes(), memory_.energy(),          0};
  }
  static std::uint64_t scaled(std::uint64_t moved, double share) {
    return static_cast<std::uint64_t>(std::ceil(static_cast<double>(moved) * share));
  }

  const MemorySystem& memory_;
  const Accelerator& machine_;
  Reading before_, rounds_begin_;
};

ConfigNode memory_node(ConfigNode section) {
  const std::string preset = section.string("preset");
  ConfigNode node = ConfigNode::load("memories", preset);
  section.lay_over(node, {"preset"});
  return node;
}

}  // namespace

PlatformConfig PlatformConfig::from(ConfigNode accelerator) {
  resolve_iso(accelerator);
  std::unique_ptr<MachineConfig> machine = MachineConfig::from(accelerator);
  ConfigNode section = accelerator.child("memory");
  const std::string memory_name = section.string("preset");
  ConfigNode memory = memory_node(section);
  section.reject_unknown();
  std::vector<CostBook> costs = cost_books(accelerator);
  std::vector<ProbeRequest> probes = ProbeRequest::all(accelerator);
  std::vector<std::string> verbosity;
  if (accelerator.has("verbosity")) verbosity = accelerator.strings("verbosity");
  std::optional<double> quantum;
  if (accelerator.has("quantum_ns")) quantum = accelerator.number("quantum_ns", 0, 1e9);
  accelerator.reject_unknown();
  return {std::move(machine),   memory, memory_name, std::move(costs), accelerator.resolved_yaml(), std::move(probes),
          std::move(verbosity), quantum};
}

void PlatformConfig::add_probes(const std::vector<std::string>& requests) {
  for (const std::string& request : requests)
    probes.push_back(ProbeRequest::parse(request));
}

void PlatformConfig::add_verbosity(const std::vector<std::string>& requests) {
  verbosity.insert(verbosity.end(), requests.begin(), requests.end());
}

std::vector<CostBook> cost_books(ConfigNode accelerator) {
  const std::vector<std::string> names = accelerator.is_list("technology")
                                             ? accelerator.strings("technology")
                                             : std::vector<std::string>{accelerator.string("technology")};
  if (names.empty()) accelerator.fail("technology", "is an empty list, expected the name of a cost book");
  std::vector<CostBook> books;
  for (const std::string& name : names) {
    books.push_back(CostBook::load(ConfigNode::load("technologies", name)));
    for (std::size_t i = 0; i + 1 < books.size(); ++i) {
      if (books[i].name() == books.back().name())
        accelerator.fail("technology", "names the cost book '" + name + "' twice");
    }
  }
  return books;
}

Platform::Platform(PlatformConfig config, Timeline* timeline)
    : config_(std::move(config)),
      ledger_(config_.machine->ledger()),
      statistics_("platform"),
      links_(config_.probes),
      timeline_(timeline) {
  for (const std::string& request : config_.verbosity)
    set_verbosity(request);
  if (config_.quantum_ns)
    tlm::tlm_global_quantum::instance().set(sc_core::sc_time(*config_.quantum_ns, sc_core::SC_NS));
  memory_ = make_memory("memory", config_.memory, &statistics_);
  router_ = std::make_unique<Router>("router", RouterConfig::single_target(2, memory_->capacity_bytes()), &statistics_);
  machine_ = std::make_unique<Accelerator>("machine", *config_.machine, &statistics_);
  host_ = std::make_unique<Host>("host", queue_address, queue_entries);
  links_.bind("host.control", host_->control, machine_->control);
  if (timeline_ == nullptr) {
    links_.bind("machine.memory", machine_->memory, router_->target(0));
  } else {
    record();
    links_.bind("machine.memory", machine_->memory, recorded_->in);
    recorded_->out.bind(router_->target(0));
  }
  links_.bind("host.memory", host_->memory, router_->target(1));
  links_.bind("router.memory", router_->initiator(0), memory_->target);
  links_.watch("irq", irq_);
  machine_->irq.bind(irq_);
  host_->irq.bind(irq_);
}

Platform::~Platform() = default;

/// Observes units, streams and channels.
void Platform::record() {
  recorder_ = std::make_unique<MachineRecorder>(*timeline_, *config_.machine, memory_->channel_count());
  machine_->observe_units(&recorder_->matrix(), &recorder_->vector());
  memory_->observe(recorder_.get());
  recorded_ = std::make_unique<Probe>(
      "recorded", [this](const tlm::tlm_generic_payload& payload, const tlm::tlm_phase& phase,
                         const sc_core::sc_time& at) { recorder_->transaction(payload, phase, at); });
}

MemoryRate Platform::memory_rate() const {
  MemoryRate rate;
  rate.bytes_per_cycle = config_.machine->bytes_per_cycle(memory_->peak_bandwidth());
  rate.latency_cycles = memory_->idle_latency() * config_.machine->clock_mhz * 1e6;
  return rate;
}

std::uint64_t Platform::first_free_address() const {
  return queue_address + queue_entries * descriptor_bytes;
}

void Platform::describe(Report& report) const {
  const MachineConfig& machine = *config_.machine;
  report.accelerator = machine.name;
  report.memory = config_.memory_name;
  report.clock_mhz = machine.clock_mhz;
  report.peak_macs_per_cycle = machine.macs_per_cycle(machine.formats.activation, machine.formats.weight);
  report.peak_bytes_per_cycle = machine.bytes_per_cycle(memory_->peak_bandwidth());
  report.capacity_bytes = memory_->capacity_bytes();
  report.activities = ledger_.activities();
  for (const CostBook& book : config_.costs)
    report.prices.push_back(ledger_.price(book));
  DramFigures causes;
  report.dram_left_out = left_out_parts(memory_->energy());
  for_each_cause(causes, causes, [&](const char* name, const auto&, const auto&) {
    auto& parts = report.dram_left_out;  // those that are no cause of their own
    parts.erase(std::remove(parts.begin(), parts.end(), name), parts.end());
  });
  report.sources.emplace_back("DRAM", memory_->source());
  report.configuration = config_.resolved_yaml;
}

void Platform::run(const std::function<std::optional<LoweredCommand>()>& next, Report& report,
                   const CommandProgress& progress, const std::function<void(Host&)>& at_end) {
  std::deque<LoweredCommand> in_flight;
  RunRecords records(report, timeline_, MachineClock(config_.machine->clock_mhz).period().value());
  std::uint64_t done = 0;
  MemoryMeter meter(*memory_, *machine_);
  machine_->observe([&](std::uint32_t, std::uint64_t begin_cycle, const CommandCounters& counters) {
    const LoweredCommand command = std::move(in_flight.front());
    in_flight.pop_front();
    const ReportFigures once = figures_of(counters, command, *config_.machine, ledger_);
    ReportFigures figures = once;
    for (std::uint64_t i = 0; i < command.repeated_rounds; ++i)
      figures.add(once);
    meter.take(command, counters, figures);
    records.add(command, begin_cycle, counters, figures);
    done += (1 + command.repeated_layers) * (1 + command.repeated_rounds);
    if (progress) progress(done);
  });
  // Both run inside a process of the kernel, which exceptions must not cross.
  std::exception_ptr problem;
  host_->run([&]() -> std::optional<Descriptor> {
    try {
      auto command = next();
      if (!command) return std::nullopt;
      in_flight.push_back(*command);
      return command->descriptor;
    } catch (...) {
      problem = std::current_exception();
      return std::nullopt;
    }
  });
  if (at_end) {
    host_->at_end([&] {
      try {
        if (!problem && host_->status() == CommandStatus::done) at_end(*host_);
      } catch (...) {
        problem = std::current_exception();
      }
    });
  }
  // In slices, so that the watcher is asked within long commands too.
  const sc_core::sc_time slice(watch_cycles / config_.machine->clock_mhz, sc_core::SC_US);
  do {
    // Time stands still in a slice without an event: it must reach the next one.
    const bool begun = sc_core::sc_pending_activity_at_future_time() && !sc_core::sc_pending_activity_at_current_time();
    const sc_core::sc_time least = begun ? sc_core::sc_time_to_pending_activity() : sc_core::SC_ZERO_TIME;
    sc_core::sc_start(std::max(slice, least), sc_core::SC_EXIT_ON_STARVATION);
    restore_main_stack();
    if (watcher_) watcher_();
  } while (sc_core::sc_get_status() != sc_core::SC_STOPPED && sc_core::sc_pending_activity());
  machine_->observe({});
  records.finish();
  statistics_.for_each([&](const Statistics::Value& value) { report.statistics.push_back(value); });
  if (problem) std::rethrow_exception(problem);
  links_.finish(host_->status() == CommandStatus::done);
  if (host_->status() != CommandStatus::done) {
    throw InputError(config_.machine->name + ": the machine refused a command: " + to_string(host_->status()));
  }
}

}  // namespace nibble
