#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What probes, messages, loosely timed links and engines, and the quantum cost and change: the tables of docs/observing.md, measured by
the benchmark target.

Usage: scripts/platform_speed.py --benchmarks PROGRAM [--riscv-host PROGRAM] [--update]
PROGRAM of --benchmarks is nibble_benchmarks, that of --riscv-host is built from examples/riscv-host. CPU times are those of this machine,
the best of the repetitions; --update puts the tables into the page.
"""
import argparse
import json
import os
import re
import subprocess
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/observing.md"
PROBES = {"none": "none (AT)", "protocol": "`protocol`", "transactions,file=nibble_benchmark.csv": "`transactions`, CSV",
          "transactions,file=nibble_benchmark.json": "`transactions`, Perfetto", "bandwidth,file=nibble_benchmark.csv": "`bandwidth`",
          "latency,file=nibble_benchmark.csv": "`latency`", "waves,file=nibble_benchmark.vcd": "`waves`, VCD",
          "waves,file=nibble_benchmark.fst": "`waves`, FST", "lt,link=machine.memory": "`lt` on `machine.memory`",
          "lt,link=router.memory": "`lt` on `router.memory`"}
MESSAGES = {"commands": "messages, `medium`", "transactions": "messages, `full`"}


def measure(program, host, repetitions):
    more = {} if host is None else {"NIBBLE_RISCV_HOST": os.path.abspath(host)}
    out = subprocess.run([program, "--benchmark_filter=^platform/", "--benchmark_format=json", f"--benchmark_repetitions={repetitions}"], check=True,
                         env={**os.environ, **more}, capture_output=True, text=True).stdout
    found = {}
    for run in json.loads(out)["benchmarks"]:
        if run["run_type"] != "iteration" or run.get("error_occurred"):
            continue
        name = run["name"].removeprefix("platform/").split("/iterations:")[0]
        kind, name = name.split("/", 1)
        seconds, figure = run["real_time"], run.get("cycles", run.get("simulated_ns"))
        kept = found.setdefault(kind, {}).setdefault(name, [seconds, figure])
        assert kept[1] == figure, f"{name}: {kept[1]} and {figure}"
        kept[0] = min(kept[0], seconds)
    return found


def row(name, seconds, figure, exact):
    return f"| {name} | {seconds:.2f} | {int(figure):,} | {int(figure - exact):+,} | {100 * (figure / exact - 1):.3f} % |"


def tables(found):
    exact = found["probe"]["none"][1]
    head = "| CPU time, s | cycles | difference | |\n|---|---|---|---|---|"
    lines = ["One GEMM, 16 x 8192 x 32768 on `mant` in transactions of 256 bytes, start-up included (benchmarks `platform/`, tables by",
             "`scripts/platform_speed.py`; CPU time of one machine):", "", f"| probe on all links {head}"]
    lines += [row(PROBES[name], *found["probe"][name], exact) for name in PROBES if name in found["probe"]]
    lines += [row(MESSAGES[name], *found["messages"][name], exact) for name in MESSAGES]
    lines += ["", "The same, all transactions of the machine as blocking calls (`dma.loosely_timed`), against the phases:", "",
              f"| quantum, ns {head}"]
    lines += [row("phases (AT)" if name == "at" else name, *found["quantum"][name], exact) for name in found["quantum"]]
    lines += ["", "16 x 4096 x 4096 on other machines, blocking calls with a quantum of 1000 ns against the phases:", "",
              f"| machine {head}"]
    lines += [row(f"`{name}`", *figures, found["phases"][name][1]) for name, figures in found["loose"].items()]
    if "guest" in found:
        exact = found["guest"]["0"][1]
        lines += ["", "The guest of [examples](../examples/README.md), 100 times over, on its temporally decoupled processor (cycles of 1 ns):", "",
                  f"| quantum, ns {head}"]
        lines += [row(name, *found["guest"][name], exact) for name in found["guest"]]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--benchmarks", required=True)
    parser.add_argument("--riscv-host")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    text = tables(measure(os.path.abspath(options.benchmarks), options.riscv_host, options.repetitions))
    print(text)
    if options.update:
        page = PAGE.read_text()
        PAGE.write_text(re.sub(r"(<!-- platform_speed -->\n).*?(?=\nIn a platform of your own, bind)", lambda m: m[1] + text + "\n", page, flags=re.S))


if __name__ == "__main__":
    main()
