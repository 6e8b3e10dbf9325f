#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every machine of the PacQ study with every kernel of one grid: how far its own choice is from the fastest.

pacq_kernels.py [--nibble build/release/cli/nibble] [--csv docs/studies/pacq-kernels.csv] [--jobs 1]
pacq_kernels.py --tables [--csv FILE]

A row of the CSV is a case of scripts/pacq_study.py, a GEMM, its rows m and a kernel: cycles, or `refused` where a
multiprocessor does not hold the kernel. Rows that are there are not run again.
"""
import argparse
import concurrent.futures
import csv
import itertools
import pathlib
import sys
import threading

import pacq_study as study

CASES = ["simt-fp16", "simt-dequant", "simt-dequant, INT2", "simt-k-packed", "pacq", "pacq-int2"]
ROWS = [16, 64, 256]
# Rows, columns and warps along both of a thread block's tile: warps of 16 x 16 to 64 x 64.
TILES = [(16, 64, 1, 4), (16, 128, 1, 4), (16, 256, 1, 4), (32, 64, 1, 4), (32, 128, 1, 4), (32, 128, 2, 2),
         (64, 64, 2, 2), (64, 128, 2, 2), (64, 128, 1, 4), (64, 128, 4, 1), (128, 64, 2, 2), (128, 128, 2, 2),
         (128, 128, 4, 1), (128, 128, 2, 4), (128, 128, 4, 2)]
DEPTHS = [32, 64, 128, 256, 512]
COLUMNS = ["case", "gemm", "m", "kernel", "cycles"]


def kernels(m):
    """Tiles of at most twice the rows that there are."""
    return [(*tile, depth) for tile, depth in itertools.product(TILES, DEPTHS) if tile[0] <= max(2 * m, 32)]


def text(kernel):
    tile_m, tile_n, warps_m, warps_n, tile_k = kernel
    return f"{tile_m}x{tile_k}x{tile_n} {warps_m}x{warps_n}"


def cycles_of(nibble, case, gemm, m, kernel):
    tile_m, tile_n, warps_m, warps_n, tile_k = kernel
    override = (f"tensor_core.linear.kernels=[{{tile_m: {tile_m}, tile_n: {tile_n}, tile_k: {tile_k}, "
                f"warps_m: {warps_m}, warps_n: {warps_n}}}]")
    done = study.gemm(nibble, case, gemm, m, [override])
    if done.returncode == 2:
        return "refused"
    return study.report_of(done, f"{case}, {gemm}, m = {m}, {text(kernel)}")["totals"]["cycles"]


def measure(options):
    rows = study.read_rows(options.csv)
    there = {tuple(row[name] for name in COLUMNS[:4]) for row in rows}
    points = [(case, gemm, m, kernel) for case in CASES for gemm in study.GEMMS for m in ROWS for kernel in kernels(m)
              if (case, gemm, str(m), text(kernel)) not in there]
    lock = threading.Lock()
    with options.csv.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

        def work(point):
            case, gemm, m, kernel = point
            cycles = cycles_of(options.nibble, case, gemm, m, kernel)
            with lock:
                writer.writerow(dict(zip(COLUMNS, [case, gemm, m, text(kernel), cycles])))
                lines.flush()

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(work, points))


def tables(options):
    found = {}
    for row in study.read_rows(options.csv):
        if row["cycles"] != "refused":
            point = found.setdefault((row["case"], row["gemm"], int(row["m"])), {})
            point[row["kernel"]] = int(row["cycles"])
    own = study.Study(options.study)
    print("The fastest kernel of the grid (m x k x n of the tile, warps), and how much longer the machine's choice takes:\n")
    rows = []
    for gemm, m in itertools.product(study.GEMMS, ROWS):
        cells = [gemm, m]
        for case in CASES:
            kernel, cycles = min(found[case, gemm, m].items(), key=lambda item: item[1])
            cells.append(f"{kernel}, {100 * (int(own.rows[case, gemm, m]['cycles']) / cycles - 1):+.1f} %")
        rows.append(cells)
    study.table(["GEMM", "m", *(f"`{case}`" for case in CASES)], rows)

    def layer(case, m, best):
        def cycles(gemm):
            chosen = int(own.rows[case, gemm, m]["cycles"])
            return min(chosen, *found[case, gemm, m].values()) if best else chosen

        return sum(count * cycles(gemm) for gemm, (_, _, count) in study.GEMMS.items())

    print("\nSpeedup of a layer with the kernels that the machines choose, and with the fastest that was found for each:\n")
    pairs = [("pacq", "simt-dequant"), ("pacq", "simt-fp16"), ("pacq", "simt-k-packed"),
             ("pacq-int2", "simt-dequant, INT2")]
    study.table(["m", *(f"`{case}` over `{base}`" for case, base in pairs)],
                [[m, *(f"{layer(base, m, False) / layer(case, m, False):.2f}x, "
                       f"{layer(base, m, True) / layer(case, m, True):.2f}x" for case, base in pairs)] for m in ROWS])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", default=study.ROOT / "build/release/cli/nibble")
    parser.add_argument("--csv", type=pathlib.Path, default=study.ROOT / "docs/studies/pacq-kernels.csv")
    parser.add_argument("--study", type=pathlib.Path, default=study.ROOT / "docs/studies/pacq.csv")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    tables(options) if options.tables else measure(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
