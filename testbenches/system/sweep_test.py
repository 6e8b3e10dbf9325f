# SPDX-License-Identifier: Apache-2.0
"""nibble sweep: points, constraints, fronts, interruption and resumption."""
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import program

SMALL = """name: small
settings: {accelerator: mant, m: 64, k: 256, n: 256, memory: flat-64gbps}
axes:
  array.columns: [8, 16, 32]
  clock_mhz: [250, 500]
objectives: [time_s, area_um2]
"""
# 288 points of a few milliseconds each, a quarter of which the constraint on the area spares.
MANY = """name: many
settings: {accelerator: mant, k: 128, memory: flat-64gbps}
axes:
  m: [16, 32, 48, 64]
  n: [32, 64]
  array.columns: {from: 8, to: 64, factor: 2}
  buffers.weight_kib: [32, 64, 128]
  clock_mhz: [250, 500, 1000]
objectives: [time_s, area_um2, max utilization]
constraints: [area_um2 <= 2.8e6, cycles < 100000]
"""
FINAL = ("results.csv", "pareto.csv", "sweep.json", "report.html")


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Points(program.ProgramTest):
    def test_every_point_is_what_the_command_of_that_point_gives(self):
        sweep = self.write("small.yaml", SMALL)
        document = self.report("sweep", sweep, "--jobs=2")
        self.assertEqual(document["counts"], {"points": 6, "done": 6, "failed": 0, "excluded": 0, "pending": 0})
        for point in document["points"]:
            settings = [f"--set={key}={value}" for key, value in point["settings"].items()]
            report = self.report("gemm", "--accelerator=mant", "--m=64", "--k=256", "--n=256",
                                 "--set=memory={preset: flat-64gbps}", *settings)
            figures = point["figures"]
            self.assertEqual(figures["cycles"], report["totals"]["cycles"])
            self.assertEqual(figures["time_s"], report["totals"]["time_s"])
            self.assertEqual(figures["energy_pj"], report["totals"]["energy_pj"]["total"])
            self.assertEqual(figures["area_um2"], report["totals"]["area_um2"]["total"])
            self.assertEqual(figures["dram_bytes"],
                             report["totals"]["dram_read_bytes"] + report["totals"]["dram_write_bytes"])

    def test_models_and_products_in_one_sweep_have_fronts_of_their_own(self):
        self.write("toy.yaml", program.TOY)
        sweep = self.write("mixed.yaml", """name: mixed
points:
  - {accelerator: mant, model: ./toy.yaml, prefill: 8, decode: 2}
  - {accelerator: harmonia, model: ./toy.yaml, prefill: 8, decode: 2}
  - {accelerator: mant, m: 8, k: 64, n: 64}
objectives: [cycles]
""")
        points = self.report("sweep", sweep)["points"]
        self.assertEqual(sum(point["on_front"] for point in points[:2]), 1)
        self.assertTrue(points[2]["on_front"])
        self.assertGreater(points[0]["figures"]["decode_tokens_per_s"], 0)
        self.assertNotIn("decode_tokens_per_s", points[2]["figures"])

    def test_constraints_that_need_no_run_spare_it(self):
        sweep = self.write("small.yaml", SMALL + "constraints:\n  - area_um2 <= 2.3e6\n  - array.columns * 1 >= 9\n"
                                                 "  - time_s < 12e-6\n")
        points = self.report("sweep", sweep)["points"]
        excluded = [point for point in points if point["status"] == "excluded"]
        for point in points:
            self.assertEqual(point["status"] == "excluded", point["settings"]["array.columns"] != "16")
        self.assertEqual(excluded[0]["violated"], ["array.columns * 1 >= 9"])
        self.assertEqual(excluded[2]["violated"], ["area_um2 <= 2.3e6"])
        slow = [point for point in points if point["status"] == "done" and point["figures"]["time_s"] >= 12e-6]
        self.assertEqual([point["violated"] for point in slow], [["time_s < 12e-6"]])
        self.assertFalse(slow[0]["on_front"])
        self.assertIn("4 excluded by constraints before they were simulated; 1 of those done violate",
                      self.succeed("sweep", sweep).out)

    def test_failures_are_recorded_and_the_sweep_goes_on(self):
        sweep = self.write("small.yaml", SMALL.replace("[8, 16, 32]", "[8, 0, 32]")
                           .replace("clock_mhz: [250, 500]", "formats.weight: [mant4-g64, int7-g64]"))
        self.refused("sweep", sweep, words=["small.yaml:4:22", "axes.array.columns", "not 0"])
        sweep = self.write("small.yaml", SMALL.replace("clock_mhz: [250, 500]", "formats.weight: [mant4-g64, int7-g64]"))
        outcome = self.succeed("sweep", sweep, "--out=out")
        self.assertIn("3 failed", outcome.out)
        failed = [row for row in rows(self.directory / "out/results.csv") if row["status"] == "failed"]
        self.assertEqual(len(failed), 3)
        self.assertIn("formats.weight", failed[0]["message"])
        self.assertEqual(failed[0]["cycles"], "")

    def test_a_point_that_takes_too_long_fails_alone(self):
        sweep = self.write("slow.yaml", """name: slow
settings: {accelerator: mant, k: 4096, n: 4096}
axes: {fidelity: [transaction, cycle]}
zipped: [{m: [4096]}]
""")
        outcome = self.succeed("sweep", sweep, "--time-limit=3" if not program.SANITIZED else "--time-limit=20",
                               "--out=out")
        self.assertIn("took longer than", outcome.out)
        self.assertEqual([row["status"] for row in rows(self.directory / "out/results.csv")], ["done", "failed"])

    def test_shipped_sweeps_load(self):
        shipped = sorted((program.SOURCE / "configs/sweeps").glob("*.yaml"))
        self.assertGreaterEqual(len(shipped), 5)
        listed = self.succeed("list", "sweeps").out.split()
        for path in shipped:
            with self.subTest(path.stem):
                self.assertIn(path.stem, listed)
                self.succeed("validate", path)
                self.succeed("show", "sweep", path.stem)
                points = json.loads(self.succeed("sweep", path.stem, "--dry-run", "--json").out)["points"]
                self.assertGreater(len(points), 5)
                self.assertEqual([point["message"] for point in points if point["status"] == "failed"], [])


