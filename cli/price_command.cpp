// SPDX-License-Identifier: Apache-2.0
/// `nibble price`: energy and area of a finished run by other cost books. Nothing is simulated.
#include <filesystem>

#include "accelerators/energy_ledger.h"
#include "accelerators/platform.h"
#include "cli/commands.h"
#include "cli/machine_files.h"
#include "core/error.h"

namespace nibble {
namespace {

/// Replaces the line that names the cost books as a run with them would have written it.
void rename_technology(Report& report, const std::string& line, const std::string& origin) {
  std::string& text = report.configuration;
  const std::string key = "technology:";
  std::size_t begin = text.rfind(key, 0) == 0 ? 0 : text.find("\n" + key);
  if (begin == std::string::npos) throw InputError(origin + ": configuration: names no technology");
  if (begin != 0) ++begin;
  const std::size_t end = text.find('\n', begin);
  text.replace(begin, end == std::string::npos ? end : end + 1 - begin, line);
}

void check_activities(const Report& report, const EnergyLedger& ledger, const std::string& origin) {
  bool same = report.activities.size() == ledger.activities().size();
  for (std::size_t i = 0; same && i < report.activities.size(); ++i)
    same = report.activities[i].path() == ledger.activities()[i].path();
  if (!same) throw InputError(origin + ": prices: not what its machine counts in this version of nibble");
}

}  // namespace

void price_report(const PriceOptions& options, std::ostream& out) {
  namespace fs = std::filesystem;
  std::error_code none;
  const std::string file =
      fs::is_directory(options.report, none) ? (fs::path(options.report) / "report.json").string() : options.report;
  Report report = read_report(read_file(file), file);
  report.command = options.command_line;

  ConfigNode named = ConfigNode::parse("{}", "--technology");
  set_technologies(named, options.technologies);
  const std::vector<CostBook> books = cost_books(named);
  rename_technology(report, named.resolved_yaml(), file);
  const auto machine = MachineConfig::from(ConfigNode::parse(report.configuration, file + ": configuration"));
  const EnergyLedger ledger = machine->ledger();
  check_activities(report, ledger, file);
  report.prices.clear();
  for (const CostBook& book : books)
    report.prices.push_back(ledger.price(book));

  if (!options.out_directory.empty()) {
    OutputFiles files;
    files.make_directory(options.out_directory);
    // Prices change no time: the trace is that of the run, if it is still there.
    const fs::path trace = fs::path(file).replace_filename("trace.json");
    write_reports(files, options.out_directory, report,
                  fs::is_regular_file(trace, none) ? read_file(trace) : std::string());
  }
  out << (options.json ? report_json(report) : report_text(report));
}

}  // namespace nibble
