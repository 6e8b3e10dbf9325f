// SPDX-License-Identifier: Apache-2.0
/// `nibble gemm`: one matrix product on a machine, with or without data.
#include "cli/commands.h"
#include "cli/simulate.h"
#include "core/file.h"
#include "formats/npy.h"

namespace nibble {
namespace {

std::string attribute(const Report& report, const std::string& name) {
  for (const auto& [key, value] : report.attributes) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace

void run_gemm(const GemmCommandOptions& options, std::ostream& out) {
  OutputFiles files;
  for (const auto* file : {&options.output, &options.accumulator, &options.trace}) {
    if (!file->empty()) files.reserve(*file);
  }
  GemmResult gemm = simulate_gemm(options);
  Report& report = gemm.report;
  const OperatorFigures& product = report.operators.front();
  const std::vector<std::size_t> shape = {product.m, product.n};
  if (!options.output.empty()) files.write(options.output, npy_contents(NpyType::float16, shape, gemm.result));
  if (!options.accumulator.empty())
    files.write(options.accumulator, npy_contents(NpyType::float32, shape, gemm.accumulator));
  if (!options.trace.empty()) files.write(options.trace, gemm.waveforms);
  files.commit();
  if (options.json) {
    if (options.explain) report.attributes.emplace_back("explanation", gemm.explanation);
    out << report_json(report);
    return;
  }
  if (options.explain) out << gemm.explanation << '\n';
  out << "activations " << attribute(report, "activation_format") << ", weights " << attribute(report, "weight_format")
      << ", schedule " << product.schedule << '\n';
  if (gemm.functional) out << "overflows to infinity: " << report.totals().overflows << '\n';
  for (const auto& [name, count] : report.counts)
    out << name << ": " << count << '\n';
  out << report_text(report);
}

}  // namespace nibble
