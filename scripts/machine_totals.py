#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every machine on every model, prompt and context: runs `nibble run`, keeps the totals, and tables them.

machine_totals.py [--machine M,...] [--model M,...] [--context N,...] [--batch N,...] [--prefill 2048]
                  [--nibble build/release/cli/nibble] [--csv docs/machines/totals.csv] [--jobs 1] [--fresh] [--most 15]
machine_totals.py --tables [--csv FILE]
machine_totals.py --slowest 20 [--csv FILE]

Machines are the files of configs/accelerators, unless they are named. A point is a machine, a model, a batch and a
context: the run is a prompt of --prefill tokens, the last ones of the context (of a shorter one: no prompt), and one
token behind it. Each phase of a run is one row of the CSV, appended as soon as the run ends; points that are there are not
run again (--fresh drops them first). Rows are those of `operators.csv` in their names and units, with the seconds that
the run took on the host (wall and CPU) and its peak memory. The status is 1 when a run failed or took more than --most
seconds of CPU.

--tables prints docs/machines/totals.md's tables; scripts/check_docs.py --update docs/machines/totals.md puts them into
the page.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ["llama-2-7b", "opt-6.7b", "llama-3-8b"]
CONTEXTS, BATCHES = [2048, 8192, 65536], [1, 16]
KEY = ["machine", "model", "batch", "context", "phase"]
CAUSES = ["compute_cycles", "fill_drain_cycles", "memory_stall_cycles", "output_stall_cycles",
          "exposed_quantizer_cycles"]
FIGURES = ["cycles", "time_s", *CAUSES, "macs", "dram_read_bytes", "dram_write_bytes"]
ENERGY = ["pe", "quantizer", "vector", "sram", "dram", "static", "total"]
HOST = ["run_wall_s", "run_cpu_s", "run_peak_bytes"]
COLUMNS = KEY + FIGURES + [f"energy_{part}_pj" for part in ENERGY] + ["not_known"] + HOST


def read_rows(file):
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_rows(file, rows, mode):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open(mode, newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        if mode == "w":
            writer.writeheader()
        writer.writerows(rows)


def run(nibble, point, prefill):
    """Rows of one point, or the message of its failure."""
    machine, model, batch, context = point
    scenario = [*(["--prefill", prefill] if context >= prefill else []), "--context", context]
    command = [nibble, "run", "--accelerator", machine, "--model", model, "--batch", batch, *scenario, "--decode", 1,
               "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err,
                                   env={**os.environ, "NIBBLE_CONFIG_PATH": str(ROOT / "configs")})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begin
        out.seek(0)
        err.seek(0)
        if process.returncode:
            return err.read().decode(errors="replace").strip() or f"status {process.returncode}"
        report = json.load(out)
    host = [f"{wall:.2f}", f"{usage.ru_utime + usage.ru_stime:.2f}", report["host"]["peak_rss_bytes"]]
    return [dict(zip(COLUMNS, [*point, phase["name"], *(phase[name] for name in FIGURES),
                               *("unknown" if phase["energy_pj"][part] is None else phase["energy_pj"][part]
                                 for part in ENERGY), "; ".join(phase["energy_pj"]["unknown"]), *host]))
            for phase in report["phases"]]


def key_of(row):
    return tuple(str(row[name]) for name in KEY)


def systolic(nibble):
    """Every machine with an array. A SIMT machine takes minutes for a long context."""
    shown = lambda *words: json.loads(subprocess.run([nibble, *words, "--json"], check=True, capture_output=True, text=True,
                                                     env={**os.environ, "NIBBLE_CONFIG_PATH": str(ROOT / "configs")}).stdout)
    return [name for name in shown("list", "accelerators")["names"]
            if any(entry["path"] == "array.rows" for entry in shown("show", "accelerator", name)["values"])]


def measure(options):
    machines = options.machine or systolic(options.nibble)
    points = [(machine, model, batch, context) for context in options.context for batch in options.batch
              for model in options.model for machine in machines]
    points = list(dict.fromkeys(points))
    chosen = {tuple(map(str, point)) for point in points}
    rows = read_rows(options.csv)
    if options.fresh:
        rows = [row for row in rows if key_of(row)[:4] not in chosen]
    write_rows(options.csv, rows, "w")
    there = {key_of(row)[:4] for row in rows}
    points = [point for point in points if tuple(map(str, point)) not in there]
    lock, problems = threading.Lock(), []

    def work(point):
        result = run(options.nibble, point, options.prefill)
        name = " ".join(map(str, point))
        with lock:
            if isinstance(result, str):
                problems.append(f"{name}: {result}")
                return
            write_rows(options.csv, result, "a")
            print(name, result[0]["run_cpu_s"], "s", flush=True)
            if float(result[0]["run_cpu_s"]) > options.most:
                problems.append(f"{name}: {result[0]['run_cpu_s']} s of CPU, at most {options.most:g}")

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(work, points))
    write_rows(options.csv, sorted(read_rows(options.csv), key=order_of), "w")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def order_of(row):
    model = MODELS.index(row["model"]) if row["model"] in MODELS else len(MODELS)
    return row["machine"], model, row["model"], int(row["batch"]), int(row["context"]), row["phase"] != "prefill"


