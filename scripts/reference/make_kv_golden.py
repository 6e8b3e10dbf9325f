#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden vectors of the caches: inputs, codes and metadata of every policy, accumulators of both GEMMs, smoothing.

make_kv_golden.py DIRECTORY                writes inputs-*.npy, cases.csv and what every case expects
make_kv_golden.py --check DIRECTORY        computes everything anew from DIRECTORY's inputs; exits with 1 when anything
                                           differs
make_kv_golden.py --random SEED DIRECTORY  the same with other tokens, channels, prompts and lengths, to be thrown away
"""
import pathlib
import sys

import numpy as np

import kv_reference as kv
from formats_reference import encode
from make_golden import contents
from rounding import fp16

HEADER = "name,policy,prompt,tokens,key_bits,value_bits"
ROWS = 3
LENGTHS = [(0, 45), (128, 128), (100, 135)]  # prompt, tokens in all
POLICIES = ["mant", "mant-fp16-window", "harmonia", "harmonia-offsets", "amove", "amove-requantized"]
PAIRS = ["none", "interleaved", "half_split"]
INPUTS = ("keys", "values", "queries", "probabilities", "query_weights", "key_weights")


def new_inputs(seed=1943, channels=40, tokens=135):
    """FP16 tokens with outlier channels, a channel of zeros, one that is zero at first, tiny and large tokens."""
    random = np.random.RandomState(seed)
    keys = random.standard_normal((tokens, channels))
    keys[:, 3] += 12
    keys[:, 17] *= 25
    keys[:, 30] -= 40
    keys[20] *= 1e-6
    values = random.standard_normal((tokens, channels)) * np.exp2(random.randint(-6, 7, channels))
    values[:, 5] = 0
    values[:90, 6] = 0
    values[110] *= 30
    values[:, 8] *= 2.0 ** -20
    probabilities = random.random_sample((ROWS, tokens)) ** 6
    return {"keys": keys.astype(np.float16), "values": values.astype(np.float16),
            "queries": random.standard_normal((ROWS, channels)).astype(np.float16),
            "probabilities": probabilities.astype(np.float16),
            "query_weights": random.standard_normal((2 * channels, 3)).astype(np.float32),
            "key_weights": random.standard_normal((channels, 3)).astype(np.float32)}


def random_case(seed):
    """Inputs and lengths."""
    random = np.random.RandomState(seed)
    channels = int(random.choice([40, 64, 80, 100, 128]))
    lengths = []
    for _ in range(4):
        tokens = int(random.randint(1, 331))
        lengths.append((int(random.choice([0, random.randint(0, tokens + 1), tokens])), tokens))
    return new_inputs(seed, channels, 330), lengths


def stored_inputs(directory):
    return {name: np.load(directory / f"inputs-{name}.npy") for name in INPUTS}


def cache_of(policy, keys, values, prompt):
    """Segments of keys, of values, bits of both."""
    tokens, channels = keys.shape
    if policy.startswith("mant"):
        window = "fp16" if policy.endswith("window") else "int8"
        return (kv.mant_keys(keys), kv.mant_values(values, prompt, window)) + kv.mant_bits(tokens, channels, window)
    if policy.startswith("harmonia"):
        offsets = np.zeros(channels, np.float32)
        if policy == "harmonia-offsets" and prompt:
            offsets = kv.key_offsets(keys[:prompt], 4)
        segments = kv.harmonia(fp16(fp16(keys) - offsets), values)
        return segments + kv.harmonia_bits(tokens, channels, 4 if offsets.any() else 0)
    requantized = policy == "amove-requantized"
    bits = kv.amove_bits(tokens, channels, requantized)
    return (kv.amove_keys(keys), kv.amove_values(values, prompt, requantized)) + bits


def operands_of(policy, queries, probabilities):
    """The PE and the other operands."""
    if policy.startswith("mant"):
        return "mant", encode(queries, "int8-g64"), encode(probabilities, "int8-g64")
    if policy.startswith("harmonia"):
        return "bfp", encode(queries, "bfp8-g32"), encode(probabilities, "bfp8-g32")
    return "amove", encode(queries, "amove4-g32c4"), encode(probabilities, "amove4-g32c4", exponent=-11)


def codes_of(segments, policy):
    """All codes in the order of the segments; FP16 holds the signed mantissas of bfp8 in the fewest bytes."""
    codes = np.concatenate([segment.encoded.codes.ravel() for segment in segments])
    return codes.astype(np.float16 if policy.startswith("harmonia") else np.int8)


def golden(inputs, lengths):
    """File name to bytes."""
    files, lines = {f"inputs-{name}.npy": contents(array) for name, array in inputs.items()}, [HEADER]
    wide = {name: array.astype(np.float32) for name, array in inputs.items()}
    for policy in POLICIES:
        for prompt, tokens in lengths:
            name = f"{policy}-{prompt}-{tokens}"
            keys, values = wide["keys"][:tokens], wide["values"][:tokens]
            k, v, key_bits, value_bits = cache_of(policy, keys, values, prompt)
            pe, q, p = operands_of(policy, wide["queries"], wide["probabilities"][:, :tokens].copy())
            for what, segments in (("keys", k), ("values", v)):
                files[f"{name}-{what}.npy"] = contents(codes_of(segments, policy))
                metadata = np.concatenate([segment.metadata() for segment in segments])
                files[f"{name}-{what}-metadata.npy"] = contents(metadata.astype(np.float32))
            files[f"{name}-scores.npy"] = contents(kv.scores(pe, q, k))
            files[f"{name}-context.npy"] = contents(kv.context(pe, p, v))
            lines.append(f"{name},{policy},{prompt},{tokens},{key_bits},{value_bits}")
    for pairs in PAIRS:
        scales = kv.smoothing_scales(wide["keys"], 2, pairs)
        files[f"smoothing-{pairs}-scales.npy"] = contents(scales)
        files[f"smoothing-{pairs}-keys.npy"] = contents(kv.folded_keys(wide["key_weights"], scales))
        queries = kv.folded_queries(wide["query_weights"], scales, len(scales) // 2)
        files[f"smoothing-{pairs}-queries.npy"] = contents(queries)
    files["cases.csv"] = ("\n".join(lines) + "\n").encode()
    return files


def write(directory, files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes")


def main():
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] == "--random" and arguments[1].isdigit():
        inputs, lengths = random_case(int(arguments[1]))
        write(pathlib.Path(arguments[2]), golden(inputs, lengths))
        return 0
    check = arguments[:1] == ["--check"]
    if len(arguments) != (2 if check else 1):
        print(__doc__, file=sys.stderr)
        return 2
    directory = pathlib.Path(arguments[-1])
    files = golden(stored_inputs(directory) if check else new_inputs(), LENGTHS)
    if not check:
        write(directory, files)
        return 0
    present = {file.name: file.read_bytes() for file in directory.iterdir()}
    wrong = sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))
    print("\n".join(f"{directory / name}: differs from the reference" for name in wrong) or f"{len(files)} files: ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
