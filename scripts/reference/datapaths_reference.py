# SPDX-License-Identifier: Apache-2.0
"""Reference of the other datapaths (docs/datapaths.md), vectorized over M x N, in ascending k.

Every function takes A[M, K] and W[N, K] as binary32 and the options of gemm_reference.py, and returns acc[M, N].
binary64 holds every exact intermediate value: at most 53 bits before a rounding.
"""
import numpy as np

from formats_reference import Format, encode, group_ranges
from rounding import BadInput, F16_MAX, f32, fp16


def formats(options, activation, weight):
    return Format(options.activation_format or activation), Format(options.weight_format or weight)


def refuse(pe, activation, weight, supported):
    raise BadInput(f"{pe} does not multiply {activation.name} with {weight.name}; supported: {supported}")


def no_option(options, *names):
    for name in names:
        if getattr(options, name, None):
            raise BadInput(f"{options.accelerator} has no option {name}")


def canonical(x):
    """One NaN for every invalid operation, whatever sign the processor gives it."""
    return np.where(np.isnan(x), np.float32(np.nan), x).astype(np.float32)


# ---- bfp ------------------------------------------------------------------------------------------------------------

def bfp_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "bfp8-g32", "int4-g128")
    legal = activation.family == "bfp" and activation.bits == 8 and activation.k <= 128
    int4 = weight.family == "int" and weight.bits == 4 and weight.grouping == "group" and weight.n == 1
    if not legal or not (int4 and weight.k % activation.k == 0 or weight.family == "bfp" and weight.k == activation.k):
        refuse("bfp", activation, weight, "bfp8-g<k> with int4-g<multiple of k>, bfp4-g<k> or bfp8-g<k>, k at most 128")
    qa = encode(a, activation, options.activations)
    qw = encode(w, weight, options.weights, options.weight_select or "")
    acc = np.zeros((a.shape[0], w.shape[0]), np.float32)
    inner = np.zeros_like(acc)
    for g, lo, hi in group_ranges(a.shape[1], activation.k):
        total = qa.codes[:, lo:hi].astype(np.float64) @ qw.codes[:, lo:hi].astype(np.float64).T
        EA = qa.meta["exponent"][:, g][:, None]
        if not int4:
            EW = qw.meta["exponent"][:, g][None, :]
            acc = acc + f32(np.ldexp(total, EA + EW - (44 if weight.bits == 8 else 40)))
            continue
        inner = inner + f32(np.ldexp(total, np.broadcast_to(EA - 22, total.shape)))
        if hi % weight.k == 0 or hi == a.shape[1]:
            acc = acc + inner * qw.meta["scale"][:, lo // weight.k][None, :]
            inner = np.zeros_like(acc)
    return acc


# ---- fp_int ---------------------------------------------------------------------------------------------------------

def fp_int_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "fp16", "int4-g32x4")
    legal = activation.family == "fp16" and weight.family == "int" and weight.bits in (2, 4)
    legal = legal and (weight.grouping == "channel" or weight.grouping == "group" and weight.k % 4 == 0)
    if not legal:
        refuse("fp_int", activation, weight, "fp16 with int4 or int2, g<k>[x<n>] with k a multiple of 4, or channel")
    A = encode(a, activation, options.activations).values.astype(np.float64)
    qw = encode(w, weight, options.weights, options.weight_select or "")
    bias = 2 ** (weight.bits - 1)
    offset = np.float32(1024 + bias)
    lane = (1024 + bias + qw.codes).astype(np.float64)  # 1024 + u
    rounded = getattr(options, "product", None) == "fp16"
    out = np.zeros((a.shape[0], w.shape[0]), np.float32)
    columns = a.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):
        for g, lo, hi in group_ranges(columns, weight.extent(columns)):
            acc, sA = np.zeros_like(out), np.zeros((a.shape[0], 1), np.float32)
            for k in range(lo, hi, 4):
                step = range(k, min(k + 4, hi))
                products = [A[:, j:j + 1] * lane[None, :, j] for j in step]
                if rounded:
                    products = [fp16(p).astype(np.float64) for p in products]
                acc = canonical(acc + f32(sum(products[1:], products[0])))
                sA = sA + f32(A[:, step].sum(axis=1, keepdims=True))
            s = np.repeat(qw.meta["scale"][:, g], weight.n)[:w.shape[0]][None, :]
            out = canonical(out + s * (acc - offset * sA))
    return out


