#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The parts of scripts/synthesize.sh: Liberty, gates, energy, scaling; and one PE synthesized anew.

Usage: synthesis_test.py TestCase... [with NIBBLE_OPERANDS naming the program rtl_operands]"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "rtl_models/synthesis"))
import liberty  # noqa: E402  pylint: disable=wrong-import-position
import power  # noqa: E402  pylint: disable=wrong-import-position
import scale  # noqa: E402  pylint: disable=wrong-import-position
import simulate  # noqa: E402  pylint: disable=wrong-import-position

LIBRARY = """
library(small) { /* a comment, with ; and { */
  capacitive_load_unit (1,pf);
  leakage_power_unit : "1nW";
  nom_voltage : 2.0;
  power_lut_template(two) { variable_1 : total_output_net_capacitance; variable_2 : input_transition_time;
    index_1 ("1, 2"); index_2 ("1, 2"); }
  power_lut_template(one) { variable_1 : input_transition_time; index_1 ("1, 2"); }
  cell (NOT) { area : 16; cell_leakage_power : 3.0;
    pin(A) { direction : input; capacitance : 0.01; }
    pin(Y) { direction : output; function : "(!A)";
      internal_power() { related_pin : "A";
        rise_power(two) { index_1 ("0.01, 0.03"); index_2 ("0.0, 1.0"); values ("1, 3", "2, 4"); }
        fall_power(two) { index_1 ("0.01, 0.03"); index_2 ("0.0, 1.0"); values ("0, 0", "0, 0"); } } } }
  cell (DFFPOSX1) { area : 96; cell_leakage_power : 5.0; ff (state, inverse) { next_state : "D"; clocked_on : "CLK"; }
    pin(CLK) { direction : input; capacitance : 0.02;
      internal_power() { rise_power(one) { index_1 ("0.0, 1.0"); values ("0.5, 1.5"); }
                         fall_power(one) { index_1 ("0.0, 1.0"); values ("0.25, 0.25"); } } }
    pin(D) { direction : input; capacitance : 0.01; }
    pin(Q) { direction : output; function : "state"; } }
}
"""

# A register that feeds an inverter back to itself: a net of its own and an output toggle every cycle.
NETLIST = """{"modules": {"toggle": {
  "ports": {"clk": {"direction": "input", "bits": [2]}, "y": {"direction": "output", "bits": [3]}},
  "cells": {"register": {"type": "DFFPOSX1", "connections": {"CLK": [2], "D": [4], "Q": [3]}},
            "inverter": {"type": "NOT", "connections": {"A": [3], "Y": [4]}}},
  "netnames": {"clk": {"bits": [2]}, "y": {"bits": [3]}, "n1": {"bits": [4]}}}}}"""


class Liberty(unittest.TestCase):
    def setUp(self):
        self.library = liberty.Library(LIBRARY)

    def test_tables_are_linear_between_and_beyond_their_points(self):
        table = self.library.cells["NOT"].pins["Y"].energy["A"][0][0]
        self.assertEqual(table.at(load=0.01, slew=0.0), 1)
        self.assertEqual(table.at(load=0.03, slew=1.0), 4)
        self.assertAlmostEqual(table.at(load=0.02, slew=0.5), 2.5)
        self.assertAlmostEqual(table.at(load=0.05, slew=2.0), 7)

    def test_functions(self):
        pins = {"A": "a", "B": "b", "C": "c", "D": "d", "S": "s"}
        for function, model in {
                "(!A)": lambda a, b, c, d, s: not a, "(!((A B)+(C D)))": lambda a, b, c, d, s: not (a and b or c and d),
                "(!(A^B))": lambda a, b, c, d, s: a == b, "(!(S (A)+(!S) (B)))": lambda a, b, c, d, s: not (a if s else b),
                "!A+B": lambda a, b, c, d, s: not a or b, "A*!B": lambda a, b, c, d, s: a and not b}.items():
            text = simulate.expression(function, pins)
            for bits in range(32):
                a, b, c, d, s = (bits >> i & 1 for i in range(5))
                self.assertEqual(eval(text, {"m": 1, "a": a, "b": b, "c": c, "d": d, "s": s}),  # pylint: disable=eval-used
                                 int(model(a, b, c, d, s)), function)
        with self.assertRaisesRegex(ValueError, "'E' is no pin"):
            simulate.expression("(A+E)", pins)

    def test_damage_is_named(self):
        for text in ("library small", LIBRARY + "x", "library(x) { a ; }"):
            with self.assertRaises((ValueError, IndexError)):
                liberty.parse(text)


