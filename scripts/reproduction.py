#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The experiments' results: runs `nibble compare`, keeps what it found in docs/results, and tables it.

reproduction.py --fresh [--experiment NAME,...] [--nibble build/release/cli/nibble] [--jobs 0]
reproduction.py --check NAME,... [--nibble FILE]     runs them again and compares with what is kept, to a thousandth
reproduction.py --tables overview|figures|contest    prints tables of docs/reproduction.md and docs/comparison.md
reproduction.py --tables lengths --experiment NAME   figures, times and bytes by the last word of the workloads' names

--fresh runs all experiments in one `nibble compare`, which makes runs that they share once. One file per experiment:
docs/results/NAME.json, compare.json without what can be computed from it.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs/results"
LARGE = 0.15
SHARES = {"edp_reduction", "count_reduction", "quantizer_overhead"}
ERRORS = ["weight_db", "activation_db", "key_db", "value_db", "linear", "scores", "context"]


def digits(value):
    """Six significant ones: enough to tell results apart, few enough to read."""
    return None if value is None else float(f"{value:.6g}")


def kept(experiment):
    """What of an experiment's document is kept."""
    value = lambda item: {"value": digits(item["value"]), "geometric": digits(item["geometric"]),
                          "arithmetic": digits(item["arithmetic"]),
                          "by_workload": {name: digits(number) for name, number in item["by_workload"].items()},
                          **({"why_not": item["why_not"]} if "why_not" in item else {})}
    figures = [{**{key: figure[key] for key in ("name", "metric", "of", "over", "mean", "published", "source")}, **value(figure),
                "low": digits(figure["low"]), "high": digits(figure["high"]), "difference": digits(figure["difference"]),
                "not_explained": digits(figure["not_explained"]),
                "alternatives": [{"name": item["name"], "value": digits(item["value"])} for item in figure["alternatives"]],
                "steps": [{"name": step["name"], "cause": step["cause"], "why": step["why"], "value": digits(step["value"]),
                           "factor": digits(step["factor"])} for step in figure["steps"]]}
               for figure in experiment["figures"]]
    machines = [{"workload": row["workload"], "machine": row["machine"], "time_s": digits(row["time_s"]),
                 "energy_pj": digits(sum(row["energy_pj"].values())), "sram_pj": digits(row["energy_pj"].get("sram")),
                 "area_um2": digits(sum(row["area_um2"].values())),
                 "dram_bytes": digits(row["dram_bytes"]), "lacks": len(row["unknown"]),
                 **({"pareto": row["pareto"]} if "pareto" in row else {})} for row in experiment["machines"]]
    errors = {name: {key: digits(error[key]) for key in ERRORS} for name, error in experiment["operand_errors"].items()}
    return {"name": experiment["name"], "title": experiment["title"], "summary": experiment["summary"],
            "baseline": experiment["baseline"], "open": experiment["open"], "figures": figures, "machines": machines,
            "operand_errors": errors}


