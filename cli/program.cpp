// SPDX-License-Identifier: Apache-2.0
#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <systemc>

#include "cli/commands.h"
#include "cli/memory_command.h"
#include "cli/quantize/quantize_command.h"
#include "cli/sweep/sweep_command.h"
#include "core/error.h"
#include "core/report.h"
#include "memory/trace_patterns.h"

namespace {

constexpr int exit_done = 0, exit_internal = 1, exit_input = 2, exit_interrupted = 130;

std::string command_line(int argc, char** argv) {
  std::string line = "nibble";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_of(" '\"\\$`*?[]{}()<>|&;#~!\t\n") == std::string::npos;
    line += ' ' + (plain ? word : '\'' + word + '\'');
  }
  return line;
}

/// All options of all subcommands; the callbacks of CLI11 choose the action.
struct CommandLine {
  CLI::App app{"nibble: SystemC/TLM-2.0 models of accelerators for quantized large language models", "nibble"};
  nibble::RunOptions run;
  nibble::GemmCommandOptions gemm;
  nibble::QuantizeOptions quantize;
  nibble::MemoryOptions memory;
  nibble::PriceOptions price;
  nibble::CompareOptions compare;
  nibble::SweepOptions sweep;
  nibble::CatalogOptions list, show, validate;
  std::function<void(std::ostream&)> action;

