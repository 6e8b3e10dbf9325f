// SPDX-License-Identifier: Apache-2.0
/// Every machine in every dataflow, register by register against the closed forms, in the whole machine: memory, DMA,
/// buffers, quantizer. At least 60 shapes per dataflow; docs/validation.md shows the table that this test makes.
#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "testbenches/accelerators/sanitized.h"
#include "testbenches/support/paths.h"
#include "testbenches/system/fidelity_support.h"

using namespace nibble;
using namespace nibble::test;

namespace {

const std::vector<std::string> machines = {"mant",       "harmonia",   "amove-array", "amove-array-conservative",
                                           "fp16-array", "int8-array", "ant",         "olive",
                                           "bitfusion",  "figna",      "tender"};
/// Their sums enter the array again, behind a foot that takes cycles: stepped where they stay in the PEs.
const std::vector<std::string> bit_serial = {"anda", "bitmod"};
const std::vector<Dataflow> dataflows = {Dataflow::weight_stationary, Dataflow::input_stationary,
                                         Dataflow::output_stationary};
const std::vector<std::string> memories = {"hbm2", "ddr4-2400", "lpddr5-6400"};
constexpr double tolerance = 0.01;

using Pairs = std::vector<std::unique_ptr<FidelityPair>>;

GemmFormats formats_of(const SystolicConfig& config, const std::string& output) {
  return {config.formats.activation.name(), config.formats.weight.name(), output};
}

/// What the machine writes between layers, where tiles of it may be written: groups, or FP16.
std::string written(const SystolicConfig& config) {
  const Format& format = config.formats.activation;
  return format.grouping == Grouping::group ? format.name() : "fp16";
}

/// Two shapes with data and the others in time only, their results in the format of the next layer.
void add_shapes(FidelityPair& pair, Random& random, std::size_t shapes) {
  const SystolicConfig& config = pair.config();
  const auto extent = [&](std::uint64_t longest) { return static_cast<std::uint32_t>(1 + random.below(longest)); };
  for (std::size_t i = 0; i < shapes; ++i) {
    const bool data = i < 2;
    const std::uint32_t m = i % 3 == 1 ? 1 : extent(60), k = extent(data ? 150 : 500), n = extent(data ? 50 : 120);
    Descriptor command = gemm_command(config, m, k, n, formats_of(config, data ? "fp32" : written(config)));
    command.options = config.options;
    command.c.column_block = static_cast<std::uint32_t>(config.output_block_columns);
    command.tiling = searched(config, command);
    if (data) {
      pair.add(encoded_case(config, command, random));
    } else {
      pair.add(command);
    }
  }
}

struct Comparison {
  std::size_t shapes = 0;
  std::uint64_t largest_difference = 0;
};

/// One line of the table in docs/validation.md.
std::string row(Dataflow dataflow, const Comparison& all) {
  return std::string("| `") + to_string(dataflow) + "` | " + std::to_string(all.shapes) + " | " +
         std::to_string(all.largest_difference) + " |";
}

}  // namespace

TEST_CASE("every machine in every dataflow: registers and closed forms, at least 60 shapes each") {
  std::string table = "| dataflow | shapes | largest difference, cycles |\n|---|---|---|\n";
  std::vector<Pairs> pairs(dataflows.size());
  for (std::size_t d = 0; d < dataflows.size(); ++d) {
    Random random(40 + d);
    std::vector<std::string> names = machines;
    if (dataflows[d] == Dataflow::output_stationary) names.insert(names.end(), bit_serial.begin(), bit_serial.end());
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::vector<std::string> overrides = {
          std::string("array.dataflow=") + to_string(dataflows[d]),
          "array.rows=" + std::to_string(4 << random.below(3)),
          "array.columns=" + std::to_string(4 << random.below(3)),
          "array.result_registers=" + std::string(i % 4 == 3 ? "false" : "true"),
          "layout.output_block_columns=4",
          "buffers.activation_kib=16",
          "buffers.weight_kib=96",
          "buffers.output_kib=2"};
      pairs[d].push_back(std::make_unique<FidelityPair>(
          names[i], overrides, ConfigNode::load(find_config("memories", memories[i % 3])), names[i]));
      add_shapes(*pairs[d].back(), random, sanitized ? 2 : i < 2 ? 7 : 6);
    }
  }
  sc_core::sc_start();
  for (std::size_t d = 0; d < dataflows.size(); ++d) {
    Comparison all;
    for (const auto& pair : pairs[d]) {
      pair->check(tolerance);
      for (std::size_t i = 0; i < pair->size(); ++i) {
        const std::uint64_t a = pair->transaction(i).cycles, b = pair->cycle(i).cycles;
        all.largest_difference = std::max(all.largest_difference, std::max(a, b) - std::min(a, b));
        ++all.shapes;
      }
    }
    table += row(dataflows[d], all) + "\n";
    if (!sanitized) CHECK(all.shapes >= 60);
  }
  if (sanitized) return;
  std::ifstream file(source_path("docs/validation.md"));
  REQUIRE(file);
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK_THAT(page, Catch::Contains(table));
}

TEST_CASE("arrays of 1 x 1 to 256 x 256 PEs, with data, at both fidelities") {
  using Size = std::pair<unsigned, unsigned>;
  const std::vector<Size> sizes = sanitized ? std::vector<Size>{{1, 1}, {1, 64}, {64, 1}}
                                            : std::vector<Size>{{1, 1}, {1, 2},   {2, 1},    {1, 256}, {256, 1},
                                                                {3, 5}, {31, 33}, {128, 64}, {255, 7}, {256, 256}};
  Random random(43);
  Pairs pairs;
  for (const Dataflow dataflow : dataflows) {
    for (const auto& [rows, columns] : sizes) {
      for (const char* machine : {"fp16-array", "harmonia"}) {
        const std::vector<std::string> overrides = {std::string("array.dataflow=") + to_string(dataflow),
                                                    "array.rows=" + std::to_string(rows),
                                                    "array.columns=" + std::to_string(columns)};
        pairs.push_back(std::make_unique<FidelityPair>(
            std::string(machine) + " " + std::to_string(rows) + " x " + std::to_string(columns), overrides,
            flat_memory(64, 50), machine));
        FidelityPair& pair = *pairs.back();
        // One element; less than a large array; more than a small one.
        for (const auto& [m, k, n] : {std::array<std::uint32_t, 3>{1, 1, 1}, {5, 40, 9}, {2, 300, 3}}) {
          if (rows * columns > 10000 && k != 40) continue;
          Descriptor command = gemm_command(pair.config(), m, k, n, formats_of(pair.config(), "fp32"));
          command.tiling = searched(pair.config(), command);
          pair.add(encoded_case(pair.config(), command, random));
        }
      }
    }
  }
  run_pairs(pairs);
}
