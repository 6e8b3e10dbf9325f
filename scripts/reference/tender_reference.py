# SPDX-License-Identifier: Apache-2.0
"""Independent reference of the tender format and datapath, written from docs/formats.md and docs/datapaths.md alone."""
import numpy as np

from rounding import BadInput, f32, fp16

CHUNK = 256  # rows decomposed together
SMALLEST_SCALE = np.float32(2.0 ** -24)


def encode_tender(x, fmt, name, out):
    """Fills `out` for x [rows, columns]."""
    rows, columns = x.shape
    qmax = 2 ** (fmt.bits - 1) - 1
    chunks = range(0, rows, CHUNK)
    out.codes, out.values = np.zeros(x.shape, np.int16), np.zeros(x.shape, np.float32)
    out.meta = {"scale": np.zeros((len(chunks), 1), np.float32),
                "column_group": np.zeros((len(chunks), columns), np.int64)}
    for c, first in enumerate(chunks):
        block = x[first:first + CHUNK]
        maxima = np.abs(block).max(axis=0).astype(np.float64)
        largest = maxima.max()
        if largest == 0:
            continue
        s = fp16(np.float32(largest) / np.float32(qmax))
        if not np.isfinite(s):
            raise BadInput(f"{name}: the scale of group {c} overflows FP16")
        s = SMALLEST_SCALE if s == 0 else s
        group = np.zeros(columns, np.int64)
        for i in range(1, fmt.decomposition):
            group = np.where(maxima <= np.ldexp(largest, -i), i, group)
        scale = np.ldexp(np.float64(s), -group)  # exact in binary32 as well
        with np.errstate(over="ignore"):
            q = np.clip(np.rint(block / scale.astype(np.float32)[None, :]), -qmax, qmax)
        out.codes[first:first + CHUNK] = q
        out.values[first:first + CHUNK] = f32(q * scale[None, :]) + np.float32(0)
        out.meta["scale"][c, 0], out.meta["column_group"][c] = s, group
    return out


def tender_accumulators(qa, qw, segment):
    """acc[M, N] of a tender tensor against integers with a scale per row."""
    rows, columns = qa.codes.shape
    groups = qa.format.decomposition
    acc = np.zeros((rows, qw.codes.shape[0]), np.float32)
    for c, first in enumerate(range(0, rows, CHUNK)):
        part = slice(first, min(first + CHUNK, rows))
        s = np.float32(np.ldexp(np.float64(qa.meta["scale"][c, 0]), 1 - groups))
        t = s * qw.meta["scale"][:, 0]
        for begin in range(0, columns, segment):
            k = slice(begin, begin + segment)
            total = np.zeros(acc[part].shape)
            for i in range(groups):  # from the largest scale to the smallest, one shift in between
                chosen = qa.meta["column_group"][c, k] == i
                x, w = qa.codes[part, k][:, chosen], qw.codes[:, k][:, chosen]
                total = 2 * total + x.astype(np.float64) @ w.astype(np.float64).T  # below 2^53
            acc[part] = acc[part] + f32(total) * t[None, :]
    return acc
