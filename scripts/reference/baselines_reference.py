# SPDX-License-Identifier: Apache-2.0
"""Reference of the baseline datapaths on integers (docs/datapaths.md), vectorized over M x N, in ascending k.

Every function takes A[M, K] and W[N, K] as binary32 and the options of gemm_reference.py, and returns acc[M, N].
"""
import numpy as np

import bitmod_reference
from adaptive_reference import NORMAL, VICTIM, outlier_magnitudes
from datapaths_reference import formats, fp16_gemm, no_option, refuse
from formats_reference import encode, group_ranges
from rounding import BadInput, f32, fp16
from tender_reference import tender_accumulators

SEGMENT = 32768  # elements after which an integer accumulator drains
ALIGNED_GROUP = 64


def scale_column(encoded, rows, columns, k):
    """[rows] scales that count at element k."""
    fmt = encoded.format
    scale = encoded.meta["scale"]
    if fmt.grouping == "tensor":
        return np.repeat(scale[0, 0], rows)
    return np.repeat(scale[:, k // fmt.extent(columns)], fmt.n)[:rows]


def integer_runs(qa, qw, x, w, extent):
    """The foot over the runs of `extent` elements: acc = f32(acc + f32(f32(sum) * f32(sx * sw)))."""
    rows, columns = x.shape
    acc = np.zeros((rows, w.shape[0]), np.float32)
    for _, lo, hi in group_ranges(columns, extent):
        total = x[:, lo:hi].astype(np.float64) @ w[:, lo:hi].astype(np.float64).T  # below 2^53: exact in any order
        t = scale_column(qa, rows, columns, lo)[:, None] * scale_column(qw, w.shape[0], columns, lo)[None, :]
        acc = acc + f32(total) * t
    return acc


def same_runs(activation, weight):
    if activation.n != 1 or (activation.grouping == "group") != (weight.grouping == "group"):
        return False
    return activation.grouping != "group" or activation.k == weight.k <= SEGMENT


def integer_gemm(name, bits, a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "int4-channel", "int4-channel")
    legal = activation.family == weight.family == "int" and {activation.bits, weight.bits} <= bits
    if not legal or not same_runs(activation, weight):
        refuse(name, activation, weight, "integers with scales over the same groups, or over whole rows")
    qa, qw = encode(a, activation, options.activations), encode(w, weight, options.weights)
    return integer_runs(qa, qw, qa.codes, qw.codes, min(activation.extent(a.shape[1]), SEGMENT))


def int4_gemm(a, w, options):
    return integer_gemm("int4", {4}, a, w, options)


def bitfusion_gemm(a, w, options):
    return integer_gemm("bitfusion", set(range(2, 9)), a, w, options)


# ---- ant, olive -----------------------------------------------------------------------------------------------------

def ant_integers(encoded):
    if encoded.format.family == "int":
        return encoded.codes
    magnitude = NORMAL[encoded.meta["type"]].reshape(-1, 8)  # one grid per group
    grid = np.broadcast_to(magnitude, (encoded.codes.shape[0], 8))
    value = np.take_along_axis(grid, (encoded.codes & 7).astype(np.int64), axis=1)
    return np.where(encoded.codes & 8, -value, value)


def olive_integers(encoded):
    if encoded.format.family == "int":
        return encoded.codes
    codes = encoded.codes.astype(np.int64)
    columns = codes.shape[1]
    padded = np.concatenate([codes, np.zeros((codes.shape[0], columns % 2), np.int64)], axis=1)
    partner = padded.reshape(codes.shape[0], -1, 2)[:, :, ::-1].reshape(codes.shape[0], -1)[:, :columns]
    values = np.zeros_like(codes)
    for kind in (0, 1):
        outliers = np.concatenate([[0], outlier_magnitudes(kind)])
        magnitude = np.where(partner == VICTIM, outliers[codes & 7], NORMAL[kind][codes & 7])
        values = np.where(encoded.meta["type"] == kind, np.where(codes & 8, -magnitude, magnitude), values)
    return np.where(codes == VICTIM, 0, values)


def adaptive_gemm(family, integers, a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, f"{family}4-channel", f"{family}4-channel")
    for fmt in (activation, weight):
        if fmt.grouping == "group" or not (fmt.family == f"{family}4" or fmt.family == "int" and fmt.bits == 8):
            refuse(family, activation, weight, f"{family}4-(channel|tensor) or int8-(channel|tensor) in any mix")
    qa, qw = encode(a, activation, options.activations), encode(w, weight, options.weights)
    return integer_runs(qa, qw, integers(qa), integers(qw), min(a.shape[1], SEGMENT))


def ant_gemm(a, w, options):
    return adaptive_gemm("ant", ant_integers, a, w, options)


def olive_gemm(a, w, options):
    return adaptive_gemm("olive", olive_integers, a, w, options)


def tender_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "tender8-d8", "int8-channel")
    if activation.family != "tender" or weight.name != f"int{activation.bits}-channel":
        refuse("tender", activation, weight, "tender8-d<n> with int8-channel, tender4-d<n> with int4-channel")
    qa, qw = encode(a, activation, options.activations), encode(w, weight, options.weights)
    return tender_accumulators(qa, qw, SEGMENT)


# ---- fp_int_aligned -------------------------------------------------------------------------------------------------

def aligned(block, bits):
    """Signed magnitudes and the value of their unit: |x| over the unit, cut off."""
    field = (block.astype(np.float16).view(np.uint16).astype(np.int64) >> 10) & 31
    unit = np.maximum(field, 1).max(axis=1) - 25 - (bits - 11)
    scaled = np.ldexp(block.astype(np.float64), -unit[:, None])  # exact
    return np.trunc(scaled), unit


def fp_int_aligned_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "fp16", "int4-g128")
    bits = getattr(options, "aligned_bits", None) or 14
    legal = activation.family == "fp16" and weight.family == "int"
    legal = legal and (weight.grouping != "group" or weight.k <= ALIGNED_GROUP or weight.k % ALIGNED_GROUP == 0)
    if not legal:
        refuse("fp_int_aligned", activation, weight, "fp16 with int<2..8>, groups of at most 64 or a multiple of it")
    if not 4 <= bits <= 15:
        raise BadInput("aligned magnitudes have 4..15 bits")
    A = encode(a, activation, options.activations).values
    qw = encode(w, weight, options.weights)
    rows, columns = A.shape
    acc = np.zeros((rows, w.shape[0]), np.float32)
    for _, lo, hi in group_ranges(columns, weight.extent(columns)):
        inner = np.zeros_like(acc)
        for _, first, end in group_ranges(hi - lo, ALIGNED_GROUP):
            magnitude, unit = aligned(A[:, lo + first:lo + end], bits)
            total = magnitude @ qw.codes[:, lo + first:lo + end].astype(np.float64).T
            inner = inner + f32(np.ldexp(total, np.broadcast_to(unit[:, None], total.shape)))
        acc = acc + inner * scale_column(qw, w.shape[0], columns, lo)[None, :]
    return acc