def three_digits(value, unit=""):
    """In the manner of the program's tables: 1.23 k, 45.6 M."""
    if value == 0:
        return "0"
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u")):
        if value >= factor * 0.9995:
            break
    scaled = value / factor
    digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{digits}f} {prefix}{unit}".rstrip()


def shares(row):
    """Cycles by cause in percent."""
    return " ".join(f"{100 * int(row[cause]) / int(row['cycles']):.0f}" for cause in CAUSES)


TABLES = [
    ("Time", "In seconds of the machine's clock.", lambda row: three_digits(float(row["time_s"]), "s")),
    ("Cycles by cause", "In percent: compute, fill and drain, memory, output, quantizer ([reports](../reports.md#the-five-causes)).", shares),
    ("Energy", "What is known of it; the last column names the activities whose energy is not, and which the figure lacks.",
     lambda row: (">= " if row["not_known"] else "") + three_digits(float(row["energy_total_pj"]) * 1e-12, "J")),
    ("DRAM traffic", "Moved on the bus, read and written.",
     lambda row: three_digits(int(row["dram_read_bytes"]) + int(row["dram_write_bytes"]), "B")),
    ("Host", "CPU seconds that the run took; the prompt and the token behind it are one run.",
     lambda row: f"{float(row['run_cpu_s']):.1f}"),
]


def table(rows, batch, cell, with_unknown):
    """One line per machine, columns by model and phase."""
    mine = [row for row in rows if row["batch"] == batch]
    columns = sorted({(order_of(row)[1:3], row["phase"] != "prefill", int(row["context"])) for row in mine})
    cells = {(row["machine"], (order_of(row)[1:3], row["phase"] != "prefill", int(row["context"]))): cell(row) for row in mine}
    heads = [f"{c[0][1]} {'decode' if c[1] else 'prefill'} at {c[2]}" for c in columns]
    lines = ["| machine | " + " | ".join(heads) + (" | not known |" if with_unknown else " |"),
             "|---|" + "---:|" * len(heads) + ("---|" if with_unknown else "")]
    for machine in sorted({row["machine"] for row in mine}):
        line = [cells.get((machine, column), "") for column in columns]
        if with_unknown:
            named = {part for row in mine if row["machine"] == machine for part in row["not_known"].split("; ") if part}
            parts = sorted({name.split(".")[0] for name in named})
            line.append("; ".join(f"{part}: " + ", ".join(sorted(name.split(".", 1)[1] for name in named
                                                                 if name.startswith(part + "."))) for part in parts))
        lines.append(f"| {machine} | " + " | ".join(line) + " |")
    return lines


def tables(rows):
    lines = []
    for title, explanation, cell in TABLES:
        lines += [f"## {title}", "", explanation, ""]
        for batch in sorted({row["batch"] for row in rows}, key=int):
            lines += [f"Batch {batch}:", "", *table(rows, batch, cell, title == "Energy"), ""]
    return "\n".join(lines).rstrip()


def listed(text):
    return [word for word in text.split(",") if word]


def numbers(text):
    return [int(word) for word in listed(text)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", type=listed)
    parser.add_argument("--model", type=listed, default=MODELS)
    parser.add_argument("--context", type=numbers, default=CONTEXTS)
    parser.add_argument("--batch", type=numbers, default=BATCHES)
    parser.add_argument("--prefill", type=int, default=2048)
    parser.add_argument("--nibble", default=str(ROOT / "build/release/cli/nibble"))
    parser.add_argument("--csv", type=pathlib.Path, default=ROOT / "docs/machines/totals.csv")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--most", type=float, default=15)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--slowest", type=int)
    options = parser.parse_args()
    if options.tables:
        print(tables(read_rows(options.csv)))
        return 0
    if options.slowest:
        runs = {key_of(row)[:4]: row for row in read_rows(options.csv)}
        for row in sorted(runs.values(), key=lambda row: -float(row["run_cpu_s"]))[:options.slowest]:
            print(f"{row['run_cpu_s']:>8} s  {int(row['run_peak_bytes']) / 2**20:6.1f} MiB  ", *key_of(row)[:4])
        return 0
    return measure(options)


if __name__ == "__main__":
    sys.exit(main())
