#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What probes, loosely timed links and the quantum cost and change, on one GEMM: the tables of docs/observing.md.

Usage: scripts/platform_speed.py --nibble PROGRAM [--riscv-host PROGRAM] [--update]   CPU times are those of this machine, the best of
five; --update puts the tables into the page.
"""
import argparse
import json
import os
import re
import resource
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/observing.md"
GEMM = ["--accelerator", "mant", "--m", "16", "--k", "8192", "--n", "32768", "--set", "dma.transaction_bytes=256", "--json"]
LINKS = [("none (AT)", ""), ("`protocol`", "protocol"), ("`transactions`, CSV", "transactions,file=t.csv"),
         ("`transactions`, Perfetto", "transactions,file=t.json"), ("`bandwidth`", "bandwidth,file=b.csv"),
         ("`latency`", "latency,file=l.csv"), ("`waves`", "waves,file=w.vcd"), ("`lt` on `machine.memory`", "lt,link=machine.memory"),
         ("`lt` on `router.memory`", "lt,link=router.memory")]
QUANTA = [0, 10, 100, 1000, 10000]


def best_of_five(command, folder, **more):
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = subprocess.run(command, cwd=folder, env={**os.environ, "NIBBLE_CONFIG_PATH": str(ROOT / "configs"), **more}, check=True,
                             capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds), out


def probes(nibble, folder):
    lines = ["| probe on all links | CPU time, s | cycles | difference |", "|---|---|---|---|"]
    exact = None
    for name, probe in LINKS:
        seconds, out = best_of_five([nibble, "gemm", *GEMM], folder, NIBBLE_PROBES=probe)
        cycles = json.loads(out)["operators"][0]["cycles"]
        exact = exact or cycles
        lines.append(f"| {name} | {seconds:.2f} | {cycles:,} | {100 * (cycles / exact - 1):.2f} % |")
    return lines


def quanta(host, folder):
    lines = ["| quantum, ns | guest instructions | simulated time, ns | difference | CPU time, s |", "|---|---|---|---|---|"]
    exact = None
    for quantum in QUANTA:
        seconds, out = best_of_five([host, str(ROOT / "examples/riscv-host/guest.words"), str(quantum)], folder)
        instructions, time = re.search(r"after (\d+) instructions, (\d+) ns", out).groups()
        exact = exact or int(time)
        lines.append(f"| {quantum} | {int(instructions):,} | {int(time):,} | {100 * (int(time) / exact - 1):.2f} % | {seconds:.2f} |")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nibble", required=True)
    parser.add_argument("--riscv-host")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = ["One GEMM, 16 x 8192 x 32768 on `mant` in transactions of 256 bytes, start-up included (`scripts/platform_speed.py`; CPU time of one machine):", "",
                 *probes(os.path.abspath(options.nibble), folder)]
        if options.riscv_host:
            lines += ["", "The guest of [examples](../examples/README.md) on its temporally decoupled processor:", "",
                      *quanta(os.path.abspath(options.riscv_host), folder)]
    text = "\n".join(lines)
    print(text)
    if options.update:
        page = PAGE.read_text()
        page = re.sub(r"<!-- platform_speed -->.*?(?=\nIn a platform of your own)", "<!-- platform_speed -->\n" + text + "\n", page,
                      flags=re.S)
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
