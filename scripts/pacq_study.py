#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PacQ against its baselines on Llama-2-7B's feed-forward GEMMs: runs `nibble gemm`, keeps the counts, tables them.

pacq_study.py [--nibble build/release/cli/nibble] [--csv docs/studies/pacq.csv] [--jobs 1] [--case NAME]... [--m M,...]
pacq_study.py --tables SECTION [--csv FILE]

A case is a machine with overrides (CASES); a point is a case, a GEMM and its rows m, one row of the CSV. All points are
run; with --case or --m only those, and the other rows stay. SECTION is time, instructions, traffic, energy, trees,
packing or published. A feed-forward layer is gate, up and down: two GEMMs of 4096 x 11008 and one of 11008 x 4096.

Energy is of PEs, lanes, SRAM and DRAM, leakage of SRAM beside it; what the book does not know is in no figure.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GEMMS = {"gate/up": (4096, 11008, 2), "down": (11008, 4096, 1)}  # k, n, how many of a layer
ROWS = [16, 32, 64, 128, 256]
CASES = {
    "simt-fp16": ("simt-fp16", []),
    "simt-dequant": ("simt-dequant", []),
    # 16 INT2 of 32 bits: 1 shift, 8 mask-or, 8 multiply-adds of pairs, 8 multiplications by the scale.
    "simt-dequant, INT2": ("simt-dequant", ["formats.weight=int2-g128", "tensor_core.linear.unpack_instructions=25"]),
    "simt-k-packed": ("simt-k-packed", []),
    "simt-mix-gemm": ("simt-mix-gemm", []),
    "pacq": ("pacq", []),
    "pacq-int2": ("pacq-int2", []),
    **{f"pacq, d = {d}": ("pacq", [f"tensor_core.linear.adder_trees={d}"]) for d in (1, 4)},
    **{f"pacq-int2, d = {d}": ("pacq-int2", [f"tensor_core.linear.adder_trees={d}"]) for d in (1, 4, 8)},
}
MAIN = [name for name in CASES if "d =" not in name]
KINDS = ["hmma", "unpack", "integer", "convert", "load_global", "store_global", "load_shared", "store_shared", "barrier"]
BYTES = {"register_reads": "register_file.read", "register_writes": "register_file.write",
         "shared_reads": "shared_memory.read", "shared_writes": "shared_memory.write", "l2_reads": "l2_cache.read",
         "l2_fills": "l2_cache.write"}
ENERGIES = ["pe", "vector", "sram", "dram", "static"]
COLUMNS = ["case", "gemm", "m", "schedule", "cycles", "time_s", "ideal_cycles", "memory_stall_cycles", *KINDS, *BYTES,
           "dram_read", "dram_write", *(f"{part}_pj" for part in ENERGIES)]


def gemm(nibble, case, name, m, more=()):
    """The finished `nibble gemm` of a point."""
    machine, overrides = CASES[case]
    k, n, _ = GEMMS[name]
    words = [nibble, "gemm", "--accelerator", machine, "--m", m, "--k", k, "--n", n, "--json"]
    for override in [*overrides, *more]:
        words += ["--set", override]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False,
                          env={**os.environ, "NIBBLE_CONFIG_PATH": str(ROOT / "configs")})


def report_of(done, point):
    if done.returncode:
        raise SystemExit(f"{point}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def run(nibble, case, name, m):
    report = report_of(gemm(nibble, case, name, m), f"{case}, {name}, m = {m}")
    totals = report["totals"]
    activity, energy = totals["activity"], totals["energy_pj"]
    row = [case, name, m, report["operators"][0]["schedule"], totals["cycles"], totals["time_s"],
           totals["ideal_cycles"], totals["memory_stall_cycles"]]
    row += [activity.get(f"warp_scheduler.{kind}", 0) for kind in KINDS]
    row += [activity[name] for name in BYTES.values()]
    row += [totals["dram_read_bytes"], totals["dram_write_bytes"]]
    row += ["unknown" if energy[part] is None else energy[part] for part in ENERGIES]
    return {name: str(value) for name, value in zip(COLUMNS, row)}


def read_rows(file):
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def measure(options):
    points = [(case, gemm, m) for case in options.case for gemm in GEMMS for m in options.m]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda point: run(options.nibble, *point), points))
    chosen = {(case, gemm, str(m)) for case, gemm, m in points}
    rows += [row for row in read_rows(options.csv) if (row["case"], row["gemm"], row["m"]) not in chosen]
    names = list(CASES)
    rows = [row for row in rows if row["case"] in CASES]
    rows.sort(key=lambda row: (names.index(row["case"]), row["gemm"], int(row["m"])))
    options.csv.parent.mkdir(parents=True, exist_ok=True)
    with options.csv.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


