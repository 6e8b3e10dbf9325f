#!/usr/bin/env python3
"""Fail when a folder includes what stands above it. The table below is the architecture of docs/architecture.md.

Usage: scripts/check_layers.py [ROOT]
"""
import pathlib
import re
import sys

BASE = {"core", "formats"}
MAY_INCLUDE = {  # folder -> folders it may name in an #include
    "core": set(),
    "formats": {"core"},
    "workloads": BASE,
    "dataflow": BASE,
    "pe": BASE,
    "transport": {"core"},
    "memory": BASE | {"transport"},
    "accelerators": BASE | {"workloads", "dataflow", "pe", "transport", "memory"},
    "rtl_models": BASE | {"pe"},
    "cli": BASE | {"workloads", "dataflow", "pe", "transport", "memory", "accelerators"},
}
PURE = {"core", "formats", "workloads", "dataflow", "pe"}  # plain C++: no SystemC
SOURCE_ONLY = {"core"}  # yaml-cpp and Boost.JSON appear in .cpp files of these folders alone
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')
SYSTEMC = re.compile(r"^(systemc|sysc/|tlm|tlm_utils/)")
SERIALIZERS = re.compile(r"^(yaml-cpp/|boost/json)")


def problems(root):
    for folder, allowed in MAY_INCLUDE.items():
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in {".h", ".cpp"}:
                continue
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                hit = INCLUDE.match(line)
                if not hit:
                    continue
                name = hit[1]
                top = name.split("/")[0] if "/" in name else None
                where = f"{file.relative_to(root)}:{number}: {folder}/"
                if (top in MAY_INCLUDE or top == "testbenches") and top not in allowed | {folder}:
                    yield f"{where} may not include {top}/; it may include: {', '.join(sorted(allowed)) or 'nothing'}"
                if folder in PURE and SYSTEMC.match(name):
                    yield f"{where} is plain C++ and may not include <{name}>"
                if SERIALIZERS.match(name) and not (folder in SOURCE_ONLY and file.suffix == ".cpp"):
                    yield f"{where} may not include <{name}>: only .cpp files of core/ do"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = list(problems(root))
    print("\n".join(found) or "layers: ok")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
