#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the validation table of docs/memory.md: nibble on the reference traces, beside the range of other simulators.

dram_table.py [--bank-queues]     `nibble` is looked up in the PATH, its configurations as usual.

Without options: simulators with 32 entries for all banks. --bank-queues: DRAMSys with a queue of 8 for each bank against
nibble with `controller.queue=per_bank`.
"""
import csv
import json
import pathlib
import subprocess
import sys

REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "testbenches/memory/dram_reference.csv"


def references(bank_queues):
    """{(device, mapping, pattern): rows}, sorted as the table."""
    lines = [line for line in REFERENCE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    cases = {}
    for row in csv.DictReader(lines):
        if (row["scheduler"] == "FrFcfs-bankwise8") == bank_queues:
            cases.setdefault((row["device"], row["mapping"].lower(), row["pattern"]), []).append(row)
    order = ["ddr4", "lpddr4", "hbm2"]
    return dict(sorted(cases.items(), key=lambda item: (order.index(item[0][0]), item[0][1:])))


def run(device, mapping, pattern, bank_queues):
    command = ["nibble", "memory", "--memory", f"reference-{device}-{mapping}", "--pattern", pattern, "--json"]
    if bank_queues:
        command += ["--set", "controller.queue=per_bank"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def interval(values, form):
    return f"{form(min(values))} - {form(max(values))}" if len(set(map(form, values))) > 1 else form(values[0])


def position(value, values):
    """Where a value lies: inside the range, or how far outside."""
    if value < min(values):
        return f"{100 * (value / min(values) - 1):+.1f} %"
    return f"{100 * (value / max(values) - 1):+.1f} %" if value > max(values) else "inside"


def main():
    bank_queues = "--bank-queues" in sys.argv[1:]
    print("| device, pattern | cycles | others | ours | row hits % | others | activates | others |\n|---|---|---|---|---|---|---|---|")
    for (device, mapping, pattern), rows in references(bank_queues).items():
        ours = run(device, mapping, pattern, bank_queues)
        column = {name: [float(row[name]) for row in rows] for name in ("total_cycles", "row_hit_rate", "activates")}
        print(f"| {device}-{mapping} {pattern} | {ours['cycles']:.0f} | {interval(column['total_cycles'], '{:.0f}'.format)} "
              f"| {position(ours['cycles'], column['total_cycles'])} "
              f"| {100 * ours['row_hit_rate']:.1f} | {interval(column['row_hit_rate'], lambda x: f'{100 * x:.1f}')} "
              f"| {ours['activates']} | {interval(column['activates'], '{:.0f}'.format)} |")


if __name__ == "__main__":
    main()
