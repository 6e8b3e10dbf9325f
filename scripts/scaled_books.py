#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cost books that stand beside the published ones where a comparison needs a PE that was published for another node only.

scaled_books.py           writes the books of WRITTEN into configs/technologies/
scaled_books.py --check   compares with what is there, writes nothing

Each has another book of its node for a base and adds entries of other nodes, scaled after Stillmaker and Baas (2017) as
rtl_models/synthesis/scale.py does. Leakage and idle energy have no published rule: they stay unknown.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "rtl_models/synthesis"))
import scale  # noqa: E402

BOOKS = ROOT / "configs/technologies"
ENTRY = re.compile(r'^  (\S+): \{value: ([0-9.e+-]+), unit: (\S+), node_nm: (\d+), source: "?(.*?)"?\}$', re.M)
TABLES = scale.rule((ROOT / "rtl_models/synthesis/stillmaker_baas.yaml").read_text())
# Name: base, node, summary, {node that published: entries}, what is composed of the base's entries.
WRITTEN = {
    "published-28nm-scaled": (
        "published-28nm", 28, "published for 28 nm, and what is published for 45 and 16 nm only, scaled; before place and route",
        {45: r"pe\.(bitfusion|int8|int4)\.", 16: r"(pe\.anda|compressor)\."}, []),
    "published-45nm-scaled": (
        "published-45nm", 45, "published for 45 nm, and what is published for 28 nm only, scaled; before place and route",
        {28: r"pe\.(ant|olive|tender)\."},
        # Amove prints the power of its PE as a ratio to that of an INT4 PE.
        [("pe.amove.c4.mac", 1.171, "pe.int4.mac"), ("pe.amove.c16.mac", 1.171, "pe.int4.mac")]),
    "synthesized-28nm-scaled": (
        "synthesized-28nm", 28, "nibble's RTL, and Anda's own figures of 16 nm scaled: two flows side by side",
        {16: r"(pe\.anda|compressor)\."}, []),
}


def entries_of(node):
    """{key: (value, unit, source)} of the published book of a node, what is unknown left out."""
    text = (BOOKS / f"published-{node}nm.yaml").read_text()
    return {key: (float(value), unit, source) for key, value, unit, where, source in ENTRY.findall(text)
            if int(where) == node}


def book(name):
    base, node, summary, taken, composed = WRITTEN[name]
    lines = ["# SPDX-License-Identifier: Apache-2.0", "# Written by scripts/scaled_books.py; do not edit.",
             f"base: {base}", f"name: {name}", f"node_nm: {node}", f"summary: \"{summary}\"", "", "entries:"]
    for origin, pattern in taken.items():
        for key, (value, unit, source) in entries_of(origin).items():
            kind = scale.kind(unit)
            if not re.match(pattern, key) or kind not in ("area", "energy"):
                continue
            factor = scale.factor(TABLES, kind, node) / scale.factor(TABLES, kind, origin)
            lines.append(f'  {key}: {{value: {value * factor:.4g}, unit: {unit}, node_nm: {node}, scaled_from_nm: {origin}, '
                         f'source: "{value:g} {unit} at {origin} nm, {kind} x {factor:.4g}, {scale.RULE}; {source}"}}')
    for key, ratio, of in composed:
        value, unit, source = entries_of(node)[of]
        lines.append(f'  {key}: {{value: {value * ratio:.4g}, unit: {unit}, node_nm: {node}, '
                     f'source: "composed: {ratio:g} x {of} ({source}); Amove, figure 13, +{100 * (ratio - 1):.1f} % power over its INT4 PE"}}')
    return "\n".join(lines) + "\n"


def main():
    status = 0
    for name in WRITTEN:
        path, text = BOOKS / f"{name}.yaml", book(name)
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path.name} is not what scripts/scaled_books.py writes", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
