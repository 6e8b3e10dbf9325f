#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`nibble memory` as a user runs it: patterns, traces, figures, explanations, command logs."""
import csv
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["NIBBLE_PROGRAM"]
SOURCE = pathlib.Path(os.environ["NIBBLE_SOURCE"])
PRESETS = ["ddr4-2400", "ddr4-3200", "ddr5-4800", "lpddr4-3200", "lpddr5-6400", "gddr6-16", "hbm2", "hbm3"]
KEYS = ["cycles", "time_ns", "bandwidth_gbps", "utilization", "mean_latency_cycles", "p99_latency_cycles", "row_hit_rate",
        "activates", "precharges", "refreshes", "reads", "writes", "energy_pj"]
# SHA-256 of "ADDRESS R|W CYCLE" lines, first 16 digits, as published with the reference figures: DDR4; LPDDR4 and HBM2.
CHECKS = {
    "seq_read": ("6862144da943931a", "775f383022b87fb4"), "seq_write": ("7fc725b87c94f8ff", "54d8b95943febe5f"),
    "bank_conflict": ("359211cfe94a76f9", "85f2656cc2b7c9ee"), "random_read": ("3a9273001eb36c23", "16ecd2ae20eac99d"),
    "mix_seq": ("9c61aee0c3d4df45", "2c58fea83fa4c9f0"), "gemm_tiled": ("66a1c995db9355d7", "d9e38bbf4d650f17"),
    "spaced_read": ("82a98a27dfbff793", "a4cc3b123636f80b"),
}


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="nibble-memory-")
        self.folder = pathlib.Path(self.directory.name)
        self.addCleanup(self.directory.cleanup)

    def run_memory(self, *arguments, status=0):
        environment = dict(os.environ, NIBBLE_CONFIG_PATH=str(SOURCE / "configs"))
        done = subprocess.run([PROGRAM, "memory", *map(str, arguments)], cwd=self.folder, env=environment, text=True,
                              capture_output=True, timeout=300, check=False)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout[-500:])
        return done.stdout if status == 0 else done.stderr

    def figures(self, *arguments):
        return json.loads(self.run_memory(*arguments, "--json"))


class Patterns(Case):
    def test_check_values(self):
        for device, column in (("ddr4-a", 0), ("lpddr4-a", 1), ("hbm2-a", 1)):
            for pattern, checks in CHECKS.items():
                self.run_memory("--memory", f"reference-{device}", "--pattern", pattern, "--write-trace", "t.csv")
                with open(self.folder / "t.csv", encoding="utf-8") as file:
                    lines = "".join(f"{int(r['address'], 16):x} {r['op']} {r['cycle']}\n" for r in csv.DictReader(file))
                self.assertEqual(hashlib.sha256(lines.encode()).hexdigest()[:16], checks[column], (device, pattern))

    def test_written_trace_replays_alike(self):
        for pattern in ("mixed,requests=3000", "strided,stride=192,requests=2000", "mix_random,seed=7,interval=3"):
            direct = self.figures("--memory", "reference-hbm2-b", "--generate", pattern)
            self.assertEqual(self.run_memory("--memory", "reference-hbm2-b", "--pattern", pattern, "--write-trace", "t.csv"), "")
            replayed = self.figures("--memory", "reference-hbm2-b", "--trace", "t.csv")
            self.assertEqual({**direct, "trace": ""}, {**replayed, "trace": ""})

    def test_refused(self):
        for pattern, word in (("seq", "known"), ("strided,strid=4", "did you mean 'stride'"), ("random,seed=x", "no number"),
                              ("random,seed", "a parameter and a value"), ("mixed,requests=0", "between 1"),
                              ("gemm_tiled,turn=100", "multiple of bytes"), ("strided,stride=0", "stride"),
                              ("random,base=0x100000000000", "lie beyond the memory")):
            self.assertIn(word, self.run_memory("--memory", "hbm2", "--pattern", pattern, status=2), pattern)
        self.assertIn("kind dram", self.run_memory("--memory", "flat-ant", "--pattern", "random", "--explain", status=2))
        self.assertIn("FIRST:LAST", self.run_memory("--memory", "hbm2", "--pattern", "random", "--timeline", "9:3", status=2))
        (self.folder / "bad.csv").write_text("cycle,op,address,bytes\n0,R,0,64\n0,R,0,x\n", encoding="utf-8")
        self.assertIn("bad.csv:3:", self.run_memory("--memory", "hbm2", "--trace", "bad.csv", status=2))


