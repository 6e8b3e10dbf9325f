#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Take the pictures of docs/images: pages of real runs in headless Chromium, 1280 pixels wide.

page_images.py [--nibble build/release/cli/nibble] [NAME...]      NAME: of PICTURES, all of them without one
"""
import argparse
import os
import pathlib
import subprocess
import tempfile

from page_browser import Browser

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN = ("run", "--accelerator", "mant", "--model", "llama-2-7b", "--prefill", "256", "--decode", "1")
COMPARISON, SWEEP = ("compare", "mant-linear"), ("sweep", "mant-array")
# Picture: command, theme, height in pixels.
PICTURES = {
    "run-light": (RUN, "light", 1000),
    "run-dark": (RUN, "dark", 1000),
    "comparison-light": (COMPARISON, "light", 830),
    "comparison-dark": (COMPARISON, "dark", 830),
    "sweep-light": (SWEEP, "light", 1100),
    "sweep-dark": (SWEEP, "dark", 1100),
}
LARGEST = 200_000  # bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble", default=ROOT / "build/release/cli/nibble", type=pathlib.Path)
    parser.add_argument("names", nargs="*", choices=[[], *PICTURES])
    options = parser.parse_args()
    environment = {**os.environ, "NIBBLE_CONFIG_PATH": str(ROOT / "configs")}
    pages = {}
    with tempfile.TemporaryDirectory() as work, Browser() as browser:
        for name in options.names or PICTURES:
            command, theme, height = PICTURES[name]
            if command not in pages:
                pages[command] = f"out{len(pages)}"
                subprocess.run([options.nibble.resolve(), *command, "--out", pages[command]], cwd=work, env=environment, check=True,
                               stdout=subprocess.DEVNULL)
            page = browser.open(pathlib.Path(work) / pages[command] / "report.html", theme=theme)
            file = ROOT / "docs/images" / f"{name}.png"
            file.parent.mkdir(exist_ok=True)
            page.screenshot(file, (0, 0, 1280, height))
            print(f"{file.relative_to(ROOT)}: {file.stat().st_size} bytes")
            if file.stat().st_size > LARGEST:
                raise SystemExit(f"{file}: larger than {LARGEST} bytes")


if __name__ == "__main__":
    main()
