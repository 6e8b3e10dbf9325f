#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines and toggles of the RTL that the test benches reach, counted by Verilator.

rtl_coverage.py [--build build/coverage] [--cycles 100000] [--least 95] [--missed] [--list] [BENCH...]

Builds the test benches with coverage, runs them and prints a table by SystemVerilog file: executed lines (and branches) of
all, and bits of signals that went both up and down. --missed lists the lines that never ran. The status is 1 when fewer than
--least percent of a file's lines were executed. The table goes to docs/results/rtl-coverage.csv, too; --list prints that of the
last run and builds nothing. BENCH: mant_pe, ...: these benches alone, added to what others
have left in the build.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

import rtl_records

ROOT = pathlib.Path(__file__).resolve().parent.parent


def need(command, **options):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


COLUMNS = ("lines_hit", "lines", "toggles_hit", "toggles")


def points(files):
    """{(file, kind, line, what): count}, summed over test benches and instances; not of RTL that is younger than the run."""
    counts = collections.Counter()
    written = {f"{rtl.parent.name}/{rtl.name}": rtl.stat().st_mtime for rtl in (ROOT / "rtl_models").glob("*/*.sv")}
    for file in files:
        run = file.stat().st_mtime
        for line in file.read_text(encoding="utf-8").splitlines():
            hit = re.match(r"^C '(.*)' (\d+)$", line)
            if not hit:
                continue
            fields = dict(field.split("\x02", 1) for field in hit[1].split("\x01") if field)
            kind = fields["page"].split("/")[0].removeprefix("v_")
            source = pathlib.Path(fields["f"])
            name = f"{source.parent.name}/{source.name}"
            if written.get(name, run + 1) > run:
                continue
            counts[name, kind, int(fields["l"]), fields.get("n", ""), fields.get("o", "")] += int(hit[2])
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/coverage")
    parser.add_argument("--cycles", type=int, default=100000)
    parser.add_argument("--least", type=float, default=95.0)
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("benches", nargs="*")
    options = parser.parse_args()
    rows = list(rtl_records.read(rtl_records.COVERAGE).values()) if options.list else count(options)
    print("\n".join(table(rows)))
    return any(least(row) < options.least for row in rows)


def count(options):
    """Builds and runs the benches, records and returns the rows of the table."""
    build = options.build.resolve()
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    need(["cmake", "--preset", "release", "-B", str(build), "-DNIBBLE_RTL_COVERAGE=ON", "-DNIBBLE_RTL_OPTIMIZE=-O0", "-DNIBBLE_BUILD_BENCHMARKS=OFF",
          *launcher])
    benches = [f"{bench}_rtl_test" for bench in options.benches]
    need(["cmake", "--build", str(build), "--target", *(benches or ["rtl_tests"])])
    folder = build / "testbenches/rtl"
    for file in [] if benches else folder.glob("*.coverage"):
        file.unlink()
    need(["ctest", "--test-dir", str(build), "-R", f"^({'|'.join(benches)}):" if benches else "_rtl_test:"],
         env={**os.environ, "NIBBLE_RTL_CYCLES": str(options.cycles)})
    counts = points(sorted(folder.glob("*.coverage")))
    if not counts:
        sys.exit("error: no coverage was written")
    cells = collections.defaultdict(collections.Counter)
    for (file, kind, line, _, what), hits in sorted(counts.items()):
        column = "toggles" if kind == "toggle" else "lines"
        cells[file][column] += 1
        cells[file][f"{column}_hit"] += hits > 0
        if options.missed and hits == 0:
            print(f"never: {file}:{line} {kind} {what}")
    rows = [{"file": file, **{name: str(cell[name]) for name in COLUMNS}, "fingerprint": rtl_records.fingerprint(file)}
            for file, cell in cells.items()]
    record = {**(rtl_records.read(rtl_records.COVERAGE) if benches else {}), **{row["file"]: row for row in rows}}
    rows = [record[file] for file in sorted(record) if (ROOT / "rtl_models" / file).exists()]
    rtl_records.write(rtl_records.COVERAGE, rows)
    return rows


def least(row):
    """Percent of a row's lines."""
    return 100.0 * int(row["lines_hit"]) / int(row["lines"]) if int(row["lines"]) else 100.0


def table(rows):
    yield f"{'file':36} {'lines':>12} {'%':>6} {'toggles':>14} {'%':>6}"
    total = {"file": "all", **{name: sum(int(row[name]) for row in rows) for name in COLUMNS}}
    for row in [*rows, total]:
        texts = []
        for name, width in (("lines", 12), ("toggles", 14)):
            hit, every = int(row[f"{name}_hit"]), int(row[name])
            texts.append(f"{f'{hit}/{every}':>{width}} {100.0 * hit / every if every else 100.0:6.1f}")
        yield f"{row['file']:36} {' '.join(texts)}"


if __name__ == "__main__":
    sys.exit(main())
