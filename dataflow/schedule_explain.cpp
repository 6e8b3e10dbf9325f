// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "core/table.h"
#include "core/units.h"
#include "dataflow/array_passes.h"
#include "dataflow/schedule_model.h"
#include "dataflow/schedule_search.h"

namespace nibble {
namespace {

std::string whole(double value) {
  return fixed(value, 0);
}
std::string percent(double part, double of) {
  return fixed(of > 0 ? 100 * part / of : 0, 1) + " %";
}
std::string ratio(double part, double of) {
  return of > 0 ? fixed(part / of, 2) + " x" : "-";
}

std::string gemm_line(const GemmShape& shape) {
  std::string line =
      "GEMM m x k x n = " + std::to_string(shape.m) + " x " + std::to_string(shape.k) + " x " + std::to_string(shape.n);
  if (shape.count > 1) line += ", " + std::to_string(shape.count) + " instances";
  if (shape.causal != CausalMask::none) {
    line += shape.causal == CausalMask::scores ? ", causal scores" : ", causal context";
    line += " after " + std::to_string(shape.past) + " tokens, " + std::to_string(shape.rows_per_token) +
            (shape.rows_per_token == 1 ? " row per token" : " rows per token");
    if (shape.window != 0) line += ", window of " + std::to_string(shape.window);
  }
  return line + "; " + with_separators(shape.macs()) + " MACs\n";
}

std::string streamed(const ArrayPasses& passes, const ArrayGeometry& array) {
  switch (array.dataflow) {
    case Dataflow::weight_stationary:
      return std::to_string(passes.rows()) + " activation rows";
    case Dataflow::input_stationary:
      return std::to_string(passes.columns()) + " weight rows";
    case Dataflow::output_stationary:
      break;
  }
  return std::to_string(passes.stream_cycles()) + " cycles along k";
}

const char* stationary(Dataflow dataflow) {
  switch (dataflow) {
    case Dataflow::output_stationary:
      return ", output stationary";
    case Dataflow::input_stationary:
      return ", input stationary";
    case Dataflow::weight_stationary:
      break;
  }
  return "";
}

const char* waits_for(Dataflow dataflow) {
  switch (dataflow) {
    case Dataflow::output_stationary:
      return "), waiting for results to drain ";
    case Dataflow::input_stationary:
      return "), waiting for activations ";
    case Dataflow::weight_stationary:
      break;
  }
  return "), waiting for weights ";
}

std::string loop_nest(const ScheduleProblem& problem, const Tiling& tiling) {
  std::string text, indent = "  ";
  if (problem.shape.count > 1) {
    text += indent + "for " + std::to_string(problem.shape.count) + " instances\n";
    indent += "  ";
  }
  for (const char* letter = to_string(tiling.order); *letter != 0; ++letter) {
    const std::uint64_t extent = *letter == 'm' ? problem.shape.m : *letter == 'k' ? problem.shape.k : problem.shape.n;
    const std::uint64_t tile = std::min(extent, *letter == 'm' ? tiling.m : *letter == 'k' ? tiling.k : tiling.n);
    const std::uint64_t tiles = ceil_div(extent, tile), rest = extent - (tiles - 1) * tile;
    text += indent + "for " + *letter + ": " + std::to_string(tiles) + (tiles == 1 ? " tile of " : " tiles of ") +
            std::to_string(tile) + (rest != tile ? ", the last of " + std::to_string(rest) : "") + "\n";
    indent += "  ";
  }
  const ArrayPasses passes(std::min(tiling.m, problem.shape.m), std::min(tiling.k, problem.shape.k),
                           std::min(tiling.n, problem.shape.n), problem.array,
                           pass_group(problem.activation, problem.weight));
  return text + indent + std::to_string(passes.count()) + (passes.count() == 1 ? " pass of " : " passes of ") +
         streamed(passes, problem.array) + " on the " + std::to_string(problem.array.rows) + " x " +
         std::to_string(problem.array.columns) + " array" + stationary(problem.array.dataflow) + "\n";
}

std::string order_lines(const ScheduleChoice& choice) {
  if (!choice.row_first && !choice.column_first) return {};
  const auto line = [](const char* name, const ScheduleChoice::InOrder& best) {
    return std::string("  ") + name + ": " + with_separators(best.cost.traffic.total()) + " bytes, " +
           whole(best.cost.cycles) + " cycles (m=" + std::to_string(best.tiling.m) +
           " k=" + std::to_string(best.tiling.k) + " n=" + std::to_string(best.tiling.n) + ", " +
           to_string(best.tiling.order) + ")\n";
  };
  const bool both = choice.row_first && choice.column_first;
  const bool rows = choice.row_first && (!both || row_first(choice.tiling.order));
  const char* const name = to_string(rows ? OutputOrder::row_first : OutputOrder::column_first);
  std::string text = std::string("output order: ") + name;
  if (!both) {
    text += ", as configured\n";
  } else if (choice.row_first->cost.traffic.total() == choice.column_first->cost.traffic.total()) {
    text += ", both move the same\n";
  } else {
    text += ", which moves less\n";
  }
  if (choice.row_first) text += line("row-first", *choice.row_first);
  if (choice.column_first) text += line("column-first", *choice.column_first);
  return text;
}

std::string buffer_table(const ScheduleModel& model, const Tiling& tiling) {
  const BufferCapacity& buffers = model.problem().buffers;
  Table table;
  table.column("buffer", Table::Align::left).column("tile bytes").column("room").column("used");
  const auto row = [&](const char* name, std::uint64_t bytes, std::uint64_t room) {
    table.row({name, with_separators(bytes), with_separators(room),
               percent(static_cast<double>(bytes), static_cast<double>(room))});
  };
  row("activation (half)", model.activation_tile_bytes(tiling.m, tiling.k), buffers.activation_bytes / 2);
  row("weight (half)", model.weight_tile_bytes(tiling.n, tiling.k), buffers.weight_bytes / 2);
  row("output (whole)", model.output_tile_bytes(tiling.m, tiling.n), buffers.output_bytes);
  return table.text();
}

std::string traffic_table(const Traffic& moved, const ScheduleBounds& bound) {
  Table table;
  table.column("traffic", Table::Align::left).column("bytes").column("compulsory").column("ratio");
  const auto row = [&](const char* name, std::uint64_t bytes, std::uint64_t compulsory) {
    table.row({name, with_separators(bytes), with_separators(compulsory),
               ratio(static_cast<double>(bytes), static_cast<double>(compulsory))});
  };
  row("activation", moved.activation, bound.compulsory.activation);
  row("weight", moved.weight, bound.compulsory.weight);
  row("output", moved.output, bound.compulsory.output);
  row("partial sums out", moved.partial_write, 0);
  row("partial sums in", moved.partial_read, 0);
  table.rule();
  row("all", moved.total(), bound.compulsory_bytes);
  return table.text();
}

std::string cycle_lines(const ScheduleCost& cost, const ScheduleBounds& bound, Dataflow dataflow) {
  const std::uint64_t array = cost.compute_cycles + cost.weight_load_cycles;
  const bool memory_binds = cost.memory_cycles > static_cast<double>(array);
  return "cycles, estimated: " + whole(cost.cycles) + " in " + with_separators(cost.jobs) + " jobs; " +
         (memory_binds ? "memory" : "the array") + " binds\n" + "  array: compute " +
         with_separators(cost.compute_cycles) + " (at least " + with_separators(bound.compute_cycles) +
         waits_for(dataflow) + with_separators(cost.weight_load_cycles) + ", fill and drain " +
         with_separators(cost.fill_drain_cycles) + "\n" + "  memory: " + whole(cost.memory_cycles) + " (at least " +
         whole(bound.memory_cycles) + ")\n";
}

}  // namespace

std::string explain(const ScheduleProblem& problem, const ScheduleChoice& choice) {
  const ScheduleModel model(problem);
  const ScheduleBounds bound = bounds(problem);
  const auto compulsory = static_cast<double>(bound.compulsory_bytes);
  std::string text = gemm_line(problem.shape) + loop_nest(problem, choice.tiling);
  text += buffer_table(model, choice.tiling) + traffic_table(choice.cost.traffic, bound);
  text += cycle_lines(choice.cost, bound, problem.array.dataflow);
  text += order_lines(choice);
  const Tiling& fast = choice.fastest_tiling;
  text += "chosen among " + with_separators(choice.candidates) +
          " schedules; the fastest (m=" + std::to_string(fast.m) + " k=" + std::to_string(fast.k) +
          " n=" + std::to_string(fast.n) + ", " + to_string(fast.order) + ") saves " +
          fixed(100 * (choice.cost.cycles - choice.fastest.cycles) / choice.cost.cycles, 2) + " % of the cycles (" +
          whole(choice.fastest.cycles) + ") and moves " + with_separators(choice.fastest.traffic.total()) + " bytes, " +
          ratio(static_cast<double>(choice.fastest.traffic.total()), compulsory) + " the compulsory\n";
  return text;
}

}  // namespace nibble
