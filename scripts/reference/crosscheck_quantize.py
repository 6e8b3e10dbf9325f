#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random and directed tensors through `nibble quantize` and through the reference, compared bit for bit.

crosscheck_quantize.py --nibble build/release/cli/nibble --cases 1000 [--seed 1] [--only mant4]

Formats (every family, any group and cluster size), selections, exponents, calibrations, shapes and values are drawn at
random; the values of a case are of one kind, from ties of every rounding to numbers beyond the range. Codes, decoded
values, metadata and what is refused must agree to the bit, error figures to 1e-12. Exits with 1 and one line per case
that differs.
"""
import argparse
import contextlib
import io
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import types

import numpy as np

import compare_arrays
import quantize_reference
from rounding import BadInput

CASTS = ("fp32", "fp16", "bf16")


def draw_format(random, only):
    """A name and a selection."""
    k = int(random.choice([1, 2, 3, 5, 7, 8, 16, 31, 32, 33, 64, 96, 128, 200]))
    family = only or random.choice(["cast", "int", "int", "mant4", "mant4", "bfp", "bfp", "amove", "amove", "amove", "mx", "nvfp4",
                                    "ant4", "olive4", "tender", "anda", "bitmod", "bitmod"])
    if family == "cast":
        return random.choice(CASTS), ""
    if family == "int":
        grouping = random.choice([f"g{k}", f"g{k}", f"g{k}x{random.randint(1, 9)}", "channel", "tensor"])
        return f"int{random.randint(2, 9)}-{grouping}", ""
    if family == "mant4":
        return f"mant4-g{k}", random.choice(["", "mse", "variance", "variance8", "output-mse"])
    if family == "bfp":
        return f"bfp{random.choice([8, 4])}-g{k}", random.choice(["", "truncate", "nearest"])
    if family == "amove":
        c = int(random.choice([1, 2, 3, 4, 8, 16]))
        return f"amove{random.choice([4, 3, 2])}-g{c * random.randint(1, 12)}c{c}", random.choice(["", "online", "offline"])
    if family == "mx":
        return random.choice(["mxfp4-g32", "mxfp6-g32", "mxfp8-g32", "mxint8-g32"]), ""
    if family == "anda":
        return f"anda{random.randint(3, 17)}-g{k}", ""
    if family == "bitmod":
        return f"bitmod{random.choice([3, 4, 6])}-g{k}", ""
    if family in ("ant4", "olive4"):
        return f"{family}-{random.choice(['channel', 'tensor'])}", ""
    return {"nvfp4": "nvfp4-g16", "tender": f"tender{random.choice([8, 4])}-d{random.randint(1, 9)}"}[family], ""


def draw_values(random, shape):
    """binary32 values of one kind."""
    normal = random.standard_normal(shape)
    powers = np.exp2(random.randint(-8, 9, shape[:-1] + (1,)).astype(np.float64))
    kinds = {
        "normal": lambda: normal * powers,
        "outliers": lambda: np.where(random.random_sample(shape) < 0.01, normal * 100, normal) * powers,
        "channels": lambda: normal * np.where(random.random_sample(shape[-1]) < 0.05, 30, 1),
        "ties": lambda: random.randint(-256, 257, shape) / 2 * powers,
        "few": lambda: random.choice([-0.0, 0.0, 1, -1, 0.5, -1.5, 3], shape) * powers,
        "sparse": lambda: np.where(random.random_sample(shape) < 0.02, normal, 0) * powers,
        "zero": lambda: np.where(random.random_sample(shape) < 0.5, -0.0, 0.0),
        "powers": lambda: np.exp2(random.randint(-30, 16, shape)) * random.choice([-1, 1], shape),
        "half edges": lambda: random.choice([65504, -65504, 65519.99, 2.0 ** -24, 2.0 ** -25, 1.0 + 2.0 ** -11], shape),
        "beyond half": lambda: np.where(random.random_sample(shape) < 0.01, 65520 * 1.5, normal),
        "tiny": lambda: normal * 2.0 ** -24,
        "subnormal": lambda: normal * 2.0 ** -140,
        "large": lambda: normal * 3000,
        "huge": lambda: np.clip(normal, -3, 3) * 2.0 ** random.randint(20, 126),
    }
    kind = random.choice(list(kinds))
    return kind, np.asarray(kinds[kind](), np.float64).astype(np.float32)


def store(random, x, directory):
    """Writes the tensor in a type that may round it. The argument for nibble; what the reference reads is x.npy."""
    kind = random.choice(["float32", "float32", "float16", "int32", "F32", "F16", "BF16"])
    narrow = x
    if kind in ("float16", "F16"):
        narrow = np.where(np.abs(x) < 65504, x, 1).astype(np.float16)
    if kind == "int32":
        narrow = np.clip(np.rint(x * 1000), -2 ** 30, 2 ** 30).astype(np.int32)
    if kind == "BF16":
        narrow = (x.view(np.uint32) >> 16).astype(np.uint16)  # truncated: another tensor, exactly known
        np.save(directory / "x.npy", (narrow.astype(np.uint32) << 16).view(np.float32))
    else:
        np.save(directory / "x.npy", narrow)
    if kind not in ("F32", "F16", "BF16"):
        return kind, str(directory / "x.npy")
    raw, other = narrow.tobytes(), b"\x7f" * int(random.randint(0, 8))  # the data need not be aligned
    header = {"other": {"dtype": "U8", "shape": [len(other)], "data_offsets": [0, len(other)]},
              "w": {"dtype": kind, "shape": list(x.shape), "data_offsets": [len(other), len(other) + len(raw)]}}
    text = json.dumps(header).encode()
    (directory / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + other + raw)
    return kind, str(directory / "x.safetensors") + ":w"


def close(a, b):
    """Error figures: equal, or equal but for the order in which a library sums."""
    if a is None or b is None:
        return a is None and b is None
    return abs(a - b) <= 1e-12 * max(abs(a), abs(b), 1e-300)


def differences(options, arguments, argument, directory):
    """Runs both; yields what differs."""
    command = [options.nibble, "quantize", argument, "--json", "--format", arguments.format]
    for option in ("select", "exponent", "calibration"):
        if getattr(arguments, option) is not None:
            command += [f"--{option}", str(getattr(arguments, option))]
    outputs = ["output"] + ([] if arguments.format in CASTS else ["codes", "metadata"])
    for option in outputs:
        ending = "json" if option == "metadata" else "npy"
        command += [f"--{option}", str(directory / f"nibble-{option}.{ending}")]
        setattr(arguments, option, str(directory / f"reference-{option}.{ending}"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            quantize_reference.run(arguments)
    except BadInput as error:
        options.refused += 1
        if done.returncode != 2:
            yield f"only the reference refuses: {error}"
        return
    if done.returncode != 0:
        yield f"only nibble refuses: {done.stderr.strip()}"
        return
    for option in outputs[:2]:
        found = compare_arrays.compare(*(np.load(directory / f"{side}-{option}.npy") for side in ("nibble", "reference")))
        if found:
            yield f"{option}: {found}"
    if "metadata" in outputs:
        ours, theirs = (json.loads((directory / f"{side}-metadata.json").read_text()) for side in ("nibble", "reference"))
        for key in sorted(set(ours) | set(theirs)):
            if ours.get(key) != theirs.get(key):
                yield f"metadata {key}: {str(ours.get(key))[:100]} against {str(theirs.get(key))[:100]}"
    ours, theirs = json.loads(done.stdout), json.loads(printed.getvalue())
    for key in ("mse", "max_abs_error", "sqnr_db", "cosine", "bits_per_element"):
        if not close(ours[key], theirs[key]):
            yield f"{key}: {ours[key]} against {theirs[key]}"
    for key in ("types", "saturated_groups"):
        if key in theirs and ours.get(key) != theirs[key]:
            yield f"{key}: {ours.get(key)} against {theirs[key]}"


def compare_case(options, random, directory):
    """What differs, with the case in front, as one line each; and whether both refused."""
    name, select = draw_format(random, options.only)
    shape = (int(random.randint(1, 12)), int(random.randint(1, 300)))
    if name.startswith(("ant4", "olive4")):
        shape = (int(random.randint(1, 6)), int(random.randint(1, 80)))
    if random.random_sample() < 0.1 and "x" not in name.partition("-")[2] and "tender" not in name:
        shape = (int(random.randint(1, 4)),) + shape if random.random_sample() < 0.7 else shape[1:]
    kind, values = draw_values(random, shape)
    stored, argument = store(random, values, directory)
    exponent = calibration = None
    if name.startswith("amove") and select != "offline" and random.random_sample() < 0.7:
        exponent = int(random.choice([random.randint(-14, 4), random.randint(-160, 128)]))
    if select == "output-mse" or (name.startswith("mant4") and not select and random.random_sample() < 0.3):
        calibration = str(directory / "calibration.npy")
        np.save(calibration, random.standard_normal((int(random.randint(1, 5)), shape[-1])).astype(np.float32))
    arguments = types.SimpleNamespace(input=str(directory / "x.npy"), format=name, select=select or None, exponent=exponent,
                                      calibration=calibration, output=None, codes=None, metadata=None)
    case = f"{name} {select or '-'} {exponent if exponent is not None else '-'} {shape} {kind} {stored}"
    return [f"{case}: {difference}" for difference in differences(options, arguments, argument, directory)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", required=True)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one family: cast int mant4 bfp amove mx nvfp4 ant4 olive4 tender anda bitmod")
    options = parser.parse_args()
    options.refused = 0
    np.seterr(all="ignore")
    random = np.random.RandomState(options.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.cases):
            found = compare_case(options, random, pathlib.Path(name))
            print("".join(f"{line}\n" for line in found), end="", flush=True)
            wrong += bool(found)
    print(f"{options.cases - wrong} of {options.cases} cases agree, {options.refused} of them in that the input is refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
