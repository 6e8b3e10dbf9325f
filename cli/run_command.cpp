// SPDX-License-Identifier: Apache-2.0
/// `nibble run`: a language model on a machine.
#include <optional>

#include "cli/commands.h"
#include "cli/machine_files.h"
#include "cli/simulate.h"
#include "core/error.h"
#include "core/file.h"
#include "core/timeline.h"
#include "formats/npy.h"

namespace nibble {
namespace {

std::size_t trace_slices(const RunOptions& options) {
  constexpr std::int64_t least = 16, most = 1000000;
  if (options.trace_slices < least || options.trace_slices > most)
    throw InputError("--trace-slices must be " + std::to_string(least) + " to " + std::to_string(most) + ", not " +
                     std::to_string(options.trace_slices));
  return static_cast<std::size_t>(options.trace_slices);
}

}  // namespace

void run_model(const RunOptions& options, std::ostream& out) {
  OutputFiles files;
  if (!options.out_directory.empty()) files.make_directory(options.out_directory);
  const bool writes = !options.out_directory.empty();
  std::optional<ProgressLine> line(std::in_place);
  Timeline timeline(trace_slices(options));
  const auto [report, logits] = simulate_model(options, &*line, writes ? &timeline : nullptr);
  line.reset();
  if (writes) {
    if (report.logits)
      files.write(options.out_directory + "/logits.npy", npy_contents(NpyType::float16, logits.shape, logits.values));
    write_reports(files, options.out_directory, report, timeline_trace(timeline, report_title(report)));
  }
  out << (options.json ? report_json(report) : report_text(report));
}

}  // namespace nibble
