#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Examples, and the projects that use the installed package, bind their sockets through nibble::Links, so that a protocol
monitor stands on every link of their tests (NIBBLE_PROBES=protocol). SystemC tests check themselves when they start
(testbenches/support/link_check.h).

Usage: scripts/check_links.py [ROOT]
"""
import re
import sys
from pathlib import Path

FOLDERS = ("examples", "testbenches/consumer", "testbenches/system/docs_test/consumer")
BIND = re.compile(r"([\w.\->()]+?)(?:\.|->)bind\(([^;]*)\)")


def unmonitored(text):
    for number, line in enumerate(text.splitlines(), 1):
        for who, what in BIND.findall(line):
            if who != "links" and not who.endswith("irq") and what != "*this":
                yield number, line.strip()


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    assert list(unmonitored("  a.socket.bind(b.socket);")) and not list(unmonitored('links.bind("a", a, b), cpu.irq.bind(irq);'))
    found = [f"{path.relative_to(root)}:{number}: {line}" for folder in FOLDERS for path in sorted((root / folder).rglob("*"))
             if path.suffix in (".cpp", ".h") for number, line in unmonitored(path.read_text())]
    projects = [path for folder in FOLDERS for path in (root / folder).rglob("CMakeLists.txt") if "NIBBLE_CONFIG_PATH" in path.read_text()]
    found += [f"{path.relative_to(root)}: tests run without NIBBLE_PROBES=protocol" for path in projects
              if "NIBBLE_PROBES=protocol" not in path.read_text()]
    for line in found:
        print(f"bind through nibble::Links: {line}", file=sys.stderr)
    return 1 if found or len(projects) < 6 else 0


if __name__ == "__main__":
    sys.exit(main())
