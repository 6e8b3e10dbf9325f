// SPDX-License-Identifier: Apache-2.0
// The page of a run: time by cause, roofline, traffic, energy, area.
"use strict";
(() => {
  const { data, withPrefix, withSeparators, percent, colour } = page;
  const causes = [["compute", "compute"], ["fill_drain", "fill"], ["memory_stall", "memory"], ["output_stall", "output"],
    ["exposed_quantizer", "quantizer"]];
  const cause_names = ["compute", "fill and drain", "waiting for memory", "waiting for output", "exposed quantizer"];
  const streams = [["weight", "weights"], ["activation", "activations"], ["kv", "KV"], ["output", "outputs"],
    ["partial_sum", "partial sums"], ["vector", "vector operands"], ["command", "commands"], ["metadata", "metadata"]];
  const hertz = data.clock_mhz * 1e6;

  const operators = data.operators.map((values) => {
    const one = Object.fromEntries(data.columns.map((column, i) => [column, values[i]]));
    for (const key of ["name", "kind", "phase", "schedule"]) one[key] = data.strings[one[key]];
    return one;
  });
  const sums = ["cycles", "hidden_cycles", "macs", "ideal_cycles", "compulsory_bytes", "dram_bytes"]
    .concat(causes.map(([key]) => `${key}_cycles`), streams.map(([key]) => `traffic.${key}`));
  const total_cycles = operators.reduce((sum, one) => sum + one.cycles, 0);
  const group = (key_of, list = operators) => {
    const groups = new Map();
    for (const one of list) {
      const label = key_of(one);
      if (!groups.has(label)) {
        groups.set(label, { label, phase: one.phase, kind: one.kind, name: one.name, ...Object.fromEntries(sums.map((key) => [key, 0])) });
      }
      for (const key of sums) groups.get(label)[key] += one[key];
    }
    return [...groups.values()];
  };
  const seconds = (cycles) => cycles / hertz;

  // ---- time by cause
  const whole = data.phased ? (one) => `${one.phase} ${one.kind}` : () => "gemm";
  const operator_key = (one) => `${one.phase} ${one.name}`;
  const kinds = ["linear", "attention", "vector"], phases = [...new Set(operators.map((one) => one.phase))];
  const by_kind = group(whole).sort((a, b) => phases.indexOf(a.phase) - phases.indexOf(b.phase) || kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  const by_operator = group(operator_key);
  let shown = "kind";
  const time_bars = () => {
    const groups = shown === "kind" ? by_kind : shown === "operator" ? by_operator
      : group((one) => (one.layer < 0 ? "outside the layers" : `layer ${one.layer}`),
        operators.filter((one) => shown === "layers" || operator_key(one) === shown));
    const bars = groups.filter((one) => one.cycles > 0)
      .map((one) => ({ ...one, values: causes.map(([key]) => seconds(one[`${key}_cycles`])) }));
    return page.stackedBars({ bars, unit: "s", axisName: "time",
      series: causes.map(([, tint], i) => ({ name: cause_names[i], colour: tint })),
      rows: (bar) => [["time", `${withPrefix(seconds(bar.cycles), "s")}, ${percent(bar.cycles, total_cycles)} of the run`, null],
        ["cycles", withSeparators(bar.cycles), null],
        ...causes.map(([key, tint], i) => [cause_names[i], `${withPrefix(bar.values[i], "s")}, ` +
          percent(bar[`${key}_cycles`], bar.cycles), colour(tint)]).filter((row, i) => bar.values[i] > 0),
        ...(bar.hidden_cycles ? [["hidden beside others", `${withSeparators(bar.hidden_cycles)} cycles`, null]] : [])] });
  };
  if (operators.length) {
    const select = page.choose("time", "Show", [["kind", "kinds of operators by phase"], ["operator", "operators, all layers together"],
      ["layers", "layers, all operators together"], ...by_operator.map((one) => [one.label, `layers of ${one.label}`])], shown,
    (value) => { shown = value; draw_time(); });
    const draw_time = page.chart("time", time_bars, (hit) => {
      if (shown === "kind") shown = "operator";
      else if (shown === "operator") shown = hit.name;
      else return;
      select.value = shown;
      draw_time();
    });
  }

  // ---- roofline
  page.chart("roofline", () => {
    const points = by_operator.filter((one) => one.macs > 0 && one.compulsory_bytes > 0);
    const peak = data.peak_macs_per_cycle * hertz;
    const band = data.peak_bytes_per_cycle === null ? null : data.peak_bytes_per_cycle * hertz;
    const at = (one) => [one.macs / one.compulsory_bytes, one.macs / seconds(one.cycles + one.hidden_cycles)];
    const roof = (x) => Math.min(peak, band === null ? peak : band * x);
    const xs = points.map((one) => at(one)[0]).concat(band === null ? [] : [peak / band]);
    const low = 10 ** Math.floor(Math.log10(Math.min(...xs) / 1.2)), high = 10 ** Math.ceil(Math.log10(Math.max(...xs) * 1.2));
    const least = Math.min(roof(low), ...points.map((one) => at(one)[1]));
    const series = [];
    for (const [kind, tint] of [["linear", "c1"], ["attention", "c2"]]) {
      phases.forEach((phase, i) => {
        const members = points.filter((one) => one.kind === kind && one.phase === phase);
        if (members.length) {
          series.push({ name: data.phased ? `${phase} ${kind}` : kind, type: "scatter", symbol: i === 0 ? "circle" : "diamond", z: 4,
            data: members.map((one) => ({ value: at(one), one, symbolSize: 8 + 26 * Math.sqrt(one.cycles / total_cycles) })),
            itemStyle: { color: colour(tint), opacity: .85, borderColor: colour("page"), borderWidth: 1 } });
        }
      });
    }
    const line = band === null ? [[low, peak], [high, peak]] : [[low, roof(low)], [peak / band, peak], [high, peak]];
    series.push({ name: "roof", type: "line", data: line, symbol: "none", z: 2, lineStyle: { color: colour("ink"), width: 1.6 },
      tooltip: { show: false }, emphasis: { disabled: true }, itemStyle: { color: colour("ink") } });
    if (band !== null) {
      const foot = 10 ** Math.floor(Math.log10(least));
      series.push({ name: "ridge", type: "line", symbol: "none", z: 1, data: [[peak / band, foot], [peak / band, peak]],
        lineStyle: { color: colour("muted"), type: "dashed", width: 1 }, itemStyle: { color: colour("muted") }, emphasis: { disabled: true } });
    }
    return {
      height: 440, series, legend: page.legend({ data: series.map((one) => ({ name: one.name, icon: one.type === "line" ? "rect" : one.symbol,
        itemStyle: { color: one.itemStyle.color, opacity: 1 } })) }),
      grid: page.grid({ left: 8, bottom: 46, top: 60 }),
      xAxis: page.axis({ type: "log", min: low, max: high, name: "MAC per compulsory byte", nameLocation: "middle", nameGap: 28 }),
      yAxis: page.named({ type: "log", min: 10 ** Math.floor(Math.log10(least)), max: 10 ** Math.ceil(Math.log10(peak * 1.05)),
        name: "attained", axisLabel: { formatter: (value) => withPrefix(value, "MAC/s") } }),
      tooltip: page.tooltip((hit) => {
        if (!hit.data.one) return "";
        const one = hit.data.one, [x, y] = at(one);
        return page.card(one.label, [["share of the time", percent(one.cycles, total_cycles), null],
          ["MAC per compulsory byte", x.toPrecision(3), null], ["attained", withPrefix(y, "MAC/s"), null],
          ["roof here", withPrefix(roof(x), "MAC/s"), null], ["of the roof", percent(y, roof(x)), null]]);
      }),
    };
  });

  // ---- traffic
  page.chart("traffic", () => {
    const used = streams.map(([key, name], i) => ({ key, name, colour: `c${i + 1}` }))
      .filter((one) => by_kind.some((bar) => bar[`traffic.${one.key}`] > 0));
    return page.stackedBars({ unit: "B", axisName: "bytes asked of the memory", mark: "compulsory",
      bars: by_kind.map((bar) => ({ label: bar.label, mark: bar.compulsory_bytes, values: used.map((one) => bar[`traffic.${one.key}`]) })),
      series: used });
  });

  // ---- energy and area
  const activities = [["active", "work", "c1"], ["idle", "idle", "c2"], ["gated", "clock stopped", "c5"], ["leakage", "leakage", "c8"],
    ["background", "background", "c6"]];
  const energy_bars = (list) => {
    const components = [...new Set(list.parts.map(([component]) => component))];
    const used = activities.filter(([key]) => list.parts.some(([, , activity]) => activity === key));
    return page.stackedBars({ unit: "J", axisName: "energy",
      series: used.map(([, name, tint]) => ({ name, colour: tint })),
      bars: components.map((component) => {
        const own = list.parts.filter(([name]) => name === component);
        const sum = (activity) => {
          const known = own.filter((part) => part[2] === activity && part[3] !== null);
          return known.reduce((value, part) => value + part[3], 0) * 1e-12;
        };
        return { label: component, values: used.map(([key]) => sum(key)), own,
          unknown: own.filter((part) => part[3] === null).map((part) => part[1]) };
      }),
      rows: (bar) => bar.own.map(([, name, , pj]) => [name, pj === null ? "unknown" : withPrefix(pj * 1e-12, "J"), null]) });
  };
  const area_bars = (list) => page.stackedBars({ unit: "um2", axisName: "area", series: [{ name: "area", colour: "c1" }],
    bars: list.parts.map(([component, instances, um2]) => ({ label: instances > 1 ? `${withSeparators(instances)} x ${component}` : component,
      values: [um2], unknown: um2 === null ? ["area"] : [] })) });
  const books = (id, lists, bars) => {
    if (!lists.length) return;
    let chosen = 0;
    const draw = page.chart(id, () => bars(lists[chosen]));
    if (lists.length > 1) {
      page.choose(id, "Cost book", lists.map((list, i) => [String(i), `${list.technology} (${list.node_nm} nm)`]), "0",
        (value) => { chosen = Number(value); draw(); });
    }
  };
  books("energy", data.energy, energy_bars);
  books("area", data.area, area_bars);

  // ---- all operators
  page.fillWhenOpened("operators", () => page.tableOf("One line per operator and layer; decode steps of one operator are summed up", [
    { name: "operator", left: true, cell: (one) => one.name }, { name: "phase", left: true, cell: (one) => one.phase },
    { name: "layer", cell: (one) => (one.layer < 0 ? "-" : one.layer) },
    { name: "m x k x n", left: true, cell: (one) => `${one.m} x ${one.k} x ${one.n}` },
    { name: "count", cell: (one) => withSeparators(one.count) }, { name: "steps", cell: (one) => withSeparators(one.steps) },
    { name: "time", cell: (one) => withPrefix(seconds(one.cycles), "s") },
    { name: "cycles", cell: (one) => withSeparators(one.cycles) },
    ...causes.map(([key], i) => ({ name: `${cause_names[i]} %`, cell: (one) => (one.cycles ? (100 * one[`${key}_cycles`] / one.cycles).toFixed(1) : "-") })),
    { name: "hidden", cell: (one) => (one.hidden_cycles ? withSeparators(one.hidden_cycles) : "-") },
    { name: "MAC", cell: (one) => withSeparators(one.macs) },
    { name: "asked", cell: (one) => withPrefix(streams.reduce((sum, [key]) => sum + one[`traffic.${key}`], 0), "B") },
    { name: "compulsory", cell: (one) => withPrefix(one.compulsory_bytes, "B") },
    { name: "schedule", left: true, cell: (one) => one.schedule },
  ], operators));
})();
