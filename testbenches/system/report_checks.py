# SPDX-License-Identifier: Apache-2.0
"""What every report of a systolic machine must satisfy: the schema, sums, conservation, bounds."""
import math

TOTALS = ["cycles", "time_s", "macs", "utilization", "dram_read_bytes", "dram_write_bytes", "sram_read_bytes",
          "sram_write_bytes", "energy_pj"]
OPERATOR = ["name", "kind", "phase", "layer", "m", "k", "n", "count", "cycles", "compute_cycles", "memory_stall_cycles",
            "exposed_quantizer_cycles"]
CAUSES = ["compute_cycles", "fill_drain_cycles", "memory_stall_cycles", "output_stall_cycles",
          "exposed_quantizer_cycles"]
ENERGY = ["pe", "quantizer", "vector", "sram", "dram", "static", "idle", "gated", "control"]
ADDITIVE = ["cycles", *CAUSES, "weight_load_cycles", "macs", "pe_macs", "compulsory_bytes", "dram_read_bytes",
            "dram_write_bytes", "sram_read_bytes", "sram_write_bytes", "overflows", "prefetched_bytes", "hidden_cycles"]
STREAMS = ["weight", "activation", "kv", "output", "partial_sum", "vector", "command"]


def has(test, mapping, keys, where):
    for key in keys:
        test.assertIn(key, mapping, where)


def check_schema(test, report):
    has(test, report, ["schema", "version", "command", "accelerator", "model", "scenario", "totals", "phases",
                       "operators", "host"], "report")
    test.assertEqual(report["schema"], "nibble.report/1")
    has(test, report["totals"], TOTALS + ["area_um2"], "totals")
    has(test, report["host"], ["wall_s", "peak_rss_bytes", "simulated_cycles_per_s"], "host")
    for phase in report["phases"]:
        has(test, phase, ["name"] + TOTALS, "phase")
        test.assertIn(phase["name"], ("prefill", "decode") if "prefill" in report["scenario"] else ("gemm",))
    for operator in report["operators"]:
        has(test, operator, OPERATOR, operator["name"])
        test.assertIn(operator["kind"], ("linear", "attention", "vector"))
    for figures in [report["totals"], *report["phases"], *report["operators"]]:
        has(test, figures["energy_pj"], ENERGY + ["total"], "energy_pj")


def check_figures(test, report, f, where, at_work=None):
    """Of an operator, a phase or the whole run; `at_work`: cycles in which an operator was, hidden ones among them."""
    whole = at_work is None  # no other operator has asked for bytes in these cycles
    at_work = at_work or f["cycles"]
    test.assertEqual(sum(f[cause] for cause in CAUSES), f["cycles"], where)
    test.assertEqual(sum(f["stall_cycles_by_stream"].values()), f["memory_stall_cycles"], where)
    test.assertEqual(sum(f["output_stall_cycles_by_stream"].values()), f["output_stall_cycles"], where)
    test.assertLessEqual(f["weight_load_cycles"], f["fill_drain_cycles"], where)
    test.assertEqual(sum(f["traffic_bytes"][stream] for stream in STREAMS), f["traffic_bytes"]["total"], where)
    test.assertTrue(math.isclose(f["time_s"], f["cycles"] / (report["clock_mhz"] * 1e6), rel_tol=1e-12), where)
    # Bytes: moved on the bus >= asked for; asked for (descriptors and status words apart) >= every operand once.
    asked = f["traffic_bytes"]["total"]
    # What was asked for ahead moved during the operator before.
    ahead = f["prefetched_bytes"] if where != "totals" else 0
    # What an operator asked for beside others moved in their cycles.
    beside = at_work > f["cycles"]
    if not beside:
        test.assertGreaterEqual(f["dram_read_bytes"] + f["dram_write_bytes"] + ahead, asked, where)
    test.assertLessEqual(f["prefetched_bytes"], asked, where)
    test.assertGreaterEqual(asked - f["traffic_bytes"]["command"], f["compulsory_bytes"], where)
    # Bounds that no schedule beats.
    test.assertGreaterEqual(f["pe_macs"], f["macs"], where)
    test.assertGreaterEqual(at_work * report["peak_macs_per_cycle"], f["macs"], where)
    test.assertGreaterEqual(at_work, f["ideal_cycles"], where)
    bus = f["dram_read_bytes"] + f["dram_write_bytes"]
    test.assertGreaterEqual(at_work * report["peak_bytes_per_cycle"] * (1 + 1e-9) + ahead, f["compulsory_bytes"],
                            where)
    if whole:
        test.assertGreaterEqual(f["cycles"] * report["peak_bytes_per_cycle"] * (1 + 1e-9) + 64 * 64, bus, where)
    energy = f["energy_pj"]
    known = [energy[part] for part in ENERGY if energy[part] is not None]
    test.assertTrue(math.isclose(sum(known), energy["total"], rel_tol=1e-9), where)
    test.assertTrue(all(value >= 0 for value in known), where)
    # Counts times prices give the total; what is counted without a price is named.
    causes = energy["dram_by_cause"]
    dram = [f"dram.{cause}" for cause, part in causes.items() if part is None]
    dram += [f"dram.{part}" for part in report["dram_left_out"]]
    test.assertTrue(math.isclose(sum(part for part in causes.values() if part), energy["dram"] or 0), where)
    price = {line["name"]: line["pj_each"] for line in report["prices"][0]["energy"]}
    counted = f["activity"]
    test.assertEqual(sorted(energy["unknown"]), sorted([name for name in counted if price[name] is None] + dram), where)
    spent = sum(count * price[name] for name, count in counted.items() if price[name] is not None)
    test.assertTrue(math.isclose(spent + (energy["dram"] or 0), energy["total"], rel_tol=1e-9), where)
    # Every PE works, idles or waits for a clock in every cycle; all of them leak.
    pes = next(item["instances"] for item in report["prices"][0]["area"] if item["component"] == "pe")
    test.assertEqual(counted["pe.leakage"], pes * f["cycles"], where)
    test.assertLessEqual(counted.get("pe.idle", 0) + counted.get("pe.gated", 0), counted["pe.leakage"], where)


