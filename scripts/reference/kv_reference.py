# SPDX-License-Identifier: Apache-2.0
"""Reference of the key-value caches and of the smoothing of keys, written from docs/kv-caches.md alone. Needs numpy.

Every cache is computed from the whole history of its tokens, not step by step (except where a policy quantizes what it
quantized before): keys and values [tokens, channels], the first `prompt` of which came at once. What comes out is a
list of segments in ascending tokens.
"""
import numpy as np

from formats_reference import encode, fp16_scale, group_ranges
from mant_reference import group_sum_mant
from rounding import f32, fp16

BLOCK = 32  # tokens and channels of a group of Harmonia and Amove


class Segment:
    """Tokens from `first` on: codes [rows, k] and metadata as formats_reference.Encoded has them."""

    def __init__(self, first, encoded):
        self.first, self.encoded = first, encoded

    def metadata(self):
        """All of it in a fixed order, as one row of binary32."""
        meta = self.encoded.meta
        return np.concatenate([np.asarray(meta[key], np.float64).ravel()
                               for key in ("scale", "type", "exponent", "S", "R", "E") if key in meta] or [[]])


# ---- M-ANT ----------------------------------------------------------------------------------------------------------

def mant_keys(keys):
    return [Segment(0, encode(fp16(keys), "mant4-g64", "keys", "variance"))]


def mant_window_codes(values, prompt):
    """INT8 codes [tokens, channels] and scales [channels] of all tokens, as the window would hold them."""
    fixed_at = max(prompt, 64)
    amax = np.abs(values[:fixed_at]).max(axis=0)
    for c in np.flatnonzero(amax == 0):  # a channel of zeros: its first token that is not zero
        later = np.flatnonzero(values[fixed_at:, c])
        amax[c] = np.abs(values[fixed_at + later[0], c]) if later.size else 0
    s = fp16_scale(amax, 127)
    safe = np.where(s == 0, np.float32(1), s)
    return np.where(s == 0, 0, np.clip(np.rint(values / safe), -127, 127)).astype(np.int16), s


def mant_values(values, prompt, window):
    values, tokens = fp16(values), len(values)
    segments, whole = [], len(values) // 64
    codes, s = mant_window_codes(values, prompt)
    source = values.copy()
    if window == "int8":
        for t in range(64, whole * 64):
            if t // 64 * 64 + 64 > prompt:  # the group was not whole when the prompt ended
                source[t] = fp16(codes[t].astype(np.float32) * s)
    if whole:
        segments.append(Segment(0, encode(source[:whole * 64].T.copy(), "mant4-g64", "values", "variance")))
    if tokens % 64:
        rest = values[whole * 64:].T.copy()
        encoded = encode(rest, "int8-channel", "values")
        if window == "int8" and whole:
            encoded.codes, encoded.meta["scale"] = codes[whole * 64:].T.copy(), s[:, None]
        segments.append(Segment(whole * 64, encoded))
    return segments


