#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random GEMMs through `nibble gemm` and through the reference, compared bit for bit.

crosscheck_gemm.py --nibble build/release/cli/nibble --accelerator mant --cases 100 [--seed 1] [--set KEY=VALUE ...]
crosscheck_gemm.py --nibble build/release/cli/nibble --pe fp_int --cases 100

Shapes, formats, selections and fidelity levels are drawn at random from what the PE multiplies. Exits with 1 and one
line per case that differs.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import compare_arrays

HERE = pathlib.Path(__file__).parent
PES = {"harmonia": "bfp", "pacq": "fp_int", "amove-array": "amove", "amove-array-conservative": "amove",
       "amove-tensor-core": "amove", "fp16-array": "fp16", "int8-array": "int8", "simt-dequant": "fp16_dequant",
       "figna": "fp_int_aligned"}

# Machines whose arrays are also modelled register by register.
CYCLE_FIDELITY = ("mant", "harmonia", "amove-array", "amove-array-conservative", "fp16-array", "int8-array", "ant", "olive",
                  "bitfusion", "figna", "tender", "anda", "bitmod")


def formats(pe, random):
    """Options of one random case: activation format, weight format, further options."""
    if pe == "mant":
        k = random.choice([16, 32, 64, 64, 64, 128])
        weight = random.choice([f"mant4-g{k}", f"mant4-g{k}", f"int8-g{k}", "int8-channel"])
        select = ["--weight-select", random.choice(["mse", "variance", "variance8"])] if "mant4" in weight else []
        return f"int8-g{k}", weight, select
    if pe == "bfp":
        return "bfp8-g32", random.choice(["int4-g128", "int4-g64", "bfp4-g32", "bfp8-g32"]), []
    if pe in ("fp_int", "fp_int_k"):
        return "fp16", random.choice(["int4-g32x4", "int2-g32x4", "int4-g128", "int4-channel"]), []
    if pe == "amove":
        name = random.choice(["amove4-g128c16", "amove4-g32c4"])
        exponent = int(random.randint(-8, 1))
        return name, name, ["--exponent", exponent, "--accumulate", random.choice(["fp16", "fp32"])]
    rows = ["channel", "tensor"]
    if pe in ("int4", "bitfusion"):
        a, w = (4, 4) if pe == "int4" else (int(b) for b in random.randint(2, 9, 2))
        k = random.choice([7, 32, 128])
        pairs = [(f"int{a}-g{k}", f"int{w}-g{k}x{random.choice([1, 4])}".replace("x1", "")),
                 (f"int{a}-{random.choice(rows)}", f"int{w}-{random.choice(rows)}")]
        return pairs[random.randint(2)] + ([],)
    if pe in ("ant", "olive"):
        a, w = (f"{random.choice([pe + '4', 'int8'])}-{random.choice(rows)}" for _ in range(2))
        return a, w, []
    if pe == "tender":
        b = random.choice([8, 4])
        return f"tender{b}-d{random.randint(1, 9)}", f"int{b}-channel", []
    if pe == "fp_int_aligned":
        weight = f"int{random.randint(2, 9)}-{random.choice(['g32x4', 'g64', 'g192', 'channel', 'tensor'])}"
        return "fp16", weight, ["--aligned-bits", random.randint(4, 16)]
    if pe == "anda":
        k = random.choice([16, 32, 64, 64])
        weights = [f"int4-g{k * random.randint(1, 4)}", "int3-channel", f"int2-g{k}x4", "int4-tensor"]
        pair = (f"anda{random.randint(4, 16)}-g{k}", random.choice(weights))
        return (pair if random.randint(4) else ("fp16", "fp16")) + ([],)
    if pe == "bitmod":
        k = random.choice([7, 32, 128])
        weights = [f"bitmod{random.choice([6, 4, 3])}-g{k}"] * 2
        weights += [f"int{random.randint(2, 9)}-{random.choice(['g64', 'channel'])}"]
        return "fp16", random.choice(weights), []
    return {"fp16": ("fp16", "fp16", []), "int8": ("int8-channel", "int8-channel", []),
            "fp16_dequant": ("fp16", random.choice(["int4-g128", "int3-g32x4", "int8-channel"]), [])}[pe]


def tensor(random, rows, columns, exponents):
    x = random.standard_normal((rows, columns)) * np.exp2(random.randint(exponents[0], exponents[1], (rows, 1)))
    x[random.random_sample(x.shape) < 0.005] *= 20
    return x.astype(np.float32)


def run(command, status):
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode == status else (done.stderr or done.stdout).strip() or f"status {done.returncode}"


def compare_case(options, random, directory):
    """None, or what differs; the text begins with the case."""
    m, k, n = (int(random.randint(1, limit)) for limit in (48, 800, 100))
    for name, rows, exponents in (("a", m, (-4, 5)), ("w", n, (-8, 5))):
        np.save(directory / f"{name}.npy", tensor(random, rows, k, exponents))
    pe = options.pe or PES.get(options.accelerator, options.accelerator)
    activation, weight, more = formats(pe, random)
    shared = ["--activations", str(directory / "a.npy"), "--weights", str(directory / "w.npy")]
    shared += ["--activation-format", activation, "--weight-format", weight]
    shared += [str(v) for v in more]
    cycle = options.accelerator in CYCLE_FIDELITY
    fidelity = random.choice(["transaction", "cycle"]) if cycle else "transaction"
    case = f"{m}x{k}x{n} {activation} {weight} {' '.join(map(str, more))} {fidelity}"

    def outputs(side):
        return ["--output", str(directory / f"c-{side}.npy"), "--accumulator", str(directory / f"acc-{side}.npy")]

    settings = [part for value in options.settings for part in ("--set", value)]
    settings += ["--pe", pe] if options.pe else ["--accelerator", options.accelerator, "--fidelity", fidelity]
    failure = run([options.nibble, "gemm", "--json"] + shared + settings + outputs("nibble"), 0)
    if failure:
        return f"{case}: nibble: {failure}"
    failure = run([sys.executable, "-B", str(HERE / "gemm_reference.py"), "--accelerator", pe] + shared +
                  outputs("reference"), 0)
    if failure:
        return f"{case}: reference: {failure}"
    for name in ("acc", "c"):
        sides = [np.load(directory / f"{name}-{side}.npy") for side in ("nibble", "reference")]
        difference = compare_arrays.compare(*sides)
        if difference:
            return f"{case}: {name}: {difference}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", required=True)
    parser.add_argument("--accelerator", default="mant")
    parser.add_argument("--pe", help="the PE's function alone instead of a machine")
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    options = parser.parse_args()
    random = np.random.RandomState(options.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.cases):
            difference = compare_case(options, random, pathlib.Path(name))
            if difference:
                print(difference)
                wrong += 1
    print(f"{options.cases - wrong} of {options.cases} cases agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
