// SPDX-License-Identifier: Apache-2.0
// The page of a comparison: our figures beside the published ones, and what the differences are made of.
"use strict";
(() => {
  const { data, withPrefix, colour } = page;
  const signed = (share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)} %`;
  const span = (value, low, high, unit) => withPrefix(value, unit) +
    (low === null && high === null ? "" : ` (${withPrefix(low ?? value, unit)} to ${withPrefix(high ?? value, unit)})`);

  // A line from low to high with a stroke at each end: the range of figure `offset` of a category.
  const range = (params, api, offset, thickness) => {
    const [category, low, high] = [api.value(0), api.value(1), api.value(2)];
    const begin = api.coord([low, category]), end = api.coord([high, category]);
    const y = begin[1] + offset, style = { stroke: colour("ink"), lineWidth: 1.4, fill: null };
    const stroke = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style });
    return { type: "group", children: [stroke(begin[0], y, end[0], y), stroke(begin[0], y - thickness, begin[0], y + thickness),
      stroke(end[0], y - thickness, end[0], y + thickness)] };
  };

  data.groups.forEach((group, number) => {
    const figures = group.figures;
    page.chart(`group-${number}`, () => {
      const most = Math.max(...figures.flatMap((one) => [one.ours, one.ours_high, one.published, one.published_high]).filter((v) => v !== null), 0);
      const least = Math.min(...figures.flatMap((one) => [one.ours, one.ours_low, one.published, one.published_low]).filter((v) => v !== null), 0);
      const bars = [["ours", "c1", -9], ["published", "c2", 9]];
      // A value stands in its bar, or behind a bar, or a range, that is too short for it.
      const labelled = (one, key, tint) => {
        const reach = Math.max(one[key], one[`${key}_high`] ?? 0);
        const inside = one[key] > .12 * (most - least);
        const dark_ink = key === "published" || page.dark();
        return { value: one[key], label: inside ? { position: "insideLeft", distance: 5, color: dark_ink ? "#111" : "#fff", textBorderColor: colour(tint), textBorderWidth: 3 }
          : { position: "right", distance: 6 + (reach > one[key] ? Math.round(900 * (reach - Math.max(one[key], 0)) / (most - least)) : 0), color: colour("ink") } };
      };
      const series = bars.map(([key, tint]) => ({ name: key, type: "bar", barWidth: 15, barGap: "20%", data: figures.map((one) => labelled(one, key, tint)),
        itemStyle: { color: colour(tint) }, label: { show: true, fontSize: 11.5, formatter: ({ dataIndex }) => withPrefix(figures[dataIndex][key], group.unit) } }));
      for (const [key, , offset] of bars) {
        const ranges = figures.map((one, i) => [i, one[`${key}_low`] ?? one[key], one[`${key}_high`] ?? one[key]])
          .filter(([i, low, high]) => low !== null && high !== null && low !== high);
        if (ranges.length) {
          series.push({ type: "custom", silent: true, data: ranges, z: 5, encode: { x: [1, 2], y: 0 },
            renderItem: (params, api) => range(params, api, offset, 4) });
        }
      }
      // A unity line tells a speedup from a slowdown.
      if (group.unit === "x" && most > 1 && least < 1) {
        series.push({ type: "custom", silent: true, data: [[1]], z: 1, clip: true, encode: { x: 0 }, renderItem: (params, api) => {
          const x = api.coord([1, 0])[0], area = params.coordSys;
          return { type: "line", shape: { x1: x, y1: area.y, x2: x, y2: area.y + area.height },
            style: { stroke: colour("muted"), lineWidth: 1, lineDash: [4, 4] } };
        } });
      }
      return {
        height: 76 + 48 * figures.length, series, legend: page.legend({ data: ["ours", "published"] }), grid: page.grid({ bottom: 44 }),
        xAxis: page.axis({ type: "value", name: group.unit === "x" ? "ratio" : group.unit, nameLocation: "middle", nameGap: 26,
          axisLabel: { formatter: (value) => (group.unit === "x" ? `${value}` : withPrefix(value, group.unit)) } }),
        yAxis: page.axis({ type: "category", inverse: true, data: figures.map((one) => one.label), splitLine: { show: false },
          axisLabel: { width: 250, overflow: "truncate", interval: 0 } }),
        tooltip: page.tooltip((hits) => {
          const one = figures[hits[0].dataIndex];
          return page.card(one.label, [["ours", span(one.ours, one.ours_low, one.ours_high, group.unit), colour("c1")],
            ["published", span(one.published, one.published_low, one.published_high, group.unit), colour("c2")],
            ["difference", one.difference === null ? "unknown" : signed(one.difference), null]]);
        }, "axis"),
      };
    });

    const explained = figures.filter((one) => one.parts.length);
    page.chart(`parts-${number}`, () => {
      const names = [...new Set(explained.flatMap((one) => one.parts.map((part) => part.name)))];
      const amount = (one, name) => one.parts.filter((part) => part.name === name).reduce((sum, part) => sum + part.amount, 0);
      const series = names.map((name, i) => ({ name, colour: `c${i % 7 + 1}`, values: explained.map((one) => amount(one, name)) }));
      if (explained.some((one) => one.unexplained !== null)) {
        series.push({ name: "not explained", colour: "grey", values: explained.map((one) => one.unexplained ?? 0) });
      }
      const top = page.below(series.map((one) => one.name));
      return {
        height: top + 50 + 34 * explained.length, legend: page.legend({ data: series.map((one) => one.name) }),
        grid: page.grid({ top, bottom: 44 }),
        xAxis: page.axis({ type: "value", name: "part of the relative difference", nameLocation: "middle", nameGap: 26,
          axisLabel: { formatter: (value) => `${(100 * value).toFixed(0)} %` } }),
        yAxis: page.axis({ type: "category", inverse: true, data: explained.map((one) => one.label), splitLine: { show: false },
          axisLabel: { width: 250, overflow: "truncate", interval: 0 } }),
        series: series.map((one) => ({ name: one.name, type: "bar", stack: "parts", barMaxWidth: 18, data: one.values,
          itemStyle: { color: colour(one.colour), borderColor: colour("page"), borderWidth: .6 } })).concat({
          name: "difference", type: "scatter", symbol: "diamond", symbolSize: 11, z: 5, silent: true,
          itemStyle: { color: colour("ink"), borderColor: colour("page"), borderWidth: 1 },
          data: explained.map((one, i) => [one.difference, i]).filter(([value]) => value !== null) }),
        tooltip: page.tooltip((hits) => {
          const i = hits[0].dataIndex;
          return page.card(explained[i].label, series.filter((one) => one.values[i] !== 0).map((one) =>
            [one.name, signed(one.values[i]), colour(one.colour)]).concat([["difference", explained[i].difference === null ? "unknown"
            : signed(explained[i].difference), null]]));
        }, "axis"),
      };
    });
  });
})();