def mant_bits(tokens, channels, window):
    groups = -(-channels // 64)
    held = tokens % 64
    key = tokens * (4 * channels + 24 * groups)
    if tokens < 64 or window == "fp16":
        return key, tokens // 64 * channels * (64 * 4 + 24) + 16 * held * channels
    return key, tokens // 64 * channels * (64 * 4 + 24) + 8 * held * channels + 16 * channels


# ---- Harmonia -------------------------------------------------------------------------------------------------------

def harmonia_runs(tokens, initial=32, local=64):
    """[first, end, mantissa bits] of the runs of blocks of one mode."""
    runs = []
    for first in range(0, tokens, BLOCK):
        bits = 4 if first >= initial and first + BLOCK + local <= tokens else 8
        if runs and runs[-1][2] == bits:
            runs[-1][1] = min(first + BLOCK, tokens)
        else:
            runs.append([first, min(first + BLOCK, tokens), bits])
    return runs


def harmonia(keys, values):
    """Segments of keys and of values."""
    keys, values = fp16(keys), fp16(values)
    k, v = [], []
    for first, end, bits in harmonia_runs(len(keys)):
        k.append(Segment(first, encode(keys[first:end], f"bfp{bits}-g32", "keys", "truncate")))
        v.append(Segment(first, encode(values[first:end].T.copy(), f"bfp{bits}-g32", "values", "truncate")))
    return k, v


def harmonia_bits(tokens, channels, offsets):
    groups, key, value = -(-channels // BLOCK), 16 * offsets, 0
    for first, end, bits in harmonia_runs(tokens):
        key += (end - first) * (channels * (1 + bits) + 5 * groups)
        value += (end - first) // BLOCK * channels * (BLOCK * (1 + bits) + 5)
    return key, value + tokens % BLOCK * channels * 16


def key_offsets(prompt_keys, count):
    """Offsets [channels] of one head: the prompt's mean in the `count` channels with the largest |K|."""
    keys = fp16(prompt_keys).astype(np.float64)
    peak = np.abs(keys).max(axis=0)
    order = [c for c in np.argsort(-peak, kind="stable")[:count] if peak[c] > 0]
    offsets = np.zeros(keys.shape[1], np.float32)
    mean = np.add.accumulate(keys, axis=0)[-1] / len(keys)
    offsets[order] = fp16(f32(mean))[order]
    return offsets


# ---- Amove ----------------------------------------------------------------------------------------------------------

def amove_keys(keys):
    return [Segment(0, encode(fp16(keys), "amove4-g32c4", "keys"))]


def amove_values(values, prompt, requantized):
    """One segment. `requantized`: every token joins what the open group's codes decode to."""
    values = fp16(values)
    groups = []
    for first in range(0, len(values), BLOCK):
        block = values[first:first + BLOCK]
        if not requantized:
            groups.append(encode(block.T.copy(), "amove4-g32c4", "values"))
            continue
        at_once = min(max(prompt - first, 1), len(block))
        held = block[:at_once]
        groups.append(encode(held.T.copy(), "amove4-g32c4", "values"))
        for t in range(at_once, len(block)):
            held = np.concatenate([groups[-1].values.T, block[t:t + 1]])
            groups[-1] = encode(held.T.copy(), "amove4-g32c4", "values")
    joined = encode(values.T.copy(), "amove4-g32c4", "values")  # for its arrays, which are filled anew
    for g, group in enumerate(groups):
        joined.codes[:, g * BLOCK:(g + 1) * BLOCK] = group.codes
        for key in ("S", "R", "E", "sc"):
            joined.meta[key][:, g] = group.meta[key][:, 0]
    return [Segment(0, joined)]


def amove_bits(tokens, channels, requantized):
    record = 8 + 8 + 2 * 8  # S, R, eight codes
    held = tokens % BLOCK
    key = tokens * (4 * channels + record * -(-channels // BLOCK))
    value = tokens // BLOCK * channels * (4 * BLOCK + record)
    return key, value + (channels * (4 * held + record) * (held > 0) if requantized else 16 * held * channels)


# ---- the two GEMMs --------------------------------------------------------------------------------------------------

def group_value(pe, a, g, x, weights, h, y):
    """What one group adds: a's group g with codes x [M, n] against the weights' group h with codes y [N, n]."""
    meta, family = weights.meta, weights.format.family
    if pe == "bfp":
        total = x @ y.T
        exponents = a.meta["exponent"][:, g][:, None] + meta["exponent"][:, h][None, :]
        return f32(np.ldexp(total, exponents - (44 if weights.format.bits == 8 else 40)))
    total = group_sum_mant(x, y.astype(np.int64), meta["type"][:, h]) if family == "mant4" else x @ y.T
    t = f32(a.meta["scale"][:, g].astype(np.float64)[:, None] * meta["scale"][:, h].astype(np.float64)[None, :])
    return f32(total * t)


def accumulate(pe, acc, a, first, weights):
    """acc [M, N] continued over one operand whose first element meets element `first` of a."""
    extent = a.format.k
    for h, lo, hi in group_ranges(weights.codes.shape[1], extent):
        x = a.codes[:, first + lo:first + hi].astype(np.float64)
        y = weights.codes[:, lo:hi].astype(np.float64)
        own = 0 if weights.format.grouping == "channel" else h
        acc = acc + group_value(pe, a, first // extent + h, x, weights, own, y)
    return acc


def amove_accumulate(acc, a, weights):
    """The GIPU in FP16, cluster by cluster."""
    for g, lo, hi in group_ranges(weights.codes.shape[1], BLOCK):
        for c, begin, end in group_ranges(hi - lo, 4):
            x, y = a.codes[:, lo + begin:lo + end], weights.codes[:, lo + begin:lo + end]
            total = x.astype(np.float64) @ y.astype(np.float64).T
            scales = np.outer(a.meta["sc"][:, g, c].astype(np.float64), weights.meta["sc"][:, g, c].astype(np.float64))
            t = fp16(np.ldexp(scales, a.p + weights.p))
            v = fp16(t.astype(np.float64) * total)
            acc = fp16(acc.astype(np.float64) + v)
    return acc


def scores(pe, queries, segments):
    """acc [M, tokens] of Q x K^T; queries are encoded."""
    columns = []
    for segment in segments:
        acc = np.zeros((queries.codes.shape[0], segment.encoded.codes.shape[0]), np.float32)
        columns.append(amove_accumulate(acc, queries, segment.encoded) if pe == "amove"
                       else accumulate(pe, acc, queries, 0, segment.encoded))
    return np.concatenate(columns, axis=1)


def context(pe, probabilities, segments):
    """acc [M, channels] of P x V."""
    acc = np.zeros((probabilities.codes.shape[0], segments[0].encoded.codes.shape[0]), np.float32)
    for segment in segments:
        acc = amove_accumulate(acc, probabilities, segment.encoded) if pe == "amove" \
            else accumulate(pe, acc, probabilities, segment.first, segment.encoded)
    return acc


# ---- smoothing ------------------------------------------------------------------------------------------------------

def partner(pairs, width, channel):
    if pairs == "interleaved":
        return channel ^ 1
    if pairs == "half_split":
        return (channel + width // 2) % width
    return channel


def smoothing_scales(keys, heads, pairs):
    """s [channels] of `heads` KV heads side by side."""
    width = keys.shape[1] // heads
    peak = np.abs(keys.astype(np.float64)).max(axis=0)
    scales = np.ones(keys.shape[1], np.float32)
    for first in range(0, keys.shape[1], width):
        root = [np.sqrt(max(peak[first + c], peak[first + partner(pairs, width, c)])) for c in range(width)]
        used = [r for r in root if r > 0]
        total = 0.0
        for r in used:
            total += r
        for c, r in enumerate(root):
            if r > 0:
                scales[first + c] = np.float32(r / (total / len(used)))
    return scales


def folded_keys(weights, scales):
    return weights / scales[:, None]


def folded_queries(weights, scales, width):
    """Query heads in order share the KV heads in order."""
    shared = len(weights) // len(scales)
    rows = [scales[h // shared * width:h // shared * width + width] for h in range(len(weights) // width)]
    return weights * np.concatenate(rows)[:, None]

