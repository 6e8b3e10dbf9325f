#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random traffic through every pair of sockets, and the table of docs/base-protocol.md that says what came of it.

Usage: scripts/conformance_table.py --build FOLDER [--transactions N] [--update]
Fails when a test fails. --update puts the table into the page.
"""
import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/base-protocol.md"


def table(rows):
    lines = ["| pair | transactions | error responses | violations |", "|---|---|---|---|"]
    lines += [f"| {pair} | {int(count):,} | {int(refused):,} | {violations} |" for pair, count, refused, violations in sorted(rows)]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        tests = subprocess.run(["ctest", "--test-dir", options.build, "-R", "_conformance_test:", "--output-on-failure"], check=False,
                               env={**os.environ, "NIBBLE_TRANSACTIONS": str(options.transactions), "NIBBLE_CONFORMANCE_LOG": str(log)})
        rows = list(csv.reader(log.open()))
    text = table(rows)
    print(text)
    if options.update and tests.returncode == 0:
        page = PAGE.read_text()
        PAGE.write_text(re.sub(r"(<!-- conformance_table -->\n).*?(<!-- end -->)", lambda m: m[1] + text + "\n" + m[2], page, flags=re.S))
    return tests.returncode


if __name__ == "__main__":
    sys.exit(main())
