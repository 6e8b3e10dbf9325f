# SPDX-License-Identifier: Apache-2.0
"""Pages in headless Chromium: every chart is drawn, light and dark; nothing is fetched, nothing goes wrong, names cannot
break a page, tables sort, folds open. Skipped (77) where there is no browser."""
import os
import re
import subprocess
import sys
import unittest

import program

sys.path.insert(0, str(program.SOURCE / "scripts"))
import page_browser  # noqa: E402

# The boxes of all visible texts of a chart, and the chart's own.
TEXTS = """[...document.querySelectorAll(".chart")].map((chart) => ({id: chart.id, box: chart.getBoundingClientRect().toJSON(),
  marks: chart.querySelectorAll("svg path, svg rect, svg circle, svg polyline").length,
  canvas: [...chart.querySelectorAll("canvas")].map((canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(pixels.buffer)).size;
  }),
  texts: [...chart.querySelectorAll("svg text")].filter((text) => text.textContent.trim()).map((text) => ({
    text: text.textContent, size: parseFloat(getComputedStyle(text).fontSize), box: text.getBoundingClientRect().toJSON()}))}))"""
CONTRAST = """(() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  // Texts inside of bars have an outline of their own.
  return [...document.querySelectorAll("h1, p, td, figcaption, .tiles dt, nav a, summary, .chart text")]
    .filter((element) => !element.getAttribute("stroke")).map((element) => {
    const style = getComputedStyle(element);
    const ink = light(element.closest("svg") ? style.fill : style.color);
    return (Math.max(page, ink) + .05) / (Math.min(page, ink) + .05);
  });
})()"""


EVIL = "</script><b>&\"'"  # of sample_pages.cpp


