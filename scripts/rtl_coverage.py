#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines and toggles of the RTL that the test benches reach, counted by Verilator.

rtl_coverage.py [--build build/coverage] [--cycles 100000] [--least 95] [--missed]

Builds the test benches with coverage, runs them and prints a table by SystemVerilog file: executed lines (and branches) of
all, and bits of signals that went both up and down. --missed lists the lines that never ran. The status is 1 when fewer than
--least percent of a file's lines were executed.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def need(command, **options):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def points(files):
    """{(file, kind, line, what): count}, summed over test benches and instances."""
    counts = collections.Counter()
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            hit = re.match(r"^C '(.*)' (\d+)$", line)
            if not hit:
                continue
            fields = dict(field.split("\x02", 1) for field in hit[1].split("\x01") if field)
            kind = fields["page"].split("/")[0].removeprefix("v_")
            source = pathlib.Path(fields["f"])
            name = f"{source.parent.name}/{source.name}"
            counts[name, kind, int(fields["l"]), fields.get("n", ""), fields.get("o", "")] += int(hit[2])
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/coverage")
    parser.add_argument("--cycles", type=int, default=100000)
    parser.add_argument("--least", type=float, default=95.0)
    parser.add_argument("--missed", action="store_true")
    options = parser.parse_args()
    build = options.build.resolve()
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    need(["cmake", "--preset", "release", "-B", str(build), "-DNIBBLE_RTL_COVERAGE=ON", "-DNIBBLE_BUILD_BENCHMARKS=OFF",
          *launcher])
    need(["cmake", "--build", str(build), "--target", "rtl_tests"])
    folder = build / "testbenches/rtl"
    for file in folder.glob("*.coverage"):
        file.unlink()
    need(["ctest", "--test-dir", str(build), "-L", "rtl"], env={**os.environ, "NIBBLE_RTL_CYCLES": str(options.cycles)})
    counts = points(sorted(folder.glob("*.coverage")))
    if not counts:
        sys.exit("error: no coverage was written")
    table = collections.defaultdict(lambda: {"lines": [0, 0], "toggles": [0, 0]})
    for (file, kind, line, _, what), count in sorted(counts.items()):
        for row in (file, "all"):
            cell = table[row]["toggles" if kind == "toggle" else "lines"]
            cell[0] += count > 0
            cell[1] += 1
        if options.missed and count == 0 and kind != "toggle":
            print(f"never: {file}:{line} {what}")
    print(f"{'file':32} {'lines':>12} {'%':>6} {'toggles':>14} {'%':>6}")
    low = False
    table["all"] = table.pop("all")  # last
    for file, cells in table.items():
        texts = []
        for name, width in (("lines", 12), ("toggles", 14)):
            hit, all_points = cells[name]
            share = 100.0 * hit / all_points if all_points else 100.0
            low |= name == "lines" and share < options.least
            texts.append(f"{f'{hit}/{all_points}':>{width}} {share:6.1f}")
        print(f"{file:32} {' '.join(texts)}")
    return bool(low)


if __name__ == "__main__":
    sys.exit(main())
