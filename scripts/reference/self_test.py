#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the reference itself, against tables, exact fractions and published examples."""
import sys
import unittest
from fractions import Fraction

import numpy as np

import adaptive_reference
import compare_arrays
from formats_reference import MANT_TYPES, encode, mant_codes, mant_grid
from rounding import BadInput, bf16, e4m3, f32, flat_sum, fp16, minifloat, minifloat_code, ordered_sum, scaled

E4M3 = [m * 2.0 ** -9 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7) for e in range(16) for m in range(8)][:127]
E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def nearest_in(table, value):
    """Index of the nearest table entry, an even index on a tie, by exact fractions."""
    distance = [abs(Fraction(entry) - Fraction(value)) for entry in table]
    best = [i for i, d in enumerate(distance) if d == min(distance)]
    return next((i for i in best if i % 2 == 0), best[0])


class Rounding(unittest.TestCase):
    def test_minifloats_against_tables(self):
        random = np.random.RandomState(1)
        for table, mantissa, smallest in ((E4M3, 3, -6), (E2M1, 1, 0)):
            middles = [(a + b) / 2 for a, b in zip(table, table[1:])]
            values = np.array(table + middles + list(random.uniform(0, table[-1], 150))
                              + list(2.0 ** random.uniform(-14, 9, 150)))
            values = np.minimum(values, table[-1])
            got = minifloat(values, mantissa, smallest, table[-1])
            self.assertEqual([table[nearest_in(table, v)] for v in values], list(got))
            self.assertEqual(list(minifloat_code(np.array(table), mantissa, smallest)), list(range(len(table))))
        self.assertEqual(float(e4m3(np.float32(1e9))), 448.0)

    def test_casts_round_once(self):
        # 1 + 2^-11 + 2^-40 is above the tie of binary16; by way of binary32 it would become a tie.
        self.assertEqual(float(fp16(np.float64(1 + 2.0 ** -11 + 2.0 ** -40))), 1 + 2.0 ** -10)
        self.assertEqual(float(fp16(np.float32(65520))), np.inf)
        self.assertEqual(float(fp16(np.float32(65519.996))), 65504.0)
        self.assertEqual(float(f32(np.float64(1 + 2.0 ** -24))), 1.0)
        self.assertEqual(float(bf16(np.float32(1 + 2.0 ** -8))), 1.0)
        self.assertEqual(float(bf16(np.float32(1 + 3 * 2.0 ** -8))), 1 + 2.0 ** -6)
        self.assertEqual(float(scaled(np.float32(3), -150)), 2.0 ** -148)  # 1.5 * 2^-149, a tie

    def test_sums_run_in_order(self):
        terms = np.array([1e8, 1, -1e8, 1], np.float32)
        self.assertEqual(float(ordered_sum(terms, np.float32)), 1.0)
        values = np.random.RandomState(2).standard_normal(10001)
        total = 0.0
        for value in values:
            total += value
        self.assertEqual(flat_sum(values), total)