# ---- anda, bitmod ---------------------------------------------------------------------------------------------------

def anda_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "anda8-g64", "int4-g128")
    if activation.family == weight.family == "fp16":
        return fp16_gemm(a, w, options)
    legal = activation.family == "anda" and activation.k <= 64 and weight.family == "int" and weight.bits <= 4
    if not legal or (weight.grouping == "group" and weight.k % activation.k):
        refuse("anda", activation, weight, "anda<m>-g<k>, k at most 64, with int<2..4> of whole groups; fp16 with fp16")
    qa, qw = encode(a, activation, options.activations), encode(w, weight, options.weights)
    rows, columns = a.shape
    acc = np.zeros((rows, w.shape[0]), np.float32)
    for g, lo, hi in group_ranges(columns, activation.k):
        total = qa.codes[:, lo:hi].astype(np.float64) @ qw.codes[:, lo:hi].astype(np.float64).T
        unit = (qa.meta["exponent"][:, g] - 14 - activation.bits)[:, None]
        v = fp16(np.ldexp(total, np.broadcast_to(unit, total.shape)))
        with np.errstate(invalid="ignore", over="ignore"):
            acc = acc + v * scale_column(qw, w.shape[0], columns, lo)[None, :]
    return acc


def bitmod_gemm(a, w, options):
    no_option(options, "accumulate", "exponent")
    activation, weight = formats(options, "fp16", "bitmod4-g128")
    if activation.family != "fp16" or weight.family not in ("int", "bitmod"):
        refuse("bitmod", activation, weight, "fp16 with bitmod(6|4|3)-g<k> or int<2..8> of any grouping")
    A, qw = encode(a, activation, options.activations).values, encode(w, weight, options.weights)
    columns = a.shape[1]
    extent = weight.extent(columns)
    return bitmod_reference.bitmod_accumulators(A, qw, extent, lambda k: scale_column(qw, w.shape[0], columns, k))
