# SPDX-License-Identifier: Apache-2.0
"""nibble compare: figures are what runs say, ranges, decompositions, what is refused, and every experiment's file."""
import csv
import json
import subprocess
import sys

import program

TOY = """name: toy
title: a toy
workloads:
  short: {model: ./toy.yaml, prompt: 64}
  long: {model: ./toy.yaml, prompt: 256, generate: 32}
machines:
  mant: {accelerator: mant}
  olive: {accelerator: olive}
  fp16-attention: {accelerator: olive, attention: {accelerator: fp16-array}}
baseline: olive
open:
  - name: width
    why: made up
    values:
      - {name: "4"}
      - {name: "8", machines: {olive: {set: [formats.activation=int8-channel, formats.weight=int8-channel]}}}
figures:
  - {name: speed, metric: speedup, of: mant, over: olive, published: 0.01, source: nowhere}
  - {name: energy, metric: energy_ratio, of: mant, over: olive, at: [short], published: 1000, source: nowhere}
  - {name: either, metric: speedup, of: mant, over: [olive, fp16-attention], at: [short]}
  - {name: cache, metric: kv_compression, of: mant, at: [long]}
steps:
  - {name: no waiting, cause: bandwidth, why: made up, machines: {all: {set: [memory.preset=ideal]}}}
  - {name: half a clock, cause: schedule, why: made up, figures: [speed], machines: {mant: {set: [clock_mhz=250]}}}
  - {name: another book, cause: PE cost book, why: made up, figures: [energy], machines: {all: {prices: synthesized-28nm}}}
contest:
  objectives: [time, error]
  tensors:
    weight: {distribution: gaussian, rows: 16, columns: 256}
    activation: {distribution: outlier_channels, rows: 8, columns: 256, outliers: 2, gain: 20}
    query: {distribution: gaussian, rows: 8, columns: 64, seed: 2}
    key: {distribution: laplace, rows: 16, columns: 64, seed: 3}
    probability: {distribution: laplace, rows: 8, columns: 128, seed: 4}
    value: {distribution: gaussian, rows: 16, columns: 128, seed: 5}
"""


# What TOY does not use: operators by name, every baseline at once, values and steps for all workloads or some figures.
MORE = """name: more
title: more
count: {kinds: [linear], operators: [v_proj]}
workloads:
  a: {model: ./toy.yaml, prompt: 64}
  b: {model: ./toy.yaml, prompt: 128}
machines:
  mant: {accelerator: mant}
  olive: {accelerator: olive, attention: {accelerator: fp16-array}}
  int8: {accelerator: int8-array}
open:
  - name: buffers
    why: made up
    values:
      - {name: large}
      - {name: small, figures: [tail], machines: {mant: {set: [buffers.output_kib=32]}}}
figures:
  - {name: tail, metric: quantizer_overhead, of: mant, published: 0.5, source: nowhere}
  - {name: each, metric: speedup, of: mant, over: [olive, int8], over_each: true, mean: arithmetic, published: 100, source: nowhere}
  - {name: area, metric: area_efficiency, of: mant, over: olive, components: [pe], published: 100, source: nowhere}
steps:
  - {name: waits, cause: schedule, why: made up, figures: [tail], machines: {mant: {set: [quantizer.overlap=false]}}}
  - {name: one, cause: workload, why: made up, figures: [each], workloads: {all: {model: ./toy.yaml, prompt: 64}}}
  - name: free
    cause: attention format
    why: made up
    figures: [area]
    machines: {olive: {attention: {accelerator: fp16-array, counts_area: false}}}
"""