def check_prices(test, report):
    """Every cost book: lines sum to totals, areas of instances to the area, phases to the run."""
    test.assertEqual(report["technology"], report["prices"][0]["technology"])
    for prices in report["prices"]:
        name = prices["technology"]
        lines = sum(line["pj"] for line in prices["energy"] if line["pj"] is not None)
        test.assertTrue(math.isclose(lines + (prices["energy_pj"]["dram"] or 0), prices["energy_pj"]["total"]), name)
        phases = sum(phase["energy_pj"]["total"] for phase in prices["phases"])
        test.assertTrue(math.isclose(phases, prices["energy_pj"]["total"]), name)
        area = sum(item["um2"] for item in prices["area"] if item["um2"] is not None)
        test.assertTrue(math.isclose(area, prices["area_um2"]["total"]), name)
        unknown = [item["component"] for item in prices["area"] if item["um2"] is None]
        test.assertEqual(prices["area_um2"]["unknown"], unknown, name)
        for line in prices["energy"] + prices["area"]:
            test.assertTrue(line["source"], name)
    test.assertEqual(report["totals"]["energy_pj"], report["prices"][0]["energy_pj"])
    test.assertEqual(report["totals"]["area_um2"], report["prices"][0]["area_um2"])


def packed_bytes(rows, columns, bits, group, metadata):
    """Codes and group metadata, nothing else."""
    groups = math.ceil(columns / group)
    return rows * (sum(math.ceil(min(group, columns - g * group) * bits / 8) for g in range(groups)) + groups * metadata)


def check_linear(test, operator):
    """MANT4 weights with groups of 64: 4.375 bits each, read once per step when one tile holds all rows."""
    once = packed_bytes(operator["n"], operator["k"], 4, 64, 3)
    if operator["k"] % 64 == 0:
        test.assertEqual(once * 8, operator["n"] * operator["k"] * 4.375)
    read, rest = divmod(operator["traffic_bytes"]["weight"], once)
    test.assertEqual(rest, 0, operator["name"])
    if operator["m"] <= 32:
        test.assertEqual(read, operator["steps"], operator["name"])
    test.assertEqual(operator["macs"], operator["m"] * operator["k"] * operator["n"] * operator["steps"])
    test.assertEqual(operator["pe_macs"], operator["macs"])


def check(test, report):
    check_schema(test, report)
    operators, phases, totals = report["operators"], report["phases"], report["totals"]
    for operator in operators:
        where = f"{report['model']}: {operator['phase']} {operator['name']} of layer {operator['layer']}"
        check_figures(test, report, operator, where, operator["cycles"] + operator["hidden_cycles"])
        test.assertEqual(operator["hidden_cycles"] > 0, len(operator["hidden_under"]) > 0, where)
        if operator["kind"] == "linear" and "prefill" in report["scenario"] and report["accelerator"] == "mant":
            check_linear(test, operator)
    for phase in phases:
        check_figures(test, report, phase, phase["name"])
        for key in ADDITIVE:
            test.assertEqual(phase[key], sum(o[key] for o in operators if o["phase"] == phase["name"]), key)
    check_figures(test, report, totals, "totals")
    for key in ADDITIVE:
        test.assertEqual(totals[key], sum(o[key] for o in operators), key)
    for name, count in totals["activity"].items():
        test.assertEqual(count, sum(o["activity"].get(name, 0) for o in operators), name)
    check_prices(test, report)
    for stream in STREAMS:
        test.assertEqual(totals["traffic_bytes"][stream], sum(o["traffic_bytes"][stream] for o in operators), stream)
    # No time is lost between operators that ran once.
    for before, after in zip(operators, operators[1:]):
        once = before["steps"] == after["steps"] == 1
        if before["phase"] == after["phase"] and once:
            test.assertEqual(before["begin_cycle"] + before["cycles"], after["begin_cycle"], after["name"])