class Energy(unittest.TestCase):
    def test_by_hand(self):
        library = liberty.Library(LIBRARY)
        netlist = power.Netlist(NETLIST, "toggle", library)
        self.assertEqual(netlist.counts(), {"DFFPOSX1": 1, "NOT": 1})
        simulation = simulate.Simulation(netlist, library, 3)
        simulation.cycle([], False)
        for _ in range(4):
            simulation.cycle([], True)
        toggles = simulation.toggles()
        self.assertEqual(toggles, {"y": (6, 6), "n1": (6, 6)})
        slews = {("inverter", "A"): power.Slew(0.0, 1.0), ("register", "CLK"): power.Slew(0.0, 0.0),
                 ("register", "D"): power.Slew(0.0, 0.0)}
        spent = power.energy(netlist, library, toggles, 12, slews, output_load=0.04)
        # Per cycle: clk 2 x 0.02 pF, y 0.01 + 0.04 pF, n1 0.01 pF, V^2 / 2 = 2.
        self.assertAlmostEqual(spent.switching, 2 * (2 * 0.02 + 0.05 + 0.01))
        # The inverter rises in every other cycle: (1 + 3) / 2 at a load of 0.01; the clock pin rises and falls.
        self.assertAlmostEqual(spent.internal, 0.5 * 2 + 0.5 + 0.25)
        self.assertEqual(spent.leakage, 8)

    def test_streams_run_side_by_side(self):
        columns = simulate._transposed([0b011, 0b110], 3)  # pylint: disable=protected-access
        self.assertEqual(columns, [0b01, 0b11, 0b10])


class Scaling(unittest.TestCase):
    tables = scale.rule((ROOT / "rtl_models/synthesis/stillmaker_baas.yaml").read_text())

    def test_the_papers_corrected_example(self):
        # The energy factor of 32 nm at 0.9 V, as the authors' page corrects it.
        self.assertAlmostEqual(scale._at(self.tables["energy_32"], 0.9), 0.4571, 4)  # pylint: disable=protected-access

    def test_nodes(self):
        for quantity in ("area", "delay", "energy"):
            factors = [scale.factor(self.tables, quantity, node) for node in (45, 28, 16)]
            self.assertEqual(factors, sorted(factors, reverse=True), quantity)
        self.assertAlmostEqual(scale.factor(self.tables, "area", 45), 1 / 19)
        self.assertTrue(1 / 88 < scale.factor(self.tables, "area", 28) < 1 / 40)

    def test_books_are_those_of_osu018(self):
        for node in (45, 28, 16):
            text = (scale.BOOKS / "osu018.yaml").read_text()
            self.assertEqual((scale.BOOKS / f"synthesized-{node}nm.yaml").read_text(), scale.scaled(text, node, self.tables))


class Flow(unittest.TestCase):
    def test_a_pe_comes_out_as_in_the_book(self):
        for tool in ("yosys", "sta"):
            if not shutil.which(tool):
                self.skipTest(f"{tool} is not installed (scripts/setup.sh)")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-B", ROOT / "rtl_models/synthesis/synthesize.py", "--operands",
                                   os.environ["NIBBLE_OPERANDS"], "--folder", folder, "--only", "int4_pe", "--only",
                                   "amove_scale_decoder", "--check"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"1\d numbers are as in osu018.yaml")


if __name__ == "__main__":
    unittest.main()
