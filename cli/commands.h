// SPDX-License-Identifier: Apache-2.0
/// The subcommands of `nibble`, each an options struct and a function. They throw InputError (exit 2) on bad input and
/// write results to `out`, messages and progress to standard error.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace nibble {

/// Thrown when the user interrupts a simulation; exit 130.
struct Interrupted {};

struct RunOptions {
  std::string accelerator, model;
  std::int64_t prefill = 0, decode = 0, batch = 1, context = 0;
  std::vector<std::string> overrides;     ///< "path.to.key=value" for the accelerator's configuration
  std::vector<std::string> technologies;  ///< cost books; empty: the configuration's
  std::string out_directory;              ///< empty: no files
  bool every_layer = false;               ///< simulate layers that repeat, too
  bool every_tile = false;                ///< simulate tiles of a command that repeat, too
  bool functional = false;                ///< compute with data: synthetic weights and tokens, real logits
  std::int64_t seed = 1;                  ///< of weights and tokens
  std::int64_t trace_slices = 2048;       ///< of a track of trace.json, at most
  std::vector<std::string> probes;        ///< beside those of the configuration
  std::vector<std::string> verbosity;     ///< which messages models report, after what the configuration says
  std::string command_line;
  bool json = false;
};
void run_model(const RunOptions& options, std::ostream& out);

struct GemmCommandOptions {
  std::string accelerator, pe;  ///< one of them
  std::optional<std::int64_t> m, k, n;
  std::string activations, weights;  ///< .npy files; both or neither
  std::string activation_format, weight_format, weight_select, calibration;
  std::optional<int> exponent;
  std::string accumulate, product;
  std::optional<int> aligned_bits;
  std::string output, accumulator;  ///< .npy files
  std::string trace;                ///< .vcd file: waveforms of the array
  std::string fidelity;
  bool explain = false;
  std::vector<std::string> overrides, technologies, probes, verbosity;
  std::string command_line;
  bool json = false;
};
void run_gemm(const GemmCommandOptions& options, std::ostream& out);
/// With options.pe: the PE's function alone.
void run_pe_gemm(const GemmCommandOptions& options, std::ostream& out);

struct PriceOptions {
  std::string report;  ///< report.json, or the directory that holds it
  std::vector<std::string> technologies;
  std::string out_directory;  ///< empty: no files
  std::string command_line;
  bool json = false;
};
/// Prices a finished run anew: counters times other cost books.
void price_report(const PriceOptions& options, std::ostream& out);

struct CompareOptions {
  std::vector<std::string> experiments;
  bool all = false;
  std::int64_t jobs = 0;      ///< simulations at a time; 0: as many as there are processors
  std::string out_directory;  ///< empty: no files
  std::string command_line;
  bool json = false;
};
/// Runs experiments: figures beside the published ones.
void run_compare(const CompareOptions& options, std::ostream& out);

struct CatalogOptions {
  std::string kind, name;
  std::vector<std::string> files, overrides, technologies;
  bool json = false;
};
void list_catalog(const CatalogOptions& options, std::ostream& out);
void show_configuration(const CatalogOptions& options, std::ostream& out);
void validate_files(const CatalogOptions& options, std::ostream& out);

/// A line on standard error that replaces itself, on a terminal only.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  void show(const std::string& text);

 private:
  bool terminal_;
  bool shown_ = false;
};

/// The first SIGINT is remembered, the second one ends the process at once.
void install_interrupt_handler();
/// In a child process: SIGINT is ignored, and one that came just before the fork is forgotten.
void leave_interrupts_to_parent();
bool interrupt_requested();
/// Throws Interrupted after a SIGINT.
void stop_if_interrupted();

}  // namespace nibble