class Refused(program.ProgramTest):
    def bad(self, text, *words, options=()):
        self.refused("sweep", self.write("bad.yaml", text), *options, words=["bad.yaml:", *words])

    def test_values_are_checked_before_anything_runs(self):
        self.bad(SMALL.replace("array.columns:", "array.colums:"), "4:18", "array.colums", "did you mean 'columns'")
        self.bad(SMALL.replace("16,", "many,"), "4:22", "must be an integer", "not 'many'")
        self.bad(SMALL.replace("m: 64", "m: 0"), "2:34", "settings.m", "not 0")
        self.bad(SMALL.replace("accelerator: mant", "accelerator: mnat"), "did you mean 'mant'")
        self.bad(SMALL.replace("flat-64gbps", "flat-64gbs"), "unknown memory", "did you mean 'flat-64gbps'")
        self.bad(SMALL + "points: [{technology: published-29nm}]\n", "published-29nm")
        self.bad(SMALL.replace("clock_mhz: [250, 500]", "memory.bandwith_gbps: [1, 2]"), "bandwith_gbps")

    def test_names_in_expressions_exist(self):
        self.bad(SMALL.replace("time_s,", "time,"), "6:14", "'time' is no figure", "did you mean 'time_s'")
        self.bad(SMALL + "constraints: [array.row < 3]\n", "did you mean 'array.rows'")

    def test_options(self):
        sweep = self.write("small.yaml", SMALL)
        self.refused("sweep", sweep, "--resume", words=["--out"])
        self.refused("sweep", sweep, "--jobs=-1", words=["--jobs"])
        self.refused("sweep", sweep, "--engine=cloud", words=["local or slurm"])
        self.refused("sweep", sweep, "--wait", words=["--engine slurm"])
        for shard in ("3", "3/3", "-1/3", "a/3", "1/0", "1/2/3"):
            self.refused("sweep", sweep, "--out=o", f"--shard={shard}", words=["--shard"])
        self.refused("sweep", "no-such-sweep", words=["unknown sweep"])
        self.refused("sweep", sweep, "--set=axes.array.columns=[a]", words=["--set axes.array.columns", "array.columns"])

    def test_a_directory_with_results_is_taken_only_on_demand(self):
        sweep = self.write("small.yaml", SMALL)
        self.succeed("sweep", sweep, "--out=out")
        self.refused("sweep", sweep, "--out=out", words=["out:", "--resume"])
        self.succeed("sweep", sweep, "--out=out", "--resume")

    def test_a_sweep_of_failures_is_one(self):
        sweep = self.write("small.yaml", SMALL.replace("clock_mhz: [250, 500]", "formats.weight: [int7-g64]"))
        outcome = self.nibble("sweep", sweep)
        self.assertEqual(outcome.status, 2)
        self.assertIn("all 3 points failed", outcome.err)


