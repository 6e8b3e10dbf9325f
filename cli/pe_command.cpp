// SPDX-License-Identifier: Apache-2.0
/// `nibble gemm --pe`: the function of one PE on two tensors, without a machine around it.
#include <string>
#include <utility>

#include "cli/gemm_operands.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/report.h"
#include "core/table.h"
#include "formats/npy.h"
#include "formats/rounding.h"
#include "pe/pe_library.h"

namespace nibble {
namespace {

/// What only a machine has.
void refuse_machine_options(const GemmCommandOptions& options) {
  const std::pair<const char*, bool> machine_only[] = {{"--fidelity", !options.fidelity.empty()},
                                                       {"--explain", options.explain},
                                                       {"--trace", !options.trace.empty()},
                                                       {"--set", !options.overrides.empty()},
                                                       {"--m, --k and --n", options.m.has_value()}};
  for (const auto& [name, given] : machine_only) {
    if (given) throw InputError(std::string(name) + " needs --accelerator; --pe computes without a machine");
  }
}

std::string document(const GemmCommandOptions& options, const PeUnit& pe, const GemmJob& job, std::uint64_t overflows) {
  JsonWriter json;
  json.begin_object().field("schema", "nibble.gemm/1").field("version", nibble_version);
  json.field("command", options.command_line).field("pe", pe.name);
  json.field("activation_format", job.activation_format.name()).field("weight_format", job.weight_format.name());
  json.field("m", job.m).field("k", job.k).field("n", job.n).field("macs", job.m * job.k * job.n);
  json.field("overflows", overflows);
  if (const auto saturated = job.saturated_groups()) json.field("saturated_groups", *saturated);
  return json.end_object().str();
}

std::string text(const PeUnit& pe, const GemmJob& job, std::uint64_t overflows) {
  std::string out = "PE " + pe.name + ": " + pe.summary + "\n";
  out += "activations " + job.activation_format.name() + ", weights " + job.weight_format.name() + ", " +
         std::to_string(job.m) + " x " + std::to_string(job.k) + " x " + std::to_string(job.n) + ", " +
         with_separators(job.m * job.k * job.n) + " MACs\n";
  out += "overflows to infinity: " + std::to_string(overflows) + "\n";
  if (const auto saturated = job.saturated_groups())
    out += "groups beyond their scale: " + std::to_string(*saturated) + "\n";
  return out;
}

}  // namespace

void run_pe_gemm(const GemmCommandOptions& options, std::ostream& out) {
  const PeUnit& pe = find_pe(options.pe);
  refuse_machine_options(options);
  check_gemm_options(options);
  const GemmJob job = prepare_gemm(options, pe, {pe.activation_format, pe.weight_format}, {});
  OutputFiles files;
  for (const auto* file : {&options.output, &options.accumulator}) {
    if (!file->empty()) files.reserve(*file);
  }
  std::vector<float> accumulators;
  gemm(pe, *job.activations, *job.weights, accumulators, job.options);
  const Fp16Output output = fp16_output(accumulators);
  const std::vector<std::size_t> shape = {job.m, job.n};
  if (!options.output.empty()) {
    std::vector<float> values;
    values.reserve(output.bits.size());
    for (const std::uint16_t bits : output.bits)
      values.push_back(fp16_value(bits));
    files.write(options.output, npy_contents(NpyType::float16, shape, values));
  }
  if (!options.accumulator.empty())
    files.write(options.accumulator, npy_contents(NpyType::float32, shape, accumulators));
  files.commit();
  out << (options.json ? document(options, pe, job, output.overflows) : text(pe, job, output.overflows));
}

}  // namespace nibble
