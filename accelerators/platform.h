// SPDX-License-Identifier: Apache-2.0
/// The platform that `nibble run` and `nibble gemm` elaborate: host, machine, memory, wired through their sockets.
///
///   Host.control ──> Accelerator.control        Accelerator.irq ──> Host.irq
///   Host.memory ──┐
///                 ├──> Router ──> MemorySystem
///   machine.memory┘
///
/// Links, for probes: host.control, host.memory, machine.memory, router.memory; signal: irq.
///
/// One platform per process: the SystemC kernel cannot be restarted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <systemc>
#include <utility>
#include <vector>

#include "accelerators/accelerator.h"
#include "accelerators/energy_ledger.h"
#include "accelerators/host.h"
#include "accelerators/lowering.h"
#include "accelerators/machine_recorder.h"
#include "core/config_node.h"
#include "core/report.h"
#include "core/statistics.h"
#include "core/timeline.h"
#include "memory/memory_system.h"
#include "memory/router.h"
#include "transport/links.h"
#include "transport/probe.h"

namespace nibble {

/// An accelerator configuration with its memory and cost book resolved.
struct PlatformConfig {
  std::unique_ptr<MachineConfig> machine;
  ConfigNode memory;
  std::string memory_name;
  std::vector<CostBook> costs;  ///< one or more; the first is meant where one is
  std::string resolved_yaml;    ///< of the accelerator
  std::vector<ProbeRequest> probes{};
  /// Which messages models report (transport/messages.h), in the order given; those of others stay as they are.
  std::vector<std::string> verbosity{};
  /// How far loosely timed initiators (the host) may run ahead of the kernel; absent: the global quantum stays as it
  /// is.
  std::optional<double> quantum_ns{};

  /// As the option --probe gives them.
  void add_probes(const std::vector<std::string>& requests);
  /// As the option --verbosity gives them, after the configuration's.
  void add_verbosity(const std::vector<std::string>& requests);

  /// Reads and checks everything; `memory` is a mapping with `preset` and keys that override the preset's.
  static PlatformConfig from(ConfigNode accelerator);
};

/// The cost books that `technology` names: a name or a list of names.
std::vector<CostBook> cost_books(ConfigNode accelerator);

/// Called after each command with its number: progress.
using CommandProgress = std::function<void(std::uint64_t done)>;

class Platform {
 public:
  /// `timeline`: gets what the units do (machine_recorder.h), and must outlive the platform; nullptr: nothing is
  /// recorded.
  explicit Platform(PlatformConfig config, Timeline* timeline = nullptr);
  ~Platform();

  Host& host() { return *host_; }
  MemorySystem& memory() { return *memory_; }
  const PlatformConfig& config() const { return config_; }
  MemoryRate memory_rate() const;
  /// First address that operands may use.
  std::uint64_t first_free_address() const;

  /// Runs commands until `next` gives none, through descriptors, doorbell and interrupts, and appends one record per
  /// command (decode steps of one operator summed up) to `report`. Throws InputError when a command fails on the
  /// machine, or a probe has found something wrong. Probes have written their files when it returns.
  void run(const std::function<std::optional<LoweredCommand>()>& next, Report& report,
           const CommandProgress& progress = {}, const std::function<void(Host&)>& at_end = {});
  /// Long commands are simulated until they repeat themselves, and no further (equal_stretches.h). Off unless asked
  /// for.
  void repeat_stretches(bool on) { machine_->repeat_stretches(on); }
  /// Called during run() every few milliseconds or so of real time; what it throws ends the run.
  void watch(std::function<void()> watcher) { watcher_ = std::move(watcher); }
  /// Header fields of a report: clock, peaks, sources, area.
  void describe(Report& report) const;

 private:
  PlatformConfig config_;
  std::function<void()> watcher_;
  EnergyLedger ledger_;
  Statistics statistics_;
  Links links_;
  sc_core::sc_signal<bool> irq_{"irq"};
  std::unique_ptr<MemorySystem> memory_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Accelerator> machine_;
  std::unique_ptr<Host> host_;
  // With a timeline:
  Timeline* timeline_;
  std::unique_ptr<MachineRecorder> recorder_;
  std::unique_ptr<Probe> recorded_;  ///< link
  void record();
};

}  // namespace nibble