class Study:
    """What a feed-forward layer costs in a case."""

    def __init__(self, file):
        self.rows = {(row["case"], row["gemm"], int(row["m"])): row for row in read_rows(file)}

    def layer(self, case, m, *columns):
        """Sum of columns over gate, up and down; None when one is unknown."""
        total = 0.0
        for gemm, (_, _, count) in GEMMS.items():
            for column in columns:
                text = self.rows[case, gemm, m][column]
                if text == "unknown":
                    return None
                total += count * float(text)
        return total

    def registers(self, case, m):
        return self.layer(case, m, "register_reads", "register_writes") / 4

    def energy(self, case, m, *more):
        return self.layer(case, m, "pe_pj", "vector_pj", "sram_pj", "dram_pj", *more)

    def edp(self, case, m, *more):
        energy = self.energy(case, m, *more)
        return None if energy is None else energy * self.layer(case, m, "time_s")


def short(value):
    if value is None:
        return "unknown"
    for factor, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{prefix}"
    return f"{value:.3g}"


def change(value, base):
    return "unknown" if value is None or base is None else f"{100 * (value / base - 1):+.1f} %"


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def time_tables(study):
    def cell(case, m):
        time = study.layer(case, m, "time_s")
        ratio = study.layer("simt-dequant", m, "time_s") / time
        return f"{time * 1e6:.0f} us, {ratio:.2f}x"

    print("A layer's time, and how much faster that is than `simt-dequant`:\n")
    table(["m", *(f"`{case}`" for case in MAIN)], [[m, *(cell(case, m) for case in MAIN)] for m in ROWS])
    print("\nKernels (m x k x n of a thread block's tile), and the share of the peak that the products reach:\n")
    share = lambda row: f"{row['schedule'].split()[0]}, {100 * float(row['ideal_cycles']) / float(row['cycles']):.0f} %"
    table(["GEMM", "m", *(f"`{case}`" for case in MAIN)],
          [[gemm, m, *(share(study.rows[case, gemm, m]) for case in MAIN)] for gemm in GEMMS for m in ROWS])


def instruction_tables(study):
    print("Warp instructions of a layer at m = 64:\n")
    table(["", *KINDS, "all"],
          [[f"`{case}`", *(short(study.layer(case, 64, kind)) for kind in KINDS), short(study.layer(case, 64, *KINDS))]
           for case in MAIN])
    print("\nAll of them:\n")
    table(["m", *(f"`{case}`" for case in MAIN)],
          [[m, *(short(study.layer(case, m, *KINDS)) for case in MAIN)] for m in ROWS])


def traffic_tables(study):
    columns = ["shared_reads", "shared_writes", "l2_reads", "l2_fills", "dram_read", "dram_write"]
    for m in (16, 64, 256):
        print(f"m = {m}; registers of one lane (32 bits), the others in bytes:\n")
        table(["", "registers read", "registers written", *(name.replace("_", " ") for name in columns)],
              [[f"`{case}`", short(study.layer(case, m, "register_reads") / 4),
                short(study.layer(case, m, "register_writes") / 4),
                *(short(study.layer(case, m, column)) for column in columns)] for case in MAIN])
        print()


def energy_tables(study):
    part = lambda case, m, column: "unknown" if study.layer(case, m, column) is None else \
        f"{study.layer(case, m, column) * 1e-9:.2f}"
    for m in (16, 64, 256):
        print(f"m = {m}, in mJ:\n")
        table(["", "PE", "lanes", "SRAM", "DRAM", "sum", "leakage of SRAM", "EDP, uJ s", "with leakage"],
              [[f"`{case}`", *(part(case, m, f"{name}_pj") for name in ("pe", "vector", "sram", "dram")),
                "unknown" if study.energy(case, m) is None else f"{study.energy(case, m) * 1e-9:.2f}",
                part(case, m, "static_pj"),
                "unknown" if study.edp(case, m) is None else f"{study.edp(case, m) * 1e-6:.2f}",
                "unknown" if study.edp(case, m) is None else f"{study.edp(case, m, 'static_pj') * 1e-6:.2f}"]
               for case in MAIN])
        print()


