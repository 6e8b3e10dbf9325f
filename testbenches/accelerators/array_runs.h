// SPDX-License-Identifier: Apache-2.0
/// Feeds the register-level arrays as early as they accept operands: what a controller with operands at given cycles
/// does. Nothing here knows the closed forms of dataflow/array_timeline.h; tests compare with them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "accelerators/output_stationary_array_cycle.h"
#include "accelerators/stationary_array_cycle.h"
#include "core/units.h"
#include "dataflow/array_passes.h"

namespace nibble::test {

/// One tile for the array.
struct ArrayTask {
  std::uint64_t m = 0, k = 0, n = 0;
  std::uint64_t ready = 0;  ///< edge at which its operands are on chip
  bool completes = true;    ///< output stationary: results leave
};

/// What the registers did with it.
struct ArrayTrace {
  std::uint64_t start = 0, end = 0, result = 0;
};

/// Weight and input stationary. `stationary(task, pass, row, column)` and `streamed(task, pass, index, row)` give
/// operands of a PE (row of the array); `sink(task, pass, index, column, sum)` takes what leaves the columns in use.
template <class Pe>
std::vector<ArrayTrace> run_stationary(
    const ArrayGeometry& array, const std::vector<ArrayTask>& tasks, std::uint64_t group,
    const std::function<typename Pe::Stationary(std::size_t, const ArrayPass&, std::uint64_t, std::uint64_t)>&
        stationary,
    const std::function<typename Pe::Streamed(std::size_t, const ArrayPass&, std::uint64_t, std::uint64_t)>& streamed,
    const std::function<void(std::size_t, const ArrayPass&, std::uint64_t, std::uint64_t, const typename Pe::Sum&)>&
        sink,
    Pe pe = {}) {
  using Array = StationaryArrayCycle<Pe>;
  struct Place {
    std::size_t task = 0;
    std::uint64_t pass = 0, index = 0;
  };
  const bool inputs = array.dataflow == Dataflow::input_stationary;
  std::vector<ArrayPasses> passes;
  std::uint64_t results_left = 0;
  for (const ArrayTask& task : tasks) {
    passes.emplace_back(task.m, task.k, task.n, array, group);
    results_left += task.m * task.n * passes.back().per_output();
  }
  const auto following = [&](Place place) {
    if (++place.pass == passes[place.task].count()) place = {place.task + 1, 0, 0};
    return place;
  };
  Array registers(array, std::move(pe));
  std::vector<ArrayTrace> traces(tasks.size());
  std::vector<Place> tags;
  std::vector<typename Array::Result> results;
  Place loading, streaming;
  std::uint64_t rows_loaded = 0;
  bool busy = false;  // a pass streams
  while (results_left > 0) {
    const std::uint64_t now = registers.cycle();
    typename Array::StreamRow row;
    if (streaming.task < tasks.size() && registers.accepts(!busy)) {
      const ArrayPass pass = passes[streaming.task].at(streaming.pass);
      row.valid = true;
      row.first = !busy;
      row.tag = tags.size();
      tags.push_back(streaming);
      for (std::uint64_t r = 0; r < array.rows; ++r)
        row.x.push_back(streamed(streaming.task, pass, streaming.index, r));
      if (!busy && streaming.pass == 0) traces[streaming.task].start = now;
      busy = ++streaming.index < (inputs ? tasks[streaming.task].n : tasks[streaming.task].m);
      traces[streaming.task].end = now + array.initiation_interval;
      if (!busy) streaming = following({streaming.task, streaming.pass, 0});
    }
    typename Array::LoadRow load;
    if (loading.task < tasks.size() && tasks[loading.task].ready <= now &&
        registers.accepts_load(row.valid && row.first)) {
      const ArrayPass pass = passes[loading.task].at(loading.pass);
      load.valid = true;
      load.row = array.rows - 1 - rows_loaded;
      for (std::uint64_t c = 0; c < array.columns; ++c)
        load.w.push_back(stationary(loading.task, pass, load.row, c));
      if (++rows_loaded == array.rows) {
        rows_loaded = 0;
        loading = following(loading);
      }
    }
    results.clear();
    registers.step(row, load, results);
    for (const auto& result : results) {
      const Place& place = tags[result.tag];
      const ArrayPass pass = passes[place.task].at(place.pass);
      const std::uint64_t column = result.column / array.columns_fused;
      if (column >= (inputs ? pass.m : pass.n)) continue;
      sink(place.task, pass, place.index, result.column, result.sum);
      if (result.column % array.columns_fused != array.columns_fused - 1) continue;
      traces[place.task].result = now + 1 + array.foot_latency;
      --results_left;
    }
  }
  return traces;
}

/// Output stationary. `left(task, pass, step, row)` and `top(task, pass, step, column)` give operands of a PE; step
/// counts k_per_row elements at a time, anew in each group. `sink(task, pass, row, column, sum)` takes the results.
template <class Pe>
std::vector<ArrayTrace> run_outputs(
    const ArrayGeometry& array, const std::vector<ArrayTask>& tasks, std::uint64_t group,
    const std::function<typename Pe::Left(std::size_t, const ArrayPass&, std::uint64_t, std::uint64_t)>& left,
    const std::function<typename Pe::Top(std::size_t, const ArrayPass&, std::uint64_t, std::uint64_t)>& top,
    const std::function<void(std::size_t, const ArrayPass&, std::uint64_t, std::uint64_t, const typename Pe::Sum&)>&
        sink,
    OutputOrder order = OutputOrder::row_first, Pe pe = {}) {
  using Array = OutputStationaryArrayCycle<Pe>;
  Array registers(array, std::move(pe));
  std::vector<ArrayTrace> traces(tasks.size());
  std::vector<std::pair<std::size_t, ArrayPass>> tags;
  std::vector<typename Array::Result> results;
  std::uint64_t results_left = 0, group_start = 0;
  for (const ArrayTask& task : tasks) {
    if (task.completes) results_left += task.m * array.rows_fused * task.n * array.columns_fused;
  }
  const auto cycle = [&](const typename Array::Step& step) {
    results.clear();
    registers.step(step, results);
    for (const auto& result : results) {
      const auto& [task, pass] = tags[result.tag];
      sink(task, pass, result.row, result.column, result.sum);
      traces[task].result = registers.cycle() + array.foot_latency;
      --results_left;
    }
  };
  bool fresh = true;  // sums start anew
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const ArrayTask& task = tasks[t];
    const ArrayPasses passes(task.m, task.k, task.n, array, group, order);
    for (std::uint64_t p = 0; p < passes.count(); ++p) {
      const ArrayPass pass = passes.at(p);
      tags.emplace_back(t, pass);
      std::uint64_t index = 0;
      for (std::uint64_t k0 = 0; k0 < task.k;) {
        const std::uint64_t extent = std::min(group == 0 ? task.k : group, task.k - k0);
        const std::uint64_t steps = ceil_div(extent, array.k_per_row);
        for (std::uint64_t i = 0; i < steps; ++i, ++index) {
          typename Array::Step step;
          step.valid = true;
          step.first = fresh;
          step.last = task.completes && k0 + extent == task.k && i + 1 == steps;
          step.tag = tags.size() - 1;
          for (std::uint64_t r = 0; r < pass.m * array.rows_fused; ++r)
            step.left.push_back(left(t, pass, index, r));
          for (std::uint64_t c = 0; c < pass.n * array.columns_fused; ++c)
            step.top.push_back(top(t, pass, index, c));
          // The step may begin, then end: the shared scaling unit takes a group's sum no sooner than group_interval
          // cycles after the one before, and a result needs the chain.
          while (registers.cycle() < task.ready || !registers.accepts(step.first, false))
            cycle({});
          if (i == 0) group_start = registers.cycle();
          if (p == 0 && index == 0) traces[t].start = registers.cycle();
          while (!registers.accepts(step.first, step.last) ||
                 (i + 1 == steps && registers.cycle() + array.initiation_interval < group_start + array.group_interval))
            cycle({});
          cycle(step);
          traces[t].end = registers.cycle() - 1 + array.initiation_interval;
          fresh = step.last;
        }
        k0 += extent;
      }
    }
    if (!task.completes) {
      const ArrayPass pass = passes.at(0);
      traces[t].result =
          traces[t].end - 1 + (pass.m * array.rows_fused - 1) + (pass.n * array.columns_fused - 1) + array.pe_latency;
    }
  }
  while (results_left > 0)
    cycle({});
  return traces;
}

}  // namespace nibble::test
