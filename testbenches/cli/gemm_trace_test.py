# SPDX-License-Identifier: Apache-2.0
"""`nibble gemm --trace`: waveforms of a 4 x 4 array, read back and compared with a count by hand.

The environment names the program (NIBBLE)."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from vcd import parse, samples  # pylint: disable=wrong-import-position,import-error

# The largest magnitude of every row is 127: INT8 with a scale of 1, the codes are the numbers.
A = np.array([[127, 1, 2, 3], [4, 127, -5, 6], [7, 8, 127, -9]])
W = np.array([[127, 2, 0, -1], [3, 127, 1, 0], [-4, 5, 127, 2], [1, 0, -6, 127]])
PERIOD = 2000  # ps, 500 MHz


def number(digits, width=16):
    value = int(digits, 2)
    return value - (1 << width) if value >> (width - 1) else value


class Trace(unittest.TestCase):
    def gemm(self, *options, accelerator="int8-array", cycle=True):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            np.save(folder / "a.npy", A.astype(np.float32))
            np.save(folder / "w.npy", W.astype(np.float32))
            done = subprocess.run(
                [os.environ["NIBBLE"], "gemm", "--accelerator", accelerator, "--activations", folder / "a.npy", "--weights",
                 folder / "w.npy", "--trace", folder / "t.vcd", *(["--fidelity", "cycle"] if cycle else []), *options],
                capture_output=True, text=True, check=False)
            file = folder / "t.vcd"
            return done, file.read_text() if file.exists() else None

    def edges(self, *options):
        """Values of all signals at the clock's rising edges, from the first cycle of the array on."""
        done, text = self.gemm("--set", "array.rows=4", "--set", "array.columns=4", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        widths, changes = parse(text)
        self.assertEqual(widths["left.left_3"], 16)
        self.assertNotIn("left.left_4", widths)
        found = [values for time, values in samples(changes) if time % PERIOD == 0]
        self.assertTrue(all(values["array.clk"] == "1" for values in found))
        return found

    def where(self, edges, signal):
        return [i for i, values in enumerate(edges) if values[signal] == "1"]

    def test_weight_stationary(self):
        edges = self.edges()
        load = self.where(edges, "array.loads")
        self.assertEqual(load, list(range(load[0], load[0] + 4)))
        for at, row in zip(load, (3, 2, 1, 0)):  # the bottom row's weights enter first
            self.assertEqual(number(edges[at]["array.load_row"]), row)
            self.assertEqual([number(edges[at][f"top.top_{c}"]) for c in range(4)], list(W[:, row]))
        enter = self.where(edges, "array.enters")
        self.assertEqual(enter, [load[3] + 1, load[3] + 2, load[3] + 3])
        self.assertEqual(self.where(edges, "array.first"), enter[:1])
        for m, at in enumerate(enter):
            self.assertEqual([number(edges[at][f"left.left_{r}"]) for r in range(4)], list(A[m]))
            self.assertEqual(edges[at]["array.waiting"], "0")
            self.assertEqual(int(edges[at]["array.tile"], 2), 0)
            # The corner's PE works on the row as it enters.
            self.assertEqual(edges[at]["pe_0_0.works"], "1")
            self.assertEqual(number(edges[at]["pe_0_0.top"]), W[0, 0])
            self.assertEqual(number(edges[at]["pe_0_0.integer_0"], 64), A[m, 0] * W[0, 0])
        for c in range(4):  # three rows down, one cycle per column
            out = self.where(edges, f"foot_{c}.valid")
            self.assertEqual(out, [at + 3 + c for at in enter])
            for m, at in enumerate(out):
                self.assertEqual(int(edges[at][f"foot_{c}.row"], 2), m)
                self.assertEqual(number(edges[at][f"foot_{c}.integer"], 64), A[m] @ W[c])

    def test_output_stationary(self):
        edges = self.edges("--set", "array.dataflow=output_stationary")
        enter = self.where(edges, "array.enters")
        self.assertEqual(enter, list(range(enter[0], enter[0] + 4)))  # one step per k
        for k, at in enumerate(enter):
            self.assertEqual([number(edges[at][f"left.left_{r}"]) for r in range(3)], list(A[:, k]))
            self.assertEqual([number(edges[at][f"top.top_{c}"]) for c in range(4)], list(W[:, k]))
            if k < 3:
                self.assertEqual(number(edges[at]["pe_0_0.integer_0"], 64), A[0, :k + 1] @ W[0, :k + 1])
        self.assertEqual(edges[enter[3]]["pe_0_0.real_0"], A[0] @ W[0])  # scaled at the end of the reduction, by 1
        for c in range(4):
            out = self.where(edges, f"foot_{c}.valid")
            found = {int(edges[at][f"foot_{c}.row"], 2): edges[at][f"foot_{c}.accumulator"] for at in out}
            self.assertEqual(found, {m: A[m] @ W[c] for m in range(3)})

    def test_what_cannot_be_traced(self):
        for message, options in {
                "--trace needs --fidelity cycle": {"cycle": False},
                "has no systolic array": {"accelerator": "simt-fp16"},
        }.items():
            done, text = self.gemm(**options)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, done.stderr)
            self.assertIsNone(text)
        large = subprocess.run([os.environ["NIBBLE"], "gemm", "--accelerator", "int8-array", "--m", "65536", "--k", "65536",
                                "--n", "65536", "--fidelity", "cycle", "--trace", os.devnull],
                               capture_output=True, text=True, check=False)
        self.assertNotEqual(large.returncode, 0)
        self.assertIn("trace a smaller one", large.stderr)


if __name__ == "__main__":
    unittest.main()
