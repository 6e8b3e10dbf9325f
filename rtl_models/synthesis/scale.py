#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scales the cost book of 180 nm to 45, 28 and 16 nm after Stillmaker and Baas, 2017 (stillmaker_baas.yaml).

Usage: scale.py [--check]   --check: compare with the committed books, write nothing
Areas, delays and energies are scaled. Leakage has no published rule here: it becomes unknown. SRAM macros are not scaled either:
the CACTI table of the published book of the same node stands in, with its own source; at 16 nm there is none."""
import json
import math
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
BOOKS = FOLDER.parents[1] / "configs/technologies"
FROM = 180
RULE = "Stillmaker and Baas 2017"
ENTRY = re.compile(r'^  (\S+): \{value: (\S+), unit: (\S+), node_nm: 180, source: "(.*)"\}$')


def rule(text):
    """The tables of stillmaker_baas.yaml."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.split(": ", 1)
            found[name] = json.loads(re.sub(r"([{ ])(\d+):", r'\1"\2":', value))
    return found


def _at(coefficients, voltage):
    value = 0.0
    for coefficient in coefficients:
        value = value * voltage + coefficient
    return value


def factor(tables, quantity, node):
    """What a figure at 180 nm is multiplied with to stand for `node`; quantity: area, delay, energy."""
    if node == 28:
        large, small = (_factor(tables, quantity, n, tables["supply_v"]["28"]) for n in (32, 20))
        return large * (small / large) ** (math.log(32 / 28) / math.log(32 / 20))
    return _factor(tables, quantity, node, tables["supply_v"][str(node)])


def _factor(tables, quantity, node, voltage):
    if quantity == "area":
        return tables["area"][str(FROM)] / tables["area"][str(node)]
    return (_at(tables[f"{quantity}_{node}"], voltage)
            / _at(tables[f"{quantity}_{FROM}"], tables["supply_v"][str(FROM)]))


def kind(unit):
    """The rule for a unit of measurement: area, delay, energy, "count" (not scaled) or None (no rule)."""
    if unit == "um2":
        return "area"
    if unit == "ps":
        return "delay"
    if unit.startswith("pJ/"):
        return "energy"
    return "count" if unit == "cells" else None


def sram_section(node):
    """The section of the published book of this node, as it stands there; empty where there is none."""
    text = (BOOKS / f"published-{node}nm.yaml").read_text()
    found = re.search(r"^sram:\n(?:^[ #].*\n|^\n)*", text, re.M)
    return f"\n# Not scaled: the macros of published-{node}nm.\n{found[0].rstrip()}\n" if found else ""


def scaled(text, node, tables):
    """The book of `node` from that of 180 nm."""
    supply = tables["supply_v"]
    lines = ["# SPDX-License-Identifier: Apache-2.0",
             "# Written by scripts/synthesize.sh (scale.py) from osu018.yaml; do not edit. Which rule, and what it cannot say: "
             "docs/synthesis.md.", f"name: synthesized-{node}nm", f"node_nm: {node}",
             f"summary: nibble's RTL in the OSU 0.18 um cells, scaled to {node} nm at {supply[str(node)]} V ({RULE}), before place "
             "and route", "", "entries:"]
    for line in text.splitlines():
        found = ENTRY.match(line)
        if not found:
            continue
        key, value, unit, source = found.groups()
        by = kind(unit)
        head = f"  {key}: {{value: "
        if by is None:
            lines.append(head + f"unknown, unit: {unit}, node_nm: {node}, source: \"no rule to scale leakage from 180 nm, where "
                         f"it is {value} {unit} (osu018)\"}}")
            continue
        one = 1.0 if by == "count" else factor(tables, by, node)
        how = "the same cells" if by == "count" else f"{by} x {one:.5f}, {RULE}"
        lines.append(head + f"{float(value) * one:.4g}, unit: {unit}, node_nm: {node}, scaled_from_nm: {FROM}, "
                     f"source: \"{value} {unit} in osu018, {how}; {source}\"}}")
    return "\n".join(lines) + "\n" + sram_section(node)


def main():
    tables = rule((FOLDER / "stillmaker_baas.yaml").read_text())
    text = (BOOKS / "osu018.yaml").read_text()
    differing = False
    for node in (45, 28, 16):
        file = BOOKS / f"synthesized-{node}nm.yaml"
        new = scaled(text, node, tables)
        if "--check" in sys.argv[1:]:
            if not file.exists() or file.read_text() != new:
                print(f"scale: {file.name} is not what osu018.yaml gives; run scripts/synthesize.sh --scale", file=sys.stderr)
                differing = True
        else:
            file.write_text(new)
    return differing


if __name__ == "__main__":
    sys.exit(main())
