#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Amove's tensor core beside INT8, ANT and OliVe: six models, 1K, 8K and 64K tokens, a quarter of them prompt.

amove_tensor_core_study.py [--machine M,...] [--model M,...] [--length N,...] [--nibble build/release/cli/nibble]
                           [--csv docs/studies/amove-tensor-core.csv] [--jobs 1] [--fresh]
amove_tensor_core_study.py --tables [--csv FILE]
amove_tensor_core_study.py --error [--machine M] [--length N] [--nibble FILE]

A point is a machine, a model and a length L: one run of the prompt, L/4 tokens (of 64K: extrapolated from 2048 and 4096,
linear and quadratic in its tokens), and one of a single token behind each of two contexts, the nodes of Gauss's
rule for the generation's steps L/4 to L - 1: exact for figures that grow as a cubic of the context, and away from
powers of two, at which times were seen to jump. --error runs every step of a short generation and says how far off that
is. Models of equal shape are equal here: vicuna-7b-1.5 and llama-2-7b are llama-7b.

How many layers of ANT and OliVe have 8 bits is not published: their machines are the 4-bit end, and the INT8 machine, which
moves as many bytes as they would in 8 bits, stands for the other one.
--tables prints the page's tables (scripts/check_docs.py --update puts them into it).
"""
import argparse
import concurrent.futures
import csv
import json
import math
import os
import pathlib
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHAPES = {"opt-6.7b": "opt-6.7b", "opt-13b": "opt-13b", "vicuna-7b-1.5": "llama-7b", "vicuna-13b-1.5": "vicuna-13b-1.5",
          "llama-7b": "llama-7b", "llama-2-7b": "llama-7b"}
LENGTHS = [1024, 8192, 65536]
EXTRAPOLATED = 65536  # its prompt takes less than a hundredth of its time
PROMPTS = [2048, 4096]  # tokens; from these
AMOVE = {"aggressive": "amove-tensor-core", "conservative": "amove-tensor-core-conservative"}
BASELINES = ["int8-tensor-core", "ant-tensor-core", "olive-tensor-core"]
TIMED = ["opt-6.7b", "llama-2-7b", "vicuna-13b-1.5"]  # models whose times are listed
MACHINES = [*AMOVE.values(), *BASELINES]
PUBLISHED = {"speedup": {"aggressive": (5.23, 2.72, 2.13), "conservative": (4.21, 2.19, 1.69)},
             "energy": {"aggressive": (3.03, 2.22, 1.70), "conservative": (2.33, 1.71, 1.33)}}
PARTS = ["pe", "vector", "sram", "dram"]
FIGURES = ["time_s", "dram_bytes", *(f"{part}_pj" for part in PARTS)]
COLUMNS = ["machine", "model", "length", "phase", "tokens", *FIGURES]


def contexts(length):
    first, last = length // 4, length - 1
    middle, half = (first + last) / 2, (last - first + 1) / 2
    return [round(middle - half / math.sqrt(3)), round(middle + half / math.sqrt(3))]


def integrate(length, samples):
    """Sum over all steps of a generation."""
    return (length - length // 4) * sum(samples) / len(samples)


def figures(document, phase):
    found = next(item for item in document["phases"] if item["name"] == phase)
    energy = [found["energy_pj"][part] for part in PARTS]
    return [found["time_s"], found["dram_read_bytes"] + found["dram_write_bytes"],
            *("unknown" if value is None else value for value in energy)]


def run(nibble, machine, model, scenario):
    command = [nibble, "run", "--accelerator", machine, "--model", model, *scenario, "--json"]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "NIBBLE_CONFIG_PATH": str(ROOT / "configs")})
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def read_rows(file):
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_rows(file, rows):
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def order_of(row):
    return (LENGTHS.index(int(row["length"])), list(SHAPES).index(row["model"]), MACHINES.index(row["machine"]),
            row["phase"] != "prefill", int(row["tokens"]))


def measure(options):
    rows = [] if options.fresh else read_rows(options.csv)
    there = {tuple(row[name] for name in COLUMNS[:5]) for row in rows}
    points = []
    for length in options.length or LENGTHS:
        for model in dict.fromkeys(SHAPES[name] for name in options.model or SHAPES):
            for machine in options.machine or MACHINES:
                prompts = PROMPTS if length == EXTRAPOLATED else [length // 4]
                points += [(machine, model, length, "prefill", tokens) for tokens in prompts]
                points += [(machine, model, length, "decode", context) for context in contexts(length)]
    points = [point for point in points if tuple(map(str, point)) not in there]
    lock, problems = threading.Lock(), []

    def work(point):
        machine, model, _, phase, tokens = point
        scenario = ["--prefill", tokens, "--decode", 0] if phase == "prefill" else ["--context", tokens, "--decode", 1]
        try:
            row = dict(zip(COLUMNS, [*point, *figures(run(options.nibble, machine, model, scenario), phase)]))
        except (RuntimeError, StopIteration) as error:
            problems.append(f"{point}: {error}")
            return
        with lock:
            rows.append(row)
            write_rows(options.csv, sorted(rows, key=order_of))
            print(*point, row["time_s"], flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(work, points))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


class Study:
    def __init__(self, rows):
        self.rows = {(row["machine"], row["model"], int(row["length"]), row["phase"], int(row["tokens"])): row
                     for row in rows}

    def value(self, *key, figure):
        row = self.rows.get(key)
        return None if row is None or row[figure] == "unknown" else float(row[figure])

    def prompt(self, machine, model, length, figure):
        """None: not measured, or not known."""
        if length != EXTRAPOLATED:
            return self.value(machine, model, length, "prefill", length // 4, figure=figure)
        low, high = (self.value(machine, model, length, "prefill", tokens, figure=figure) for tokens in PROMPTS)
        if low is None or high is None:
            return None
        (few, many), tokens = PROMPTS, length // 4
        square = (high / many - low / few) / (many - few)
        return tokens * (low / few + square * (tokens - few))

    def total(self, machine, model, length, figure):
        """Prompt and generation; None: not measured, or not known."""
        model = SHAPES[model]
        prompt = self.prompt(machine, model, length, figure)
        samples = [self.value(machine, model, length, "decode", context, figure=figure) for context in contexts(length)]
        return None if None in [prompt, *samples] else prompt + integrate(length, samples)

    def ratio(self, baseline, machine, model, length, figure_list):
        pair = [[self.total(name, model, length, figure) for figure in figure_list] for name in (baseline, machine)]
        if any(value is None for side in pair for value in side):
            return None
        return sum(pair[0]) / sum(pair[1])


def geomean(values):
    """None: one of them is not known."""
    return None if None in values else math.exp(sum(map(math.log, values)) / len(values))


def text(value):
    return "-" if value is None else f"{value:.2f}"


def ratio_table(study, what, figure_list):
    print(f"| {what} | published | " + " | ".join(f"{length // 1024}K" for length in LENGTHS) + " | all |")
    print("|---" * (3 + len(LENGTHS)) + "|")
    for name, machine in AMOVE.items():
        for i, baseline in enumerate(BASELINES):
            published = PUBLISHED["speedup" if what == "speedup" else "energy"][name][i]
            ends = [baseline] if i == 0 else [baseline, BASELINES[0]]
            cells = []
            for group in [[length] for length in LENGTHS] + [LENGTHS]:
                values = [geomean([study.ratio(end, machine, model, length, figure_list)
                                   for model in SHAPES for length in group]) for end in ends]
                cells.append(" to ".join(map(text, values)))
            print(f"| {name} over {baseline.split('-')[0]} | {published} | " + " | ".join(cells) + " |")
    print()


def tables(study):
    print("Geometric means over the six models; ranges: linear layers of the baseline in 4 to in 8 bits.\n")
    ratio_table(study, "speedup", ["time_s"])
    ratio_table(study, "energy: bytes of DRAM", ["dram_bytes"])
    ratio_table(study, "energy: registers, shared memory, L2 cache", ["sram_pj"])
    print("| bytes of DRAM, TB | " + " | ".join(f"{length // 1024}K" for length in LENGTHS) + " |")
    print("|---" * (1 + len(LENGTHS)) + "|")
    for machine in MACHINES:
        values = [study.total(machine, "llama-2-7b", length, "dram_bytes") for length in LENGTHS]
        print(f"| {machine} | " + " | ".join("-" if v is None else f"{v / 1e12:,.2f}" for v in values) + " |")
    print()
    print("| time, s | " + " | ".join(f"{model} {length // 1024}K" for model in TIMED for length in LENGTHS) + " |")
    print("|---" * (1 + len(TIMED) * len(LENGTHS)) + "|")
    for machine in MACHINES:
        values = [study.total(machine, model, length, "time_s") for model in TIMED for length in LENGTHS]
        print(f"| {machine} | " + " | ".join("-" if v is None else f"{v:,.2f}" for v in values) + " |")


def sampling_error(options):
    """Every step of a generation against its samples."""
    machine, length = (options.machine or [AMOVE["aggressive"]])[0], (options.length or [256])[0]
    model = SHAPES[(options.model or ["llama-2-7b"])[0]]
    first, last = length // 4, length - 1
    all_steps = run(options.nibble, machine, model, ["--context", first, "--decode", length - first])
    exact = figures(all_steps, "decode")[0]
    sampled = integrate(length, [figures(run(options.nibble, machine, model, ["--context", context, "--decode", 1]),
                                         "decode")[0] for context in contexts(length)])
    print(f"{machine}, {model}, contexts {first} to {last}: {exact:.6f} s, from samples {sampled:.6f} s, "
          f"{100 * (sampled / exact - 1):+.2f} %")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda value: value.split(",")
    parser.add_argument("--machine", type=names)
    parser.add_argument("--model", type=names)
    parser.add_argument("--length", type=lambda value: [int(part) for part in value.split(",")])
    parser.add_argument("--nibble", type=pathlib.Path, default=ROOT / "build/release/cli/nibble")
    parser.add_argument("--csv", type=pathlib.Path, default=ROOT / "docs/studies/amove-tensor-core.csv")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--error", action="store_true")
    options = parser.parse_args()
    if options.tables:
        tables(Study(read_rows(options.csv)))
        return 0
    return sampling_error(options) if options.error else measure(options)


if __name__ == "__main__":
    sys.exit(main())
