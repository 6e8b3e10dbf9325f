#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare accumulators that nibble wrote with the independent reference, bit for bit.

compare_gemms.py SCRIPTS DIRECTORY

DIRECTORY/cases.txt has one case per line, separated by tabs: name, PE, activation format, weight format, option (fp32,
fp16 or a number: accumulator, product, aligned bits), activation tensor, weight tensor. <name>.npy holds nibble's
accumulators. Exits with 1 and one line per case that differs.
"""
import pathlib
import sys
import types


def main():
    scripts, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    sys.path.insert(0, str(scripts))
    sys.dont_write_bytecode = True
    import numpy
    import compare_arrays
    import gemm_reference

    wrong = 0
    for line in (directory / "cases.txt").read_text().splitlines():
        name, pe, activation, weight, option, a, w = line.split("\t")
        options = types.SimpleNamespace(
            accelerator=pe, activations="a", weights="w", activation_format=activation, weight_format=weight,
            weight_select=None, calibration_values=None, exponent=-6 if pe == "amove" else None,
            accumulate=option if pe == "amove" and option else None, product=option if pe == "fp_int" else None,
            aligned_bits=int(option) if option.isdigit() else None)
        expected = gemm_reference.DATAPATHS[pe](numpy.load(directory / a), numpy.load(directory / w), options)
        difference = compare_arrays.compare(numpy.load(directory / f"{name}.npy"), expected.astype(numpy.float32))
        if difference:
            print(f"{name} {pe} {activation} {weight} {option} {a} {w}: {difference}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
