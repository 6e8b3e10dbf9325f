# SPDX-License-Identifier: Apache-2.0
"""What docs/reproduction.md and docs/comparison.md are made of: every experiment has its results, with the figures and
published values of its file; the short ones are run again and give the same to a thousandth."""
import json
import subprocess
import sys
import unittest

import program

SCRIPT = program.SOURCE / "scripts/reproduction.py"
RESULTS = program.SOURCE / "docs/results"
SHORT = ["harmonia-cache", "mant-quantizer"]
EXPERIMENTS = sorted(path.stem for path in (program.SOURCE / "configs/experiments").glob("*.yaml"))


class Kept(program.ProgramTest):
    def test_every_experiment_has_results_of_its_figures(self):
        self.assertEqual(sorted(path.stem for path in RESULTS.glob("*.json")), EXPERIMENTS)
        for name in EXPERIMENTS:
            with self.subTest(name):
                result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
                shown = json.loads(self.succeed("show", "experiment", name, "--json").out)["values"]
                values = {entry["path"]: json.loads(entry["value"]) if entry["value"].startswith('"') else entry["value"] for entry in shown}
                named = [values[path] for path in values if path.startswith("figures.") and path.endswith(".name")]
                self.assertEqual([figure["name"] for figure in result["figures"]], named)
                self.assertEqual(result["summary"], values["summary"])
                for i, figure in enumerate(result["figures"]):
                    published = values.get(f"figures.{i}.published")
                    self.assertEqual(figure["published"], None if published is None else float(published))
                    if figure["difference"] is None:
                        continue
                    self.assertAlmostEqual(figure["difference"], figure["value"] / figure["published"] - 1, places=4)
                    # What is off is taken apart, and the parts multiply to the whole.
                    self.assertEqual(bool(figure["steps"]), abs(figure["difference"]) > 0.15, figure["name"])
                    product = figure["value"]
                    for step in figure["steps"]:
                        product *= step["factor"] or 1
                    if figure["steps"]:
                        self.assertAlmostEqual(product * figure["not_explained"] / figure["published"], 1, places=3)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_short_experiments_give_the_same_again(self):
        done = subprocess.run([sys.executable, "-B", SCRIPT, "--nibble", program.PROGRAM, "--check", ",".join(SHORT)],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_figure_by_hand(self):
        """A run of the program against what is kept."""
        result = json.loads((RESULTS / "mant-linear.json").read_text(encoding="utf-8"))
        row = next(row for row in result["machines"] if row["machine"] == "mant")
        report = self.report("run", "--accelerator=mant", "--model=llama-7b", "--prefill=2048")
        linear = sum(o["cycles"] for o in report["operators"] if o["kind"] == "linear") / 5e8
        self.assertAlmostEqual(row["time_s"] / linear, 1, delta=1e-3)  # as check() of the script


if __name__ == "__main__":
    program.main()
