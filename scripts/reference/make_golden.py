#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden vectors of the reference: inputs, codes and metadata of the encoders, accumulators of the datapaths.

make_golden.py DIRECTORY          writes inputs-*.npy, cases.csv and what every case expects
make_golden.py --check DIRECTORY  computes everything anew from DIRECTORY's inputs; exits with 1 when anything differs
"""
import io
import pathlib
import sys
from types import SimpleNamespace

import numpy as np

import gemm_reference
from datapaths_reference import packed_words
from formats_reference import encode

HEADER = "kind,name,activation_format,weight_format,select,exponent,accumulate,inputs,overflows"
QUANTIZE = [  # format, select, exponent
    ("int8-g64", "", ""), ("int4-g32", "", ""), ("int2-g16x4", "", ""), ("mant4-g64", "mse", ""),
    ("mant4-g64", "output-mse", ""), ("mant4-g64", "variance", ""), ("mant4-g64", "variance8", ""),
    ("mant4-g7", "mse", ""),
    ("bfp8-g32", "truncate", ""), ("bfp4-g32", "nearest", ""), ("amove4-g128c16", "offline", ""),
    ("amove4-g32c4", "online", "-6"), ("mxfp4-g32", "", ""), ("nvfp4-g16", "", ""),
    ("ant4-channel", "", ""), ("ant4-tensor", "", ""), ("olive4-channel", "", ""), ("olive4-tensor", "", ""),
    ("tender8-d8", "", ""), ("tender4-d5", "", ""),
    ("anda7-g64", "", ""), ("anda13-g64", "", ""),
    ("bitmod4-g128", "", ""), ("bitmod3-g32", "", ""), ("bitmod6-g64", "", ""),
]
GEMM = [  # accelerator, activation format, weight format, select, exponent, accumulate (fp_int_aligned: aligned bits)
    ("mant", "int8-g64", "mant4-g64", "mse", "", ""), ("mant", "int8-g64", "mant4-g64", "output-mse", "", ""),
    ("mant", "int8-g64", "mant4-g64", "variance", "", ""), ("mant", "int8-g64", "int8-g64", "", "", ""),
    ("mant", "int8-g64", "int8-channel", "", "", ""), ("mant", "int8-g128", "mant4-g128", "mse", "", ""),
    ("mant", "int8-g7", "mant4-g7", "mse", "", ""),
    ("bfp", "bfp8-g32", "int4-g128", "", "", ""), ("bfp", "bfp8-g32", "bfp4-g32", "truncate", "", ""),
    ("bfp", "bfp8-g32", "bfp8-g32", "nearest", "", ""),
    ("amove", "amove4-g128c16", "amove4-g128c16", "", "", ""), ("amove", "amove4-g32c4", "amove4-g32c4", "", "-6", ""),
    ("amove", "amove4-g32c4", "amove3-g32c4", "", "-6", "fp32"),
    ("fp_int", "fp16", "int4-g32x4", "", "", ""), ("fp_int", "fp16", "int2-channel", "", "", ""),
    ("fp16", "fp16", "fp16", "", "", ""), ("fp16_dequant", "fp16", "int4-g128", "", "", ""),
    ("int8", "int8-channel", "int8-channel", "", "", ""),
    ("int4", "int4-g32", "int4-g32", "", "", ""), ("int4", "int4-channel", "int4-tensor", "", "", ""),
    ("bitfusion", "int8-g64", "int2-g64x4", "", "", ""), ("bitfusion", "int5-channel", "int8-channel", "", "", ""),
    ("ant", "ant4-channel", "ant4-channel", "", "", ""), ("ant", "int8-channel", "ant4-tensor", "", "", ""),
    ("olive", "olive4-channel", "olive4-channel", "", "", ""), ("olive", "olive4-tensor", "int8-channel", "", "", ""),
    ("tender", "tender8-d8", "int8-channel", "", "", ""), ("tender", "tender4-d5", "int4-channel", "", "", ""),
    ("anda", "anda7-g64", "int4-g128", "", "", ""), ("anda", "anda13-g32", "int3-channel", "", "", ""),
    ("bitmod", "fp16", "bitmod4-g128", "", "", ""), ("bitmod", "fp16", "bitmod3-g32", "", "", ""),
    ("bitmod", "fp16", "bitmod6-g64", "", "", ""), ("bitmod", "fp16", "int8-g64", "", "", ""),
    ("fp_int_aligned", "fp16", "int4-g128", "", "", ""), ("fp_int_aligned", "fp16", "int8-channel", "", "", "8"),
]
WORDS = [("int4-g32x4", "n"), ("int4-g32x4", "k"), ("int2-g16x4", "n"), ("int2-g16x4", "k")]  # format, axis
ROLES = ("a", "w", "calibration")
STORED = {"scale": np.float32, "type": np.uint8, "exponent": np.int32, "S": np.float32, "R": np.float32, "E": np.uint8,
          "row_scale": np.float32,
          "column_group": np.uint8}


def new_inputs():
    """Tensors with outliers, rows of very different size, zero groups, subnormal scales, ties and powers of two."""
    random = np.random.RandomState(2025)

    def tensor(rows, columns, spread):
        x = random.standard_normal((rows, columns)) * np.exp2(random.randint(-spread, spread + 1, (rows, 1)))
        x[random.random_sample(x.shape) < 0.01] *= 30
        return x.astype(np.float32)

    mixed_a, mixed_w, calibration = tensor(6, 200, 3), tensor(20, 200, 4), tensor(5, 200, 1)
    mixed_a[1, 64:128] = 0
    mixed_a[2, :64] *= np.float32(1e-7)
    mixed_w[3, :64], mixed_w[4] = 0, 0
    mixed_w[5, 64:128] *= np.float32(2e-9)
    mixed_w[6, :64] = np.exp2(random.randint(-8, 3, 64)) * random.choice([-1, 1], 64)
    mixed_w[7, :64] = np.arange(-32, 32) / 2.0  # ties of INT4 and of the grids
    mixed_w[8, ::3] = -0.0
    large_a = (random.uniform(200, 800, (3, 96)) * random.choice([-1, 1], (3, 1))).astype(np.float32)
    large_w = (random.uniform(1, 9, (5, 96)) * random.choice([-1, 1], (5, 96), p=[0.2, 0.8])).astype(np.float32)
    large_a[2] *= np.float32(0.01)
    return {"mixed": (mixed_a, mixed_w, calibration), "large": (large_a, large_w, large_a)}


def stored_inputs(directory):
    return {name: tuple(np.load(directory / f"inputs-{name}-{role}.npy") for role in ROLES)
            for name in ("mixed", "large")}


def contents(array):
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array))
    return stream.getvalue()


def quantize_files(name, tensors, fmt, select, exponent):
    encoded = encode(tensors[1], fmt, "w", select, tensors[2] if select == "output-mse" else None,
                     int(exponent) if exponent else None)
    # FP16 holds the signed mantissas of bfp8 in the fewest bytes.
    wide = np.float32 if fmt.startswith("anda13") else np.float16 if fmt.startswith("bfp8") else np.int8
    files = {f"{name}-codes.npy": contents(encoded.codes.astype(wide))}
    for key, kind in STORED.items():
        if key in encoded.meta:
            files[f"{name}-{key}.npy"] = contents(encoded.meta[key].astype(kind))
    return files


def gemm_accumulator(tensors, accelerator, activation, weight, select, exponent, accumulate):
    options = SimpleNamespace(
        activations="a", weights="w", activation_format=activation, weight_format=weight, weight_select=select,
        calibration_values=tensors[2] if select == "output-mse" else None,
        exponent=int(exponent) if exponent else None, accumulate=None if accumulate.isdigit() else accumulate or None,
        aligned_bits=int(accumulate) if accumulate.isdigit() else None)
    return gemm_reference.DATAPATHS[accelerator](tensors[0], tensors[1], options)


def golden(tensors):
    """File name to bytes."""
    files, lines = {}, [HEADER]
    for name, roles in tensors.items():
        for role, array in zip(ROLES, roles):
            files[f"inputs-{name}-{role}.npy"] = contents(array)
    for fmt, select, exponent in QUANTIZE:
        name = "-".join(filter(None, ["quantize", fmt, select, exponent]))
        files.update(quantize_files(name, tensors["mixed"], fmt, select, exponent))
        lines.append(f"quantize,{name},,{fmt},{select},{exponent},,mixed,0")
    for fmt, axis in WORDS:
        name = f"words-{fmt}-{axis}"
        words = packed_words(encode(tensors["mixed"][1], fmt).codes, int(fmt[3]), axis)
        files[f"{name}.npy"] = contents(words.astype(np.int32))  # arrays of nibble have no uint16
        lines.append(f"words,{name},,{fmt},{axis},,,mixed,0")
    for case in GEMM:
        for source in tensors:
            name = "-".join(filter(None, case + (source,)))
            acc = gemm_accumulator(tensors[source], *case)
            if not np.isfinite(acc).all():  # an FP16 accumulator can overflow; arrays of nibble are finite
                continue
            files[f"{name}.npy"] = contents(acc)
            overflows = int((~np.isfinite(gemm_reference.output(acc))).sum())
            lines.append(",".join((case[0], name) + case[1:] + (source, str(overflows))))
    files["cases.csv"] = ("\n".join(lines) + "\n").encode()
    return files


def main():
    check = sys.argv[1:2] == ["--check"]
    if len(sys.argv) != (3 if check else 2):
        print(__doc__, file=sys.stderr)
        return 2
    directory = pathlib.Path(sys.argv[-1])
    files = golden(stored_inputs(directory) if check else new_inputs())
    if not check:
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (directory / name).write_bytes(data)
        print(f"{len(files)} files, {sum(map(len, files.values()))} bytes")
        return 0
    present = {file.name: file.read_bytes() for file in directory.iterdir()}
    wrong = sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))
    print("\n".join(f"{directory / name}: differs from the reference" for name in wrong) or f"{len(files)} files: ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
