#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Synthesizes the PEs with the OSU 0.18 um cells and writes their cost book; see scripts/synthesize.sh."""
import argparse
import datetime
import hashlib
import inspect
import json
import pathlib
import re
import sys

import gates
import power
import simulate
from liberty import Library
from units import UNITS, entries

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBERTY = pathlib.Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
STREAMS, CYCLES = 16, 256  # [D] measured: 16 stretches of 256 cycles
BOOK = ROOT / "configs/technologies/osu018.yaml"


class Figures:
    """Of one unit: um2, ps, nW, cells by kind, pJ per operation by mode."""

    def __init__(self, area, critical_path, leakage, cells, energy):
        self.area, self.critical_path, self.leakage, self.cells, self.energy = area, critical_path, leakage, cells, energy


def fingerprint(unit, operands):
    """Of everything that a unit's figures depend on."""
    digest = hashlib.sha256(repr((unit, STREAMS, CYCLES, gates.versions())).encode())
    digest.update((gates.script(unit, ROOT, LIBERTY, "") + gates.STA + inspect.getsource(gates.timing)).encode())
    scripts = [pathlib.Path(__file__).with_name(f"{name}.py") for name in ("liberty", "power", "simulate")]
    for file in [ROOT / "rtl_models" / s for s in unit.sources] + scripts + [LIBERTY]:
        digest.update(file.read_bytes())
    for mode in unit.modes:
        digest.update(gates.run([operands, unit.stream, mode, CYCLES, STREAMS]).encode())
    return digest.hexdigest()


def measure(unit, library, operands, folder):
    """A unit's figures; those that an earlier run left in `folder` where nothing has changed since."""
    folder = folder / unit.name
    folder.mkdir(parents=True, exist_ok=True)
    kept, mark = folder / "figures.json", fingerprint(unit, operands)
    if kept.exists() and json.loads(kept.read_text())["fingerprint"] == mark:
        return Figures(**json.loads(kept.read_text())["figures"])
    figures = fresh(unit, library, operands, folder)
    kept.write_text(json.dumps({"fingerprint": mark, "figures": vars(figures)}, indent=1))
    return figures


def fresh(unit, library, operands, folder):
    area = gates.synthesize(unit, ROOT / "rtl_models", LIBERTY, folder)
    netlist = power.Netlist((folder / "netlist.json").read_text(), unit.name, library)
    path, slews = gates.timing(unit, netlist, LIBERTY, folder)
    energies, leakage = {}, 0.0
    for mode in unit.modes:
        streams = [gates.run([operands, unit.stream, mode, CYCLES, seed]) for seed in range(STREAMS)]
        toggles, cycles, operations = simulate.activity(netlist, library, streams)
        spent = power.energy(netlist, library, toggles, cycles, slews, gates.OUTPUT_LOAD_PF)
        energies[mode] = spent.dynamic * cycles / operations
        leakage = spent.leakage
    return Figures(area, path, leakage, netlist.counts(), energies)


def value_of(figures, quantity, shares):
    """(value of a book's entry, what its source says about it)."""
    total = 0.0
    for share in shares:
        unit = figures[share.unit]
        one = {"um2": unit.area, "ps": unit.critical_path, "mW": unit.leakage * 1e-6,
               "cells": sum(unit.cells.values())}.get(quantity)
        total += share.factor * (unit.energy[share.mode] if share.mode else one)
    kinds = ""
    if quantity == "cells":
        unit = figures[shares[0].unit]
        kinds = "; " + ", ".join(f"{count} {kind}" for kind, count in unit.cells.items()) + f" in {shares[0].unit}"
    return total, kinds


def describe(shares):
    def one(share):
        name = share.unit + (f", {share.mode}" if share.mode else "")
        return name if share.factor == 1 else f"{share.factor:g} x {name}"
    return " + ".join(one(s) for s in shares)


def digits(value, quantity):
    """At most five significant digits, as a plain number."""
    if quantity in ("um2", "ps", "cells"):
        return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
    return f"{value:.5g}" if value >= 1e-4 else f"{value:.4e}"


def book(figures, tools, date):
    yield "# SPDX-License-Identifier: Apache-2.0"
    yield "# Written by scripts/synthesize.sh; do not edit. How the numbers come about, and what is not in them: docs/synthesis.md."
    yield "name: osu018"
    yield "node_nm: 180"
    yield "summary: nibble's RTL in the OSU 0.18 um cells (typical corner, 1.8 V, 25 C), before place and route"
    yield ""
    yield "entries:"
    for key, quantity, shares in entries():
        if any(share.unit not in figures for share in shares):
            continue
        value, kinds = value_of(figures, quantity, shares)
        yield (f"  {key}: {{value: {digits(value, quantity)}, unit: {quantity}, node_nm: 180, "
               f"source: \"scripts/synthesize.sh, {describe(shares)}{kinds}; {tools}; {date}\"}}")


def numbers(text):
    """{key: (value, unit)} of a book as book() writes it."""
    found = {}
    for line in text.splitlines():
        if line.startswith("  ") and "{value: " in line:
            key, rest = line.strip().split(": {value: ", 1)
            value, rest = rest.split(", unit: ", 1)
            found[key] = (value, rest.split(",")[0])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operands", required=True, type=pathlib.Path, help="the program rtl_operands")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="for netlists and reports")
    parser.add_argument("--only", action="append", default=[], help="a unit; may be repeated")
    parser.add_argument("--check", action="store_true", help="compare with the committed book, write nothing")
    options = parser.parse_args()
    unknown = set(options.only) - {unit.name for unit in UNITS}
    if unknown:
        parser.error(f"unknown unit '{unknown.pop()}'; known: {', '.join(unit.name for unit in UNITS)}")
    if not LIBERTY.exists():
        sys.exit(f"synthesize: {LIBERTY} is missing: install qflow-tech-osu018 (scripts/setup.sh)")
    library = Library(LIBERTY.read_text())
    figures = {}
    for unit in UNITS:
        if not options.only or unit.name in options.only:
            figures[unit.name] = one = measure(unit, library, options.operands.resolve(), options.folder.resolve())
            print(f"{unit.name:20s} {one.area:9.0f} um2 {sum(one.cells.values()):6d} cells {one.critical_path:6d} ps  "
                  + ", ".join(f"{m} {e:.3f} pJ" for m, e in one.energy.items()), flush=True)
    abc = re.search(r"ABC (\d\S*)", gates.run(["berkeley-abc", "-c", "version"]))[1]
    text = "\n".join(book(figures, f"{gates.versions()}, ABC {abc}", datetime.date.today().isoformat())) + "\n"
    committed = numbers(BOOK.read_text()) if BOOK.exists() else {}
    if options.check:
        differing = [f"{key}: {found} here, {committed.get(key)} in {BOOK.name}"
                     for key, found in numbers(text).items() if committed.get(key) != found]
        print("\n".join(differing) or f"synthesize: {len(numbers(text))} numbers are as in {BOOK.name}")
        return bool(differing)
    if options.only:
        return 0
    if numbers(text) != committed:  # the same numbers keep their date
        BOOK.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
