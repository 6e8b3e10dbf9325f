#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference of `nibble quantize`: encodes and decodes one tensor by formats_reference.py.

quantize_reference.py x.npy --format mant4-g64 --output decoded.npy --codes codes.npy --metadata meta.json
"""
import argparse
import json
import sys

import numpy as np

import arrays
from formats_reference import Format, encode, error_figures
from rounding import BadInput


def code_type(fmt):
    if fmt.family in ("int", "amove", "mxint8", "tender") or (fmt.family, fmt.bits) == ("bitmod", 6):
        return np.int8
    return np.int32 if fmt.family in ("bfp", "anda") else np.uint8


def group_count(encoded):
    for key in ("scale", "exponent", "S"):
        if key in encoded.meta:
            return encoded.meta[key].size
    return 0


def metadata(encoded):
    meta = {"groups": group_count(encoded)}
    for key in ("scale", "row_scale", "S", "R"):
        if key in encoded.meta:
            meta[key] = [float(v) for v in encoded.meta[key].ravel()]
    if "type" in encoded.meta:
        meta["type"] = [encoded.type_name(v) for v in encoded.meta["type"].ravel()]
    if "exponent" in encoded.meta:
        meta["exponent"] = [int(v) for v in encoded.meta["exponent"].ravel()]
    if "column_group" in encoded.meta:
        meta["column_group"] = [int(v) for v in encoded.meta["column_group"].ravel()]
    if "E" in encoded.meta:
        E = encoded.meta["E"]
        meta["E"] = [[int(v) for v in codes] for codes in E.reshape(-1, E.shape[-1])]
        meta["p"] = encoded.p
    if encoded.t is not None:
        meta["t"] = float(encoded.t)
    return meta


def bits_per_element(encoded):
    """Everything stored over the elements that exist."""
    fmt, elements, groups = encoded.format, encoded.values.size, group_count(encoded)
    bits = {"bfp": fmt.bits + 1, "anda": fmt.bits + 1}.get(fmt.family, fmt.bits) * elements
    per_group = {"int": 16, "mant4": 24, "bfp": 5, "anda": 5, "bitmod": 8 if fmt.bits == 6 else 10, "nvfp4": 8, "ant4": 18, "olive4": 17}
    bits += groups * per_group.get(fmt.family, 8 if fmt.family[:2] == "mx" else 0)
    if fmt.family == "bitmod":
        bits += 16 * encoded.codes.shape[0]
    if fmt.family == "tender":
        bits += groups * (16 + encoded.codes.shape[1] * (fmt.decomposition - 1).bit_length())
    if fmt.family == "amove":
        bits = groups * (16 + 2 * (fmt.k // fmt.cluster)) + fmt.bits * elements
    return (bits + (32 if fmt.family == "nvfp4" else 0)) / elements


def run(arguments):
    x = arrays.load(arguments.input)
    fmt = Format(arguments.format)
    calibration = arrays.load(arguments.calibration) if arguments.calibration else None
    encoded = encode(x, fmt, arguments.input, arguments.select or "", calibration, arguments.exponent)
    if encoded.codes is None and (arguments.codes or arguments.metadata):
        raise BadInput(f"{fmt.name} is a plain cast and has no codes and no metadata")
    report = error_figures(x, encoded.values)
    report["bits_per_element"] = bits_per_element(encoded)
    if "type" in encoded.meta:
        kinds, counts = np.unique(encoded.meta["type"], return_counts=True)
        report["types"] = {encoded.type_name(kind): int(count) for kind, count in zip(kinds, counts)}
    if fmt.family == "amove":
        report["saturated_groups"] = encoded.saturated
    if arguments.output:
        arrays.save(arguments.output, encoded.values.reshape(x.shape))
    if arguments.codes:
        arrays.save(arguments.codes, encoded.codes.astype(code_type(fmt)).reshape(x.shape))
    if arguments.metadata:
        with open(arguments.metadata, "w") as stream:
            json.dump(metadata(encoded), stream)
    print(json.dumps(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("--format", required=True)
    parser.add_argument("--select")
    parser.add_argument("--exponent", type=int)
    parser.add_argument("--calibration")
    parser.add_argument("--output")
    parser.add_argument("--codes")
    parser.add_argument("--metadata")
    try:
        run(parser.parse_args())
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
