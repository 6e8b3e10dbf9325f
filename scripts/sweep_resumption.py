#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sweep of 2,000 points, once undisturbed, once killed twice (SIGKILL) and resumed: the outputs must be the same bytes, and
so must results.jsonl but for the order of its lines. Prints how fast it was. Too long for the test suite, which does the same
with fewer points (testbenches/system/sweep_test.py): for nightly runs.

Usage: scripts/sweep_resumption.py [--nibble PROGRAM] [--jobs N]
"""
import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = """name: resumption
settings: {accelerator: mant, k: 4096, n: 4096}
axes:
  m: [64, 128, 256, 512]
  array.columns: {from: 8, to: 160, step: 8}
  buffers.weight_kib: {from: 32, to: 512, factor: 2}
  buffers.activation_kib: {from: 32, to: 512, factor: 2}
objectives: [time_s, area_um2]
"""
POINTS = 2000
KILL_AT = (500, 1300)
OUTPUTS = ("results.csv", "pareto.csv", "sweep.json", "report.html")


def lines(directory):
    path = directory / "results.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", default="build/release/cli/nibble")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    program = str(Path(options.nibble).resolve())
    with tempfile.TemporaryDirectory(prefix="nibble-sweep-") as name:
        here = Path(name)
        (here / "sweep.yaml").write_text(SWEEP)
        command = [program, "sweep", str(here / "sweep.yaml"), f"--jobs={options.jobs}"]

        begin = time.monotonic()
        subprocess.run([*command, f"--out={here}/whole"], check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - begin
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime
        print(f"{POINTS} points in {wall:.1f} s with {options.jobs} jobs: {POINTS / wall:.0f} per second, "
              f"{POINTS / cpu:.0f} per second of processor time")

        for number, goal in enumerate(KILL_AT):
            process = subprocess.Popen([*command, f"--out={here}/killed", *(["--resume"] if number else [])],
                                       stdout=subprocess.DEVNULL)
            while lines(here / "killed") < goal:
                if process.poll() is not None:
                    sys.exit(f"error: ended before {goal} points")
                time.sleep(0.01)
            process.kill()
            process.wait()
            print(f"killed at {lines(here / 'killed')} points")
        subprocess.run([*command, f"--out={here}/killed", "--resume"], check=True, stdout=subprocess.DEVNULL)

        problems = [output for output in OUTPUTS
                    if (here / "whole" / output).read_bytes() != (here / "killed" / output).read_bytes()]
        journals = [sorted((here / run / "results.jsonl").read_bytes().splitlines()) for run in ("whole", "killed")]
        if journals[0] != journals[1]:
            problems.append("results.jsonl")
        if len(journals[0]) != POINTS:
            problems.append(f"results.jsonl has {len(journals[0])} lines")
        if problems:
            sys.exit(f"error: differs: {', '.join(problems)}")
        print(f"equal: {', '.join(OUTPUTS)}, and results.jsonl but for the order of its lines")


if __name__ == "__main__":
    main()
