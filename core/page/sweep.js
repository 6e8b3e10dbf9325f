// SPDX-License-Identifier: Apache-2.0
// The page of a sweep: any figure or setting over any other, the Pareto front, every point.
"use strict";
(() => {
  const { data, withPrefix, colour } = page;
  const columns = data.keys.map((key, i) => {
    const texts = data.points.map((point) => point.settings[i]);
    const numeric = texts.length > 0 && texts.every((text) => text.trim() !== "" && Number.isFinite(Number(text)));
    return { name: key, unit: "", numeric, setting: true, of: (point) => (numeric ? Number(point.settings[i]) : point.settings[i]),
      text: (point) => point.settings[i] };
  }).concat(data.figures.map((figure, i) => ({ name: figure.name, unit: figure.unit, numeric: true, of: (point) => point.figures[i],
    text: (point) => withPrefix(point.figures[i], figure.unit) })));
  const find = (name) => columns.find((column) => column.name === name);
  const title = (column) => (column.unit ? `${column.name}, ${column.unit}` : column.name);
  const named = columns.map((column) => [column.name, title(column)]);
  const figures = columns.filter((column) => !column.setting);
  const objective = (i) => (data.objectives[i] ? find(data.objectives[i].figure) : figures[Math.min(i, figures.length - 1)]);
  // Points are compared within a set, and each set has a front. A few are shown together, each in a colour.
  const many_sets = data.sets.length > 1, together = data.sets.length <= 8;
  const state = { x: objective(0), y: objective(1), tint: "", scale: "log", set: together ? "" : "0" };

  const describe = (point) => page.card(`point ${point.number}${point.front ? ", on the Pareto front" : ""}`,
    (many_sets ? [["compared within", data.sets[point.set], null]] : []).concat(columns.map((column) => [column.name, column.text(point), null]))
      .concat(point.violated.map((constraint) => ["violates", constraint, null])));

  const draw = data.points.length === 0 ? () => {} : page.chart("scatter", () => {
    const { x, y } = state;
    const drawn = data.points.filter((point) => (state.set === "" || point.set === Number(state.set)) &&
      x.of(point) !== null && y.of(point) !== null);
    const axis_of = (column, make) => {
      const values = column.numeric ? drawn.map(column.of) : [];
      const log = column.numeric && state.scale === "log" && values.length > 0 && Math.min(...values) > 0 &&
        Math.max(...values) / Math.min(...values) > 2;
      const scale = log ? page.logarithmic(Math.min(...values) * .85, Math.max(...values) * 1.15) : {};
      return make({ ...scale, type: column.numeric ? (log ? "log" : "value") : "category", scale: true, name: title(column),
        ...(column.numeric ? {} : { data: [...new Set(drawn.map(column.of))] }),
        axisLabel: { ...scale.axisLabel, hideOverlap: true, showMinLabel: true, showMaxLabel: true,
          ...(column.numeric ? { formatter: (value) => withPrefix(value, column.unit) } : {}) } });
    };
    const by_set = many_sets && state.set === "" && state.tint === "";
    const set = { name: "", text: (point) => data.sets[point.set] };
    const tint = by_set ? set : state.tint ? find(state.tint) : null;
    const allowed = drawn.filter((point) => point.violated.length === 0 && !point.front);
    const front = drawn.filter((point) => point.front);
    const mark = (points, style) => ({ type: "scatter", symbolSize: 9, data: points.map((point) => ({ value: [x.of(point), y.of(point)], point })), ...style });
    const series = [mark(drawn.filter((point) => point.violated.length > 0), { name: "violates a constraint", symbol: "triangle", z: 2,
      itemStyle: { color: colour("c8"), opacity: .8 } })];
    const values = tint ? [...new Set(drawn.map(tint.text))] : [];
    if (tint && values.length <= 8) {
      values.forEach((value, i) => series.push(mark(allowed.filter((point) => tint.text(point) === value),
        { name: by_set ? value : `${tint.name} = ${value}`, z: 3, itemStyle: { color: colour(`c${i + 1}`), opacity: .8 } })));
    } else {
      series.push(mark(allowed, { name: "meets all constraints", z: 3, itemStyle: { color: colour("c1"), opacity: .75 } }));
    }
    const own = (point) => (tint && values.length <= 8 ? colour(`c${values.indexOf(tint.text(point)) + 1}`) : colour("c4"));
    const best = mark(front, { name: "Pareto front", z: 5, symbol: "diamond", symbolSize: 14, itemStyle: { color: colour(tint ? "ink" : "c4") } });
    best.data.forEach((entry) => { entry.itemStyle = { color: own(entry.point), borderColor: colour("ink"), borderWidth: 1.2, opacity: 1 }; });
    series.push(best);
    // The front is a line where it is seen from its two objectives.
    const objectives = data.objectives.map((one) => one.figure);
    if (objectives.length === 2 && objectives.includes(x.name) && objectives.includes(y.name) && x !== y) {
      for (const one of new Set(front.map((point) => point.set))) {
        const members = front.filter((point) => point.set === one);
        series.push({ type: "line", step: "end", silent: true, symbol: "none", z: 1, tooltip: { show: false },
          lineStyle: { color: by_set ? own(members[0]) : colour("c4"), width: 1.3, opacity: .8 },
          data: members.map((point) => [x.of(point), y.of(point)]).sort((a, b) => a[0] - b[0]) });
      }
    }
    const named_series = series.filter((one) => one.name && one.data.length);
    return {
      height: 520, many: drawn.length > 3000, series,
      legend: page.legend({ type: "plain", icon: undefined, data: named_series.map((one) => ({ name: one.name, icon: one.symbol || "circle" })) }),
      grid: page.grid({ left: 8, bottom: 48, top: 30 + page.below(named_series.map((one) => one.name)) }),
      xAxis: Object.assign(axis_of(x, page.axis), { nameLocation: "middle", nameGap: 30 }), yAxis: axis_of(y, page.named),
      tooltip: page.tooltip((hit) => (hit.data && hit.data.point ? describe(hit.data.point) : "")),
    };
  });
  if (data.points.length) {
    if (many_sets) {
      page.choose("scatter", "Points", (together ? [["", "all"]] : []).concat(data.sets.map((name, i) => [String(i), name])),
        state.set, (value) => { state.set = value; draw(); });
    }
    page.choose("scatter", "Across", named, state.x.name, (value) => { state.x = find(value); draw(); });
    page.choose("scatter", "Up", named, state.y.name, (value) => { state.y = find(value); draw(); });
    page.choose("scatter", "Colour by", [["", many_sets && together ? "what they are compared within" : "nothing"], ...columns.filter((column) => column.setting).map((column) => [column.name, column.name])],
      "", (value) => { state.tint = value; draw(); });
    page.choose("scatter", "Scales", [["log", "logarithmic"], ["linear", "linear"]], "log", (value) => { state.scale = value; draw(); });
  }

  const table = (caption, points) => page.tableOf(caption, [{ name: "point", cell: (point) => point.number },
    ...columns.map((column) => ({ name: column.name, left: !column.numeric, cell: column.text })),
    { name: "constraints", left: true, wrap: true, cell: (point) => (point.front ? "Pareto front" : point.violated.length ? `violates ${point.violated.join("; ")}` : "met") }],
  points);
  page.fillWhenOpened("points", () => table("Every point", data.points));
})();