  explicit CommandLine(const std::string& line) {
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string("nibble ") + nibble::nibble_version);
    run.command_line = gemm.command_line = price.command_line = compare.command_line = line;
    add_run();
    add_gemm();
    add_quantize();
    add_memory();
    add_price();
    add_compare();
    add_sweep();
    add_catalog();
  }

 private:
  static void set_option(CLI::App* command, std::vector<std::string>& overrides) {
    command->add_option("--set", overrides, "path.to.key=value: overrides a key of the accelerator's configuration")
        ->take_all()
        ->allow_extra_args(false);
  }

  static void probe_option(CLI::App* command, std::vector<std::string>& probes) {
    command->add_option("--probe", probes, "KIND[,key=value...]: watches links of the platform (docs/observing.md)")
        ->take_all()
        ->allow_extra_args(false);
  }
  static void verbosity_option(CLI::App* command, std::vector<std::string>& requests) {
    command
        ->add_option("--verbosity", requests,
                     "LEVEL or CATEGORY=LEVEL: messages of models on standard error; none, low, medium, high, full or "
                     "debug (docs/observing.md)")
        ->take_all()
        ->allow_extra_args(false);
  }
  static void technology_option(CLI::App* command, std::vector<std::string>& names, const char* what) {
    command->add_option("--technology", names, what)->take_all()->allow_extra_args(false);
  }

  void add_run() {
    CLI::App* command = app.add_subcommand("run", "Simulate the inference of a language model");
    command->add_option("--accelerator", run.accelerator, "name or file (nibble list accelerators)")->required();
    command->add_option("--model", run.model, "name, file, or a Hugging Face config.json (nibble list models)")
        ->required();
    command->add_option("--prefill", run.prefill, "prompt tokens per sequence");
    command->add_option("--decode", run.decode, "tokens generated per sequence");
    command->add_option("--batch", run.batch, "sequences");
    command->add_option("--context", run.context,
                        "tokens cached before the first decode step, the prompt included; what exceeds the prompt is a "
                        "cache that the prompt continues");
    auto* out = command->add_option("--out", run.out_directory,
                                    "directory for report.json, operators.csv, report.html, trace.json");
    command
        ->add_option("--trace-slices", run.trace_slices,
                     "slices of a track of trace.json, 2048 unless asked for more; what is shorter is merged")
        ->needs(out);
    command->add_flag(
        "--every-layer", run.every_layer,
        "simulate every layer; without it, of three or more equal layers the first two, of very long ones the first");
    auto* functional =
        command->add_flag("--functional", run.functional,
                          "compute with data: synthetic weights, real logits, their error (small models)");
    command->add_option("--seed", run.seed, "of the weights and tokens of --functional")->needs(functional);
    technology_option(command, run.technologies, "cost book, instead of the configuration's; several side by side");
    command->add_flag(
        "--every-tile", run.every_tile,
        "simulate every tile; without it, of the rows of tiles, instances and chunks of long commands, and of the "
        "parts of attentions, as many as it takes until they repeat themselves");
    probe_option(command, run.probes);
    verbosity_option(command, run.verbosity);
    set_option(command, run.overrides);
    command->add_flag("--json", run.json, "one JSON document on standard output");
    command->footer("Example: nibble run --accelerator mant --model llama-2-7b --prefill 2048 --decode 1");
    command->callback([this] { action = [this](std::ostream& out) { nibble::run_model(run, out); }; });
  }

  void add_gemm() {
    CLI::App* command = app.add_subcommand("gemm", "Simulate one GEMM, C[M,N] = A[M,K] x W[N,K]^T");
    CLI::Option_group* what = command->add_option_group("one of");
    what->add_option("--accelerator", gemm.accelerator, "name or file (nibble list accelerators)");
    what->add_option("--pe", gemm.pe, "the PE's function alone, without time (nibble list pes)");
    what->require_option(1);
    command->add_option("--m", gemm.m, "rows of A");
    command->add_option("--k", gemm.k, "reduction");
    command->add_option("--n", gemm.n, "rows of W");
    command->add_option("--activations", gemm.activations, "A: .npy or .safetensors, FILE or FILE:TENSOR");
    command->add_option("--weights", gemm.weights, "W, in the same forms");
    command->add_option("--activation-format", gemm.activation_format, "overrides the accelerator's");
    command->add_option("--weight-format", gemm.weight_format, "overrides the accelerator's");
    command->add_option("--weight-select", gemm.weight_select, "how the weight encoder chooses types");
    command->add_option("--calibration", gemm.calibration,
                        "activations for --weight-select output-mse, in the same forms");
    command->add_option("--exponent", gemm.exponent, "power-of-two exponent of the activations (amove)");
    command->add_option("--accumulate", gemm.accumulate, "fp16 or fp32 (amove)");
    command->add_option("--product", gemm.product, "exact or fp16 (fp_int)");
    command->add_option("--aligned-bits", gemm.aligned_bits, "bits of an aligned magnitude, 4 to 15 (fp_int_aligned)");
    command->add_option("--output", gemm.output, "C as .npy, float16");
    command->add_option("--accumulator", gemm.accumulator, "C before the last rounding as .npy, float32");
    command->add_option("--fidelity", gemm.fidelity, "transaction or cycle");
    command->add_option("--trace", gemm.trace, "waveforms of a systolic array as .vcd, with --fidelity cycle");
    command->add_flag("--explain", gemm.explain, "print the schedule and why it was chosen");
    technology_option(command, gemm.technologies, "cost book, instead of the configuration's; several side by side");
    probe_option(command, gemm.probes);
    verbosity_option(command, gemm.verbosity);
    set_option(command, gemm.overrides);
    command->add_flag("--json", gemm.json, "one JSON document on standard output");
    command->footer("Example: nibble gemm --accelerator mant --m 2048 --k 4096 --n 4096 --explain");
    command->callback([this] {
      action = [this](std::ostream& out) {
        gemm.pe.empty() ? nibble::run_gemm(gemm, out) : nibble::run_pe_gemm(gemm, out);
      };
    });
  }

  void add_quantize() {
    CLI::App* command = app.add_subcommand("quantize", "Encode and decode tensors, tell the error, rank formats by it");
    command->add_option("input", quantize.input, ".npy or .safetensors file; FILE:TENSOR or FILE:PATTERN chooses")
        ->required();
    command->add_option("--format", quantize.format, "for example mant4-g64 (nibble list formats)");
    command->add_option("--compare", quantize.compare, "instead of --format: FORMAT[:SELECTION],... ranked by SQNR");
    command->add_option("--select", quantize.select, "how the encoder chooses types");
    command->add_option("--exponent", quantize.exponent, "power-of-two exponent (amove)");
    command->add_option("--calibration", quantize.calibration,
                        "activations for --select output-mse, FILE or FILE:TENSOR");
    command->add_option("--output", quantize.output, "decoded values as .npy, of several tensors as .safetensors");
    command->add_option("--codes", quantize.codes, "codes as .npy");
    command->add_option("--metadata", quantize.metadata, "group metadata as .json");
    command->add_flag("--json", quantize.json, "one JSON document on standard output");
    command->footer("Example: nibble quantize w.npy --format mant4-g64 --select mse");
    command->callback([this] { action = [this](std::ostream& out) { nibble::run_quantize(quantize, out); }; });
  }

  void add_memory() {
    CLI::App* command = app.add_subcommand("memory", "Replay a request trace against a memory");
    command->add_option("--memory", memory.memory, "name or file (nibble list memories)")->required();
    command->add_option("--trace", memory.trace, "CSV: cycle,op,address,bytes (docs/memory.md)");
    command->add_option("--pattern,--generate", memory.pattern,
                        "instead of a trace, NAME[,key=value...]: " + nibble::join(nibble::standard_trace_names()));
    command->add_option("--write-trace", memory.write_trace, "write the pattern to this CSV file; replay nothing");
    command->add_option("--set", memory.overrides, "key=value: overrides a key of the memory's configuration")
        ->take_all()
        ->allow_extra_args(false);
    probe_option(command, memory.probes);
    verbosity_option(command, memory.verbosity);
    command->add_flag("--json", memory.json, "one JSON document on standard output");
    command->add_flag("--explain", memory.explain, "where the lost bandwidth went, and the energy of every rank");
    command->add_option("--timeline", memory.timeline, "FIRST:LAST: draw these cycles of channel 0 instead");
    command->add_option("--commands", memory.commands, "write every DRAM command to this CSV file");
    command->footer("Example: nibble memory --memory hbm2 --pattern seq_read");
    command->callback([this] { action = [this](std::ostream& out) { nibble::run_memory(memory, out); }; });
  }

  void add_price() {
    CLI::App* command = app.add_subcommand("price", "Price a finished run with other cost books, without running it");
    command->add_option("report", price.report, "report.json, or the directory that run --out wrote")->required();
    technology_option(command, price.technologies, "cost book (nibble list technologies); several side by side");
    command->get_option("--technology")->required();
    command->add_option("--out", price.out_directory,
                        "directory for report.json, operators.csv, report.html, trace.json");
    command->add_flag("--json", price.json, "one JSON document on standard output");
    command->footer("Example: nibble price out/report.json --technology published-28nm");
    command->callback([this] { action = [this](std::ostream& out) { nibble::price_report(price, out); }; });
  }

  void add_compare() {
    CLI::App* command =
        app.add_subcommand("compare", "Run experiments and set their figures beside the published ones");
    command->add_option("experiments", compare.experiments, "names or files (nibble list experiments)");
    command->add_flag("--all", compare.all, "every experiment; runs that they share are made once");
    command->add_option("--jobs", compare.jobs, "simulations at a time (default: as many as there are processors)");
    command->add_option("--out", compare.out_directory, "directory for compare.json, compare.csv, report.html");
    command->add_flag("--json", compare.json, "one JSON document on standard output");
    command->footer("Example: nibble compare mant-linear --out out");
    command->callback([this] { action = [this](std::ostream& out) { nibble::run_compare(compare, out); }; });
  }

  void add_sweep() {
    CLI::App* command =
        app.add_subcommand("sweep", "Simulate many points, in parallel, resumable; mark the Pareto front");
    command->add_option("sweep", sweep.sweep, "name or file (nibble list sweeps)")->required();
    command->add_option(
        "--out", sweep.out_directory,
        "directory for results.jsonl (point by point), results.csv, pareto.csv, sweep.json, report.html");
    command->add_flag("--resume", sweep.resume, "go on with what --out holds");
    command->add_option("--jobs", sweep.jobs, "points at a time; without it, one per processor; on Slurm per task, 1");
    command->add_option("--time-limit", sweep.time_limit_s, "seconds after which a point has failed");
    command->add_flag("--dry-run", sweep.dry_run, "list the points; simulate nothing");
    command->add_option("--engine", sweep.engine, "local, or slurm: as a job array");
    command->add_option("--shards", sweep.shards, "slurm: tasks of the job array");
    command->add_option("--sbatch", sweep.sbatch, "slurm: a further option of sbatch, for example --sbatch=--time=60")
        ->take_all()
        ->allow_extra_args(false);
    command->add_flag("--wait", sweep.wait, "slurm: wait for the job array, then merge");
    command->add_option("--shard", sweep.shard, "I/N: only every N-th point from point I on, into DIR/shards");
    command->add_flag("--merge", sweep.merge, "write the outputs from the results of all shards");
    command->add_option("--set", sweep.overrides, "path.to.key=value: overrides a key of the sweep")
        ->take_all()
        ->allow_extra_args(false);
    command->add_flag("--json", sweep.json, "one JSON document on standard output");
    command->footer("Example: nibble sweep mant-array --jobs 8 --out mant-array");
    command->callback([this] { action = [this](std::ostream& out) { nibble::run_sweep(sweep, out); }; });
  }

  void add_catalog() {
    CLI::App* command =
        app.add_subcommand("list", "List accelerators, models, memories, technologies, experiments, formats or PEs");
    command->add_option("kind", list.kind, "what to list")->required();
    command->add_flag("--json", list.json, "one JSON document on standard output");
    command->footer("Example: nibble list accelerators");
    command->callback([this] { action = [this](std::ostream& out) { nibble::list_catalog(list, out); }; });

    command = app.add_subcommand("show", "Print a configuration with every default and the source of its numbers");
    command
        ->add_option("kind", show.kind,
                     "accelerator, model, memory, technology, experiment, format, or area (of an accelerator)")
        ->required();
    command->add_option("name", show.name, "name or file; of a format its name: the bits of it are drawn")->required();
    set_option(command, show.overrides);
    technology_option(command, show.technologies, "cost book, instead of the accelerator's; several side by side");
    command->add_flag("--json", show.json, "one JSON document on standard output");
    command->footer("Example: nibble show accelerator mant");
    command->callback([this] { action = [this](std::ostream& out) { nibble::show_configuration(show, out); }; });

    command = app.add_subcommand("validate", "Check configuration files without running anything");
    command->add_option("files", validate.files, "YAML or JSON files")->required();
    set_option(command, validate.overrides);
    command->add_flag("--json", validate.json, "one JSON document on standard output");
    command->footer("Example: nibble validate configs/accelerators/mant.yaml");
    command->callback([this] { action = [this](std::ostream& out) { nibble::validate_files(validate, out); }; });
  }
};

