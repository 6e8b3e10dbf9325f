#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fields of docs/reports.md against the fields of real reports, in both directions.

report_fields.py NIBBLE SOURCE_DIR
"""
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MODEL = {"model_type": "llama", "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 1,
         "num_attention_heads": 2, "vocab_size": 128, "max_position_embeddings": 256}
GROUPS = ("stall_cycles_by_stream", "output_stall_cycles_by_stream", "traffic_bytes", "energy_pj", "area_um2")


def documented(page, heading):
    """The first column of the first table after a line."""
    after = page[page.index(heading):]
    table = re.search(r"(?:^\|.*\n)+", after, re.M)[0]
    return set(re.findall(r"^\| `([\w.]+)` \|", table, re.M))


def fields(entry):
    names = set()
    for key, value in entry.items():
        names |= {f"{key}.{part}" for part in value} if key in GROUPS else {key}
    return names


def main():
    nibble, source = sys.argv[1], pathlib.Path(sys.argv[2])
    page = (source / "docs/reports.md").read_text(encoding="utf-8")
    environment = dict(os.environ, NIBBLE_CONFIG_PATH=str(source / "configs"))
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder, "config.json")
        model.write_text(json.dumps(MODEL), encoding="utf-8")
        commands = [["run", "--model", str(model), "--prefill", "70", "--decode", "2", "--out", folder],
                    ["gemm", "--m", "4", "--k", "64", "--n", "32", "--explain"]]
        reports = [json.loads(subprocess.run([nibble, *words, "--accelerator", "mant", "--json"], env=environment,
                                             stdout=subprocess.PIPE, check=True).stdout) for words in commands]
        with open(pathlib.Path(folder, "operators.csv"), newline="", encoding="utf-8") as file:
            columns = next(csv.reader(file))
        written = json.loads(pathlib.Path(folder, "report.json").read_text(encoding="utf-8"))

    figures = documented(page, "## Figures")
    told = {"document": documented(page, "## The rest of the document"),
            "operators": figures | documented(page, "an entry of `operators`"),
            "phases": figures | documented(page, "an entry of `phases`"),
            "totals": figures | documented(page, "and `totals` has"),
            "prices": documented(page, "One entry per cost book")}
    found = {name: set() for name in told}
    for report in reports + [written]:
        found["document"] |= set(report)
        found["totals"] |= fields(report["totals"])
        for name in ("operators", "phases"):
            for entry in report[name]:
                found[name] |= fields(entry)
        for entry in report["prices"]:
            found["prices"] |= set(entry)
    problems = []
    for name, names in told.items():
        problems += [f"{name}: {field} is emitted and not documented" for field in sorted(found[name] - names)]
        problems += [f"{name}: {field} is documented and not emitted" for field in sorted(names - found[name])]
    listed = re.findall(r"`(\w+)`", page[page.index("Columns in order:"):page.index("`traffic_bytes` is the total")])
    if listed != columns:
        problems.append(f"operators.csv: the page lists {listed}, the file has {columns}")
    for report in reports:
        for statistic in report["statistics"]:
            if not (statistic["unit"] and statistic["meaning"]):
                problems.append(f"statistics: {statistic['name']} has no unit or no meaning")
    print("\n".join(problems) or "report fields: ok")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
