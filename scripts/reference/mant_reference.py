# SPDX-License-Identifier: Apache-2.0
"""Reference of the MANT datapath (docs/datapaths.md), vectorized over M x N, one group of k at a time."""
import numpy as np

from formats_reference import INT4, encode, group_ranges, Format
from rounding import BadInput, f32

SUPPORTED = "int8-g<k> with mant4-g<k>, int8-g<k> with int8-g<k>, int8-g<k> with int8-channel (k up to 256)"


def check_pair(activation, weight):
    legal = activation.family == "int" and activation.bits == 8 and activation.grouping == "group"
    legal = legal and activation.n == 1 and activation.k <= 256
    int8_weight = weight.family == "int" and weight.bits == 8 and weight.n == 1
    if weight.family == "mant4" or (int8_weight and weight.grouping == "group"):
        legal = legal and weight.k == activation.k
    else:
        legal = legal and int8_weight and weight.grouping == "channel"
    if not legal:
        raise BadInput(f"mant does not multiply {activation.name} with {weight.name}; supported: {SUPPORTED}")


def group_sum_mant(x, codes, types):
    """G[M, N] of one group: a * P1 + P2. The sums are exact in binary64 (below 2^31), so any order is right."""
    i = codes & 7
    sign = np.where(codes & 8, -1.0, 1.0)
    p1 = x @ (sign * i).T
    p2 = x @ (sign * (1 << i)).T
    int4 = types == INT4
    return np.where(int4, 1.0, types.astype(np.float64)) * p1 + np.where(int4, 0.0, 1.0) * p2


def gemm(a, w, options):
    """acc[M, N] as binary32."""
    if options.accumulate or options.exponent is not None:
        raise BadInput("mant uses neither an exponent nor a choice of accumulation")
    activation = Format(options.activation_format or "int8-g64")
    weight = Format(options.weight_format or "mant4-g64")
    check_pair(activation, weight)
    qa = encode(a, activation, options.activations)
    qw = encode(w, weight, options.weights, options.weight_select or "", options.calibration_values)
    acc = np.zeros((a.shape[0], w.shape[0]), np.float32)
    for g, lo, hi in group_ranges(a.shape[1], activation.k):
        x = qa.codes[:, lo:hi].astype(np.float64)
        codes = qw.codes[:, lo:hi]
        if weight.family == "mant4":
            total = group_sum_mant(x, codes, qw.meta["type"][:, g])
        else:
            total = x @ codes.astype(np.float64).T
        sw = qw.meta["scale"][:, 0 if weight.grouping == "channel" else g]
        t = f32(qa.meta["scale"][:, g].astype(np.float64)[:, None] * sw.astype(np.float64)[None, :])
        acc = acc + f32(total * t)  # the product of 26 and 22 bits is exact in binary64
    return acc
