#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Area and energy of the PEs at equal throughput, from configs/technologies/osu018.yaml: per product and cycle, and relative to
the FP16 multiply-add. Ratios do not depend on the technology that the book is scaled to: every area and every energy of a node
has one factor."""
import pathlib
import re
import sys

BOOK = pathlib.Path(__file__).resolve().parents[1] / "configs/technologies/osu018.yaml"

# What makes a product per cycle: PE and mode, shares of the area as (entry, factor), shares of the energy per product.
PES = [
    ("FP16 multiply-add", [("pe.fp16.area", 1)], [("pe.fp16.mac", 1)]),
    ("INT8, foot per 64 PEs", [("pe.int8.area", 1), ("foot.int8.area", 1 / 64)], [("pe.int8.mac", 1)]),
    ("INT4, foot per 64 PEs", [("pe.int4.area", 1), ("foot.int8.area", 1 / 64)], [("pe.int4.w4a4.mac", 1)]),
    ("M-ANT W4A8, foot per 64 PEs", [("pe.mant.area", 1), ("foot.area", 1 / 64)],
     [("pe.mant.w4a8.mac", 1), ("foot.element", 1 / 64)]),
    ("M-ANT W8A8", [("pe.mant.area", 2), ("foot.area", 1 / 32)], [("pe.mant.w8a8.mac", 1), ("foot.element", 1 / 64)]),
    ("Harmonia M8W4", [("pe.bfp.area", 1 / 32)], [("pe.bfp.m8w4.mac", 1)]),
    ("Harmonia M8M4", [("pe.bfp.area", 1 / 32)], [("pe.bfp.m8m4.mac", 1)]),
    ("Harmonia M8M8", [("pe.bfp.area", 1 / 16)], [("pe.bfp.m8m8.mac", 1)]),
    ("Amove, clusters of 4", [("pe.amove.c4.area", 1)], [("pe.amove.c4.mac", 1)]),
    ("Amove, clusters of 16", [("pe.amove.c4.area", 1)], [("pe.amove.c16.mac", 1)]),
    ("Amove, PE without GIPU", [("amove.lane.area", 1)], [("amove.lane.c4.mac", 1)]),
    ("FIGNA-like, 15 x 4 of 8 bits", [("pe.figna.area", 1)], [("pe.figna.w4.mac", 1)]),
    ("FIGNA-like, 15 x 8 bits", [("pe.figna.area", 1)], [("pe.figna.w8.mac", 1)]),
    ("ANT 4 bits, with decoder", [("pe.ant.area", 1)], [("pe.ant.w4a4.mac", 1)]),
    ("ANT W8A8, four PEs", [("pe.ant.area", 4)], [("pe.ant.w8a8.mac", 1)]),
    ("OliVe 4 bits, with decoder", [("pe.olive.area", 1)], [("pe.olive.w4a4.mac", 1)]),
    ("OliVe W8A8, four PEs", [("pe.olive.area", 4)], [("pe.olive.w8a8.mac", 1)]),
    ("Tender 4 bits, foot per 64 PEs", [("pe.tender.area", 1)], [("pe.tender.w4a4.mac", 1)]),
    ("Tender W8A8, four PEs", [("pe.tender.area", 4)], [("pe.tender.w8a8.mac", 1)]),
    ("BitFusion W8A8, foot per 32", [("pe.bitfusion.area", 1), ("foot.int8.area", 1 / 32)], [("pe.bitfusion.w8a8.mac", 1)]),
    ("BitFusion W4A8", [("pe.bitfusion.area", 1 / 2), ("foot.int8.area", 1 / 64)], [("pe.bitfusion.w4a8.mac", 1)]),
    ("BitFusion W4A4", [("pe.bitfusion.area", 1 / 4), ("foot.int8.area", 1 / 128)], [("pe.bitfusion.w4a4.mac", 1)]),
    ("BitFusion W2A2", [("pe.bitfusion.area", 1 / 16), ("foot.int8.area", 1 / 512)], [("pe.bitfusion.w2a2.mac", 1)]),
    ("BitMoD FP16 x 4 bits", [("pe.bitmod.area", 2 / 4)], [("pe.bitmod.w4.mac", 1)]),
    ("BitMoD FP16 x 6 bits", [("pe.bitmod.area", 3 / 4)], [("pe.bitmod.w6.mac", 1)]),
    ("BitMoD FP16 x 8 bits", [("pe.bitmod.area", 1)], [("pe.bitmod.w8.mac", 1)]),
    ("Anda, 7 planes, INT4", [("pe.anda.area", 7 / 64)], [("pe.anda.m7.mac", 1)]),
    ("Anda, 15 planes, INT4", [("pe.anda.area", 15 / 64)], [("pe.anda.m15.mac", 1)]),
    ("PacQ FP16 x INT4", [("pe.fp_int.area", 1 / 8)], [("pe.fp_int.int4.mac", 1)]),
    ("PacQ FP16 x INT2", [("pe.fp_int.area", 1 / 8)], [("pe.fp_int.int2.mac", 1)]),
    ("PacQ, one word k-packed", [("pe.fp_int.area", 1 / 4)], [("pe.fp_int.int4-k.mac", 1)]),
    *((f"PacQ FP16 x {mode.upper()}, {trees} tree{'s' * (trees > 1)}", [(f"fp_int.trees{trees}.area", 1 / min(4 * trees, 4 * lanes))],
       [(f"fp_int.trees{trees}.{mode}.mac", 1)]) for trees in (1, 4, 8) for mode, lanes in (("int4", 4), ("int2", 8))),
    ("FP16 multiplier alone", [("fp16.multiply.area", 1)], [("fp16.multiply", 1)]),
    ("PacQ multiplier, INT4", [("fp_int.multiplier.area", 1 / 4)], [("fp_int.multiplier.int4.product", 1)]),
    ("PacQ multiplier, INT2", [("fp_int.multiplier.area", 1 / 8)], [("fp_int.multiplier.int2.product", 1)]),
]


def numbers():
    return {key: float(value) for key, value in
            re.findall(r"^  (\S+): \{value: ([0-9.e+-]+),", BOOK.read_text(), re.M)}


def table(book):
    def total(shares):
        return sum(book[key] * factor for key, factor in shares)
    rows = [(name, total(area), total(energy)) for name, area, energy in PES if all(key in book for key, _ in area + energy)]
    _, unit_area, unit_energy = rows[0]
    yield f"{'per product and cycle, 180 nm':30s} {'um2':>8s} {'pJ':>7s} {'area':>7s} {'energy':>7s}"
    for name, area, energy in rows:
        yield f"{name:30s} {area:8,.0f} {energy:7.1f} {area / unit_area:7.3f} {energy / unit_energy:7.3f}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table(numbers())) + "\n")
