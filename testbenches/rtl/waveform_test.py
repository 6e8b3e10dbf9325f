#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The waveforms of the RTL benches (--trace) are VCD and FST that any viewer reads: checked by a parser of VCD, and by the reader
that belongs to the format FST.

The environment names a bench (NIBBLE_BENCH) and what writes an FST as VCD (NIBBLE_FST_TO_VCD; empty in a build without FST)."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from vcd import parse, samples  # pylint: disable=wrong-import-position,import-error


def run(*command):
    return subprocess.run([str(word) for word in command], env={**os.environ, "NIBBLE_RTL_CYCLES": "300"},
                          capture_output=True, text=True, check=False)


class Waveforms(unittest.TestCase):
    def bench(self, file):
        return run(os.environ["NIBBLE_BENCH"], "*: random operands*", "--trace", file)

    def waveforms(self, name):
        """(widths, changes) of a bench's file of that name."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / name
            done = self.bench(file)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            if file.suffix == ".vcd":
                return parse(file.read_text())
            done = run(os.environ["NIBBLE_FST_TO_VCD"], file)
            self.assertEqual(done.returncode, 0, done.stderr)
            return parse(done.stdout)

    def test_pins_of_a_bench(self):
        names, changes = self.waveforms("pe.vcd")
        self.assertEqual({name: names[f"mant_pe.{name}"] for name in ("clk", "x_in", "p1_out", "p2_out", "weight_code_out")},
                         {"clk": 1, "x_in": 8, "p1_out": 18, "p2_out": 22, "weight_code_out": 4})
        self.assertGreater(len(changes), 500)  # both edges of 300 cycles, some of them at once
        self.assertGreater(sum(len(at) for at in changes.values()), 1500)

    def test_fst_holds_the_same(self):
        if not os.environ["NIBBLE_FST_TO_VCD"]:
            done = self.bench("pe.fst")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("built without FST", done.stdout)
            return
        (names, changes), (fst_names, fst_changes) = self.waveforms("pe.vcd"), self.waveforms("pe.fst")
        self.assertEqual(fst_names, names)

        def numbers(found):
            return {time: {name: int(value, 2) for name, value in values.items()} for time, values in samples(found)}
        vcd, fst = numbers(changes), numbers(fst_changes)
        self.assertGreater(len(vcd), 500)
        self.assertEqual([time for time in vcd if fst[time] != vcd[time]], [])

    def test_another_ending(self):
        done = self.bench("pe.wave")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("must end in .vcd or .fst", done.stdout)

    def test_the_parser_refuses(self):
        sound = "$timescale 1 ps $end $var wire 2 a x $end $enddefinitions $end #0 b10 a #5 b0 a"
        self.assertEqual(parse(sound)[0], {"x": 2})
        for bad in (sound.replace("b10", "b110"), sound.replace("#5", "#0"), sound.replace("b0 a", "b0 c"),
                    sound.replace("b10", "bq0"), sound.replace("wire", "wires"), sound + " nonsense"):
            with self.assertRaises(ValueError, msg=bad):
                parse(bad)


if __name__ == "__main__":
    unittest.main()
