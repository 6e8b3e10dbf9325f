#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The waveforms of the RTL benches (--trace) are VCD that any viewer reads: checked by a parser of the format.

The environment names a bench (NIBBLE_BENCH)."""
import os
import pathlib
import subprocess
import tempfile
import unittest


def parse(text):
    """({name: width}, {time: changes}) of a VCD text (IEEE 1800-2017, 21.7.2). ValueError where it is none."""
    words = iter(text.split())
    names, widths, changes, time, last = {}, {}, {}, None, -1
    for word in words:
        if word.startswith("$"):
            body = []
            if word not in ("$dumpvars", "$dumpall", "$end"):
                for word_of in words:
                    if word_of == "$end":
                        break
                    body.append(word_of)
            if word == "$var":
                if body[0] not in ("wire", "reg", "integer", "real", "parameter", "event"):
                    raise ValueError(f"kind of variable: {body[0]}")
                widths[body[2]], names[body[3]] = int(body[1]), int(body[1])
            elif word == "$timescale" and "".join(body).lstrip("10") not in ("s", "ms", "us", "ns", "ps", "fs"):
                raise ValueError(f"timescale: {body}")
            continue
        if word[0] == "#":
            time = int(word[1:])
            if time <= last:
                raise ValueError(f"time {time} after {last}")
            last, changes[time] = time, 0
            continue
        if word[0] in "bB":
            value, code = word[1:], next(words)
        elif word[0] in "01xXzZ":
            value, code = word[0], word[1:]
        else:
            raise ValueError(f"neither time nor value: {word}")
        if code not in widths or len(value) > widths[code] or set(value.lower()) - set("01xz"):
            raise ValueError(f"value {value} of {code}")
        if time is not None:
            changes[time] += 1
    return names, changes


class Waveforms(unittest.TestCase):
    def test_pins_of_a_bench(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "pe.vcd"
            done = subprocess.run([os.environ["NIBBLE_BENCH"], "mant_pe: random operands*", "--trace", file],
                                  env={**os.environ, "NIBBLE_RTL_CYCLES": "300"}, capture_output=True, text=True,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            names, changes = parse(file.read_text())
        self.assertEqual({name: names[name] for name in ("clk", "x_in", "p1_out", "p2_out", "weight_code_out")},
                         {"clk": 1, "x_in": 8, "p1_out": 18, "p2_out": 22, "weight_code_out": 4})
        self.assertGreater(len(changes), 500)  # both edges of 300 cycles, some of them at once
        self.assertGreater(sum(changes.values()), 1500)

    def test_the_parser_refuses(self):
        sound = "$timescale 1 ps $end $var wire 2 a x $end $enddefinitions $end #0 b10 a #5 b0 a"
        self.assertEqual(parse(sound)[0], {"x": 2})
        for bad in (sound.replace("b10", "b110"), sound.replace("#5", "#0"), sound.replace("b0 a", "b0 c"),
                    sound.replace("b10", "bq0"), sound.replace("wire", "wires"), sound + " nonsense"):
            with self.assertRaises(ValueError, msg=bad):
                parse(bad)


if __name__ == "__main__":
    unittest.main()
