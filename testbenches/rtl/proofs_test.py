#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The records of planted bugs and of coverage (docs/results/rtl-*.csv) are of the RTL as it stands: every bug was noticed, every
PE has bugs of every kind, every file is covered.

Usage: proofs_test.py TestCase..."""
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import rtl_coverage  # noqa: E402  pylint: disable=wrong-import-position
import rtl_mutations  # noqa: E402  pylint: disable=wrong-import-position
import rtl_records  # noqa: E402  pylint: disable=wrong-import-position


class Mutations(unittest.TestCase):
    def test_every_unit_has_bugs_of_every_kind(self):
        self.assertEqual(rtl_mutations.lacking(), [])

    def test_every_bug_was_noticed_in_the_rtl_as_it_stands(self):
        record = rtl_records.read(rtl_records.MUTATIONS)
        self.assertEqual(list(record), list(rtl_mutations.MUTATIONS), "run scripts/rtl_mutations.py --stale")
        for name, row in record.items():
            self.assertEqual(row["fingerprint"], rtl_mutations.mark(name), f"{name}: run scripts/rtl_mutations.py --stale")
            self.assertTrue(row["noticed"], name)

    def test_fingerprints_follow_the_code_alone(self):
        file = "mant/mant_pe.sv"
        self.assertEqual(rtl_records.fingerprint(file), rtl_records.fingerprint(file))
        self.assertNotEqual(rtl_records.fingerprint(file), rtl_records.fingerprint(file, "more"))
        self.assertNotEqual(rtl_records.fingerprint(file), rtl_records.fingerprint("mant/mant_array.sv"))


class Coverage(unittest.TestCase):
    def test_every_file_is_covered_as_it_stands(self):
        record = rtl_records.read(rtl_records.COVERAGE)
        files = {f"{file.parent.name}/{file.name}" for file in (ROOT / "rtl_models").glob("*/*.sv")}
        self.assertEqual(set(record), files, "run scripts/rtl_coverage.py")
        for file, row in record.items():
            self.assertEqual(row["fingerprint"], rtl_records.fingerprint(file), f"{file}: run scripts/rtl_coverage.py")
            self.assertGreaterEqual(rtl_coverage.least(row), 95.0, file)


if __name__ == "__main__":
    unittest.main()
