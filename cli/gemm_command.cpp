// SPDX-License-Identifier: Apache-2.0
/// `nibble gemm`: one matrix product on a machine, with or without data.
#include <chrono>
#include <optional>
#include <string>

#include "accelerators/lowering.h"
#include "accelerators/platform.h"
#include "accelerators/tile_buffers.h"
#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "core/report.h"
#include "core/units.h"
#include "dataflow/schedule_search.h"
#include "formats/npy.h"
#include "formats/quantizer.h"
#include "pe/mant_gemm.h"

namespace nibble {
namespace {

constexpr std::uint64_t alignment = 4096;
constexpr std::int64_t max_extent = std::int64_t{1} << 31;

/// Everything about the product that does not depend on the machine's time.
struct GemmJob {
  std::uint64_t m = 0, k = 0, n = 0;
  Format activation_format, weight_format;
  std::optional<QuantizedTensor> activations, weights;
  bool functional() const { return activations.has_value(); }
};

void check_options(const GemmCommandOptions& options) {
  const bool shapes = options.m || options.k || options.n;
  const bool tensors = !options.activations.empty() || !options.weights.empty();
  if (shapes == tensors) throw InputError("give either --m, --k and --n, or --activations and --weights");
  if (shapes && !(options.m && options.k && options.n)) throw InputError("--m, --k and --n are needed together");
  if (tensors && (options.activations.empty() || options.weights.empty()))
    throw InputError("--activations and --weights are needed together");
  const std::pair<const char*, const std::optional<std::int64_t>&> extents[] = {
      {"--m", options.m}, {"--k", options.k}, {"--n", options.n}};
  for (const auto& [name, value] : extents) {
    if (value && (*value < 1 || *value >= max_extent)) {
      throw InputError(std::string(name) + " must be between 1 and " + std::to_string(max_extent - 1) + ", not " +
                       std::to_string(*value));
    }
  }
  if (!options.output.empty() && options.output == options.accumulator)
    throw InputError("--output and --accumulator name the same file, " + options.output);
  if (options.exponent) throw InputError("--exponent is not used by the formats of PE mant");
  if (!options.accumulate.empty()) throw InputError("--accumulate is not used by PE mant; its accumulator is FP32");
  if (!tensors) {
    const std::pair<const char*, const std::string&> needs_data[] = {{"--output", options.output},
                                                                     {"--accumulator", options.accumulator},
                                                                     {"--weight-select", options.weight_select},
                                                                     {"--calibration", options.calibration}};
    for (const auto& [name, value] : needs_data) {
      if (!value.empty()) throw InputError(std::string(name) + " needs --activations and --weights");
    }
  }
}

Format format_or(const std::string& name, const Format& fallback) {
  return name.empty() ? fallback : Format::parse(name);
}

Tensor matrix(const std::string& file) {
  Tensor tensor = read_npy(file);
  if (tensor.shape.size() != 2)
    throw InputError(file + ": has " + std::to_string(tensor.shape.size()) + " axes, a GEMM operand has 2");
  return tensor;
}

GemmJob prepare(const GemmCommandOptions& options, const SystolicConfig& machine) {
  GemmJob job;
  job.activation_format = format_or(options.activation_format, machine.formats.activation);
  job.weight_format = format_or(options.weight_format, machine.formats.weight);
  check_formats(mant_unit(), job.activation_format, job.weight_format);
  if (options.m) {
    job.m = static_cast<std::uint64_t>(*options.m);
    job.k = static_cast<std::uint64_t>(*options.k);
    job.n = static_cast<std::uint64_t>(*options.n);
    return job;
  }
  const Tensor activations = matrix(options.activations);
  const Tensor weights = matrix(options.weights);
  if (activations.columns() != weights.columns()) {
    throw InputError(options.weights + ": reduces over " + std::to_string(weights.columns()) + " elements, " +
                     options.activations + " over " + std::to_string(activations.columns()));
  }
  std::optional<Tensor> calibration;
  EncodeOptions weight_options;
  weight_options.slot = TensorSlot::offline;
  weight_options.select = options.weight_select;
  if (!options.calibration.empty()) {
    calibration = read_npy(options.calibration);
    weight_options.calibration = &*calibration;
  }
  job.activations = encode(activations, job.activation_format, {});
  job.weights = encode(weights, job.weight_format, weight_options);
  job.m = activations.rows();
  job.k = activations.columns();
  job.n = weights.rows();
  return job;
}

OperandDescriptor place(const Format& format, std::uint64_t rows, std::uint64_t columns, std::uint64_t block_rows,
                        std::uint64_t& next) {
  OperandDescriptor operand;
  operand.address = next;
  operand.format = format;
  operand.rows = static_cast<std::uint32_t>(rows);
  operand.columns = static_cast<std::uint32_t>(columns);
  operand.block_rows = static_cast<std::uint32_t>(std::min(block_rows, rows));
  next = round_up(next + operand.layout(0).bytes(), alignment);
  return operand;
}

Descriptor describe(const GemmJob& job, const SystolicConfig& machine, std::uint64_t& next) {
  Descriptor d;
  d.opcode = Opcode::gemm;
  d.timing_only = !job.functional();
  d.m = static_cast<std::uint32_t>(job.m);
  d.k = static_cast<std::uint32_t>(job.k);
  d.n = static_cast<std::uint32_t>(job.n);
  d.a = place(job.activation_format, job.m, job.k, machine.activation_block_rows, next);
  d.w = place(job.weight_format, job.n, job.k, machine.weight_block_rows, next);
  d.c = place(Format::parse("fp16"), job.m, job.n, machine.activation_block_rows, next);
  d.scratch_address = next;
  next = round_up(next + job.m * job.n * 4, alignment);
  return d;
}

std::string to_text(const Tiling& tiling) {
  return std::to_string(tiling.m) + "x" + std::to_string(tiling.k) + "x" + std::to_string(tiling.n) + " " +
         to_string(tiling.order);
}

}  // namespace

void run_gemm(const GemmCommandOptions& options, std::ostream& out) {
  const auto begin = std::chrono::steady_clock::now();
  check_options(options);
  ConfigNode accelerator = ConfigNode::load(find_config("accelerators", options.accelerator));
  for (const auto& assignment : options.overrides)
    accelerator.apply_override(assignment);
  if (!options.fidelity.empty()) accelerator.apply_override("fidelity=" + options.fidelity);
  PlatformConfig config = PlatformConfig::from(accelerator);
  const GemmJob job = prepare(options, config.machine);
  OutputFiles files;
  for (const auto* file : {&options.output, &options.accumulator}) {
    if (!file->empty()) files.reserve(*file);
  }

  Platform platform(std::move(config));
  platform.watch(stop_if_interrupted);
  const SystolicConfig& machine = platform.config().machine;
  std::uint64_t next_address = round_up(platform.first_free_address(), alignment);
  Descriptor descriptor = describe(job, machine, next_address);
  const ScheduleProblem problem = schedule_problem(machine, platform.memory_rate(), descriptor);
  const ScheduleChoice choice = search_schedule(problem);
  descriptor.tiling = choice.tiling;
  if (next_address > platform.memory().capacity_bytes()) {
    throw InputError("the operands need " + std::to_string(next_address) + " bytes, the memory holds " +
                     std::to_string(platform.memory().capacity_bytes()) +
                     "; choose a larger memory (--set memory.rows=..., memory.channels=...)");
  }

  LoweredCommand timed;
  timed.descriptor = descriptor;
  timed.name = "gemm";
  timed.macs = problem.shape.macs();
  timed.compulsory_bytes = bounds(problem).compulsory_bytes;
  timed.schedule = to_text(choice.tiling);
  // The accumulators before the last rounding come from a second command, which is taken out of the report.
  LoweredCommand exact = timed;
  exact.name = "accumulators";
  exact.descriptor.c = place(Format::parse("fp32"), job.m, job.n, machine.activation_block_rows, next_address);
  const bool wants_accumulators = !options.accumulator.empty();

  Report report;
  report.command = options.command_line;
  report.model = "gemm " + std::to_string(job.m) + "x" + std::to_string(job.k) + "x" + std::to_string(job.n);
  report.scenario = {{"m", job.m}, {"k", job.k}, {"n", job.n}};
  report.attributes = {{"activation_format", job.activation_format.name()},
                       {"weight_format", job.weight_format.name()},
                       {"fidelity", machine.fidelity == Fidelity::cycle ? "cycle" : "transaction"}};
  if (options.explain && options.json) report.attributes.emplace_back("explanation", explain(problem, choice));
  platform.describe(report);
  if (job.functional()) {
    platform.host().write_memory(descriptor.a.address, pack_operand(descriptor.a.layout(0), *job.activations));
    platform.host().write_memory(descriptor.w.address, pack_operand(descriptor.w.layout(0), *job.weights));
  }
  unsigned posted = 0;
  std::vector<float> result, accumulators;
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
        if (!options.output.empty()) result = fetch(descriptor.c);
        if (wants_accumulators) accumulators = fetch(exact.descriptor.c);
      });
  for (auto& entry : report.operators)
    entry.phase = "gemm";
  report.operators.resize(1);  // the command that gave the accumulators is no part of the report
  report.footprint_bytes = next_address;
  const std::vector<std::size_t> shape = {job.m, job.n};
  if (!options.output.empty()) files.write(options.output, npy_contents(NpyType::float16, shape, result));
  if (wants_accumulators) files.write(options.accumulator, npy_contents(NpyType::float32, shape, accumulators));
  files.commit();
  report.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.peak_rss_bytes = peak_rss_bytes();
  if (options.json) {
    out << report_json(report);
    return;
  }
  if (options.explain) out << explain(problem, choice) << '\n';
  out << "activations " << job.activation_format.name() << ", weights " << job.weight_format.name() << ", schedule "
      << timed.schedule << '\n';
  if (job.functional()) out << "overflows to infinity: " << report.totals().overflows << '\n';
  out << report_text(report);
}

}  // namespace nibble
