// SPDX-License-Identifier: Apache-2.0
/// What holds for every configuration, on 540 random ones: machine, dataflow, array of 1 x 1 to 256 x 256 PEs, buffers,
/// memory, formats, shape, mask, instances. A failure names the configuration as options of `nibble gemm`.
#include <catch2/catch.hpp>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "dataflow/array_passes.h"
#include "dataflow/schedule_model.h"
#include "dataflow/schedule_search.h"
#include "memory/memory_system.h"
#include "testbenches/accelerators/gemm_case.h"
#include "testbenches/accelerators/sanitized.h"

using namespace nibble;
using namespace nibble::test;

namespace {

constexpr Dataflow dataflows[] = {Dataflow::weight_stationary, Dataflow::input_stationary, Dataflow::output_stationary};
constexpr std::size_t per_dataflow = sanitized ? 30 : 180;
constexpr std::uint64_t queued_bytes = 64 * 64;  ///< writes that a memory has accepted but not moved at the end

struct Drawn {
  std::string machine;
  std::vector<std::string> overrides;
  GemmFormats formats;
  std::string memory;
  std::vector<std::string> memory_overrides;
  SystolicConfig config;
  Descriptor command;

  /// As one would repeat it; masks and instances, which have no option, behind it.
  std::string text() const {
    std::string out = "nibble gemm --accelerator " + machine + " --m " + std::to_string(command.m) + " --k " +
                      std::to_string(command.k) + " --n " + std::to_string(command.n) + " --activation-format " +
                      formats.activation + " --weight-format " + formats.weight + " --set memory.preset=" + memory;
    for (const auto& value : overrides)
      out += " --set " + value;
    for (const auto& value : memory_overrides)
      out += " --set memory." + value;
    return out + "; output " + formats.output + ", instances " + std::to_string(command.count) + ", mask " +
           std::to_string(static_cast<int>(command.causal)) + ", past " + std::to_string(command.past) +
           ", rows per token " + std::to_string(command.rows_per_token) + ", window " + std::to_string(command.window);
  }
};

template <class T>
const T& any(const std::vector<T>& values, Random& random) {
  return values[random.below(values.size())];
}

/// 1 to 256, all magnitudes alike.
std::uint64_t extent(Random& random, std::uint64_t multiple) {
  return round_up(1 + random.below(std::uint64_t{1} << random.below(9)), multiple);
}

std::string kib_of(Random& random, unsigned most) {
  return std::to_string(std::uint64_t{1} << random.below(most + 1));
}

/// Machines and buffers; retried until the machine accepts them and a schedule fits.
Drawn draw_machine(Dataflow dataflow, Random& random) {
  static const std::vector<std::string> machines = {
      "mant",  "harmonia",  "amove-array", "amove-array-conservative", "fp16-array", "int8-array", "ant",
      "olive", "bitfusion", "figna"};
  Drawn drawn;
  drawn.machine = any(machines, random);
  const bool fused = drawn.machine == "mant" || drawn.machine == "ant" || drawn.machine == "olive";
  const std::uint64_t rows = extent(random, fused ? 2 : 1), columns = extent(random, fused ? 2 : 1);
  std::uint64_t ports = 1 + random.below(4);
  while (rows % ports != 0)
    --ports;
  drawn.overrides = {std::string("array.dataflow=") + to_string(dataflow),
                     "array.rows=" + std::to_string(rows),
                     "array.columns=" + std::to_string(columns),
                     "array.result_ports=" + std::to_string(ports),
                     std::string("array.result_registers=") + (random.below(3) != 0 ? "true" : "false"),
                     "buffers.activation_kib=" + kib_of(random, 8),
                     "buffers.weight_kib=" + kib_of(random, 8),
                     "buffers.output_kib=" + kib_of(random, 6),
                     "layout.output_block_columns=" + std::to_string(1 + random.below(64)),
                     "layout.activation_block_rows=" + std::to_string(1 + random.below(128)),
                     "layout.weight_block_rows=" + std::to_string(1 + random.below(128))};
  drawn.config = machine_config(drawn.machine, drawn.overrides);
  return drawn;
}

void draw_memory(Drawn& drawn, Random& random) {
  static const std::vector<std::string> presets = {"flat-64gbps", "hbm2", "ddr4-2400", "lpddr5-6400", "gddr6-16"};
  drawn.memory = any(presets, random);
  if (drawn.memory != "flat-64gbps") return;
  drawn.memory_overrides = {"bandwidth_gbps=" + std::to_string(std::uint64_t{1} << random.below(12)),
                            "latency_ns=" + std::to_string(random.below(200))};
}

void draw_command(Drawn& drawn, Random& random, std::uint64_t m_most = 150, std::uint64_t k_most = 600,
                  std::uint64_t n_most = 200) {
  const FormatsConfig& formats = drawn.config.formats;
  const auto [a, w] = any<std::pair<Format, Format>>(
      {{formats.activation, formats.weight}, {formats.query, formats.key}, {formats.probability, formats.value}},
      random);
  drawn.formats = {a.name(), w.name(), random.below(2) == 0 ? "fp16" : "fp32"};
  std::uint32_t m = static_cast<std::uint32_t>(1 + random.below(m_most)),
                k = static_cast<std::uint32_t>(1 + random.below(k_most)),
                n = static_cast<std::uint32_t>(1 + random.below(n_most));
  const CausalMask mask = any<CausalMask>({CausalMask::none, CausalMask::scores, CausalMask::context}, random);
  const auto past = static_cast<std::uint32_t>(random.below(100)),
             per_token = static_cast<std::uint32_t>(1 + random.below(4));
  const std::uint32_t tokens = past + static_cast<std::uint32_t>(ceil_div(m, per_token));
  if (mask == CausalMask::scores) n = tokens;
  if (mask == CausalMask::context) k = tokens;
  Descriptor& d = drawn.command;
  d = gemm_command(drawn.config, m, k, n, drawn.formats, static_cast<std::uint32_t>(1 + random.below(3)));
  d.c.column_block = static_cast<std::uint32_t>(drawn.config.output_block_columns);
  d.options = drawn.config.options;
  if (mask == CausalMask::none) return;
  d.causal = mask;
  d.past = past;
  d.rows_per_token = per_token;
  if (random.below(3) == 0) d.window = static_cast<std::uint32_t>(1 + random.below(tokens));
}

ConfigNode memory_of(const Drawn& drawn) {
  ConfigNode node = ConfigNode::load(find_config("memories", drawn.memory));
  for (const auto& value : drawn.memory_overrides)
    node.apply_override(value);
  return node;
}

MemoryRate rate_of(const SystolicConfig& config, const MemorySystem& memory) {
  return {config.bytes_per_cycle(memory.peak_bandwidth()), memory.idle_latency() * config.clock_mhz * 1e6};
}

/// A machine with its memory that runs one command.
struct Run {
  SystolicConfig config;
  std::unique_ptr<MemorySystem> memory;
  Descriptor command;
  std::unique_ptr<MachineBench> bench;