class Resumption(program.ProgramTest):
    """The outputs are the same bytes, whatever happened on the way."""

    def start(self, *arguments):
        return subprocess.Popen([program.PROGRAM, *map(str, arguments)], cwd=self.directory, env=program.ENVIRONMENT,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def lines(self, directory):
        path = self.directory / directory / "results.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def wait_for_lines(self, process, directory, count):
        deadline = time.monotonic() + 300
        while self.lines(directory) < count:
            self.assertIsNone(process.poll(), "ended before it was interrupted")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def finals(self, directory):
        return {name: (self.directory / directory / name).read_bytes() for name in FINAL}

    def test_killed_twice_and_resumed_gives_equal_bytes(self):
        sweep = self.write("many.yaml", MANY)
        self.succeed("sweep", sweep, "--out=whole", "--jobs=2", timeout=500)
        self.assertGreater(self.lines("whole"), 200)
        for number, goal in enumerate((40, 130)):
            process = self.start("sweep", sweep, "--out=killed", "--jobs=2", *(["--resume"] if number else []))
            self.wait_for_lines(process, "killed", goal)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            self.assertLess(self.lines("killed"), 210)
            self.assertFalse((self.directory / "killed/results.csv").exists())
        before = self.lines("killed")
        with open(self.directory / "killed/results.jsonl", "ab") as journal:
            journal.write(b'{"key": "0123456789abcdef", "sett')  # torn
        outcome = self.succeed("sweep", sweep, "--out=killed", "--jobs=2", "--resume", timeout=500)
        self.assertIn("1 line of the results in killed torn or unreadable", outcome.err)
        self.assertEqual(self.finals("killed"), self.finals("whole"))
        self.assertEqual(sorted((self.directory / "killed/results.jsonl").read_bytes().splitlines()),
                         sorted((self.directory / "whole/results.jsonl").read_bytes().splitlines()))
        self.assertEqual(self.lines("killed"), self.lines("whole"))  # nothing ran twice
        self.assertGreaterEqual(before, 130)
        self.assertEqual([path.name for path in (self.directory / "killed").glob("*.tmp")], [])

    def test_children_do_not_outlive_a_killed_sweep(self):
        sweep = self.write("slow.yaml", """name: slow
settings: {accelerator: mant, m: 4096, k: 4096, n: 4096, fidelity: cycle}
axes: {clock_mhz: [400, 500]}
""")
        process = self.start("sweep", sweep, "--jobs=2", "--out=out")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 60
        while len(children.read_text().split()) < 2:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        pids = children.read_text().split()
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
                  for pid in pids):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_an_interrupt_is_told_and_leaves_what_was_found(self):
        sweep = self.write("many.yaml", MANY)
        process = self.start("sweep", sweep, "--out=out", "--jobs=2")
        self.wait_for_lines(process, "out", 20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (130, b""))
        self.assertRegex(program.messages(err), r"^\d+ of 288 points are in out; --resume goes on\nerror: interrupted\n$")
        self.assertGreaterEqual(self.lines("out"), 20)

    def test_a_sweep_that_grows_runs_what_is_new(self):
        sweep = self.write("small.yaml", SMALL)
        self.succeed("sweep", sweep, "--out=out")
        self.write("small.yaml", SMALL.replace("[250, 500]", "[250, 500, 600]"))
        self.succeed("sweep", sweep, "--out=out", "--resume")
        self.assertEqual(self.lines("out"), 9)
        self.assertEqual(len(rows(self.directory / "out/results.csv")), 9)
        self.write("small.yaml", SMALL.replace("[250, 500]", "[500]"))
        self.succeed("sweep", sweep, "--out=out", "--resume")
        self.assertEqual(self.lines("out"), 9)
        self.assertEqual(len(rows(self.directory / "out/results.csv")), 3)

    def test_what_a_point_depends_on_is_part_of_its_key(self):
        machine = self.write("mine.yaml", "base: mant\nname: mine\n")
        sweep = self.write("small.yaml", SMALL.replace("accelerator: mant", "accelerator: ./mine.yaml"))
        self.succeed("sweep", sweep, "--out=out")
        self.succeed("sweep", sweep, "--out=out", "--resume")
        self.assertEqual(self.lines("out"), 6)
        machine.write_text("base: mant\nname: mine\nquantizer: {pipeline_cycles: 20}\n")
        self.succeed("sweep", sweep, "--out=out", "--resume")
        self.assertEqual(self.lines("out"), 12)

    def test_two_sweeps_do_not_write_into_one_directory(self):
        sweep = self.write("many.yaml", MANY)
        process = self.start("sweep", sweep, "--out=out", "--jobs=1")
        self.wait_for_lines(process, "out", 1)
        outcome = self.nibble("sweep", sweep, "--out=out", "--resume")
        process.kill()
        process.communicate()
        self.assertEqual(outcome.status, 2, outcome.err)
        self.assertIn("another sweep writes here now", outcome.err)

    def test_shards_in_any_order_merge_to_the_same(self):
        sweep = self.write("small.yaml", SMALL)
        self.succeed("sweep", sweep, "--out=whole")
        order = list(range(4))
        random.Random(1).shuffle(order)
        for shard in order[:3]:
            self.succeed("sweep", sweep, "--out=parts", f"--shard={shard}/4")
        outcome = self.nibble("sweep", sweep, "--out=parts", "--merge")
        self.assertEqual(outcome.status, 2)
        self.assertIn("of 6 points have no result yet", outcome.err)
        self.succeed("sweep", sweep, "--out=parts", f"--shard={order[3]}/4")
        self.succeed("sweep", sweep, "--out=parts", "--merge")
        self.assertEqual(self.finals("parts"), self.finals("whole"))


if __name__ == "__main__":
    program.main()
