// SPDX-License-Identifier: Apache-2.0
#include "cli/memory_command.h"

#include "cli/commands.h"
#include "core/error.h"
#include "core/table.h"
#include "memory/dram.h"
#include "memory/memory_system.h"
#include "memory/trace_replay.h"

namespace nibble {
namespace {

/// The shape that the standard patterns take from the memory; a flat memory has that of DDR4.
TraceShape shape_of(const MemorySystem& memory) {
  TraceShape shape;
  if (const auto* dram = dynamic_cast<const Dram*>(&memory)) {
    const DramGeometry& geometry = dram->device().geometry;
    shape = {geometry.burst_bytes(), geometry.row_bytes, geometry.banks() * geometry.channels};
  }
  return shape;
}

}  // namespace

void run_memory(const MemoryOptions& options, std::ostream& out) {
  if (options.trace.empty() == options.pattern.empty()) {
    throw InputError("give either --trace FILE or --pattern NAME (" + join(standard_trace_names()) + ")");
  }
  ConfigNode node = ConfigNode::load(find_config("memories", options.memory));
  for (const std::string& assignment : options.overrides)
    node.apply_override(assignment);
  const auto memory = make_memory("memory", node, nullptr);
  const std::string origin = options.trace.empty() ? options.pattern : options.trace;
  const auto trace =
      options.trace.empty() ? standard_trace(options.pattern, shape_of(*memory)) : read_trace(options.trace);
  check_addresses(trace, origin, memory->capacity_bytes());

  ReplayFigures figures;
  {
    ProgressLine progress;
    figures = replay(*memory, trace, [&](std::uint64_t issued) {
      progress.show(with_separators(issued) + " of " + with_separators(trace.size()) + " requests");
      return !interrupt_requested();
    });
  }
  if (figures.stopped) throw Interrupted();
  out << (options.json ? replay_json(options.memory, origin, figures) : replay_table(options.memory, figures));
}

}  // namespace nibble