  Run(const SystolicConfig& machine, const ConfigNode& memory_node, const Descriptor& d) : config(machine), command(d) {
    const std::string name = sc_core::sc_gen_unique_name("run");
    memory = make_memory((name + "_memory").c_str(), memory_node, nullptr);
    command.tiling = search_schedule(problem()).tiling;
    bench = std::make_unique<MachineBench>(name.c_str(), config, memory->target,
                                           dynamic_cast<tlm::tlm_fw_transport_if<>&>(*memory), [this](MachineBench& b) {
                                             b.open_queue();
                                             CHECK(b.perform(command).status == CommandStatus::done);
                                           });
  }
  ScheduleProblem problem() const { return schedule_problem(config, rate_of(config, *memory), command); }
  const CommandCounters& counters() const {
    REQUIRE(bench->commands.size() == 1);
    return bench->commands.front();
  }
};

std::uint64_t bytes(const CommandCounters& c, Stream stream) {
  const auto i = static_cast<unsigned>(stream);
  return c.read_bytes[i] + c.write_bytes[i];
}

void check_sums(const CommandCounters& c) {
  CHECK(c.compute_cycles + c.fill_drain_cycles + c.memory_stall_cycles + c.output_stall_cycles +
            c.exposed_quantizer_cycles ==
        c.cycles);
  CHECK(std::accumulate(c.stall_by_stream.begin(), c.stall_by_stream.end(), std::uint64_t{0}) == c.memory_stall_cycles);
}

/// On its own memory.
void check_bounds(const Run& run) {
  const CommandCounters& c = run.counters();
  const ScheduleProblem problem = run.problem();
  const ScheduleCost cost = evaluate(problem, run.command.tiling);
  const ScheduleBounds least = bounds(problem);
  const auto cycles = static_cast<double>(c.cycles);
  check_sums(c);
  CHECK(cycles * run.config.macs_per_cycle(run.command.a.format, run.command.w.format) >=
        static_cast<double>(problem.shape.macs()));
  CHECK(c.cycles >= least.compute_cycles);
  CHECK(c.compute_cycles == cost.compute_cycles);
  // Bytes: those of the closed form, at least every operand once, at most what the memory moves in the time.
  const std::uint64_t moved = bytes(c, Stream::activation) + bytes(c, Stream::weight) + bytes(c, Stream::output) +
                              bytes(c, Stream::partial_sum);
  CHECK(moved == cost.traffic.total());
  CHECK(moved >= least.compulsory_bytes);
  CHECK(bytes(c, Stream::weight) >= least.compulsory.weight);
  CHECK(bytes(c, Stream::activation) >= least.compulsory.activation);
  CHECK(bytes(c, Stream::output) >= least.compulsory.output);
  if (problem.shape.causal == CausalMask::none) CHECK(bytes(c, Stream::output) == least.compulsory.output);
  CHECK(static_cast<double>(moved) <= cycles * problem.memory.bytes_per_cycle + queued_bytes);
}

/// Infinite bandwidth and free fill: the cycles in which operands enter, pass by pass, and no others.
void check_ideal(const Run& run) {
  const CommandCounters& c = run.counters();
  const ScheduleProblem problem = run.problem();
  std::uint64_t ideal = 0;
  TileSchedule schedule(problem.shape, run.command.tiling);
  while (const auto job = schedule.next()) {
    const ArrayPasses passes(job->m, job->k, job->n, problem.array, *problem.sum_extent);
    ideal += passes.count() * passes.stream_cycles();
  }
  check_sums(c);
  CHECK(c.cycles == ideal);
  CHECK(c.compute_cycles == ideal);
}

void check_dataflow(Dataflow dataflow) {
  Random random(4000 + static_cast<std::uint64_t>(dataflow));
  const ConfigNode ideal_memory = ConfigNode::load(find_config("memories", "ideal"));
  std::vector<Drawn> all;
  std::vector<std::unique_ptr<Run>> runs, ideals;
  while (all.size() < per_dataflow) {
    Drawn drawn = draw_machine(dataflow, random);
    draw_memory(drawn, random);
    draw_command(drawn, random);
    try {
      search_schedule(schedule_problem(drawn.config, {64, 50}, drawn.command));
    } catch (const InputError&) {
      continue;  // not even the smallest tile fits the buffers
    }
    runs.push_back(std::make_unique<Run>(drawn.config, memory_of(drawn), drawn.command));
    std::vector<std::string> free = drawn.overrides;
    free.emplace_back("array.fill=free");
    ideals.push_back(std::make_unique<Run>(machine_config(drawn.machine, free), ideal_memory, drawn.command));
    all.push_back(std::move(drawn));
  }
  sc_core::sc_start();
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i, all[i].text());
    check_bounds(*runs[i]);
    check_ideal(*ideals[i]);
  }
}

