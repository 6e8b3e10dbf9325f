# SPDX-License-Identifier: Apache-2.0
"""What scripts/rtl_mutations.py and scripts/rtl_coverage.py keep of their last runs (docs/results/rtl-*.csv), with fingerprints of
the code that was run: testbenches/rtl/proofs_test.py refuses records of other code."""
import csv
import hashlib
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
MUTATIONS = ROOT / "docs/results/rtl-mutations.csv"
COVERAGE = ROOT / "docs/results/rtl-coverage.csv"


def fingerprint(file, *more):
    """Of a file of rtl_models/ without its comments and spaces, and of more texts."""
    text = re.sub(r"//.*|\s+", "", (ROOT / "rtl_models" / file).read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join([text, *more]).encode()).hexdigest()[:12]


def read(file):
    """{first column: row} of a record, in its order."""
    if not file.exists():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {next(iter(row.values())): row for row in rows}


def write(file, rows):
    with file.open("w", encoding="utf-8", newline="") as lines:
        out = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