class Formats(unittest.TestCase):
    def test_mant_codes_by_exact_distance(self):
        x = np.concatenate([np.linspace(-1, 1, 65), np.arange(-32, 33, 2) / 64 * 0.37])
        for kind in MANT_TYPES:
            grid = [int(v) for v in mant_grid(kind)]
            s = np.float32(fp16(np.float32(1 / 300)))
            values = np.concatenate([x, [s * v for v in grid], [s * (a + b) / 2 for a, b in zip(grid, grid[1:])]])
            values = values.astype(np.float32)
            codes = mant_codes(values[None, :], np.array([s]), kind)[0]
            for value, code in zip(values, codes):
                y = Fraction(float(np.abs(value) / s))
                distance = [abs(y - v) for v in grid]
                self.assertEqual(code & 7, distance.index(min(distance)))  # the first: a tie to the lower magnitude
                self.assertEqual(bool(code & 8), value < 0 and (kind != 0xFF or code & 7 > 0))

    def test_amove_published_example(self):
        x = np.array([[16.1, 81, 1.1, 17.1, -27.8, 280, 0.2, -1.8, 32.3, 79, 2.3, -16, 8, -3.9, -3.6, -7.2]])
        x = x.astype(np.float32)
        encoded = encode(x, "amove4-g16c4")
        self.assertEqual(encoded.meta["S"].tolist(), [[40]])
        self.assertEqual(encoded.meta["R"].tolist(), [[12]])
        self.assertEqual(encoded.meta["E"].tolist(), [[[2, 0, 2, 3]]])
        self.assertEqual(encoded.meta["sc"].tolist(), [[[16, 40, 16, 4]]])
        self.assertEqual(encoded.codes.tolist(), [[1, 5, 0, 1, -1, 7, 0, 0, 2, 5, 0, -1, 2, -1, -1, -2]])

    def test_adaptive_grids_by_exact_distance(self):
        # The magnitudes that docs/formats.md prints.
        self.assertEqual(list(adaptive_reference.outlier_magnitudes(0)), [12, 16, 24, 32, 48, 64, 96])
        self.assertEqual(list(adaptive_reference.outlier_magnitudes(1)), [24, 32, 48, 64, 96, 128, 192])
        for grid in adaptive_reference.NORMAL:
            y = np.arange(0, 70, 0.25, dtype=np.float32)
            for value, index in zip(y, adaptive_reference.nearest(y, grid)):
                distance = [abs(Fraction(float(value)) - int(v)) for v in grid]
                self.assertEqual(index, distance.index(min(distance)))

    def test_olive_pairs(self):
        # Normal, then an outlier in either place, two outliers (the first stays), a last element without a partner.
        x = np.array([1, -7, 40, 1, 1, -50, 60, 90, 200], np.float32)
        codes = adaptive_reference.olive_codes(x, np.array([1], np.float32), 0, 9)
        self.assertEqual(codes.tolist(), [[1, 15, 4, 8, 8, 13, 6, 8, 7]])
        values = adaptive_reference.olive_values(codes, np.array([1], np.float32), 0, 9)
        self.assertEqual(values.tolist(), [[1, -7, 32, 0, 0, -48, 64, 0, 7]])  # 40 lies between 32 and 48: the lower
        self.assertFalse(np.signbit(values[0, [3, 4, 7]]).any())

    def test_ant_takes_the_type_that_fits(self):
        fitting = ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 6, 8, 16], [1, 2, 4, 8, 16, 32, 64])
        for kind, values in enumerate(fitting):
            x = np.array([values + [-v for v in values]], np.float32) / 8
            encoded = encode(x, "ant4-channel")
            self.assertEqual(encoded.meta["type"].tolist(), [[kind]])
            self.assertTrue((encoded.values == x).all())

    def test_zero_is_positive_zero(self):
        x = np.array([[-0.0, -1e-6, 3, -0.0]], np.float32)
        for fmt in ("int4-g4", "bfp4-g4", "amove4-g4c4", "mxint8-g32"):
            self.assertFalse(np.signbit(encode(x, fmt).values[0, [0, 1, 3]]).any(), fmt)
        zero = encode(np.zeros((1, 5), np.float32) * -1, "mant4-g4")
        self.assertEqual(zero.meta["type"].tolist(), [[255, 255]])
        self.assertFalse(np.signbit(zero.values).any() or zero.values.any() or zero.codes.any())

    def test_overflows_and_bad_names_are_errors(self):
        for fmt, value in (("int8-g4", 1e7), ("fp16", 65520), ("bfp8-g4", 65520), ("mant4-g4", 7e7), ("bf16", 3.4e38)):
            with self.assertRaises(BadInput, msg=fmt):
                encode(np.full((1, 4), value, np.float32), fmt)
        for name in ("int9-g4", "int4-g0", "int4-g04", "amove4-g6c4", "mant4-g65537", "mxfp4-g16", "fp8"):
            with self.assertRaises(BadInput, msg=name):
                encode(np.ones((1, 4), np.float32), name)


class Comparison(unittest.TestCase):
    def test_bits_decide(self):
        a = np.array([0.0, 1.0], np.float32)
        self.assertIsNone(compare_arrays.compare(a, a.copy()))
        self.assertIn("index 0", compare_arrays.compare(a, np.array([-0.0, 1.0], np.float32)))
        self.assertIn("dtype", compare_arrays.compare(a, a.astype(np.float64)))
        self.assertIn("shape", compare_arrays.compare(a, a[None]))


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=1).result.wasSuccessful() else 1)
