# SPDX-License-Identifier: Apache-2.0
"""Independent reference of bitmod and of its datapath, written from docs/formats.md and docs/datapaths.md alone."""
import numpy as np

from rounding import BadInput, f32, fp16, ordered_sum

TYPE_NAMES = ("er+", "er-", "ea+", "ea-")
MAGNITUDES = {4: [0, 1, 2, 3, 4, 6, 8, 12], 3: [0, 1, 2, 4]}
SPECIAL = {4: (10, -10, 16, -16), 3: (3, -3, 6, -6)}
SMALLEST_SCALE = np.float32(2.0 ** -24)


def values_by_code(bits, kind):
    """The grid of a type, indexed by the code."""
    magnitudes = np.array(MAGNITUDES[bits])
    grid = np.concatenate([magnitudes, -magnitudes])
    grid[len(magnitudes)] = SPECIAL[bits][kind]
    return grid


def largest(bits, kind):
    return 31 if bits == 6 else int(np.abs(values_by_code(bits, kind)).max())


def nearest_codes(y, bits, kind):
    """Codes of the nearest grid values to y [rows, n], the lower value on a tie."""
    grid = values_by_code(bits, kind)
    order = np.argsort(grid)
    distance = np.abs(y.astype(np.float64)[..., None] - grid[order].astype(np.float64))
    return order[distance.argmin(axis=-1)]  # the first minimum: the lower value


def ratio(x, s):
    """f32(x / s), 0 where s is 0."""
    with np.errstate(over="ignore"):
        return np.where(s > 0, x / np.where(s > 0, s, np.float32(1)), np.float32(0)).astype(np.float32)


def choose_types(x, amax, bits):
    """Type of every row of a block by the smallest error under the scale amax / gmax, the first on a tie."""
    chosen, best = np.zeros(x.shape[0], np.int64), np.full(x.shape[0], np.inf)
    for kind in range(4):
        s = amax / np.float32(largest(bits, kind))
        grid = values_by_code(bits, kind)[nearest_codes(ratio(x, s[:, None]), bits, kind)]
        with np.errstate(over="ignore", invalid="ignore"):
            error = x.astype(np.float64) - f32(grid * s.astype(np.float64)[:, None])
            loss = ordered_sum((error * error).T, np.float64)
        better = loss < best if kind else np.full(x.shape[0], True)
        chosen, best = np.where(better, kind, chosen), np.where(better, loss, best)
    return chosen


def encode_bitmod(x, fmt, name, out):
    rows, columns = x.shape
    ranges = [(g, lo, min(lo + fmt.k, columns)) for g, lo in enumerate(range(0, columns, fmt.k))]
    amax = np.stack([np.abs(x[:, lo:hi]).max(axis=1) for _, lo, hi in ranges], axis=1)
    kinds = np.zeros(amax.shape, np.int64)
    if fmt.bits < 6:
        for g, lo, hi in ranges:
            kinds[:, g] = np.where(amax[:, g] > 0, choose_types(x[:, lo:hi], amax[:, g], fmt.bits), 0)
    gmax = np.vectorize(lambda kind: largest(fmt.bits, kind))(kinds).astype(np.float32)
    wanted = amax / gmax
    S = fp16(wanted.max(axis=1) / np.float32(255))
    if not np.isfinite(S).all():
        row = np.flatnonzero(~np.isfinite(S))[0]
        raise BadInput(f"{name}: the scale of row {row} overflows FP16")
    S = np.where(wanted.max(axis=1) == 0, np.float32(0), np.where(S == 0, SMALLEST_SCALE, S)).astype(np.float32)
    c = np.clip(np.rint(ratio(wanted, S[:, None])), 1, 255)
    c = np.where((amax > 0) & (S[:, None] > 0), c, 0)
    u = f32(c * S[:, None].astype(np.float64))
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    for g, lo, hi in ranges:
        y = ratio(x[:, lo:hi], u[:, g:g + 1])
        if fmt.bits == 6:
            codes = grid = np.clip(np.rint(y), -31, 31)
        else:
            codes, grid = np.zeros(y.shape, np.int16), np.zeros(y.shape)
            for kind in range(4):
                r = np.flatnonzero(kinds[:, g] == kind)
                codes[r] = nearest_codes(y[r], fmt.bits, kind)
                grid[r] = values_by_code(fmt.bits, kind)[codes[r]]
        codes = np.where(u[:, g:g + 1] > 0, codes, 0)
        out.codes[:, lo:hi] = codes
        grid = np.where(u[:, g:g + 1] > 0, grid, 0)
        out.values[:, lo:hi] = f32(grid * u[:, g:g + 1].astype(np.float64)) + np.float32(0)
    out.meta = {"scale": u, "row_scale": S.reshape(rows, 1)}
    if fmt.bits < 6:
        out.meta["type"] = kinds
    return out


