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
import baselines_reference
import datapaths_reference
import mant_reference
from rounding import BadInput

# Names of PEs and of the configurations built on them.
DATAPATHS = {
    "mant": mant_reference.gemm,
    "bfp": datapaths_reference.bfp_gemm, "harmonia": datapaths_reference.bfp_gemm,
    "fp_int": datapaths_reference.fp_int_gemm, "pacq": datapaths_reference.fp_int_gemm,
    "fp_int_k": datapaths_reference.fp_int_gemm,
    "amove": datapaths_reference.amove_gemm, "amove-array": datapaths_reference.amove_gemm,
    "amove-tensor-core": datapaths_reference.amove_gemm,
    "fp16": datapaths_reference.fp16_gemm, "fp16-array": datapaths_reference.fp16_gemm,
    "fp16_dequant": datapaths_reference.fp16_dequant_gemm, "simt-dequant": datapaths_reference.fp16_dequant_gemm,
    "int8": datapaths_reference.int8_gemm, "int8-array": datapaths_reference.int8_gemm,
    "int4": baselines_reference.int4_gemm, "bitfusion": baselines_reference.bitfusion_gemm,
    "ant": baselines_reference.ant_gemm, "olive": baselines_reference.olive_gemm,
    "tender": baselines_reference.tender_gemm,
    "anda": baselines_reference.anda_gemm, "bitmod": baselines_reference.bitmod_gemm,
    "fp_int_aligned": baselines_reference.fp_int_aligned_gemm,
}


def output(acc):
    """C: the accumulators rounded once to binary16; overflow gives infinity."""
    with np.errstate(over="ignore"):
        return acc.astype(np.float16)


def run(options):
    a, w = arrays.load(options.activations), arrays.load(options.weights)
    if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[1]:
        raise BadInput(f"{options.activations}: expected A[M, K] and W[N, K] with one K, got {a.shape} and {w.shape}")
    options.calibration_values = arrays.load(options.calibration) if options.calibration else None
    acc = DATAPATHS[options.accelerator](a, w, options)
    c = output(acc)
    if options.output:
        arrays.save(options.output, c)
    if options.accumulator:
        arrays.save(options.accumulator, acc.astype(np.float32))
    print(json.dumps({"m": a.shape[0], "k": a.shape[1], "n": w.shape[0], "overflows": int((~np.isfinite(c)).sum())}))


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
    parser.add_argument("--product", choices=("exact", "fp16"), help="fp_int only")
    parser.add_argument("--aligned-bits", type=int, help="fp_int_aligned only: 4..15, default 14")
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
