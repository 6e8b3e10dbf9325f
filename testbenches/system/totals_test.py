# SPDX-License-Identifier: Apache-2.0
"""scripts/machine_totals.py: points, rows, tables, what is there already, what fails."""
import csv
import subprocess
import sys

import program

SCRIPT = program.SOURCE / "scripts/machine_totals.py"


class Totals(program.ProgramTest):
    def totals(self, *arguments):
        return subprocess.run([sys.executable, "-B", SCRIPT, "--nibble", program.PROGRAM, "--csv=rows.csv", *arguments],
                              cwd=self.directory, capture_output=True, text=True, timeout=100, check=False)

    def rows(self):
        with open(self.directory / "rows.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def setUp(self):
        super().setUp()
        self.model = "./" + self.write("toy.yaml", program.TOY).name
        self.points = ("--machine=mant,ant", "--model", self.model, "--prefill=32")

    def test_a_point_is_a_run_and_is_not_run_again(self):
        done = self.totals(*self.points, "--context=32,100", "--batch=2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(done.stdout.splitlines()), 4)
        rows = self.rows()
        self.assertEqual([(row["machine"], row["batch"], row["context"], row["phase"]) for row in rows],
                         [(machine, "2", context, phase) for machine in ("ant", "mant")
                          for context in ("32", "100") for phase in ("prefill", "decode")])
        report = self.report("run", "--accelerator=mant", "--model", self.model, "--prefill=32", "--decode=1", "--batch=2")
        for row, phase in zip(rows[4:6], report["phases"]):
            for key in ("cycles", "macs", "dram_read_bytes", "memory_stall_cycles"):
                self.assertEqual(int(row[key]), phase[key], key)
            self.assertEqual(float(row["energy_total_pj"]), phase["energy_pj"]["total"])
            self.assertEqual(row["not_known"].split("; "), phase["energy_pj"]["unknown"])
        before = (self.directory / "rows.csv").read_bytes()
        self.assertEqual(self.totals(*self.points, "--context=100", "--batch=2").stdout, "")
        self.assertEqual((self.directory / "rows.csv").read_bytes(), before)
        more = self.totals(*self.points, "--context=100", "--batch=1,2", "--jobs=2")
        self.assertEqual(sorted(line.split()[2:4] for line in more.stdout.splitlines()), [["1", "100"], ["1", "100"]])
        again = self.totals(*self.points, "--context=100", "--batch=1", "--fresh")
        self.assertEqual(len(again.stdout.splitlines()), 2)
        self.assertEqual(len(self.rows()), 12)

    def test_tables(self):
        self.totals(*self.points, "--context=32,100", "--batch=2")
        shown = self.totals("--tables").stdout
        for part in ("## Time", "## Cycles by cause", "## Energy", "## DRAM traffic", "## Host", "Batch 2:",
                     "| ant |", "| mant |", f"| {self.model} prefill at 32 | {self.model} prefill at 100 | {self.model} decode at 32 |", "not known"):
            self.assertIn(part, shown)
        self.assertEqual(len(self.totals("--slowest=3").stdout.splitlines()), 3)

    def test_what_fails_is_told_and_the_rest_is_kept(self):
        done = self.totals("--machine=nothing,mant", "--model", self.model, "--prefill=32", "--context=32", "--batch=1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing", done.stderr)
        self.assertEqual({row["machine"] for row in self.rows()}, {"mant"})
        slow = self.totals("--machine=ant", "--model", self.model, "--prefill=32", "--context=32", "--batch=1", "--most=0")
        self.assertEqual(slow.returncode, 1)
        self.assertIn("s of CPU", slow.stderr)
        self.assertEqual({row["machine"] for row in self.rows()}, {"ant", "mant"})


if __name__ == "__main__":
    program.main()