def packed_words(codes, bits, axis):
    """Codes q [N, K] as 16-bit words (docs/formats.md, Packed INT words): [K, words] along n, [N, words] along k."""
    lanes, zero = 16 // bits, 2 ** (bits - 1)
    lines = (codes.T if axis == "n" else codes).astype(np.int64) + zero
    padded = np.pad(lines, ((0, 0), (0, -lines.shape[1] % lanes)), constant_values=zero)
    lane = padded.reshape(lines.shape[0], -1, lanes)
    return (lane << (bits * np.arange(lanes))).sum(axis=2).astype(np.uint16)


# ---- amove ----------------------------------------------------------------------------------------------------------

def amove_gemm(a, w, options):
    activation, weight = formats(options, "amove4-g128c16", "amove4-g128c16")
    legal = activation.family == weight.family == "amove" and activation.bits <= 4 and weight.bits <= 4
    if not legal or (activation.k, activation.cluster) != (weight.k, weight.cluster):
        refuse("amove", activation, weight, "amove<b>-g<k>c<c> with amove<b>-g<k>c<c>, the same k and c")
    qa = encode(a, activation, options.activations, "online", None, options.exponent)
    qw = encode(w, weight, options.weights, options.weight_select or "offline")
    rounding = f32 if options.accumulate == "fp32" else fp16
    acc = np.zeros((a.shape[0], w.shape[0]), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for g, lo, hi in group_ranges(a.shape[1], weight.k):
            for c, begin, end in group_ranges(hi - lo, weight.cluster):
                x, y = qa.codes[:, lo + begin:lo + end], qw.codes[:, lo + begin:lo + end]
                total = x.astype(np.float64) @ y.astype(np.float64).T
                scales = np.outer(qa.meta["sc"][:, g, c].astype(np.float64), qw.meta["sc"][:, g, c].astype(np.float64))
                t = rounding(np.ldexp(scales, qa.p + qw.p))
                v = rounding(t.astype(np.float64) * total)
                acc = canonical(rounding(acc.astype(np.float64) + v) if rounding is fp16 else acc + v)
    return acc


# ---- fp16, fp16_dequant, int8 ---------------------------------------------------------------------------------------

def fp16_product(A, W):
    """acc = f32(acc + f32(a * w)): a product of two FP16 values is exact in binary32."""
    acc = np.zeros((A.shape[0], W.shape[0]), np.float32)
    for k in range(A.shape[1]):
        acc = acc + A[:, k][:, None] * W[:, k][None, :]
    return acc


def fp16_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "fp16", "fp16")
    if activation.family != "fp16" or weight.family != "fp16":
        refuse("fp16", activation, weight, "fp16 with fp16")
    return fp16_product(encode(a, activation, options.activations).values, encode(w, weight, options.weights).values)


def fp16_dequant_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "fp16", "int4-g128")
    if activation.family != "fp16" or weight.family != "int":
        refuse("fp16_dequant", activation, weight, "fp16 with int<2..8>")
    W = fp16(encode(w, weight, options.weights).values)
    if (np.abs(W) > F16_MAX).any():
        raise BadInput(f"{options.weights}: a dequantized weight overflows FP16")
    return fp16_product(encode(a, activation, options.activations).values, W)


def int8_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "int8-channel", "int8-channel")
    if activation.name != "int8-channel" or weight.name != "int8-channel":
        refuse("int8", activation, weight, "int8-channel with int8-channel")
    qa, qw = encode(a, activation, options.activations), encode(w, weight, options.weights)
    total = qa.codes.astype(np.float64) @ qw.codes.astype(np.float64).T
    return f32(total) * (qa.meta["scale"] * qw.meta["scale"].T) + np.float32(0)  # the accumulator starts at +0
