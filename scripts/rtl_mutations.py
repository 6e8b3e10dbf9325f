#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plant bugs in the RTL, one at a time, and show that the test benches notice each of them.

rtl_mutations.py [--build build/mutations] [--cycles 100000] [--stale] [--list] [NAME...]

Each entry of testbenches/rtl/mutations.py changes one place of one SystemVerilog file: a width that is one bit short, a wrong
sign, a stall that is not obeyed, a register that misses its reset. The bug is built from a copy of rtl_models/ and the test
bench is run; it must fail. NAME chooses entries whose name begins so, --stale those whose file has changed since they were run.
What was noticed goes to docs/results/rtl-mutations.csv, which --list prints. The status is 1 when a bug stays unnoticed.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

import rtl_records

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "testbenches/rtl"))
from mutations import KINDS, MUTATIONS, SHARED  # noqa: E402  pylint: disable=wrong-import-position


def mark(name):
    test, file, text, bug, _ = MUTATIONS[name]
    return rtl_records.fingerprint(file, test, text, bug)


def lacking():
    """Units without a bug of one of the kinds."""
    kinds = {}
    for name, (_, _, _, _, kind) in MUTATIONS.items():
        kinds.setdefault(name.split("/")[0], set()).update(k for k in KINDS if k in kind)
    return [f"{unit}: no bug of the kind '{k}'" for unit, found in kinds.items() if unit not in SHARED
            for k in KINDS if k not in found]


def table(record):
    """The bugs, and what noticed each of them."""
    for name, (_, file, _, _, kind) in MUTATIONS.items():
        row = record.get(name)
        noticed = "not run" if row is None or row["fingerprint"] != mark(name) else row["noticed"] or "MISSED"
        yield f"{name:22} {file:36} {kind:44} {noticed}"


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


class Bench:
    def __init__(self, options):
        self.build, self.cycles = options.build.resolve(), options.cycles
        self.copy = self.build / "rtl_models"
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(ROOT / "rtl_models", self.copy)
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        self.need(["cmake", "--preset", "release", "-B", str(self.build), f"-DNIBBLE_RTL_SOURCES={self.copy}",
                   "-DNIBBLE_RTL_LINT=OFF", "-DNIBBLE_RTL_OPTIMIZE=-O0", "-DNIBBLE_BUILD_BENCHMARKS=OFF", *launcher])

    def need(self, command):
        done = run(command)
        if done.returncode:
            sys.exit(f"error: {' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def notices(self, test):
        """Builds the test bench from the copy and runs it: what it noticed first, or nothing."""
        self.need(["cmake", "--build", str(self.build), "--target", test])
        done = run(["ctest", "--test-dir", str(self.build), "-R", f"^{test}:", "--output-on-failure"],
                   env={**os.environ, "NIBBLE_RTL_CYCLES": str(self.cycles)})
        if "No tests were found" in done.stdout + done.stderr:
            sys.exit(f"error: no test {test}")
        if done.returncode == 0:
            return ""
        first = re.search(r"(\w+), cycle (\d+): (\w+) is ", done.stdout)
        return f"{first[1]}, cycle {first[2]}: {first[3]}" if first else "a failed check"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/mutations")
    parser.add_argument("--cycles", type=int, default=100000)
    parser.add_argument("--list", action="store_true", help="print the bugs and what noticed them, build nothing")
    parser.add_argument("--stale", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    record = rtl_records.read(rtl_records.MUTATIONS)
    for name, (_, file, text, _, _) in MUTATIONS.items():
        count = (ROOT / "rtl_models" / file).read_text(encoding="utf-8").count(text)
        if count != 1:
            sys.exit(f"error: {name}: its place is found {count} times in rtl_models/{file}")
    if lacking():
        sys.exit("error: " + "; ".join(lacking()))
    if options.list:
        print("\n".join(table(record)))
        return 0
    chosen = [name for name in MUTATIONS if (not options.names or name.startswith(tuple(options.names)))
              and not (options.stale and record.get(name, {}).get("fingerprint") == mark(name))]
    return plant(chosen, record, options) if chosen else 0


def plant(chosen, record, options):
    bench = Bench(options)
    for test in sorted({MUTATIONS[name][0] for name in chosen}):
        if bench.notices(test):
            sys.exit(f"error: {test} fails without any bug")
    missed = []
    for name in chosen:
        test, file, text, bug, kind = MUTATIONS[name]
        path = bench.copy / file
        sound = path.read_text(encoding="utf-8")
        path.write_text(sound.replace(text, bug), encoding="utf-8")
        noticed = bench.notices(test)
        path.write_text(sound, encoding="utf-8")
        if not noticed:
            missed.append(name)
        record[name] = {"bug": name, "file": file, "kind": kind, "noticed": noticed, "fingerprint": mark(name)}
        rtl_records.write(rtl_records.MUTATIONS, [record[known] for known in MUTATIONS if known in record])
        print(f"{'caught' if noticed else 'MISSED'}  {name:22} {kind:44} {noticed}", flush=True)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} bugs caught")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