class Pages(program.ProgramTest):
    browser = None

    @classmethod
    def setUpClass(cls):
        cls.browser = page_browser.Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__(None, None, None)

    def samples(self):
        subprocess.run([os.environ["NIBBLE_SAMPLE_PAGES"], str(self.directory)], check=True)

    def check_clean(self, page, file):
        self.browser.collect(page)
        self.assertEqual(page.requests, [file.resolve().as_uri()], "something was fetched")
        self.assertEqual(page.messages, [])
        self.assertIsNone(page.evaluate("document.documentElement.dataset.errors"))

    def check_charts(self, page, names):
        charts = page.evaluate(TEXTS)
        self.assertEqual([chart["id"] for chart in charts], names)
        for chart in charts:
            with self.subTest(chart["id"]):
                self.assertGreater(chart["box"]["height"], 100)
                if chart["canvas"]:
                    self.assertGreater(max(chart["canvas"]), 20)  # colours
                    continue
                self.assertGreater(chart["marks"], 8)
                self.assertGreater(len(chart["texts"]), 4)
                self.check_texts(chart)

    def check_texts(self, chart):
        """Large enough to read, inside of the chart, none over another."""
        place = chart["box"]
        for i, one in enumerate(chart["texts"]):
            self.assertGreaterEqual(one["size"], 11, one["text"])
            self.assertGreaterEqual(one["box"]["left"], place["left"] - 1, one["text"])
            self.assertLessEqual(one["box"]["right"], place["right"] + 1, one["text"])
            self.assertLessEqual(one["box"]["bottom"], place["bottom"] + 1, one["text"])
            for other in chart["texts"][:i]:
                a, b = one["box"], other["box"]
                wide = min(a["right"], b["right"]) - max(a["left"], b["left"])
                high = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
                self.assertFalse(wide > 1 and high > 4, f"{one['text']!r} lies on {other['text']!r}")

    def check_page(self, name, charts):
        """Opened light, then dark by the system's preference, then light by the button."""
        file = self.directory / name
        page = self.browser.open(file)
        self.check_charts(page, charts)
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        self.assertGreaterEqual(min(page.evaluate(CONTRAST)), 4.5)
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 1280)
        page.theme("dark")
        self.assertNotEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"), light)
        self.assertGreaterEqual(min(page.evaluate(CONTRAST)), 4.5)
        self.check_charts(page, charts)
        page.evaluate("document.getElementById('theme').click()")
        self.assertEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"), light)
        # Every chart has words for those who do not see it, and its figures as a table.
        self.assertTrue(page.evaluate("[...document.querySelectorAll('.chart')].every((one) => one.role === 'img' && "
                                      "one.ariaLabel && one.closest('section').querySelector('table, details'))"))
        self.assertEqual(page.evaluate("document.querySelectorAll('main b').length"), 0)
        self.check_clean(page, file)
        return page

    def test_a_comparison(self):
        self.samples()
        page = self.check_page("comparison.html", ["group-0", "parts-0", "group-1", "parts-1", "group-2"])
        headings = page.evaluate("[...document.querySelectorAll('h2')].map((one) => one.textContent)")
        self.assertEqual(headings[:3], ["linear layers", "all layers: ratios", "all layers: shares"])
        links = page.evaluate("[...document.querySelectorAll('nav a')].map((one) => one.textContent)")
        self.assertEqual(links[1:3], [f"all{EVIL}: ratios", f"all{EVIL}: shares"])
        self.assertIn("0.0000641", page.evaluate("document.querySelector('#figures-2 td:nth-child(3)').textContent"))

    def test_a_sweep(self):
        self.samples()
        page = self.check_page("sweep.html", ["scatter"])
        choices = page.evaluate("[...document.querySelectorAll('.controls select')].map((one) => one.options.length)")
        self.assertEqual(choices, [6, 6, 4, 2])
        # Any axes, any colours, either scale.
        change = ("((select, index) => {{ select.selectedIndex = index; select.dispatchEvent(new Event('change')); }})"
                  "(document.querySelectorAll('.controls select')[{}], {})")
        for select, options in enumerate(choices):
            for index in range(options):
                page.evaluate(change.format(select, index))
                self.check_charts(page, ["scatter"])
        page.evaluate("document.querySelector('details').open = true")
        page.evaluate("new Promise((done) => setTimeout(done, 50))")
        self.assertEqual(page.evaluate("document.querySelectorAll('#points tbody tr').length"), 120)
        self.check_clean(page, self.directory / "sweep.html")

    def test_each_set_of_points_has_a_front_of_its_own(self):
        self.samples()
        colours = ("[...new Set([...document.querySelectorAll('.chart svg path')].map((one) => one.getAttribute('fill')))]"
                   ".filter((one) => one && one.startsWith('rgb'))")
        for name, sets, shown in (("sets-sweep.html", 3, 4), ("many-sets-sweep.html", 12, 12)):
            with self.subTest(name):
                page = self.check_page(name, ["scatter"])
                select = "document.querySelectorAll('.controls select')[0]"
                self.assertEqual(page.evaluate(f"{select}.options.length"), shown)
                self.assertEqual(page.evaluate("document.querySelectorAll('#front table').length"), sets)
                together = len(page.evaluate(colours))
                page.evaluate(f"((select) => {{ select.selectedIndex = 1; select.dispatchEvent(new Event('change')); }})({select})")
                self.check_charts(page, ["scatter"])
                if sets == 3:
                    self.assertGreaterEqual(together, 3)
                    self.assertLess(len(page.evaluate(colours)), together)

    def test_tables_sort_by_value_and_keep_the_unknown_last(self):
        self.samples()
        page = self.browser.open(self.directory / "sweep.html")
        page.evaluate("document.querySelector('details').open = true")
        page.evaluate("new Promise((done) => setTimeout(done, 50))")
        column = "[...document.querySelectorAll('#points tbody tr')].map((row) => row.cells[5].textContent)"
        for wanted in ("descending", "ascending"):
            page.evaluate("document.querySelectorAll('#points thead button')[5].click()")
            self.assertEqual(page.evaluate("document.querySelectorAll('#points thead th')[5].ariaSort"), wanted)
            cells = page.evaluate(column)
            known = [cell for cell in cells if cell != "unknown"]
            self.assertEqual(cells[len(known):], ["unknown"] * 3)
            values = [float(number) * (1e6 if unit == "mm2" else 1) for number, unit in map(str.split, known)]
            self.assertEqual(values, sorted(values, reverse=wanted == "descending"))

    def test_large_and_empty_pages(self):
        self.samples()
        for name, charts in (("large-sweep.html", ["scatter"]), ("empty-sweep.html", []), ("empty-comparison.html", [])):
            with self.subTest(name):
                page = self.browser.open(self.directory / name)
                self.check_charts(page, charts)
                self.check_clean(page, self.directory / name)
        self.assertLess((self.directory / "large-sweep.html").stat().st_size, 2e6)

    def run_page(self, machine, *arguments):
        model = self.write("toy.yaml", program.TOY)
        return self.report("run", f"--accelerator={machine}", "--model", model, "--out=.", *arguments)

    def test_a_run(self):
        report = self.run_page("mant", "--prefill=70", "--decode=2")
        page = self.check_page("report.html", ["time", "roofline", "traffic", "energy", "area"])
        lengths = {name: page.evaluate(f"document.querySelector('.controls[data-for={name}] select')?.options.length ?? 0")
                   for name in ("time", "energy", "area")}
        by_operator = {(one["phase"], one["name"]) for one in report["operators"]}
        self.assertEqual(lengths, {"time": 3 + len(by_operator), "energy": 0, "area": 0})
        for index in (1, 2, 5):
            page.evaluate("((select) => {{ select.selectedIndex = {}; select.dispatchEvent(new Event('change')); }})"
                          "(document.querySelector('.controls select'))".format(index))
            self.check_charts(page, ["time", "roofline", "traffic", "energy", "area"])
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.evaluate("new Promise((done) => setTimeout(done, 50))")
        self.assertEqual(page.evaluate("document.querySelectorAll('#operators tbody tr').length"), len(report["operators"]))
        text = page.evaluate("document.body.innerText")
        for word in ("unknown", "MAC per compulsory byte", f"{report['totals']['cycles']:,}", "technology:"):
            self.assertIn(word, text + "".join(page.evaluate("[...document.querySelectorAll('svg text')].map((t) => t.textContent)")))
        self.check_clean(page, self.directory / "report.html")

    def test_other_machines_and_books(self):
        charts = ["time", "roofline", "traffic", "energy", "area"]
        for machine, *arguments in (("pacq",), ("harmonia", "--technology=published-28nm", "--technology=published-45nm"),
                                    ("int8-array", "--set=memory.preset=ideal")):
            with self.subTest(machine):
                self.run_page(machine, "--prefill=20", *arguments)
                self.check_page("report.html", charts)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_a_whole_model_stays_small(self):
        self.report("run", "--accelerator=mant", "--model=llama-2-70b", "--prefill=64", "--decode=1", "--out=.",
                    "--set=memory.preset=flat-64gbps")
        self.assertLess((self.directory / "report.html").stat().st_size, 2e6)
        self.check_page("report.html", ["time", "roofline", "traffic", "energy", "area"])
        self.assertTrue(re.search(r"Dark|Light", (self.directory / "report.html").read_text()))


if __name__ == "__main__":
    if page_browser.program() is None:
        sys.exit(77)
    unittest.main()
