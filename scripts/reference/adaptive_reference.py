# SPDX-License-Identifier: Apache-2.0
"""Independent reference of ant4 and olive4, written from docs/formats.md alone.

A group is a vector of binary32 values (a row, or a whole tensor row by row). All candidates of a type are tried at
once: arrays [candidates, elements].
"""
import numpy as np

from rounding import BadInput, f32, fp16

TYPE_NAMES = ("int4", "flint4", "pot4")
NORMAL = np.array([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 6, 8, 16], [0, 1, 2, 4, 8, 16, 32, 64]])
OUTLIER_BIAS = (2, 3)
VICTIM = 8
SMALLEST_SCALE = np.float32(2.0 ** -24)


def outlier_magnitudes(kind):
    """Of the indices 1..7: E2M1 fields e, m as (2 + m) * 2^(e + bias)."""
    return np.array([(2 + (i & 1)) << ((i >> 1) + OUTLIER_BIAS[kind]) for i in range(1, 8)])


def nearest(y, magnitudes):
    """Index of the nearest magnitude to every y, the lower on a tie; exact: magnitudes are integers, y is binary32."""
    distance = np.abs(y.astype(np.float64)[..., None] - magnitudes.astype(np.float64))
    return distance.argmin(axis=-1)  # the first minimum: the lower magnitude


def candidates(reach, largest, steps):
    """FP16 scales of the search in its order; those that overflow are left out."""
    scales = [fp16(np.float32(np.float32(reach) * np.float32(np.float32(j) / np.float32(100))) / np.float32(largest))
              for j in steps]
    scales = [SMALLEST_SCALE if s == 0 else s for s in scales]
    return np.array([s for s in scales if np.isfinite(s)], np.float32)


def ordered_error(x, values):
    """Per candidate, the sum over the elements in index order of (x - value)^2, binary64."""
    difference = x.astype(np.float64)[None, :] - values.astype(np.float64)
    return np.add.accumulate(difference * difference, axis=1)[:, -1]


def ratios(x, scales):
    with np.errstate(over="ignore"):
        return np.abs(x)[None, :] / scales[:, None]


def signed(index, x):
    return np.where(index > 0, index + np.where(x < 0, 8, 0), 0)


def ant_codes(x, scales, kind, columns):
    return signed(nearest(ratios(x, scales), NORMAL[kind]), x[None, :])


def ant_values(codes, scales, kind, columns):
    grid = np.concatenate([NORMAL[kind], -NORMAL[kind]]).astype(np.float64)
    return f32(grid[codes] * scales[:, None].astype(np.float64)) + np.float32(0)


def pair_partners(count, columns):
    """Index of the other element of the pair, -1 for the last of a row of odd length."""
    position = np.arange(count)
    column = position % columns
    partner = position + np.where(column % 2 == 0, 1, -1)
    return np.where((column % 2 == 0) & (column + 1 == columns), -1, partner)


def olive_codes(x, scales, kind, columns):
    grid = np.concatenate([NORMAL[kind], outlier_magnitudes(kind)])
    y = ratios(x, scales)
    partner = pair_partners(x.size, columns)
    index = np.where(partner[None, :] < 0, nearest(y, NORMAL[kind]), nearest(y, grid))
    out = index > 7
    first = np.arange(x.size) % columns % 2 == 0
    partner_out = np.where(partner[None, :] < 0, False, out[:, partner])
    # The first element of a pair wins: the second is a victim whenever the first is an outlier.
    victim = np.where(first[None, :], ~out & partner_out, partner_out)
    codes = signed(np.where(out, index - 7, index), x[None, :])
    return np.where(victim, VICTIM, codes)


def olive_values(codes, scales, kind, columns):
    partner = pair_partners(codes.shape[1], columns)
    other = np.where(partner[None, :] < 0, 0, codes[:, partner])
    outliers = np.concatenate([[0], outlier_magnitudes(kind)])
    magnitude = np.where(other == VICTIM, outliers[codes & 7], NORMAL[kind][codes & 7]).astype(np.float64)
    magnitude = np.where(codes == VICTIM, 0.0, np.where(codes & 8, -magnitude, magnitude))
    return f32(magnitude * scales[:, None].astype(np.float64)) + np.float32(0)


def three_sigma(x):
    """f32(|mean| + 3 deviations), binary64 sums in index order."""
    values = x.astype(np.float64)
    mean = np.add.accumulate(values)[-1] / np.float64(x.size)
    difference = values - mean
    squares = np.add.accumulate(difference * difference)[-1]
    deviation = np.sqrt(squares / np.float64(x.size - 1)) if x.size > 1 else np.float64(0)
    return np.float32(np.abs(mean) + 3.0 * deviation)


def encode_group(x, family, columns, name, group):
    """Codes, values, scale and type of one group."""
    if not np.abs(x).max() > 0:
        return np.zeros(x.shape, np.int64), np.zeros(x.shape, np.float32), np.float32(0), 0
    ant = family == "ant4"
    codes_of, values_of = (ant_codes, ant_values) if ant else (olive_codes, olive_values)
    reach = np.abs(x).max() if ant else three_sigma(x)
    best = None
    for kind in range(3 if ant else 2):
        scales = candidates(reach, NORMAL[kind][7], range(75, 150) if ant else range(75, 250, 2))
        for part in np.array_split(scales, max(1, scales.size * x.size // 2000000 + 1)):  # bounded memory
            if part.size == 0:
                continue
            codes = codes_of(x, part, kind, columns)
            values = values_of(codes, part, kind, columns)
            errors = ordered_error(x, values)
            i = int(errors.argmin())  # the first of equal ones
            if best is None or errors[i] < best[0]:
                best = (errors[i], codes[i], values[i], part[i], kind)
    if best is None:
        raise BadInput(f"{name}: the scale of group {group} overflows FP16 for every type")
    return best[1:]


def encode_adaptive(x, fmt, name, out):
    """Fills `out` for x [rows, columns]; fmt.grouping is channel or tensor."""
    rows, columns = x.shape
    groups = x.reshape(1, -1) if fmt.grouping == "tensor" else x
    out.codes, out.values = np.zeros(groups.shape, np.int16), np.zeros(groups.shape, np.float32)
    scale, kinds = np.zeros((len(groups), 1), np.float32), np.zeros((len(groups), 1), np.int64)
    for g, group in enumerate(groups):
        out.codes[g], out.values[g], scale[g, 0], kinds[g, 0] = encode_group(group, fmt.family, columns, name, g)
    out.codes, out.values = out.codes.reshape(x.shape), out.values.reshape(x.shape)
    out.meta = {"scale": scale, "type": kinds}
    return out