def compare(nibble, names, jobs):
    """[what is kept] of a run of `nibble compare`."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        done = subprocess.run([str(nibble), "compare", *names, "--jobs", str(jobs), "--json"], stdout=out, check=False,
                              env={**os.environ, "NIBBLE_CONFIG_PATH": str(ROOT / "configs")})
        if done.returncode:
            sys.exit(done.returncode)
        out.seek(0)
        return [kept(experiment) for experiment in json.load(out)["experiments"]]


def text_of(result):
    """One line per figure and machine, so that a change shows where it is."""
    line = lambda item: json.dumps(item, ensure_ascii=False)
    listed = lambda items: "[" + ",".join("\n    " + line(item) for item in items) + ("\n  ]" if items else "]")
    parts = [f'  "{key}": {listed(value) if isinstance(value, list) else line(value)}' for key, value in result.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def experiments():
    return sorted(path.stem for path in (ROOT / "configs/experiments").glob("*.yaml"))


def load():
    return [json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in experiments()
            if (RESULTS / f"{name}.json").exists()]


def figure_text(metric, value):
    if value is None:
        return "unknown"
    if metric in SHARES:
        return f"{100 * value:.{1 if abs(value) >= 0.01 else 3 if abs(value) >= 1e-4 else 6}f} %"
    return f"{value:.2f}x"


def percent(value):
    return "-" if value is None else f"{100 * value:+.1f} %"


def range_text(figure):
    if len(figure["alternatives"]) < 2 or figure["low"] is None:
        return "-"
    return f"{figure_text(figure['metric'], figure['low'])} to {figure_text(figure['metric'], figure['high'])}"


def table(heads, rows):
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def largest_step(figure):
    """The cause that moves a figure most."""
    steps = [step for step in figure["steps"] if step["factor"]]
    if not steps:
        return "-"
    most = max(steps, key=lambda step: max(step["factor"], 1 / step["factor"]) if step["factor"] > 0 else 0)
    return f"{most['cause']}, x {most['factor']:.2f}"


def overview():
    rows, compared = [], []
    for result in load():
        for figure in result["figures"]:
            if figure["published"] is None:
                continue
            metric = figure["metric"]
            inside = (figure["low"] is not None and len(figure["alternatives"]) > 1 and
                      figure["low"] <= figure["published"] <= figure["high"])
            compared.append((figure["difference"], inside))
            rows.append([f"[{result['name']}](#{result['name']})", figure["name"], figure_text(metric, figure["value"]), range_text(figure),
                         figure_text(metric, figure["published"]), percent(figure["difference"]), largest_step(figure),
                         f"x {figure['not_explained']:.2f}" if figure["not_explained"] and figure["steps"] else "-"])
    known = [difference for difference, _ in compared if difference is not None]
    near = sum(abs(difference) <= LARGE for difference in known)
    inside = sum(within and (difference is None or abs(difference) > LARGE) for difference, within in compared)
    print(f"{len(compared)} published figures; ours are within 15 % of {near} of them, and the range over open parameters holds "
          f"{inside} more.\n")
    table(["experiment", "figure", "ours", "range", "published", "difference", "largest step", "not explained"], rows)


def figures():
    for result in load():
        if not any(figure["published"] for figure in result["figures"]):
            continue
        print(f"## {result['name']}\n\n{result['title']}. {result['summary']}\n")
        for parameter in result["open"]:
            print(f"Open, {parameter['name']}: {parameter['why']}\n")
        table(["figure", "ours", "range", "geometric", "arithmetic", "published", "difference", "source"],
              [[figure["name"], figure_text(figure["metric"], figure["value"]), range_text(figure),
                *(figure_text(figure["metric"], figure[mean]) if figure[mean] else "-" for mean in ("geometric", "arithmetic")),
                figure_text(figure["metric"], figure["published"]) if figure["published"] else "-", percent(figure["difference"]),
                figure["source"] or "-"] for figure in result["figures"]])
        for figure in result["figures"]:
            if figure.get("why_not"):
                print(f"{figure['name']}: not computed, {figure['why_not']}.\n")
        decompositions(result)


def decompositions(result):
    taken = [figure for figure in result["figures"] if figure["steps"]]
    if not taken:
        return
    names = list(dict.fromkeys(step["name"] for figure in taken for step in figure["steps"]))
    rows = []
    for figure in taken:
        steps = {step["name"]: step for step in figure["steps"]}
        cells = [f"x {steps[name]['factor']:.3f}" if name in steps and steps[name]["factor"] else "" for name in names]
        rest = f"x {figure['not_explained']:.3f}" if figure["not_explained"] else "-"
        rows.append([figure["name"], figure_text(figure["metric"], figure["value"]), *cells, rest,
                     figure_text(figure["metric"], figure["published"])])
    print("Differences above 15 %, step by step, each on top of those to its left:\n")
    table(["figure", "ours", *names, "not explained", "published"], rows)
    whys = {step["name"]: (step["cause"], step["why"]) for figure in taken for step in figure["steps"]}
    for name in names:
        print(f"- **{name}** ({whys[name][0]}): {whys[name][1]}")
    print()


def prefixed(value, unit):
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u")):
        if value >= factor * 0.9995:
            break
    scaled = value / factor
    return f"{scaled:.{0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2}f} {prefix}{unit}"


def contest():
    for result in load():
        if not result["operand_errors"]:
            continue
        machines = list(dict.fromkeys(row["machine"] for row in result["machines"]))
        workloads = list(dict.fromkeys(row["workload"] for row in result["machines"]))
        rows = {(row["workload"], row["machine"]): row for row in result["machines"]}
        print(f"{result['summary']}\n")
        print("Errors of operands: signal to noise in dB, and errors of products in percent.\n")
        db = lambda value: "exact" if value is None else f"{value:.1f}"
        table(["machine", "weights", "activations", "keys", "values", "A W^T", "Q K^T", "P V"],
              [[name, *(db(result["operand_errors"][name][key]) for key in ERRORS[:4]),
                *(f"{100 * result['operand_errors'][name][key]:.2f}" for key in ERRORS[4:])] for name in machines])
        table(["machine", "area of PEs, buffers and vector unit as far as known"],
              [[name, prefixed(rows[workloads[0], name]["area_um2"] * 1e-6, "mm2")] for name in machines])
        models = list(dict.fromkeys(workload.split()[0] for workload in workloads))
        for model in models:
            mine = [workload for workload in workloads if workload.split()[0] == model]
            heads = ["machine", *(workload.split(" ", 1)[1] for workload in mine)]
            for title, cell in (
                    ("time", lambda row: prefixed(row["time_s"], "s")),
                    ("energy, as far as known", lambda row: prefixed(row["energy_pj"] * 1e-12, "J"))):
                print(f"{model}, {title}; * on the Pareto front of time, energy and error:\n")
                table(heads, [[name, *(cell(rows[workload, name]) + (" *" if rows[workload, name].get("pareto") else "")
                                       for workload in mine)] for name in machines])
            base = result["baseline"]
            print(f"{model}, speedup over {base}:\n")
            table(heads, [[name, *(f"{rows[workload, base]['time_s'] / rows[workload, name]['time_s']:.2f}x" for workload in mine)]
                          for name in machines])


def lengths(names):
    """Of experiments whose workloads are named MODEL LENGTH."""
    for result in load():
        if result["name"] not in names:
            continue
        order = list(dict.fromkeys(row["workload"].split()[-1] for row in result["machines"]))
        of_length = lambda values, length: [value for name, value in values.items() if name.split()[-1] == length]
        mean = lambda values: math.exp(sum(map(math.log, values)) / len(values))
        table(["geometric mean over the models", *order, "all", "range", "published"],
              [[figure["name"], *(f"{mean(of_length(figure['by_workload'], length)):.2f}x" for length in order),
                figure_text(figure["metric"], figure["value"]), range_text(figure), figure_text(figure["metric"], figure["published"])]
               for figure in result["figures"]])
        machines = list(dict.fromkeys(row["machine"] for row in result["machines"]))
        rows = {(row["workload"], row["machine"]): row for row in result["machines"]}
        workloads = list(dict.fromkeys(row["workload"] for row in result["machines"]))
        models = [name.rsplit(" ", 1)[0] for name in workloads]
        for what, cell in (("time", lambda row: prefixed(row["time_s"], "s")), ("bytes of DRAM", lambda row: prefixed(row["dram_bytes"], "B")),
                           ("energy of memories on the chip", lambda row: prefixed(row["sram_pj"] * 1e-12, "J"))):
            mine = [name for name in workloads if name.rsplit(" ", 1)[0] == models[0]]
            table([f"{what}, {models[0]}", *(name.split()[-1] for name in mine)],
                  [[machine, *(cell(rows[name, machine]) for name in mine)] for machine in machines])


def differs(one, other, path=""):
    """Where two results differ by more than a thousandth, or empty."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return next((where for key in one if (where := differs(one[key], other[key], f"{path}.{key}"))), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return next((where for i, pair in enumerate(zip(one, other)) if (where := differs(*pair, f"{path}.{i}"))), "")
    if isinstance(one, float) and isinstance(other, (int, float)):
        return "" if abs(one - other) <= 1e-3 * max(abs(one), abs(other)) else f"{path}: {one} is kept, {other} is computed"
    return "" if one == other else f"{path}: {one!r} is kept, {other!r} is computed"


def check(options):
    """Runs experiments again; the status is 1 where they give something else."""
    status = 0
    for result in compare(options.nibble, options.check, options.jobs):
        file = RESULTS / f"{result['name']}.json"
        where = differs(json.loads(file.read_text(encoding="utf-8")), result) if file.exists() else ": nothing is kept"
        if where:
            print(f"{result['name']}{where}", file=sys.stderr)
            status = 1
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda value: value.split(",")
    parser.add_argument("--nibble", type=pathlib.Path, default=ROOT / "build/release/cli/nibble")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--experiment", type=listed)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--check", type=listed)
    parser.add_argument("--tables", choices=["overview", "figures", "contest", "lengths"])
    options = parser.parse_args()
    if options.tables:
        {"overview": overview, "figures": figures, "contest": contest,
         "lengths": lambda: lengths(options.experiment or [])}[options.tables]()
        return 0
    if options.check:
        return check(options)
    if not options.fresh:
        parser.error("nothing to do: --fresh, --check or --tables")
    RESULTS.mkdir(exist_ok=True)
    for result in compare(options.nibble, options.experiment or ["--all"], options.jobs):
        (RESULTS / f"{result['name']}.json").write_text(text_of(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
