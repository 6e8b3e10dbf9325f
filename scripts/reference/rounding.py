# SPDX-License-Identifier: Apache-2.0
"""Single roundings and in-order sums, the primitives of the reference (docs/formats.md, Conventions).

Every function takes values that are exact in the type it is given and rounds once. numpy rounds each binary32 or
binary64 operation once; casts from binary64 to binary16 or binary32 round once as well (no double rounding).
"""
import numpy as np

F16_MAX = 65504.0


class BadInput(Exception):
    """Bad usage or bad input: one line on standard error, exit status 2."""


def f32(x):
    """Exact value held in binary64, rounded once to binary32; overflow gives infinity."""
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(np.float32)


def fp16(x):
    """Rounded once to binary16 and widened to binary32; overflow gives infinity."""
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(np.float16).astype(np.float32)


def bf16(x):
    """binary32 rounded to the upper 16 bits, ties to even; overflow gives infinity."""
    bits = np.asarray(x, dtype=np.float32).view(np.uint32).astype(np.int64)
    bits = bits + 0x7FFF + ((bits >> 16) & 1)
    return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)


def scaled(x, power):
    """x * 2^power rounded once to binary32. Exact in binary64 for every binary32 x and |power| <= 700."""
    return f32(np.ldexp(np.asarray(x, dtype=np.float64), power))


def floor_log2(x):
    """floor(log2 x) of positive binary64 values, taken from the exponent."""
    return np.frexp(np.asarray(x, dtype=np.float64))[1] - 1


def minifloat(magnitude, mantissa_bits, smallest_exponent, largest):
    """Non-negative values rounded to a small floating-point type with subnormals, ties to even, saturating."""
    m = np.asarray(magnitude, dtype=np.float64)
    e = np.where(m > 0, np.maximum(floor_log2(np.where(m > 0, m, 1.0)), smallest_exponent), smallest_exponent)
    steps = np.rint(np.ldexp(m, mantissa_bits - e))
    return np.minimum(np.ldexp(steps, e - mantissa_bits), largest)


def minifloat_code(value, mantissa_bits, smallest_exponent):
    """Bit pattern (exponent and mantissa fields) of a non-negative value of such a type."""
    v = np.asarray(value, dtype=np.float64)
    e = np.where(v > 0, np.maximum(floor_log2(np.where(v > 0, v, 1.0)), smallest_exponent), smallest_exponent)
    steps = np.ldexp(v, mantissa_bits - e).astype(np.int64)
    # A normal number carries its hidden bit into the exponent field: field = e - smallest + 1.
    return ((e - smallest_exponent).astype(np.int64) << mantissa_bits) + steps


def e4m3(x):
    """OCP FP8 E4M3 of non-negative values, saturating at 448, as binary32."""
    return f32(minifloat(x, 3, -6, 448.0))


def ordered_sum(terms, dtype):
    """Sum along axis 0, rounded to dtype after every addition, from +0."""
    total = np.zeros(terms.shape[1:], dtype=dtype)
    for term in terms:
        total = (total + term).astype(dtype)
    return total


def flat_sum(terms):
    """binary64 sum in flat index order (accumulate is sequential; np.sum would add pairwise)."""
    return float(np.add.accumulate(np.asarray(terms, dtype=np.float64).ravel())[-1])