def grid_integers(encoded, extent):
    """Every element's value on its grid."""
    if encoded.format.family == "int" or encoded.format.bits == 6:
        return encoded.codes.astype(np.int64)
    columns = encoded.codes.shape[1]
    kinds = np.repeat(encoded.meta["type"], extent, axis=1)[:, :columns]
    tables = np.stack([values_by_code(encoded.format.bits, kind) for kind in range(4)])
    return tables[kinds, encoded.codes.astype(np.int64)]


def terms(value, cycles, floating):
    """Signs [cycles, ...], exponents and significances of the terms of integers."""
    signs, exponents, significances, rest = [], [], [], np.abs(value)
    for cycle in range(cycles):
        if floating:  # the highest bit that is left
            bit = np.where(rest > 0, np.floor(np.log2(np.maximum(rest, 1))), 0).astype(np.int64)
            signs.append(np.where(rest > 0, np.sign(value), 0))
            rest = np.where(rest > 0, rest - (1 << bit), 0)
            exponents.append(bit)
            significances.append(0)
            continue
        # Booth, radix 4: digit i of two's complement is bit 2i + bit (2i - 1) - 2 bit (2i + 1).
        below = (value >> (2 * cycle - 1)) & 1 if cycle else 0
        digit = ((value >> (2 * cycle)) & 1) + below - 2 * ((value >> (2 * cycle + 1)) & 1)
        signs.append(np.sign(digit))
        exponents.append((np.abs(digit) == 2).astype(np.int64))
        significances.append(2 * cycle)
    return np.stack(signs), np.stack(exponents), significances


def bitmod_accumulators(A, qw, extent, scales):
    """acc[M, N] of FP16 values A[M, K]; `scales(k)` gives the scale of every row of W at element k."""
    fmt = qw.format
    floating = fmt.family == "bitmod" and fmt.bits < 6
    cycles = 2 if floating else (fmt.bits + 1) // 2
    value = grid_integers(qw, extent)
    pattern = A.astype(np.float16).view(np.uint16).astype(np.int64)
    e = np.maximum((pattern >> 10) & 31, 1)
    significand = np.where((pattern >> 10) & 31 > 0, 1024, 0) + (pattern & 1023)
    negative = pattern >> 15
    acc = np.zeros((A.shape[0], value.shape[0]), np.float32)
    for lo in range(0, A.shape[1], extent):
        hi = min(lo + extent, A.shape[1])
        total = np.zeros_like(acc)
        for k in range(lo, hi, 4):
            lanes = slice(k, min(k + 4, hi))
            sign, exponent, significance = terms(value[:, lanes], cycles, floating)
            for cycle in range(cycles):
                v = e[:, None, lanes] + exponent[cycle][None]
                V = v.max(axis=2)
                aligned = (significand[:, None, lanes] * 8) >> (V[:, :, None] - v)
                D = (aligned * sign[cycle][None] * np.where(negative[:, None, lanes] > 0, -1, 1)).sum(axis=2)
                total = total + f32(np.ldexp(D.astype(np.float64), V - 28 + significance[cycle]))
        acc = acc + total * scales(lo)[None, :]
    return acc