class Toy(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("toy.yaml", program.TOY)
        self.experiment = self.write("experiment.yaml", TOY)

    def totals(self, machine, *arguments):
        return self.report("run", "--accelerator", machine, "--model=./toy.yaml", *arguments)["totals"]

    def test_figures_are_what_runs_say(self):
        document = self.report("compare", self.experiment)
        toy = document["experiments"][0]
        figures = {figure["name"]: figure for figure in toy["figures"]}
        mant, olive = (self.totals(machine, "--prefill=64") for machine in ("mant", "olive"))
        speed = figures["speed"]
        self.assertAlmostEqual(speed["by_workload"]["short"], olive["time_s"] / mant["time_s"], places=9)
        values = list(speed["by_workload"].values())
        self.assertAlmostEqual(speed["geometric"], (values[0] * values[1]) ** 0.5, places=9)
        self.assertAlmostEqual(speed["arithmetic"], sum(values) / 2, places=9)
        self.assertEqual(speed["value"], speed["geometric"])
        self.assertAlmostEqual(figures["energy"]["value"],
                               olive["energy_pj"]["total"] / mant["energy_pj"]["total"], places=9)
        # Eight bits take longer: the range of the open parameter.
        eight = self.totals("olive", "--prefill=64", "--set=formats.activation=int8-channel",
                            "--set=formats.weight=int8-channel")
        self.assertAlmostEqual(figures["either"]["alternatives"][1]["value"], eight["time_s"] / mant["time_s"], places=9)
        self.assertEqual([a["name"] for a in figures["either"]["alternatives"]],
                         ["over olive, width: 4", "over olive, width: 8", "over fp16-attention"])
        self.assertEqual(speed["alternatives"][1]["name"], "width: 8")
        self.assertLess(speed["low"], speed["high"])

    def test_a_difference_is_taken_apart(self):
        toy = self.report("compare", self.experiment)["experiments"][0]
        figures = {figure["name"]: figure for figure in toy["figures"]}
        for name, steps in (("speed", ["no waiting", "half a clock"]), ("energy", ["no waiting", "another book"])):
            figure = figures[name]
            self.assertEqual([step["name"] for step in figure["steps"]], steps)
            product = figure["value"]
            for step in figure["steps"]:
                if step["factor"] is not None:
                    product *= step["factor"]
                    self.assertAlmostEqual(product / step["value"], 1, places=9)
            if figure["not_explained"] is not None:
                self.assertAlmostEqual(product * figure["not_explained"] / figure["published"], 1, places=9)
        ideal = ["--prefill=64", "--set=memory.preset=ideal"]
        slow = self.totals("mant", *ideal, "--set=clock_mhz=250")["time_s"]
        self.assertAlmostEqual(figures["speed"]["steps"][1]["by_workload"]["short"],
                               self.totals("olive", *ideal)["time_s"] / slow, places=9)
        self.assertEqual((figures["cache"]["steps"], figures["either"]["difference"]), ([], None))

    def test_operators_baselines_and_steps_for_all_workloads(self):
        more = self.report("compare", self.write("more.yaml", MORE))["experiments"][0]
        tail, each, area = more["figures"]
        operators = self.report("run", "--accelerator=mant", "--model=./toy.yaml", "--prefill=64")["operators"]
        values = [o for o in operators if o["name"] == "v_proj"]
        share = sum(o["exposed_quantizer_cycles"] for o in values) / sum(o["cycles"] for o in values)
        self.assertAlmostEqual(tail["by_workload"]["a"], share, places=12)
        self.assertEqual([one["name"] for one in tail["alternatives"]], ["buffers: large", "buffers: small"])
        # An array that waits for the quantizer after every tile shows its 13 cycles as often.
        waiting = self.report("run", "--accelerator=mant", "--model=./toy.yaml", "--prefill=64", "--set=quantizer.overlap=false")
        exposed = [o["exposed_quantizer_cycles"] for o in waiting["operators"] if o["name"] == "v_proj"]
        self.assertTrue(all(cycles % 13 == 0 and cycles > 0 for cycles in exposed), exposed)
        self.assertGreater(tail["steps"][0]["value"], tail["value"] * 0.99)
        self.assertEqual([one["name"] for one in each["alternatives"]], ["over all", "over olive", "over int8"])
        self.assertEqual(len(each["by_workload"]), 4)
        single = [one["value"] for one in each["alternatives"][1:]]
        self.assertAlmostEqual(each["value"], sum(single) / 2, places=9)
        one = each["steps"][0]["by_workload"]
        self.assertEqual((one["a over olive"], one["a over int8"]), (one["b over olive"], one["b over int8"]))
        self.assertEqual(one["a over olive"], each["by_workload"]["a over olive"])
        pe, more_pe = (next(item["um2"] for item in self.report("run", "--accelerator", name, "--model=./toy.yaml", "--prefill=64")
                            ["prices"][0]["area"] if item["component"] == "pe") for name in ("olive", "fp16-array"))
        self.assertAlmostEqual(area["steps"][0]["factor"], pe / (pe + more_pe), places=6)
        self.refused("gemm", "--accelerator=mant", "--m=8", "--k=64", "--n=32", "--fidelity=cycle", "--set=quantizer.overlap=false",
                     words=["fidelity", "quantizer"])

    def test_a_generation_is_the_sum_of_its_steps(self):
        toy = self.report("compare", self.experiment)["experiments"][0]
        row = next(row for row in toy["machines"] if (row["workload"], row["machine"]) == ("long", "mant"))
        exact = self.totals("mant", "--prefill=256", "--decode=32")["time_s"]
        self.assertAlmostEqual(row["time_s"] / exact, 1, delta=0.03)

    def test_attention_on_another_machine(self):
        toy = self.report("compare", self.experiment)["experiments"][0]
        rows = {row["machine"]: row for row in toy["machines"] if row["workload"] == "short"}
        olive, fp16 = (self.report("run", "--accelerator", name, "--model=./toy.yaml", "--prefill=64")["operators"]
                       for name in ("olive", "fp16-array"))
        cycles = (sum(o["cycles"] for o in olive if o["kind"] != "attention") +
                  sum(o["cycles"] for o in fp16 if o["kind"] == "attention"))
        self.assertEqual(rows["fp16-attention"]["cycles"], cycles)
        self.assertEqual(rows["olive"]["cycles"], sum(o["cycles"] for o in olive))

    def test_contest_and_files(self):
        self.succeed("compare", self.experiment, "--out=out", "--jobs=2")
        document = json.loads((self.directory / "out/compare.json").read_text())
        toy = document["experiments"][0]
        rows = [row for row in toy["machines"] if row["workload"] == "short"]
        errors = {name: max(error[key] for key in ("linear", "scores", "context"))
                  for name, error in toy["operand_errors"].items()}
        for row in rows:
            beaten = any(o["time_s"] <= row["time_s"] and errors[o["machine"]] <= errors[row["machine"]] and
                         (o["time_s"], errors[o["machine"]]) != (row["time_s"], errors[row["machine"]]) for o in rows)
            self.assertEqual(row["pareto"], not beaten)
        self.assertTrue(all(0 < error < 1 for error in errors.values()), errors)
        lines = list(csv.DictReader((self.directory / "out/compare.csv").read_text().splitlines()))
        self.assertEqual({line["kind"] for line in lines}, {"figure", "step", "machine"})
        self.assertTrue(all((self.directory / "out" / name).stat().st_size > 10000 for name in ("report.html", "toy.html")))
        text = self.succeed("compare", self.experiment).out
        for part in ("toy: a toy", "published", "not explained", "no waiting", "Pareto", "fp16-attention", "width: 8"):
            self.assertIn(part, text)
        document["command"] = ""
        again = self.report("compare", self.experiment, "--jobs=1")
        again["command"] = ""
        self.assertEqual(document, again)


class Refused(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("toy.yaml", program.TOY)

    def test_what_an_experiment_must_be(self):
        for old, new, words in (
                ("of: mant, over: olive, published", "of: mnat, over: olive, published", ["did you mean 'mant'"]),
                ("metric: kv_compression", "metric: size", ["kv_compression"]),
                ("source: nowhere}\n  - {name: energy", "}\n  - {name: energy", ["source", "required"]),
                ("cause: schedule", "cause: magic", ["schedule"]),
                ("{accelerator: mant}", "{accelerator: mant, colour: red}", ["colour"]),
                ("{accelerator: mant}", "{accelerator: mant, set: [array.row=3]}", ["machine mant", "array.row"]),
                ("clock_mhz=250", "clock=250", ["half a clock", "clock"]),
                ("prompt: 64", "prompt: 64, chunk: 48", ["chunk", "divide"]),
                ("prompt: 64", "batch: 2", ["does nothing"]),
                ("at: [long]", "at: [longer]", ["did you mean 'long'"]),
                ("synthesized-28nm", "synthesised-28nm", ["synthesized-28nm"]),
                ('- {name: "8", machines: {olive: {set: [formats.activation=int8-channel, formats.weight=int8-channel]}}}',
                 "", ["two values"]),
                ("rows: 8, columns: 64, seed: 2", "rows: 8, columns: 32, seed: 2", ["other columns"])):
            with self.subTest(new):
                self.assertIn(old, TOY)
                self.write("bad.yaml", TOY.replace(old, new, 1))
                self.refused("validate", "bad.yaml", words=words)
                self.refused("compare", "bad.yaml", "--out=out", words=words)

    def test_usage(self):
        self.refused("compare", words=["--all"])
        self.refused("compare", "mant-linear", "--all", words=["--all"])
        self.refused("compare", "nothing-like-it", words=["unknown experiment"])
        self.refused("compare", "mant-linear", "--jobs=-1", words=["--jobs"])


class Experiments(program.ProgramTest):
    def test_every_experiment_is_listed_and_valid(self):
        files = sorted((program.SOURCE / "configs/experiments").glob("*.yaml"))
        self.assertTrue(files)
        listed = self.succeed("list", "experiments").out.split()
        self.assertEqual(listed, sorted(file.stem for file in files))
        for file in files:
            with self.subTest(file.stem):
                self.succeed("validate", file)
                shown = self.succeed("show", "experiment", file.stem).out
                self.assertIn(f"name: {file.stem}", shown)
                self.write("shown.yaml", shown)
                self.succeed("validate", "shown.yaml")


class Books(program.ProgramTest):
    def test_scaled_books_are_what_their_script_writes(self):
        script = program.SOURCE / "scripts/scaled_books.py"
        done = subprocess.run([sys.executable, "-B", script, "--check"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        # By hand: 1733 um2 x (1 / 50.04) / (1 / 19).
        shown = self.succeed("show", "technology", "published-28nm-scaled").out
        self.assertIn("658", shown[shown.index("pe.bitfusion.area"):][:200])


if __name__ == "__main__":
    program.main()
