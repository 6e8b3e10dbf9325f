#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The waveforms of the RTL benches (--trace) are VCD that any viewer reads: checked by a parser of the format.

The environment names a bench (NIBBLE_BENCH)."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from vcd import parse  # pylint: disable=wrong-import-position,import-error


class Waveforms(unittest.TestCase):
    def test_pins_of_a_bench(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "pe.vcd"
            done = subprocess.run([os.environ["NIBBLE_BENCH"], "mant_pe: random operands*", "--trace", file],
                                  env={**os.environ, "NIBBLE_RTL_CYCLES": "300"}, capture_output=True, text=True,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            names, changes = parse(file.read_text())
        self.assertEqual({name: names[f"SystemC.{name}"] for name in ("clk", "x_in", "p1_out", "p2_out", "weight_code_out")},
                         {"clk": 1, "x_in": 8, "p1_out": 18, "p2_out": 22, "weight_code_out": 4})
        self.assertGreater(len(changes), 500)  # both edges of 300 cycles, some of them at once
        self.assertGreater(sum(len(at) for at in changes.values()), 1500)

    def test_the_parser_refuses(self):
        sound = "$timescale 1 ps $end $var wire 2 a x $end $enddefinitions $end #0 b10 a #5 b0 a"
        self.assertEqual(parse(sound)[0], {"x": 2})
        for bad in (sound.replace("b10", "b110"), sound.replace("#5", "#0"), sound.replace("b0 a", "b0 c"),
                    sound.replace("b10", "bq0"), sound.replace("wire", "wires"), sound + " nonsense"):
            with self.assertRaises(ValueError, msg=bad):
                parse(bad)


if __name__ == "__main__":
    unittest.main()
