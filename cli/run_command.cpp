// SPDX-License-Identifier: Apache-2.0
/// `nibble run`: a language model on a machine.
#include <optional>

#include "cli/commands.h"
#include "cli/machine_files.h"
#include "cli/simulate.h"
#include "core/file.h"
#include "formats/npy.h"

namespace nibble {

void run_model(const RunOptions& options, std::ostream& out) {
  OutputFiles files;
  if (!options.out_directory.empty()) files.make_directory(options.out_directory);
  std::optional<ProgressLine> line(std::in_place);
  const auto [report, logits] = simulate_model(options, &*line);
  line.reset();
  if (!options.out_directory.empty()) {
    if (report.logits)
      files.write(options.out_directory + "/logits.npy", npy_contents(NpyType::float16, logits.shape, logits.values));
    write_reports(files, options.out_directory, report);
  }
  out << (options.json ? report_json(report) : report_text(report));
}

}  // namespace nibble
