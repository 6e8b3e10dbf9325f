#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare what nibble wrote with the independent reference, bit for bit.

compare_with_reference.py SCRIPTS DIRECTORY

DIRECTORY/cases.txt has one case per line: name, input, format, select, exponent, calibration, separated by tabs, empty when not
given. Beside it lie <name>.npy (decoded values), <name>.codes.npy and <name>.json (metadata; both absent for casts) and
<name>.report.json; or <name>.error when nibble refused the case. Exits with 1 and one line per difference.
"""
import contextlib
import io
import json
import pathlib
import sys
import types


def close(a, b):
    """Error figures: equal, or equal but for the order in which a library sums."""
    if a is None or b is None:
        return a is None and b is None
    return abs(a - b) <= 1e-12 * max(abs(a), abs(b), 1e-300)


def compare_case(directory, case, reference, compare_arrays, bad_input, numpy):
    name, data, fmt, select, exponent, calibration = case
    arguments = types.SimpleNamespace(
        input=str(directory / data), format=fmt, select=select or None, exponent=int(exponent) if exponent else None,
        calibration=str(directory / calibration) if calibration else None, output=str(directory / "reference.npy"),
        codes=None, metadata=None)
    has_codes = (directory / f"{name}.codes.npy").exists()
    if has_codes:
        arguments.codes, arguments.metadata = str(directory / "reference.codes.npy"), str(directory / "reference.json")
    printed = io.StringIO()
    refused = (directory / f"{name}.error").exists()
    try:
        with contextlib.redirect_stdout(printed):
            reference.run(arguments)
    except bad_input as error:
        return [] if refused else [f"only the reference refuses: {error}"]
    if refused:
        return ["only nibble refuses: " + (directory / f"{name}.error").read_text()]

    def arrays(a, b):
        return compare_arrays.compare(numpy.load(directory / a), numpy.load(directory / b))

    found = [("decoded", arrays(f"{name}.npy", "reference.npy"))]
    if has_codes:
        found.append(("codes", arrays(f"{name}.codes.npy", "reference.codes.npy")))
        ours, theirs = (json.loads((directory / f).read_text()) for f in (f"{name}.json", "reference.json"))
        for key in sorted(set(ours) | set(theirs)):
            if ours.get(key) != theirs.get(key):
                found.append((f"metadata {key}", f"{str(ours.get(key))[:200]} against {str(theirs.get(key))[:200]}"))
    ours, theirs = json.loads((directory / f"{name}.report.json").read_text()), json.loads(printed.getvalue())
    for key in ("mse", "max_abs_error", "sqnr_db", "cosine", "bits_per_element"):
        if not close(ours[key], theirs[key]):
            found.append((key, f"{ours[key]} against {theirs[key]}"))
    for key in ("types", "saturated_groups"):
        if key in theirs and ours.get(key) != theirs[key]:
            found.append((key, f"{ours.get(key)} against {theirs[key]}"))
    return [f"{what}: {difference}" for what, difference in found if difference]


def main():
    scripts, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    sys.path.insert(0, str(scripts))
    sys.dont_write_bytecode = True
    import numpy
    import compare_arrays
    import quantize_reference
    from rounding import BadInput

    wrong = 0
    for line in (directory / "cases.txt").read_text().splitlines():
        case = line.split("\t")
        for difference in compare_case(directory, case, quantize_reference, compare_arrays, BadInput, numpy):
            print(f"{case[0]} ({' '.join(case[2:5])}): {difference}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
