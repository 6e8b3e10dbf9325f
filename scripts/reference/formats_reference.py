# SPDX-License-Identifier: Apache-2.0
"""Independent reference of the number formats, written from docs/formats.md alone. Needs numpy.

encode(x, format, ...) -> Encoded with codes, metadata and decoded values. Everything runs on blocks [rows, n] of one
group per row, vectorized over the rows; loops run over the elements of a group wherever the order of a sum matters.
"""
import re

import numpy as np

import bitmod_reference
from adaptive_reference import TYPE_NAMES, encode_adaptive
from rounding import (BadInput, F16_MAX, bf16, e4m3, f32, flat_sum, floor_log2, fp16, minifloat, minifloat_code,
                      ordered_sum, scaled)
from tender_reference import encode_tender

SMALLEST_SCALE = np.float32(2.0 ** -24)
INT4 = 0xFF
MANT_TYPES = [0, 5, 10, 17, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, INT4]
VARIANCE3 = ([np.float32(0.05), np.float32(0.25)], [0, 25, INT4])
VARIANCE8 = ([np.float32(c) for c in ("0.0417", "0.0797", "0.122", "0.1368", "0.1446", "0.1528", "0.1611")],
             [0, 20, 40, 60, 80, 100, 120, INT4])
# name: mantissa bits, smallest exponent, largest value, exponent of the largest value, total bits
MX_ELEMENTS = {"mxfp4": (1, 0, 6.0, 2, 4), "mxfp6": (3, 0, 7.5, 2, 6), "mxfp8": (3, -6, 448.0, 8, 8)}
SELECTIONS = {"mant4": ("mse", "output-mse", "variance", "variance8"), "amove": ("online", "offline"),
              "bfp": ("truncate", "nearest")}
COUNT = r"([1-9]\d{0,4})"


class Format:
    """A parsed name: family, bits, grouping in {none, group, channel, tensor}, k, n, cluster."""

    def __init__(self, name):
        self.name, self.bits, self.grouping, self.k, self.n, self.cluster = name, 0, "none", 0, 1, 0
        if name in ("fp32", "fp16", "bf16"):
            self.family, self.bits = name, int(name[2:])
            return
        if name in ("mxfp4-g32", "mxfp6-g32", "mxfp8-g32", "mxint8-g32", "nvfp4-g16"):
            self.family, self.grouping, self.k = name.split("-")[0], "group", int(name.split("-g")[1])
            self.bits = int(self.family[-1])
            return
        m = re.fullmatch(rf"int([2-8])-(?:g{COUNT}(?:x{COUNT})?|(channel|tensor))", name)
        if m:
            self.family, self.bits = "int", int(m[1])
            self.grouping = m[4] or "group"
            self.k, self.n = int(m[2] or 0), int(m[3] or 1)
            return self.check()
        m = re.fullmatch(rf"(mant4|bfp8|bfp4)-g{COUNT}", name)
        if m:
            self.family, self.bits = m[1].rstrip("48") if m[1] != "mant4" else "mant4", int(m[1][-1])
            self.grouping, self.k = "group", int(m[2])
            return self.check()
        m = re.fullmatch(rf"amove([432])-g{COUNT}c{COUNT}", name)
        if m and int(m[2]) % int(m[3]) == 0:
            self.family, self.bits, self.grouping = "amove", int(m[1]), "group"
            self.k, self.cluster = int(m[2]), int(m[3])
            return self.check()
        m = re.fullmatch(r"(ant4|olive4)-(channel|tensor)", name)
        if m:
            self.family, self.bits, self.grouping = m[1], 4, m[2]
            return
        m = re.fullmatch(r"tender([84])-d([1-8])", name)
        if m:
            self.family, self.bits, self.grouping, self.decomposition = "tender", int(m[1]), "channel", int(m[2])
            return
        m = re.fullmatch(rf"(?:anda([4-9]|1[0-5])|bitmod([643]))-g{COUNT}", name)
        if m:
            self.family, self.bits = ("anda", int(m[1])) if m[1] else ("bitmod", int(m[2]))
            self.grouping, self.k = "group", int(m[3])
            return self.check()
        raise BadInput(f"'{name}' is not a format known here; families: fp32 fp16 bf16 int<2..8>-(g<k>[x<n>]|channel|"
                       "tensor) mant4-g<k> bfp(8|4)-g<k> amove(4|3|2)-g<k>c<c> mxfp4-g32 mxfp6-g32 mxfp8-g32 "
                       "mxint8-g32 nvfp4-g16 ant4-(channel|tensor) olive4-(channel|tensor) "
                       "tender(8|4)-d<1..8> anda<4..15>-g<k> bitmod(6|4|3)-g<k>")

    def check(self):
        if max(self.k, self.n, self.cluster) > 65536:
            raise BadInput(f"'{self.name}': group extents are 1..65536")

    def extent(self, columns):
        return self.k if self.grouping == "group" else columns


