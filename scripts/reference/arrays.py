# SPDX-License-Identifier: Apache-2.0
"""Reading and writing .npy for the reference scripts."""
import numpy as np

from rounding import BadInput

ACCEPTED = ("float16", "float32", "int8", "uint8", "int32")


def load(path):
    """binary32, C order, finite, not empty."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {error}")
    if not isinstance(array, np.ndarray) or array.dtype.name not in ACCEPTED:
        raise BadInput(f"{path}: dtype must be one of {', '.join(ACCEPTED)}")
    if array.ndim == 0 or array.size == 0:
        raise BadInput(f"{path}: the array is empty or has no axis")
    values = np.ascontiguousarray(array).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values.ravel()))
    if bad.size:
        raise BadInput(f"{path}: element {bad[0]} is not finite")
    return values


def save(path, array):
    with open(path, "wb") as stream:
        np.save(stream, np.ascontiguousarray(array))
