#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of docs/formats.md: signal-to-noise ratio and cost of every format on four synthetic tensors.

sqnr_table.py [--nibble nibble]      prints it as Markdown
scripts/check_docs.py --update docs/formats.md   puts it into the page; without --update it compares

The tensors are those of workloads/synthetic.h to the bit, written again here: 256 x 1024 elements, seed 1. Outlier
channels: 8 columns 20 times larger (Dettmers et al., LLM.int8(), NeurIPS 2022). Massive outliers: 4 elements of 1000
deviations (Sun et al., Massive Activations in Large Language Models, COLM 2024).
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROWS, COLUMNS, SEED = 256, 1024, 1
FORMATS = ["fp16", "bf16", "int8-channel", "int8-tensor", "int8-g64", "int6-g64", "int4-channel", "int4-g128", "int4-g32",
           "int4-g32x4", "int3-g64", "int2-g32x4", "mant4-g64:mse", "mant4-g64:variance", "mant4-g64:variance8",
           "bfp8-g32:truncate", "bfp8-g32:nearest", "bfp4-g32:truncate", "bfp4-g32:nearest", "amove4-g128c16:online",
           "amove4-g128c16:offline", "amove4-g32c4:online", "amove4-g32c4:offline", "amove3-g32c4:offline",
           "amove2-g32c4:offline", "mxfp4-g32", "mxfp6-g32", "mxfp8-g32", "mxint8-g32", "nvfp4-g16", "ant4-channel",
           "ant4-tensor", "olive4-channel", "olive4-tensor", "tender8-d8", "tender4-d8",
           "anda11-g64", "anda8-g64", "anda7-g64", "anda6-g64", "bitmod6-g128", "bitmod4-g128", "bitmod3-g128"]


class Random:
    """SplitMix64: core/random.h. Draws many at once."""

    def __init__(self, seed):
        self.state = seed

    def next(self, count):
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = np.uint64(self.state) + steps
        self.state = int(z[-1])
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def uniform(self, count):
        return (self.next(count) >> np.uint64(11)).astype(np.float64) * 2.0 ** -53

    def below(self, bound):
        return int(self.next(1)[0]) % bound


def gaussian(random, count):
    """Sums of twelve uniforms, in order."""
    draws = random.uniform(12 * count).reshape(count, 12)
    total = np.full(count, -6.0)
    for i in range(12):
        total = total + draws[:, i]
    return total


def laplace(random, count):
    """Exponentials by von Neumann's comparison of uniforms, and a sign."""
    raw = random.next(16 * count)
    uniforms, signs, at = ((raw >> np.uint64(11)).astype(np.float64) * 2.0 ** -53).tolist(), (raw >> np.uint64(63)).tolist(), 0
    out = []
    for _ in range(count):
        whole = 0.0
        while True:
            first = last = uniforms[at]
            at += 1
            odd = True
            while uniforms[at] < last:
                last = uniforms[at]
                at += 1
                odd = not odd
            at += 1
            if odd:
                break
            whole += 1.0
        magnitude = (whole + first) * 0.70710678118654752440
        out.append(-magnitude if signs[at] else magnitude)
        at += 1
    return np.array(out)


def choose(count, bound, random):
    """Robert Floyd's sampling."""
    chosen = set()
    for j in range(bound - count, bound):
        drawn = random.below(j + 1)
        chosen.add(j if drawn in chosen else drawn)
    return sorted(chosen)


def tensors():
    """Name and values of every column."""
    normal = gaussian(Random(SEED), ROWS * COLUMNS).astype(np.float32)
    places = Random(~SEED & (2 ** 64 - 1))
    channels = normal.reshape(ROWS, COLUMNS).copy()
    channels[:, choose(8, COLUMNS, places)] *= np.float32(20)
    massive, places = normal.copy(), Random(~SEED & (2 ** 64 - 1))
    for place in choose(4, massive.size, places):
        massive[place] = np.float32(-1000 if massive[place] < 0 else 1000)
    long_tails = laplace(Random(SEED), ROWS * COLUMNS).astype(np.float32)
    return {"Gaussian": normal, "Laplace": long_tails, "outlier channels": channels, "massive outliers": massive}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", default="nibble")
    parser.add_argument("--tensors", type=pathlib.Path, help="write the tensors there as .npy and stop")
    options = parser.parse_args()
    with np.errstate(over="ignore"):
        columns = {name: values.reshape(ROWS, COLUMNS) for name, values in tensors().items()}
    if options.tensors:
        for name, values in columns.items():
            np.save(options.tensors / f"{name.replace(' ', '_')}.npy", values)
        return 0
    ratios, bits = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, values in columns.items():
            file = pathlib.Path(folder, "x.npy")
            np.save(file, values)
            done = subprocess.run([options.nibble, "quantize", str(file), "--compare", ",".join(FORMATS), "--json"],
                                  stdout=subprocess.PIPE, check=True)
            for entry in json.loads(done.stdout)["ranking"]:
                key = entry["format"] + (":" + entry["select"] if entry.get("select") else "")
                ratios[name, key] = entry.get("sqnr_db")
                bits[key] = entry.get("bits_per_element", bits.get(key))
    print("| format | selection | bits per element |", " | ".join(columns), "|")
    print("|---|---|" + "---:|" * (1 + len(columns)))
    for key in FORMATS:
        name, _, select = key.partition(":")
        cells = ["beyond its range" if ratios[column, key] is None else f"{ratios[column, key]:.2f}" for column in columns]
        print(f"| `{name}` | {select} | {bits[key]:.3f} |", " | ".join(cells), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main())