class Encoded:
    """codes [rows, K] (None for casts), values [rows, K] binary32, and per-group metadata [rows, groups] by key."""

    def __init__(self, fmt, shape):
        self.format, self.shape = fmt, shape
        self.codes, self.values, self.meta = None, None, {}
        self.p, self.t, self.saturated = 0, None, 0

    def type_name(self, kind):
        if self.format.family in ("ant4", "olive4"):
            return TYPE_NAMES[int(kind)]
        if self.format.family == "bitmod":
            return bitmod_reference.TYPE_NAMES[int(kind)]
        return "int4" if kind == INT4 else str(int(kind))


def group_ranges(columns, extent):
    return [(g, lo, min(lo + extent, columns)) for g, lo in enumerate(range(0, columns, extent))]


def check_fp16(x, name):
    bad = np.flatnonzero(np.abs(fp16(x)).ravel() > F16_MAX)
    if bad.size:
        raise BadInput(f"{name}: element {bad[0]} overflows FP16")
    return fp16(x)


def fp16_scale(amax, divisor):
    """s of *int*: fp16(f32(amax / divisor)), 2^-24 where that is 0 and amax is not; infinity marks an overflow."""
    s = fp16(amax / np.float32(divisor))
    return np.where(amax == 0, np.float32(0), np.where(s == 0, SMALLEST_SCALE, s)).astype(np.float32)


def ratio(x, s):
    """f32(x / s), 0 where s is 0 or infinite (the caller discards those groups)."""
    usable = (s > 0) & np.isfinite(s)
    with np.errstate(over="ignore"):
        return np.where(usable, x / np.where(usable, s, np.float32(1)), np.float32(0)).astype(np.float32)


# ---- int ------------------------------------------------------------------------------------------------------------

def int_block(x, bits, name, where):
    """x [groups, n] -> q, s."""
    qmax = 2 ** (bits - 1) - 1
    s = fp16_scale(np.abs(x).max(axis=1), qmax)
    if not np.isfinite(s).all():
        raise BadInput(f"{name}: the scale of group {where(np.flatnonzero(~np.isfinite(s))[0])} overflows FP16")
    q = np.clip(np.rint(ratio(x, s[:, None])), -qmax, qmax).astype(np.int16)
    return q, s


def encode_int(x, fmt, name):
    rows, columns = x.shape
    out = Encoded(fmt, x.shape)
    if fmt.grouping == "tensor":
        q, s = int_block(x.reshape(1, -1), fmt.bits, name, lambda g: 0)
        out.codes, scale, per_element = q.reshape(x.shape), s.reshape(1, 1), np.broadcast_to(s, x.shape)
        out.meta["scale"] = scale
    else:
        k, ranges = fmt.extent(columns), group_ranges(columns, fmt.extent(columns))
        tiles = group_ranges(rows, fmt.n)
        out.codes = np.zeros(x.shape, np.int16)
        per_element = np.zeros(x.shape, np.float32)
        out.meta["scale"] = np.zeros((len(tiles), len(ranges)), np.float32)
        for g, lo, hi in ranges:
            if fmt.n == 1:
                q, s = int_block(x[:, lo:hi], fmt.bits, name, lambda r, g=g: r * len(ranges) + g)
                out.codes[:, lo:hi], per_element[:, lo:hi], out.meta["scale"][:, g] = q, s[:, None], s
                continue
            for t, top, bottom in tiles:
                q, s = int_block(x[top:bottom, lo:hi].reshape(1, -1), fmt.bits, name, lambda r: t * len(ranges) + g)
                out.codes[top:bottom, lo:hi] = q.reshape(bottom - top, hi - lo)
                per_element[top:bottom, lo:hi], out.meta["scale"][t, g] = s[0], s[0]
    out.values = f32(out.codes.astype(np.float64) * per_element) + np.float32(0)  # one zero: +0
    return out