class Figures(Case):
    def test_every_preset(self):
        for preset in PRESETS:
            for pattern in ("seq_read", "seq_write", "strided_read", "bank_conflict", "random_read", "random_write", "mix_seq",
                            "mix_random", "gemm_tiled", "spaced_read"):
                f = self.figures("--memory", preset, "--pattern", pattern + ",requests=3000")
                for key in KEYS:
                    self.assertIn(key, f)
                bus = f["bus_cycles"]
                self.assertEqual(bus["total"], bus["data"] + sum(bus["lost"].values()), (preset, pattern))
                self.assertEqual(f["reads"] + f["writes"], 3000)
                self.assertLessEqual(f["bandwidth_gbps"], f["peak_gbps"])
                self.assertAlmostEqual(f["utilization"], bus["data"] / bus["total"], places=9)
                ranks = f["ranks"]
                for name in ("reads", "writes", "activates", "precharges", "refreshes"):
                    self.assertEqual(sum(r[name] for r in ranks), f[name], (preset, pattern, name))
                if f["energy_pj"] is not None:
                    self.assertAlmostEqual(sum(r["energy_pj"] for r in ranks) / f["energy_pj"], 1, places=9)

    def test_explanation_names_what_binds(self):
        bound = {("reference-ddr4-b", "seq_read"): "refresh", ("reference-ddr4-a", "seq_read"): "column_spacing",
                 ("reference-ddr4-b", "bank_conflict"): "row", ("reference-ddr4-b", "random_read"): "activate_rate",
                 ("reference-ddr4-b", "spaced_read"): "idle", ("reference-hbm2-b", "mix_seq"): "turnaround"}
        for (memory, pattern), cause in bound.items():
            lost = self.figures("--memory", memory, "--pattern", pattern)["bus_cycles"]["lost"]
            self.assertEqual(max(lost, key=lost.get), cause, (memory, pattern, lost))
        text = self.run_memory("--memory", "ddr4-3200", "--pattern", "mixed", "--explain")
        for word in ("data", "lost: refresh", "lost: turnaround", "all", "channel", "interface"):
            self.assertIn(word, text)

    def test_channels_scale(self):
        """Time of a stream over n channels, and its energy without background: 1 / n, and the same."""
        alone = self.figures("--memory", "reference-hbm2-b", "--pattern", "seq_read,bytes=4096,requests=4000")
        for channels in (2, 4, 8):
            f = self.figures("--memory", "reference-hbm2-b", "--set", f"channels={channels}", "--set",
                             "mapping=row column:3 channel column bank bankgroup", "--pattern", "seq_read,bytes=4096,requests=4000")
            self.assertAlmostEqual(f["cycles"] * channels / alone["cycles"], 1, delta=0.03)
            self.assertAlmostEqual(f["peak_gbps"], channels * alone["peak_gbps"])
            self.assertEqual(f["energy_by_command_pj"]["read"], alone["energy_by_command_pj"]["read"])
            self.assertEqual(len(f["ranks"]), channels)

    def test_same_twice(self):
        arguments = ["--memory", "lpddr5-6400", "--pattern", "mix_random", "--json"]
        self.assertEqual(self.run_memory(*arguments), self.run_memory(*arguments))


class Commands(Case):
    def test_log_agrees_with_counters(self):
        for memory in ("ddr4-3200", "lpddr4-3200"):
            plain = self.figures("--memory", memory, "--pattern", "mix_random,requests=2000")
            logged = self.figures("--memory", memory, "--pattern", "mix_random,requests=2000", "--commands", "c.csv")
            self.assertEqual(plain, logged)
            with open(self.folder / "c.csv", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            count = {}
            for row in rows:
                count[row["command"]] = count.get(row["command"], 0) + 1
            self.assertEqual(count["ACT"], plain["activates"])
            self.assertEqual(count["RD"], plain["reads"])
            self.assertEqual(count["WR"], plain["writes"])
            self.assertEqual(count.get("PRE", 0) + count.get("PREA", 0), plain["precharges"])
            self.assertEqual(count.get("REFab", 0) + count.get("REFpb", 0), plain["refreshes"])

    def test_timeline(self):
        (self.folder / "one.csv").write_text("cycle,op,address,bytes\n0,R,0,64\n", encoding="utf-8")
        text = self.run_memory("--memory", "reference-ddr4-b", "--trace", "one.csv", "--timeline", "0:59")
        lanes = {line[:14].strip(): line[14:] for line in text.splitlines() if line}
        self.assertEqual(lanes["command"].index("A"), 1)
        self.assertEqual(lanes["command"].index("R"), 1 + 17)
        self.assertEqual(lanes["data"].index("rrrr"), 1 + 17 + 17)
        self.assertEqual(lanes["data"].count("r"), 4)
        self.assertEqual(lanes["bank 0"].count("o"), 17)


if __name__ == "__main__":
    unittest.main()