/// The least bytes of all tilings in all orders.
std::uint64_t least_traffic(const ScheduleProblem& problem) {
  const ScheduleModel model(problem);
  const GemmShape& shape = problem.shape;
  std::uint64_t least = UINT64_MAX;
  for (std::uint64_t m = 1; m <= shape.m; ++m) {
    for (std::uint64_t k = 0; k < shape.k;) {
      k = std::min(shape.k, k + model.k_step());
      for (std::uint64_t n = 0; n < shape.n;) {
        n = std::min(shape.n, n + model.n_step());
        if (!model.fits(m, k, n)) continue;
        const MaskSums sums = model.mask_sums(m, model.masked_along_k() ? k : n);
        const TileFigures figures = model.figures({m, k, n, LoopOrder::mnk}, sums);
        for (const LoopOrder order : all_loop_orders) {
          if (!model.allows(order, k)) continue;
          const Traffic traffic = model.cost(order, figures, sums).traffic;
          if (problem.may_spill || traffic.partial_write == 0) least = std::min(least, traffic.total());
        }
      }
    }
  }
  return least;
}

/// With one buffer doubled.
ScheduleProblem enlarged(ScheduleProblem problem, std::size_t buffer) {
  std::uint64_t* const buffers[] = {&problem.buffers.activation_bytes, &problem.buffers.weight_bytes,
                                    &problem.buffers.output_bytes};
  *buffers[buffer] *= 2;
  return problem;
}

std::uint64_t searched_traffic(ScheduleProblem problem) {
  problem.traffic_price = 1e9;
  return search_schedule(problem).cost.traffic.total();
}

}  // namespace

