// SPDX-License-Identifier: Apache-2.0
#include "cli/memory_command.h"

#include <charconv>

#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "core/table.h"
#include "memory/command_timeline.h"
#include "memory/dram.h"
#include "memory/memory_system.h"
#include "memory/trace_patterns.h"
#include "memory/trace_replay.h"
#include "transport/messages.h"

namespace nibble {
namespace {

/// The shape that the standard patterns take from the memory; a flat memory has that of DDR4.
TraceShape shape_of(const Dram* dram) {
  if (dram == nullptr) return {};
  const DramGeometry& geometry = dram->device().geometry;
  return {geometry.burst_bytes(), geometry.row_bytes, std::uint64_t{geometry.banks()} * geometry.channels};
}

/// "FIRST:LAST", cycles.
std::pair<Cycle, Cycle> parse_range(const std::string& text) {
  Cycle first = 0, last = 0;
  const char* const end = text.data() + text.size();
  const auto one = std::from_chars(text.data(), end, first);
  const bool colon = one.ec == std::errc() && one.ptr != end && *one.ptr == ':';
  const auto two = colon ? std::from_chars(one.ptr + 1, end, last) : one;
  constexpr Cycle longest = 100'000;
  if (!colon || two.ec != std::errc() || two.ptr != end || first < 0 || last < first || last - first > longest) {
    throw InputError("--timeline '" + text + "' should be FIRST:LAST, two cycles at most 100000 apart, as in 0:100");
  }
  return {first, last};
}

ReplayFigures run_trace(MemorySystem& memory, const std::vector<TraceRequest>& trace, const MemoryOptions& options) {
  ProgressLine progress;
  const auto show = [&](std::uint64_t issued) {
    progress.show(with_separators(issued) + " of " + with_separators(trace.size()) + " requests");
    return !interrupt_requested();
  };
  std::vector<ProbeRequest> probes;
  for (const std::string& probe : options.probes)
    probes.push_back(ProbeRequest::parse(probe));
  for (const std::string& request : options.verbosity)
    set_verbosity(request);
  return replay(memory, trace, show, probes);
}

std::vector<TraceRequest> trace_of(const MemoryOptions& options, const Dram* dram) {
  return options.trace.empty() ? standard_trace(options.pattern, shape_of(dram)) : read_trace(options.trace);
}

void write_output(const std::string& file, const std::string& contents) {
  OutputFiles files;
  files.write(file, contents);
  files.commit();
}

}  // namespace

void run_memory(const MemoryOptions& options, std::ostream& out) {
  if (options.trace.empty() == options.pattern.empty()) {
    throw InputError("give either --trace FILE or --pattern NAME (" + join(standard_trace_names()) + ")");
  }
  ConfigNode node = ConfigNode::load("memories", options.memory);
  for (const std::string& assignment : options.overrides)
    node.apply_override(assignment);
  const auto memory = make_memory("memory", node, nullptr);
  auto* dram = dynamic_cast<Dram*>(memory.get());
  const std::string origin = options.trace.empty() ? options.pattern : options.trace;
  const auto trace = trace_of(options, dram);
  check_addresses(trace, origin, memory->capacity_bytes());
  if (!options.write_trace.empty()) {
    write_output(options.write_trace, trace_csv(trace));
    return;
  }
  const bool logged = !options.timeline.empty() || !options.commands.empty();
  if (dram == nullptr && (logged || options.explain)) {
    throw InputError(options.memory + ": --explain, --timeline and --commands need a memory of kind dram");
  }
  const auto range = options.timeline.empty() ? std::pair<Cycle, Cycle>() : parse_range(options.timeline);
  std::vector<std::vector<DramCommand>> logs;
  if (logged) {
    logs.resize(dram->device().geometry.channels);
    for (unsigned channel = 0; channel < logs.size(); ++channel)
      dram->log_commands(channel, &logs[channel]);
  }
  if (!options.commands.empty()) OutputFiles().reserve(options.commands);
  const ReplayFigures figures = run_trace(*memory, trace, options);
  if (figures.stopped) throw Interrupted();
  if (!options.commands.empty()) write_output(options.commands, command_csv(logs, dram->device()));
  if (!options.timeline.empty()) {
    out << draw_timeline(logs[0], dram->device(), range.first, range.second);
  } else if (options.json) {
    out << replay_json(options.memory, origin, figures);
  } else {
    out << replay_table(options.memory, figures);
    if (options.explain) out << "\n" << explain_table(options.memory, figures);
  }
}

}  // namespace nibble