# ---- mant4 ----------------------------------------------------------------------------------------------------------

def mant_grid(kind):
    """Magnitudes by index i, as integers."""
    i = np.arange(8)
    return i if kind == INT4 else kind * i + (1 << i)


def mant_codes(x, s, kind):
    """Codes of a block under one type."""
    if kind == INT4:
        y = ratio(x, s[:, None]).astype(np.float64)
        i = np.clip(np.ceil(np.abs(y) - 0.5), 0, 7).astype(np.int16)  # a tie goes toward zero
        return np.where((y < 0) & (i > 0), 8, 0).astype(np.int16) | i
    y = ratio(np.abs(x), s[:, None])
    grid = mant_grid(kind)
    i = np.zeros(x.shape, np.int16)
    for j in range(7):  # index = number of midpoints strictly below y: a tie goes to the lower magnitude
        i += y > np.float32((grid[j] + grid[j + 1]) / 2)
    return np.where(x < 0, 8, 0).astype(np.int16) | i


def mant_values(codes, s, kind):
    grid = mant_grid(kind)[codes & 7].astype(np.float64)
    signed = np.where(codes & 8, -grid, grid)
    return f32(signed * s[:, None]) + np.float32(0)


def mant_type_largest(kind):
    return 7 if kind == INT4 else 7 * kind + 128


def mant_select(x, calibration, name, where):
    """Type of every row of the block by the smallest (output) error; ties go to the later type."""
    amax = np.abs(x).max(axis=1)
    best = np.full(x.shape[0], np.inf)
    chosen = np.full(x.shape[0], -1)
    for kind in MANT_TYPES:
        s = fp16_scale(amax, mant_type_largest(kind))
        legal = np.isfinite(s)
        error = mant_values(mant_codes(x, s, kind), np.where(legal, s, np.float32(0)), kind).astype(np.float64) - x
        if calibration is None:
            loss = ordered_sum((error * error).T, np.float64)
        else:
            loss = np.zeros(x.shape[0])
            for row in calibration.astype(np.float64):
                dot = ordered_sum((row[None, :] * error).T, np.float64)
                loss = loss + dot * dot
            loss = loss / calibration.shape[0]
        better = legal & (loss <= best)
        best, chosen = np.where(better, loss, best), np.where(better, kind, chosen)
    if (chosen < 0).any():
        group = where(np.flatnonzero(chosen < 0)[0])
        raise BadInput(f"{name}: the scale of group {group} overflows FP16 for every type")
    return chosen


def mant_variance(x, table):
    """Type of every row of the block (already FP16 values) from the variance of the values over their maximum."""
    n = x.shape[1]
    if n == 1:
        return np.full(x.shape[0], INT4)
    amax = np.abs(x).max(axis=1)
    total = ordered_sum(x.T, np.float32)
    squares = ordered_sum((x * x).T, np.float32)
    v = squares - (total * total) / np.float32(n)
    w = np.float32(n - 1) * (amax * amax)
    limits, kinds = table
    chosen = np.full(x.shape[0], kinds[-1])
    for j in reversed(range(len(limits))):
        below = v < limits[0] * w if j == 0 else v <= limits[j] * w
        chosen = np.where(below, kinds[j], chosen)
    return chosen


def encode_mant(x, fmt, name, select="", calibration=None):
    select = select or ("output-mse" if calibration is not None else "mse")
    if (select == "output-mse") != (calibration is not None):
        raise BadInput("a calibration tensor and the selection output-mse go together")
    if calibration is not None:
        calibration = calibration.reshape(-1, calibration.shape[-1])
        if calibration.shape[1] != x.shape[1]:
            raise BadInput(f"{name}: the calibration has {calibration.shape[1]} columns, the tensor {x.shape[1]}")
    if select.startswith("variance"):
        x = check_fp16(x, name)
    rows, columns = x.shape
    ranges = group_ranges(columns, fmt.k)
    out = Encoded(fmt, x.shape)
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    out.meta = {"scale": np.zeros((rows, len(ranges)), np.float32), "type": np.full((rows, len(ranges)), INT4)}
    for g, lo, hi in ranges:
        block = x[:, lo:hi]
        amax = np.abs(block).max(axis=1)
        if select.startswith("variance"):
            kinds = mant_variance(block, VARIANCE8 if select == "variance8" else VARIANCE3)
        else:
            kinds = mant_select(block, None if calibration is None else calibration[:, lo:hi], name,
                                lambda r, g=g: r * len(ranges) + g)
        kinds = np.where(amax == 0, INT4, kinds)
        for kind in np.unique(kinds):
            r = np.flatnonzero(kinds == kind)
            s = fp16_scale(amax[r], mant_type_largest(kind))
            codes = mant_codes(block[r], s, kind)
            out.codes[r, lo:hi], out.values[r, lo:hi] = codes, mant_values(codes, s, kind)
            out.meta["scale"][r, g], out.meta["type"][r, g] = s, kind
    return out


