// SPDX-License-Identifier: Apache-2.0
/// One matrix product on a machine, with or without data.
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "accelerators/array_trace.h"
#include "accelerators/lowering.h"
#include "accelerators/platform.h"
#include "accelerators/systolic_config.h"
#include "accelerators/tile_buffers.h"
#include "cli/gemm_operands.h"
#include "cli/machine_files.h"
#include "cli/simulate.h"
#include "core/error.h"
#include "core/table.h"
#include "core/units.h"
#include "dataflow/schedule_search.h"

namespace nibble {
namespace {

constexpr std::uint64_t alignment = 4096;
constexpr double most_traced_cycles = 1e6;  // [D] with fewer the file stays below ArrayTrace::most_bytes, mostly
OperandDescriptor place(const Format& format, std::uint64_t rows, std::uint64_t columns, std::uint64_t block_rows,
                        bool packed, std::uint64_t& next) {
  OperandDescriptor operand;
  operand.address = next;
  operand.format = format;
  operand.rows = static_cast<std::uint32_t>(rows);
  operand.columns = static_cast<std::uint32_t>(columns);
  operand.block_rows = static_cast<std::uint32_t>(std::min(block_rows, rows));
  operand.packed = packed;
  next = round_up(next + operand.bytes(), alignment);
  return operand;
}

/// A result: in the blocks of columns that the array's tiles have.
OperandDescriptor place(const Format& format, std::uint64_t rows, std::uint64_t columns, const MachineConfig& machine,
                        std::uint64_t& next) {
  OperandDescriptor operand = place(format, rows, columns, machine.activation_block_rows, false, next);
  operand.column_block = static_cast<std::uint32_t>(machine.output_block_columns);
  return operand;
}

Descriptor describe(const GemmJob& job, const MachineConfig& machine, std::uint64_t& next) {
  Descriptor d;
  d.opcode = Opcode::gemm;
  d.timing_only = !job.functional();
  d.m = static_cast<std::uint32_t>(job.m);
  d.k = static_cast<std::uint32_t>(job.k);
  d.n = static_cast<std::uint32_t>(job.n);
  d.a = place(job.activation_format, job.m, job.k, machine.activation_block_rows, false, next);
  d.w = place(job.weight_format, job.n, job.k, machine.weight_block_rows, true, next);
  d.c = place(Format::parse("fp16"), job.m, job.n, machine, next);
  if (job.functional()) {
    d.a.exponent = job.activations->tensor_exponent;
    d.w.exponent = job.weights->tensor_exponent;
  }
  d.options = job.options;
  d.scratch_address = next;
  next = round_up(next + job.m * job.n * 4, alignment);
  return d;
}

/// What multiplies the formats asked for; where nothing does, what multiplies the machine's own, for the message.
const PeUnit& pe_of(const GemmCommandOptions& options, const MachineConfig& machine) {
  const FormatsConfig& formats = machine.formats;
  const auto or_own = [](const std::string& name, const Format& own) {
    return name.empty() ? own : Format::parse(name);
  };
  const PeUnit* pe = machine.pe_for(or_own(options.activation_format, formats.activation),
                                    or_own(options.weight_format, formats.weight));
  return pe != nullptr ? *pe : *machine.pe_for(formats.activation, formats.weight);
}

/// The observer behind --trace, in the configuration; null without. Throws InputError where there is nothing to watch,
/// or too much.
std::unique_ptr<ArrayTrace> watch_array(const GemmCommandOptions& options, const GemmJob& job, MachineConfig& machine) {
  if (options.trace.empty()) return nullptr;
  const auto* systolic = dynamic_cast<const SystolicConfig*>(&machine);
  if (systolic == nullptr)
    throw InputError("--trace: " + machine.name +
                     " has no systolic array; nibble list accelerators names those that have");
  if (machine.fidelity != Fidelity::cycle) throw InputError("--trace needs --fidelity cycle");
  if (!options.accumulator.empty())
    throw InputError(
        "--trace and --accumulator exclude each other: the accumulators come from a second run of the product");
  const double cycles = static_cast<double>(job.m * job.k) * static_cast<double>(job.n) /
                        machine.macs_per_cycle(job.activation_format, job.weight_format);
  if (cycles > most_traced_cycles) {
    throw InputError("--trace: the product takes " + with_separators(static_cast<std::uint64_t>(cycles)) +
                     " cycles of the array or more, the most is " +
                     with_separators(static_cast<std::uint64_t>(most_traced_cycles)) + "; trace a smaller one");
  }
  auto trace = std::make_unique<ArrayTrace>(systolic->array, machine.clock_mhz);
  machine.array_observer = trace.get();
  return trace;
}

}  // namespace

GemmResult simulate_gemm(const GemmCommandOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  check_gemm_options(options);
  ConfigNode accelerator = load_accelerator(options.accelerator, options.overrides, options.technologies);
  if (!options.fidelity.empty()) accelerator.apply_override("fidelity=" + options.fidelity);
  PlatformConfig config = PlatformConfig::from(accelerator);
  config.add_probes(options.probes);
  config.add_verbosity(options.verbosity);
  config.machine->prefetch_next = false;  // one product is measured; whatever is posted behind it leaves no trace in it
  const FormatsConfig& formats = config.machine->formats;
  const FormatPair defaults{formats.activation.name(), formats.weight.name()};
  const GemmJob job = prepare_gemm(options, pe_of(options, *config.machine), defaults, config.machine->options);
  const std::unique_ptr<ArrayTrace> trace = watch_array(options, job, *config.machine);

  Platform platform(std::move(config));
  platform.watch(stop_if_interrupted);
  const MachineConfig& machine = *platform.config().machine;
  std::uint64_t next_address = round_up(platform.first_free_address(), alignment);
  Descriptor descriptor = describe(job, machine, next_address);
  descriptor.tiling = machine.choose_tiling(descriptor, platform.memory_rate());
  if (next_address > platform.memory().capacity_bytes()) {
    throw InputError("the operands need " + std::to_string(next_address) + " bytes, the memory holds " +
                     std::to_string(platform.memory().capacity_bytes()) +
                     "; choose a larger memory (--set memory.rows=..., memory.channels=...)");
  }

  LoweredCommand timed;
  timed.descriptor = descriptor;
  timed.name = "gemm";
  timed.macs = shape_of(descriptor).macs();
  timed.compulsory_bytes = compulsory_traffic(descriptor).total();
  timed.schedule = describe(descriptor.tiling);
  // The accumulators before the last rounding come from a second command, which is taken out of the report.
  LoweredCommand exact = timed;
  exact.name = "accumulators";
  exact.descriptor.c = place(Format::parse("fp32"), job.m, job.n, machine, next_address);
  const bool wants_accumulators = !options.accumulator.empty();

  GemmResult result;
  result.functional = job.functional();
  Report& report = result.report;
  report.command = options.command_line;
  report.model = "gemm " + std::to_string(job.m) + "x" + std::to_string(job.k) + "x" + std::to_string(job.n);
  report.scenario = {{"m", job.m}, {"k", job.k}, {"n", job.n}};
  report.attributes = {{"activation_format", job.activation_format.name()},
                       {"weight_format", job.weight_format.name()},
                       {"fidelity", machine.fidelity == Fidelity::cycle ? "cycle" : "transaction"}};
  if (const auto saturated = job.saturated_groups()) report.counts.emplace_back("saturated_groups", *saturated);
  if (options.explain) result.explanation = machine.explain_tiling(descriptor, platform.memory_rate());
  platform.describe(report);
  if (job.functional()) {
    platform.host().write_memory(descriptor.a.address, pack_operand(descriptor.a.layout(0), *job.activations));
    platform.host().write_memory(descriptor.w.address, pack_operand(descriptor.w.layout(0), *job.weights));
  }
  unsigned posted = 0;
  platform.run(
      [&]() -> std::optional<LoweredCommand> {
        stop_if_interrupted();
        ++posted;
        if (posted == 1) return timed;
        if (posted == 2 && wants_accumulators) return exact;
        return std::nullopt;
      },
      report, {},
      [&](Host& host) {
        const auto fetch = [&](const OperandDescriptor& operand) {
          const OperandLayout layout = operand.layout(0);
          return unpack_results(layout, operand.format, host.read_memory(layout.base, layout.bytes()));
        };
        if (!options.output.empty()) result.result = fetch(descriptor.c);
        if (wants_accumulators) result.accumulator = fetch(exact.descriptor.c);
      });
  if (trace != nullptr && trace->full()) {
    throw InputError("--trace: the waveforms take more than " + with_separators(ArrayTrace::most_bytes >> 20) +
                     " MiB; trace a smaller product");
  }
  if (trace != nullptr) result.waveforms = trace->text();
  for (auto& entry : report.operators)
    entry.phase = "gemm";
  report.operators.resize(1);  // the command that gave the accumulators is no part of the report
  report.footprint_bytes = next_address;
  report.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.peak_rss_bytes = peak_rss_bytes();
  return result;
}

}  // namespace nibble