TEST_CASE("traffic never rises with a buffer: the least of all tilings on 540 machines") {
  Random random(4100);
  for (std::size_t compared = 0; compared < 3 * per_dataflow;) {
    Drawn drawn = draw_machine(dataflows[compared % 3], random);
    draw_memory(drawn, random);
    draw_command(drawn, random, 10, 300, 80);
    ScheduleProblem problem = schedule_problem(drawn.config, {64, 50}, drawn.command);
    // Small operands: buffers that they overflow.
    for (std::uint64_t* bytes :
         {&problem.buffers.activation_bytes, &problem.buffers.weight_bytes, &problem.buffers.output_bytes})
      *bytes = 64 + random.below(4096);
    const std::uint64_t least = least_traffic(problem);
    if (least == UINT64_MAX) continue;  // not even the smallest tile fits
    CAPTURE(drawn.text(), problem.buffers.activation_bytes, problem.buffers.weight_bytes, problem.buffers.output_bytes);
    for (std::size_t buffer = 0; buffer < 3; ++buffer)
      CHECK(least_traffic(enlarged(problem, buffer)) <= least);
    ++compared;
  }
}

TEST_CASE("traffic that a search finds rises with a buffer only within what its grid misses") {
  Random random(4101);
  std::size_t rises = 0;
  for (std::size_t compared = 0; compared < 3 * per_dataflow;) {
    Drawn drawn = draw_machine(dataflows[compared % 3], random);
    draw_memory(drawn, random);
    draw_command(drawn, random);
    const ScheduleProblem problem = schedule_problem(drawn.config, {64, 50}, drawn.command);
    std::uint64_t moved = 0;
    try {
      moved = searched_traffic(problem);
    } catch (const InputError&) {
      continue;
    }
    const std::uint64_t larger = searched_traffic(enlarged(problem, compared / 3 % 3));
    CAPTURE(drawn.text());
    CHECK(static_cast<double>(larger) <= 1.15 * static_cast<double>(moved));
    if (larger > moved) ++rises;
    ++compared;
  }
  CHECK(rises <= 3 * per_dataflow / 100);
}

TEST_CASE("a GEMM that fills every pass takes work over peak, on infinite bandwidth with free fill") {
  const ConfigNode ideal_memory = ConfigNode::load(find_config("memories", "ideal"));
  std::vector<std::unique_ptr<Run>> runs;
  for (const std::string machine :
       {"mant", "harmonia", "amove-array", "fp16-array", "int8-array", "ant", "olive", "bitfusion", "figna"}) {
    for (const Dataflow dataflow : dataflows) {
      const SystolicConfig config = machine_config(
          machine, {std::string("array.dataflow=") + to_string(dataflow), "array.fill=free", "array.rows=64",
                    "buffers.activation_kib=4096", "buffers.weight_kib=4096", "buffers.output_kib=4096"});
      const ArrayGeometry array = config.array_for(config.formats.activation, config.formats.weight);
      const std::uint64_t group = sum_extent(config.formats.activation, config.formats.weight);
      if (group != 0 && group % array.pass_k() != 0) continue;  // passes end with their groups
      const auto narrow = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
      Descriptor command =
          gemm_command(config, narrow(array.pass_m() == 0 ? 37 : 2 * array.pass_m()),
                       narrow(std::lcm(128, array.pass_k())), narrow(array.pass_n() == 0 ? 128 : 2 * array.pass_n()),
                       {config.formats.activation.name(), config.formats.weight.name(), "fp16"});
      command.options = config.options;
      runs.push_back(std::make_unique<Run>(config, ideal_memory, command));
    }
  }
  sc_core::sc_start();
  for (const auto& run : runs) {
    const Descriptor& d = run->command;
    CAPTURE(run->config.name, to_string(run->config.array.dataflow), d.m, d.k, d.n);
    const double work = static_cast<double>(d.m) * d.k * d.n;
    CHECK(static_cast<double>(run->counters().cycles) == work / run->config.macs_per_cycle(d.a.format, d.w.format));
  }
  CHECK(runs.size() >= 20);
}

TEST_CASE("bounds, sums and ideals of random weight-stationary machines") {
  check_dataflow(Dataflow::weight_stationary);
}

TEST_CASE("bounds, sums and ideals of random input-stationary machines") {
  check_dataflow(Dataflow::input_stationary);
}

TEST_CASE("bounds, sums and ideals of random output-stationary machines") {
  check_dataflow(Dataflow::output_stationary);
}
