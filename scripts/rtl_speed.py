#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one core simulates of a PE: steps of the PE function, cycles of 4 x 4 PEs by the cycle model, cycles of their RTL.

rtl_speed.py [--build build/release] [--cycles 1000000]

Needs the targets rtl_tests and rtl_speed. All figures are of one run, one after the other: on a shared host take their ratios."""
import argparse
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCHES = {"int8": ("output_stationary_array", "int8_array"), "int4": ("output_stationary_array", "int4_array"),
           "fp16": ("output_stationary_array", "fp16_array"), "mant": ("mant_array", "mant_array"),
           "amove": ("amove_array", "amove_array"), "bfp": ("output_stationary_array", "bfp_array")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--cycles", type=int, default=1000000)
    options = parser.parse_args()
    folder = options.build.resolve() / "testbenches/rtl"
    environment = {**os.environ, "NIBBLE_RTL_CYCLES": str(options.cycles), "SYSTEMC_DISABLE_COPYRIGHT_MESSAGE": "1"}

    def output(*command):
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout

    model = dict(re.findall(r"^(.*?)\s+([0-9.]+) million per second$", output(folder / "rtl_speed"), re.M))
    print(f"{'million per second':20} {'PE function, steps':>20} {'cycle model, cycles':>20} {'RTL, cycles':>12} {'ratios':>16}")
    for name, (bench, case) in BENCHES.items():
        text = output(folder / f"{bench}_rtl_test", f"{case}:*")
        rtl = float(re.search(rf"^{case}: .* ([0-9.]+) million cycles per second$", text, re.M)[1])
        step, cycle = float(model[f"{name}_step"]), float(model[f"{name}, 4 x 4, cycle model, cycles"])
        print(f"{name:20} {step:20.1f} {cycle:20.2f} {rtl:12.2f} {f'{step / rtl:.0f} : {cycle / rtl:.1f} : 1':>16}")


if __name__ == "__main__":
    main()
