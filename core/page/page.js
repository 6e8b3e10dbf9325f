// SPDX-License-Identifier: Apache-2.0
// What the pages of every kind share: theme, numbers, sortable tables, charts. The page's own script follows.
"use strict";
const page = (() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);

  // A failure is written where a test and a reader find it.
  window.addEventListener("error", (event) => {
    root.dataset.errors = (root.dataset.errors || "") + event.message + "; ";
  });

  const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

  // ---- numbers, written like core/table.cpp does
  const prefixes = ["a", "f", "p", "n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
  const digits = (value) => {
    const text = Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
    return text.includes("e") ? String(Number(text)) : text;
  };
  const withPrefix = (value, unit) => {
    if (value === null || value === undefined) return "unknown";
    if (!Number.isFinite(value)) return "-";
    if (value === 0) return `0 ${unit}`.trim();
    if (unit === "pJ") return withPrefix(value * 1e-12, "J");
    if (unit === "um2") return Math.abs(value) >= 1e5 ? withPrefix(value * 1e-6, "mm2") : `${digits(value)} um2`;
    if (unit === "mm2" || unit === "x" || unit === "%" || unit === "") return `${digits(value)} ${unit}`.trim();
    const rounded = Number(value.toPrecision(3));
    const least = /^[JsW](\/|$)/.test(unit) ? -6 : 0;
    const step = Math.max(least, Math.min(6, Math.floor(Math.log10(Math.abs(rounded)) / 3 + 1e-9)));
    return `${digits(rounded / 10 ** (3 * step))} ${prefixes[step + 6]}${unit}`;
  };
  const withSeparators = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  const percent = (part, whole) => (whole > 0 ? `${(100 * part / whole).toFixed(1)} %` : "-");
  // The value of a cell that withPrefix, a count or a percentage made; "unknown" and "-" have none.
  const valueOf = (text) => {
    const hit = /^(?:>= )?(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)(?: ([afpnumkMGTPE]?)(\S*))?/.exec(text.trim());
    if (!hit) return null;
    const prefixed = /^(J|s|W|B|b|Hz|FLOP|OP|MAC)(\/|$)/.test(hit[3] || "");
    const squares = { um2: 1, mm2: 1e6 }[(hit[2] || "") + (hit[3] || "")];
    return Number(hit[1].replace(/,/g, "")) * (squares || (prefixed ? 10 ** (3 * (prefixes.indexOf(hit[2] || "") - 6)) : 1));
  };

  // ---- colours: of the style sheet, for the theme that is on
  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  // ---- charts
  const charts = [];
  const redraw = (entry) => {
    const option = entry.build();
    if (entry.chart) entry.chart.dispose();
    if (option.height) entry.element.style.height = `${option.height}px`;
    delete option.height;
    entry.chart = echarts.init(entry.element, null, { renderer: option.many ? "canvas" : "svg" });
    delete option.many;
    entry.chart.setOption(Object.assign({
      animation: false,
      textStyle: { fontFamily: "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", color: colour("ink") },
    }, option));
    if (entry.click) entry.chart.on("click", entry.click);
    entry.element.dataset.drawn = "true";
  };
  // `build` gives an option of the chart library, with `height` in pixels and `many` for thousands of marks.
  const chart = (id, build, click) => {
    const element = document.getElementById(id);
    if (!element) return () => {};
    const entry = { element, build, click, chart: null };
    charts.push(entry);
    redraw(entry);
    return () => redraw(entry);
  };
  let resizing = 0;
  window.addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => charts.forEach((entry) => entry.chart.resize()), 100);
  });

  const text = (size = 12) => ({ color: colour("ink"), fontSize: size });
  // Where a chart begins below a legend of these names, at the width of the page.
  const below = (names) => {
    const room = Math.max(300, document.querySelector("main").clientWidth - 40);
    let rows = 1, used = 0;
    for (const name of names) {
      const width = 32 + 7.2 * name.length;
      if (used > 0 && used + width > room) {
        rows += 1;
        used = 0;
      }
      used += width;
    }
    return 14 + 20 * rows;
  };
  const legend = (extra = {}) => Object.assign({ top: 0, left: 0, itemWidth: 14, itemHeight: 10, icon: "rect",
    textStyle: text(12.5), inactiveColor: colour("grey") }, extra);
  const tooltip = (formatter, trigger = "item") => ({ trigger, formatter, confine: true, axisPointer: { type: "shadow" },
    backgroundColor: colour("raised"), borderColor: colour("line"), textStyle: text(12.5) });
  const axis = (extra = {}) => Object.assign({
    axisLine: { show: true, lineStyle: { color: colour("line") } }, axisTick: { show: false },
    axisLabel: Object.assign(text(), extra.axisLabel), splitLine: { lineStyle: { color: colour("line"), opacity: .7 } },
    nameTextStyle: { color: colour("muted"), fontSize: 12.5 },
  }, Object.fromEntries(Object.entries(extra).filter(([key]) => key !== "axisLabel")));
  // A logarithmic axis from least to most: 1, 2 and 5 of every decade while there are few, decades otherwise.
  const logarithmic = (least, most) => {
    const decades = [];
    for (let at = Math.floor(Math.log10(least)); at <= Math.ceil(Math.log10(most)); ++at) decades.push(at);
    const steps = decades.length <= 4 ? [1, 2, 5] : [1];
    const values = decades.flatMap((decade) => steps.map((step) => Number(`${step}e${decade}`)));
    const customValues = values.filter((value) => value >= least && value <= most);
    return { min: least, max: most, axisLabel: { customValues }, axisTick: { show: true, customValues },
      splitLine: { customValues, lineStyle: { color: colour("line"), opacity: .7 } } };
  };
  // The name of a vertical axis stands above it.
  const above = { nameLocation: "end", nameGap: 12 };
  const named = (extra) => {
    const made = axis(Object.assign({}, above, extra));
    made.nameTextStyle.align = "left";
    return made;
  };
  // Axis labels are inside.
  const grid = (extra = {}) => Object.assign({ left: 4, right: 28, top: 34, bottom: 26, outerBoundsMode: "same",
    outerBoundsContain: "axisLabel" }, extra);
  // A table of two columns for a tooltip; rows: [name, value, colour or null].
  const card = (heading, rows) => `<b>${escape(heading)}</b><table style="min-width:0">` + rows.map(([name, value, tint]) =>
    `<tr><td style="text-align:left;border:0;padding:0 .8rem 0 0">${tint ? `<span style="color:${tint}">&#9632;</span> ` : ""}` +
    `${escape(name)}</td><td style="border:0;padding:0">${escape(value)}</td></tr>`).join("") + "</table>";

  // Horizontal bars. bars: [{label, values: [..], mark, unknown: [names], rows}], series: [{name, colour}]; null: unknown.
  const stackedBars = ({ bars, series, unit, mark, axisName, rows }) => {
    const total = (bar) => bar.values.reduce((sum, value) => sum + (value || 0), 0);
    const most = 1.0001 * Math.max(1e-300, ...bars.map((bar) => Math.max(total(bar), bar.mark || 0)));
    const card_of = (bar) => card(bar.label, (rows ? rows(bar) : series.map((one, i) =>
      [one.name, bar.values[i] === null ? "unknown" : `${withPrefix(bar.values[i], unit)}, ${percent(bar.values[i], total(bar))}`,
        colour(one.colour)]).filter((row, i) => bar.values[i] !== 0)).concat(
      bar.mark === undefined ? [] : [[mark, withPrefix(bar.mark, unit), null]]));
    const label = { show: true, position: "right", distance: mark ? 11 : 6, formatter: ({ dataIndex }) => {
      const bar = bars[dataIndex];
      return `${bar.unknown && bar.unknown.length ? (total(bar) > 0 ? ">= " : "unknown") : ""}` +
        `${bar.unknown && bar.unknown.length && total(bar) === 0 ? "" : withPrefix(total(bar), unit)}`;
    }, color: colour("muted"), fontSize: 12 };
    const top = below(series.map((one) => one.name).concat(mark ? [mark] : []));
    const option = {
      height: top + 40 + 27 * bars.length,
      grid: grid({ top, right: 92, bottom: axisName ? 44 : 26 }),
      legend: legend({ data: series.map((one) => one.name).concat(mark ? [{ name: mark, icon: "diamond" }] : []) }),
      tooltip: tooltip((hits) => card_of(bars[(Array.isArray(hits) ? hits[0] : hits).dataIndex]), "axis"),
      xAxis: axis({ type: "value", max: most, name: axisName, nameLocation: "middle", nameGap: 28,
        axisLabel: { formatter: (value) => (value >= most ? "" : withPrefix(value, unit)), hideOverlap: true } }),
      yAxis: axis({ type: "category", inverse: true, data: bars.map((bar) => bar.label), splitLine: { show: false },
        axisLabel: { width: 230, overflow: "truncate", interval: 0 } }),
      series: series.map((one, i) => ({
        name: one.name, type: "bar", stack: "all", barMaxWidth: 20, data: bars.map((bar) => bar.values[i]),
        itemStyle: { color: colour(one.colour), borderColor: colour("page"), borderWidth: .6 },
      })),
    };
    // The sum stands behind the bar, whatever its last part.
    option.series.push({ type: "bar", stack: "all", silent: true, data: bars.map(() => 0), label, tooltip: { show: false } });
    if (mark) {
      option.series.push({ name: mark, type: "scatter", symbol: "diamond", symbolSize: 11, z: 5,
        itemStyle: { color: colour("ink"), borderColor: colour("page"), borderWidth: 1 },
        data: bars.map((bar, i) => [bar.mark, i]) });
    }
    return option;
  };

  // ---- tables
  const sortBy = (table, column, button) => {
    const heading = button.parentElement;
    const up = heading.getAttribute("aria-sort") === "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row.cells[column].textContent, row]);
    const numbers = rows.map(([content]) => valueOf(content));
    const words = numbers.every((value) => value === null);
    const order = rows.map((entry, i) => [words ? entry[0] : numbers[i], entry[1]]);
    // What is unknown stays at the end.
    order.sort(([a], [b]) => (a === null) - (b === null) || (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1));
    body.append(...order.map(([, row]) => row));
  };
  const makeSortable = (table) => {
    if (table.tBodies[0].rows.length < 2) return;
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = cell.textContent;
      button.addEventListener("click", () => sortBy(table, column, button));
      cell.replaceChildren(button);
    });
  };
  const markUnknown = (table) => {
    for (const cell of table.querySelectorAll("td")) if (cell.textContent === "unknown") cell.classList.add("unknown");
  };
  // columns: [{name, left, wrap, cell(row)}]
  const tableOf = (caption, columns, rows) => {
    const cell = (tag, column, content, more = "") => `<${tag}${more} class="${column.left ? "left" : ""}${column.wrap ? " wrap" : ""}">` +
      `${escape(content)}</${tag}>`;
    const holder = document.createElement("div");
    holder.className = "scroll";
    holder.innerHTML = `<table><caption>${escape(caption)}</caption><thead><tr>` +
      columns.map((column) => cell("th", column, column.name, ' scope="col"')).join("") + "</tr></thead><tbody>" +
      rows.map((row) => `<tr>${columns.map((column) => cell("td", column, column.cell(row))).join("")}</tr>`).join("") +
      "</tbody></table>";
    markUnknown(holder.firstChild);
    makeSortable(holder.firstChild);
    return holder;
  };
  // Fills a place when the fold around it is opened for the first time.
  const fillWhenOpened = (id, make) => {
    const place = document.getElementById(id);
    if (!place) return;
    const fold = place.closest("details");
    const fill = () => { if (!place.firstChild) place.append(make()); };
    if (fold) fold.addEventListener("toggle", fill);
    else fill();
  };

  // A choice above a chart; choices: [[value, text]].
  const choose = (chartId, label, choices, value, changed) => {
    const place = document.querySelector(`.controls[data-for="${chartId}"]`);
    const holder = document.createElement("label");
    const select = document.createElement("select");
    for (const [key, words] of choices) select.add(new Option(words, key, key === value, key === value));
    select.addEventListener("change", () => changed(select.value));
    holder.append(label, select);
    place.append(holder);
    return select;
  };

  // ---- theme
  const button = document.getElementById("theme");
  const themed = () => {
    button.textContent = dark() ? "Light" : "Dark";
    charts.forEach(redraw);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    themed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
  document.querySelectorAll("main table").forEach((table) => { markUnknown(table); makeSortable(table); });
  themed();

  return { data, escape, withPrefix, withSeparators, percent, colour, chart, text, legend, below, tooltip, axis, named, logarithmic, dark, grid, card,
    stackedBars, tableOf, fillWhenOpened, choose };
})();
