#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference of `nibble gemm` with tensors: C[M, N] = fp16(acc) of A[M, K] x W[N, K]^T by one PE's datapath.

gemm_reference.py --activations a.npy --weights w.npy --accelerator mant --output c.npy --accumulator acc.npy
"""
import argparse
import json
import sys

import numpy as np

import arrays
import mant_reference
from rounding import BadInput

DATAPATHS = {"mant": mant_reference}


def output(acc):
    """C: the accumulators rounded once to binary16; overflow gives infinity."""
    with np.errstate(over="ignore"):
        return acc.astype(np.float16)


def run(options):
    a, w = arrays.load(options.activations), arrays.load(options.weights)
    if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[1]:
        raise BadInput(f"{options.activations}: expected A[M, K] and W[N, K] with one K, got {a.shape} and {w.shape}")
    options.calibration_values = arrays.load(options.calibration) if options.calibration else None
    acc = DATAPATHS[options.accelerator].gemm(a, w, options)
    c = output(acc)
    if options.output:
        arrays.save(options.output, c)
    if options.accumulator:
        arrays.save(options.accumulator, acc.astype(np.float32))
    print(json.dumps({"m": a.shape[0], "k": a.shape[1], "n": w.shape[0], "overflows": int(np.isinf(c).sum())}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activations", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--accelerator", required=True, choices=sorted(DATAPATHS))
    parser.add_argument("--activation-format")
    parser.add_argument("--weight-format")
    parser.add_argument("--weight-select")
    parser.add_argument("--calibration")
    parser.add_argument("--exponent", type=int)
    parser.add_argument("--accumulate", choices=("fp16", "fp32"))
    parser.add_argument("--output")
    parser.add_argument("--accumulator")
    try:
        run(parser.parse_args())
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