def tree_tables(study):
    names = {"pacq": "pacq, d = 2", "pacq-int2": "pacq-int2, d = 2"}
    for base, trees in (("pacq", (1, 2, 4)), ("pacq-int2", (1, 2, 4, 8))):
        cases = [base if d == 2 else f"{base}, d = {d}" for d in trees]
        print(f"`{base}`, a layer's time against one tree:\n")
        table(["m", *(names.get(case, case).split(", ")[1] for case in cases)],
              [[m, *(f"{study.layer(cases[0], m, 'time_s') / study.layer(case, m, 'time_s'):.2f}x" for case in cases)]
               for m in ROWS])
        print()


def packing_tables(study):
    print("A layer on `pacq` (along n) against `simt-k-packed` (along k):\n")
    rows = []
    for m in ROWS:
        n, k = "pacq", "simt-k-packed"
        rows.append([m, change(study.registers(n, m), study.registers(k, m)),
                     change(study.layer(n, m, "register_reads"), study.layer(k, m, "register_reads")),
                     change(study.layer(n, m, *KINDS), study.layer(k, m, *KINDS)),
                     change(study.layer(n, m, "l2_reads"), study.layer(k, m, "l2_reads")),
                     change(study.layer(n, m, "time_s"), study.layer(k, m, "time_s"))])
    table(["m", "registers read and written", "read", "instructions", "L2 bytes", "time"], rows)


def published_tables(study):
    def best(value, base, function):
        return min(function(value, m) / function(base, m) - 1 for m in ROWS)

    speed = lambda case, base: max(study.layer(base, m, "time_s") / study.layer(case, m, "time_s") for m in ROWS)
    edp = lambda case, m: study.edp(case, m)
    percent = lambda value: f"{100 * value:+.1f} %"
    int2 = "simt-dequant, INT2"
    table(["", "published, at most", "`simt-dequant`", "`simt-fp16`"], [
        ["speedup of `pacq`", "1.99x", f"{speed('pacq', 'simt-dequant'):.2f}x", f"{speed('pacq', 'simt-fp16'):.2f}x"],
        ["speedup of `pacq-int2`", "1.99x", f"{speed('pacq-int2', int2):.2f}x (INT2)",
         f"{speed('pacq-int2', 'simt-fp16'):.2f}x"],
        ["EDP, INT4", "-70.4 %", percent(best("pacq", "simt-dequant", edp)), percent(best("pacq", "simt-fp16", edp))],
        ["EDP, INT2", "-81.4 %", f"{percent(best('pacq-int2', int2, edp))} (INT2)",
         percent(best("pacq-int2", "simt-fp16", edp))],
        ["registers, against `simt-k-packed`", "-54.3 %",
         percent(best("pacq", "simt-k-packed", study.registers)), "-"]])
    print("\nBy m, against `simt-dequant` of the same width:\n")
    rows = []
    for m in ROWS:
        row = [m]
        for case, base in (("pacq", "simt-dequant"), ("pacq-int2", int2)):
            row += [f"{study.layer(base, m, 'time_s') / study.layer(case, m, 'time_s'):.2f}x",
                    change(study.energy(case, m), study.energy(base, m)), change(study.edp(case, m), study.edp(base, m))]
        rows.append(row)
    table(["m", "speedup, INT4", "energy", "EDP", "speedup, INT2", "energy", "EDP"], rows)


SECTIONS = {"time": time_tables, "instructions": instruction_tables, "traffic": traffic_tables, "energy": energy_tables,
            "trees": tree_tables, "packing": packing_tables, "published": published_tables}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", default=ROOT / "build/release/cli/nibble")
    parser.add_argument("--csv", type=pathlib.Path, default=ROOT / "docs/studies/pacq.csv")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--m", type=lambda text: [int(word) for word in text.split(",")], default=ROWS)
    parser.add_argument("--tables", choices=list(SECTIONS))
    options = parser.parse_args()
    if options.tables:
        SECTIONS[options.tables](Study(options.csv))
        return 0
    options.case = options.case or list(CASES)
    measure(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