/// An option given as "" is a mistake of a script, not a way to leave it out.
void refuse_empty_values(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    for (CLI::Option* option :
         command->get_options([](const CLI::Option* o) { return o->get_items_expected_max() > 0; }))
      option->check([](const std::string& value) { return value.empty() ? "is empty" : std::string(); }, "");
  }
}

/// The first word when it should be a subcommand and is none.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return "";
  std::string known;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == argv[1]) return "";
    known += (known.empty() ? "" : ", ") + command->get_name();
  }
  return "no command '" + std::string(argv[1]) + "'; known: " + known;
}

int failure(const std::string& message, int status) {
  std::cerr << "error: " << message << '\n';
  return status;
}

int parse_and_run(int argc, char** argv) {
  CommandLine command(command_line(argc, argv));
  refuse_empty_values(command.app);
  try {
    const std::string unknown = unknown_command(command.app, argc, argv);
    if (!unknown.empty()) return failure(unknown, exit_input);
    command.app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return command.app.exit(e);
  } catch (const CLI::ParseError& e) {
    return failure(std::string(e.what()) + " (nibble --help, nibble COMMAND --help)", exit_input);
  }
  try {
    std::ostringstream out;
    command.action(out);
    std::cout << out.str() << std::flush;
    if (!std::cout) return failure("standard output cannot be written", exit_input);
    return exit_done;
  } catch (const nibble::InputError& e) {
    return failure(e.what(), exit_input);
  } catch (const nibble::Interrupted&) {
    // Processes of the kernel are suspended in the middle of their work; what they own cannot be freed.
    std::_Exit(failure("interrupted", exit_interrupted));
  } catch (const sc_core::sc_report& e) {
    return failure(std::string("internal: ") + e.what(), exit_internal);
  } catch (const std::exception& e) {
    return failure(std::string("internal: ") + e.what(), exit_internal);
  }
}

/// Standard output is for results.
void messages_to_standard_error(const sc_core::sc_report& report, const sc_core::sc_actions& actions) {
  const bool shown = report.get_severity() == sc_core::SC_INFO && (actions & sc_core::SC_DISPLAY) != 0;
  if (shown) std::cerr << sc_core::sc_report_compose_message(report) << '\n';
  sc_core::sc_report_handler::default_handler(report, shown ? actions & ~sc_core::SC_DISPLAY : actions);
}

}  // namespace

int sc_main(int argc, char** argv) {
  // sc_stop is how every run ends; its notice is not for the user.
  sc_core::sc_report_handler::set_actions("/OSCI/SystemC", sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
  sc_core::sc_report_handler::set_handler(messages_to_standard_error);
  nibble::install_interrupt_handler();
  return parse_and_run(argc, argv);
}

namespace nibble {

int run_program(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

}  // namespace nibble
