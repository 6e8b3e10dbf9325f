#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_arrays.py a.npy b.npy: exit 0 when type, shape and every bit agree, else 1 with the first difference."""
import sys

import numpy as np


def compare(a, b):
    """None, or what differs first."""
    if a.dtype != b.dtype:
        return f"dtype {a.dtype} against {b.dtype}"
    if a.shape != b.shape:
        return f"shape {a.shape} against {b.shape}"
    a, b = np.ascontiguousarray(a).ravel(), np.ascontiguousarray(b).ravel()
    width = a.dtype.itemsize
    differs = (a.view(np.uint8).reshape(-1, width) != b.view(np.uint8).reshape(-1, width)).any(axis=1)
    if not differs.any():
        return None
    i = int(np.flatnonzero(differs)[0])
    bits = [v[i:i + 1].tobytes()[::-1].hex() for v in (a, b)]
    return (f"{int(differs.sum())} of {a.size} elements differ, first flat index {i}: "
            f"{a[i]!r} (0x{bits[0]}) against {b[i]!r} (0x{bits[1]})")


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        a, b = (np.load(path, allow_pickle=False) for path in sys.argv[1:])
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    difference = compare(a, b)
    if difference:
        print(f"{sys.argv[1]} {sys.argv[2]}: {difference}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
