#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Maps one module to gates and writes them, with the cells' functions, as one Verilog file, module TOP_gates: what the test
benches of testbenches/rtl run in place of the RTL when nibble is configured with NIBBLE_RTL_GATES."""
import argparse
import pathlib

import gates
from synthesize import LIBERTY
from units import Unit


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--top", required=True)
    parser.add_argument("--parameter", action="append", default=[], help="NAME=VALUE")
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("sources", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    parameters = dict(p.split("=") for p in options.parameter)
    unit = Unit(f"{options.top}_gates", options.top, tuple(options.sources), parameters)
    gates.synthesize(unit, pathlib.Path("/"), LIBERTY, options.folder)
    cells = options.folder / "cells.v"
    gates.run(["yosys", "-q", "-p", f"read_liberty {LIBERTY}; write_verilog -noattr {cells}"])
    with open(options.folder / f"{options.top}_gates.v", "w", encoding="ascii") as out:
        out.write((options.folder / "netlist.v").read_text() + cells.read_text())


if __name__ == "__main__":
    main()