# ---- casts ----------------------------------------------------------------------------------------------------------

def encode_cast(x, fmt, name):
    out = Encoded(fmt, x.shape)
    out.values = {"fp32": lambda v: v.copy(), "fp16": lambda v: check_fp16(v, name), "bf16": bf16}[fmt.family](x)
    if not np.isfinite(out.values).all():
        raise BadInput(f"{name}: element {np.flatnonzero(~np.isfinite(out.values.ravel()))[0]} overflows {fmt.name}")
    return out


# ---- bfp ------------------------------------------------------------------------------------------------------------

def encode_bfp(x, fmt, name, select=""):
    nearest = (select or "truncate") == "nearest"
    h = check_fp16(x, name).astype(np.float16).view(np.uint16).astype(np.int64)
    field, fraction, negative = (h >> 10) & 31, h & 1023, (h >> 15) == 1
    e = np.maximum(field, 1)
    significand = np.where(field > 0, fraction + 1024, fraction)
    rows, columns = x.shape
    ranges = group_ranges(columns, fmt.k)
    out = Encoded(fmt, x.shape)
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    out.meta["exponent"] = np.zeros((rows, len(ranges)), np.int64)
    drop = 3 if fmt.bits == 8 else 7
    for g, lo, hi in ranges:
        shared = e[:, lo:hi].max(axis=1)
        shift = shared[:, None] - e[:, lo:hi]
        if nearest:
            mantissa = np.minimum(np.rint(np.ldexp(significand[:, lo:hi].astype(np.float64), -(shift + drop))),
                                  2 ** fmt.bits - 1).astype(np.int64)
        else:
            mantissa = (significand[:, lo:hi] >> shift) >> drop
        out.codes[:, lo:hi] = np.where(negative[:, lo:hi], -mantissa, mantissa)
        out.values[:, lo:hi] = f32(np.ldexp(out.codes[:, lo:hi].astype(np.float64),
                                            shared[:, None] - (22 if fmt.bits == 8 else 18))) + np.float32(0)
        out.meta["exponent"][:, g] = shared
    return out


# ---- anda -----------------------------------------------------------------------------------------------------------

def encode_anda(x, fmt, name):
    h = check_fp16(x, name)
    field = (h.astype(np.float16).view(np.uint16).astype(np.int64) >> 10) & 31
    rows, columns = x.shape
    ranges = group_ranges(columns, fmt.k)
    out = Encoded(fmt, x.shape)
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    out.meta["exponent"] = np.zeros((rows, len(ranges)), np.int64)
    for g, lo, hi in ranges:
        E = np.maximum(field[:, lo:hi], 1).max(axis=1)
        unit = (E - 14 - fmt.bits)[:, None]
        mantissa = np.trunc(np.ldexp(h[:, lo:hi].astype(np.float64), -unit))  # toward zero
        out.codes[:, lo:hi], out.meta["exponent"][:, g] = mantissa, E
        out.values[:, lo:hi] = f32(np.ldexp(mantissa, unit)) + np.float32(0)
    return out


# ---- amove ----------------------------------------------------------------------------------------------------------

def amove_offline_exponent(x, qmax):
    """Smallest p with f32(max|x| / qmax) * 2^-p <= 448 = 0.875 * 2^9."""
    largest = np.float32(np.abs(x).max()) / np.float32(qmax)
    if largest == 0:
        return 0
    fraction, exponent = np.frexp(np.float64(largest))
    return int(exponent) - (9 if fraction <= 0.875 else 8)


def amove_scales(S, R, D):
    """Steps 3 and 4: cluster codes and decoded scales of blocks; S, R [rows], D [rows, clusters]."""
    S64, R64 = S.astype(np.float64)[:, None], R.astype(np.float64)[:, None]
    E = np.clip(np.rint(ratio(S[:, None] - D, R[:, None])), 0, 3)
    for _ in range(3):
        E = np.where((S64 - R64 * E <= 0) & (E > 0), E - 1, E)
    return E.astype(np.int64), fp16(S64 - R64 * E)


def amove_residual(S, R0, D):
    """The offline search over 201 candidates: first with the smallest error, 0 where there is no candidate."""
    best, chosen = np.full(S.shape, np.inf), np.zeros(S.shape, np.float32)
    for j in range(201):
        R = e4m3(R0 * (np.float32(j) / np.float32(100)))
        difference = D.astype(np.float64) - amove_scales(S, R, D)[1]
        loss = ordered_sum((difference * difference).T, np.float64)
        better = (R > 0) & (loss < best)
        best, chosen = np.where(better, loss, best), np.where(better, R, chosen)
    return chosen


def encode_amove(x, fmt, name, select="", exponent=None):
    select = select or "online"
    if exponent is not None and (select == "offline" or not -160 <= exponent <= 127):
        raise BadInput("an exponent (-160..127) belongs to an online amove tensor")
    qmax = 2 ** (fmt.bits - 1) - 1
    p = amove_offline_exponent(x, qmax) if select == "offline" else (exponent or 0)
    rows, columns = x.shape
    ranges = group_ranges(columns, fmt.k)
    out = Encoded(fmt, x.shape)
    out.p = p
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    out.meta = {key: np.zeros((rows, len(ranges)), np.float32) for key in "SR"}
    out.meta["E"] = np.zeros((rows, len(ranges), fmt.k // fmt.cluster), np.int64)
    out.meta["sc"] = np.zeros((rows, len(ranges), fmt.k // fmt.cluster), np.float32)
    for g, lo, hi in ranges:
        block = x[:, lo:hi]
        clusters = group_ranges(hi - lo, fmt.cluster)
        amax = np.stack([np.abs(block[:, a:b]).max(axis=1) for _, a, b in clusters], axis=1)
        D = scaled(amax / np.float32(qmax), -p)
        if not np.isfinite(D).all():
            raise BadInput(f"{name}: group {np.flatnonzero(~np.isfinite(D).all(axis=1))[0] * len(ranges) + g} does not "
                           "fit its exponent")
        base = D.max(axis=1)
        out.saturated += int((base > 448).sum())
        S = e4m3(base)
        R0 = ordered_sum((base[:, None] - D).T, np.float32) / np.float32(2 * len(clusters))
        R = amove_residual(S, R0, D) if select == "offline" else e4m3(R0)
        E, sc = amove_scales(S, R, D)
        u = scaled(sc, p)
        for c, a, b in clusters:
            q = np.clip(np.rint(ratio(block[:, a:b], u[:, c:c + 1])), -qmax, qmax)
            out.codes[:, lo + a:lo + b] = q
            out.values[:, lo + a:lo + b] = f32(q.astype(np.float64) * u[:, c:c + 1]) + np.float32(0)
        if not np.isfinite(out.values[:, lo:hi]).all():
            row = np.flatnonzero(~np.isfinite(out.values[:, lo:hi]).all(axis=1))[0]
            raise BadInput(f"{name}: group {row * len(ranges) + g} decodes to infinity")
        out.meta["S"][:, g], out.meta["R"][:, g] = S, R
        out.meta["E"][:, g, :len(clusters)], out.meta["sc"][:, g, :len(clusters)] = E, sc
    return out


# ---- OCP microscaling, nvfp4 ----------------------------------------------------------------------------------------

def float_elements(y, element):
    """Codes and values of y (exact in binary64) in a small floating-point type; the sign bit is kept, also for zero."""
    mantissa_bits, smallest, largest, _, bits = MX_ELEMENTS[element]
    magnitude = minifloat(np.abs(y), mantissa_bits, smallest, largest)
    negative = np.signbit(y)
    code = minifloat_code(magnitude, mantissa_bits, smallest) | np.where(negative, 1 << (bits - 1), 0)
    return code, np.where(negative, -magnitude, magnitude)


def encode_mx(x, fmt, name):
    rows, columns = x.shape
    ranges = group_ranges(columns, 32)
    out = Encoded(fmt, x.shape)
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    out.meta["exponent"] = np.zeros((rows, len(ranges)), np.int64)
    largest_exponent = 0 if fmt.family == "mxint8" else MX_ELEMENTS[fmt.family][3]
    for g, lo, hi in ranges:
        block = x[:, lo:hi].astype(np.float64)
        amax = np.abs(block).max(axis=1)
        X = np.clip(floor_log2(np.where(amax > 0, amax, 1.0)) - largest_exponent, -127, 127)
        X = np.where(amax > 0, X, -127)
        y = np.ldexp(block, -X[:, None])
        if fmt.family == "mxint8":
            q = np.clip(np.rint(64 * y), -127, 127)
            codes, values = q, np.ldexp(q, X[:, None] - 6) + 0.0
        else:
            codes, elements = float_elements(y, fmt.family)
            values = np.ldexp(elements, X[:, None])
        out.codes[:, lo:hi], out.values[:, lo:hi], out.meta["exponent"][:, g] = codes, f32(values), X
    return out


def encode_nvfp4(x, fmt, name):
    rows, columns = x.shape
    ranges = group_ranges(columns, 16)
    out = Encoded(fmt, x.shape)
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    out.meta["scale"] = np.zeros((rows, len(ranges)), np.float32)
    t = np.float32(np.abs(x).max()) / np.float32(2688)
    out.t = t
    for g, lo, hi in ranges:
        block = x[:, lo:hi]
        sc = e4m3(ratio(np.abs(block).max(axis=1) / np.float32(6), np.full(rows, t)))
        st = sc * t
        dead = (st == 0)[:, None]
        codes, elements = float_elements(ratio(block, st[:, None]).astype(np.float64), "mxfp4")
        out.codes[:, lo:hi] = np.where(dead, 0, codes)
        out.values[:, lo:hi] = np.where(dead, np.float32(0), f32(elements * st.astype(np.float64)[:, None]))
        out.meta["scale"][:, g] = sc
    return out


# ---- the door -------------------------------------------------------------------------------------------------------

def encode(x, fmt, name="tensor", select="", calibration=None, exponent=None):
    """x: binary32 of any rank; the last axis is the reduction axis. Rows are flattened in the result."""
    fmt = fmt if isinstance(fmt, Format) else Format(fmt)
    if select and select not in SELECTIONS.get(fmt.family, ()):
        raise BadInput(f"{fmt.name} has no selection '{select}'")
    if calibration is not None and fmt.family != "mant4":
        raise BadInput(f"{fmt.name} uses no calibration")
    if exponent is not None and fmt.family != "amove":
        raise BadInput(f"{fmt.name} uses no exponent")
    if (fmt.n > 1 or fmt.family == "tender") and x.ndim != 2:
        raise BadInput(f"{fmt.name} needs a 2-D tensor")
    rows = x.reshape(-1, x.shape[-1])
    if fmt.family == "mant4":
        return encode_mant(rows, fmt, name, select, calibration)
    if fmt.family == "bfp":
        return encode_bfp(rows, fmt, name, select)
    if fmt.family == "amove":
        return encode_amove(rows, fmt, name, select, exponent)
    if fmt.family in ("ant4", "olive4"):
        return encode_adaptive(rows, fmt, name, Encoded(fmt, rows.shape))
    if fmt.family == "tender":
        return encode_tender(rows, fmt, name, Encoded(fmt, rows.shape))
    if fmt.family == "bitmod":
        return bitmod_reference.encode_bitmod(rows, fmt, name, Encoded(fmt, rows.shape))
    encoder = {"int": encode_int, "anda": encode_anda, "nvfp4": encode_nvfp4}.get(fmt.family)
    return (encoder or (encode_mx if fmt.family.startswith("mx") else encode_cast))(rows, fmt, name)


def error_figures(x, y):
    """mse, max_abs_error, sqnr_db, cosine of binary32 arrays, binary64 in flat index order; None where undefined."""
    x, y = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
    noise, signal, power = flat_sum((x - y) ** 2), flat_sum(x * x), flat_sum(y * y)
    dot = flat_sum(x * y)
    with np.errstate(divide="ignore", invalid="ignore"):
        figures = {"mse": noise / x.size, "max_abs_error": float(np.abs(x - y).max()),
                   "sqnr_db": float(10 * np.log10(np.float64(signal) / noise)),
                   "cosine": float(dot / (np.sqrt(signal) * np.sqrt(power)))}
    return {key: value if np.isfinite(value) else None for key, value in figures.items()}
