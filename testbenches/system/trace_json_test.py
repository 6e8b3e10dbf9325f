# SPDX-License-Identifier: Apache-2.0
"""trace.json of nibble run: the events are valid, tell what the report says, and recording them changes nothing."""
import collections
import json
import re
import unittest

import program

WHOLE = ("--every-layer", "--every-tile")
# Units work one after the other: every cycle of a unit is in the sums of the report.
APART = ("--set=vector_unit.overlap=false", "--set=dma.prefetch_next=false")


class Track:
    def __init__(self, process, name):
        self.process, self.name, self.slices = process, name, []

    def total(self, amount):
        return sum(slice["args"].get(amount, 0) for slice in self.slices)


def tracks_of(test, text):
    """By (process, track); checks what the trace event format asks of every event."""
    trace = json.loads(text)
    names, tracks = {}, {}
    for event in trace["traceEvents"]:
        test.assertIn(event["ph"], "MX")
        where = (event["pid"], event["tid"])
        if event["ph"] == "M":
            if event["name"] in ("process_name", "thread_name"):
                names[(event["name"], *where)] = event["args"]["name"]
            continue
        process, name = names["process_name", event["pid"], 0], names[("thread_name", *where)]
        track = tracks.setdefault((process, name.split(",")[0]), Track(process, name))
        test.assertTrue(event["name"])
        test.assertGreater(event["dur"], 0)
        # Times are sums of binary fractions: the viewers compare nanoseconds.
        end = track.slices[-1]["ts"] + track.slices[-1]["dur"] if track.slices else 0
        test.assertGreaterEqual(event["ts"], end - 1e-4, track.name)
        track.slices.append(event)
    return tracks


class Trace(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.write("toy.yaml", program.TOY)

    def run_traced(self, machine, *arguments):
        report = self.report("run", f"--accelerator={machine}", "--model", self.model, "--out=results", *arguments)
        text = (self.directory / "results" / "trace.json").read_text()
        return report, tracks_of(self, text), text

    def check_units(self, report, tracks, unit):
        def figures(*kinds):
            sums = collections.Counter()
            for operator in report["operators"]:
                if operator["kind"] in kinds:
                    sums.update({key: value for key, value in operator.items() if key.endswith("cycles")})
                    sums["fetch"] += operator["stall_cycles_by_stream"]["command"]
                    sums["status"] += operator["output_stall_cycles_by_stream"]["command"]
            return sums
        for track, sums in ((tracks["machine", unit], figures("linear", "attention")),
                            (tracks["machine", "vector unit"], figures("vector"))):
            with self.subTest(track.name):
                self.assertEqual(track.total("compute"), sums["compute_cycles"])
                self.assertEqual(track.total("fill and drain") + track.total("weight load"), sums["fill_drain_cycles"])
                self.assertEqual(track.total("weight load"), sums["weight_load_cycles"])
                self.assertEqual(track.total("exposed quantizer"), sums["exposed_quantizer_cycles"])
                # Descriptors and status words are the command processor's.
                self.assertEqual(track.total("waiting for memory"), sums["memory_stall_cycles"] - sums["fetch"])
                self.assertEqual(track.total("waiting for output"), sums["output_stall_cycles"] - sums["status"])

    def check_traffic(self, report, tracks):
        totals = report["totals"]
        # Metadata that moves apart from its codes is a stream of its own, and counts with its tensor in the report.
        for stream in ("command", "output", "partial_sum", "vector"):
            track = tracks.get(("DMA streams", stream))
            moved = track.total("read_bytes") + track.total("write_bytes") if track else 0
            self.assertEqual(moved, totals["traffic_bytes"][stream], stream)
        asked = sum(track.total("read_bytes") + track.total("write_bytes") for (process, _), track in tracks.items()
                    if process == "DMA streams")
        self.assertEqual(asked, totals["traffic_bytes"]["total"])
        channels = [track for (process, _), track in tracks.items() if process == "memory"]
        for way in ("read", "write"):
            self.assertEqual(sum(track.total(f"{way}_bytes") for track in channels), totals[f"dram_{way}_bytes"])
        statistics = {one["name"]: one["value"] for one in report["statistics"]}
        for track in channels:
            path = f"platform.memory.{track.name.split(',')[0].replace(' ', '')}.activates"
            if path in statistics:
                self.assertEqual(track.total("activates"), statistics[path])

    def check_whole(self, machine, unit, *arguments):
        report, tracks, _ = self.run_traced(machine, "--prefill=70", "--decode=2", *WHOLE, *arguments)
        self.check_units(report, tracks, unit)
        self.check_traffic(report, tracks)
        commands = tracks["commands", "operators"]
        self.assertEqual(commands.total("cycles"), report["totals"]["cycles"])
        self.assertEqual(commands.total("macs"), report["totals"]["macs"])
        last = commands.slices[-1]
        self.assertAlmostEqual(last["ts"] + last["dur"], report["totals"]["time_s"] * 1e6, delta=0.5)
        self.assertNotIn(("commands", "not simulated"), tracks)
        encoded = report["totals"]["activity"].get("quantizer.element", 0)
        if ("machine", "quantizer") in tracks:
            self.assertEqual(tracks["machine", "quantizer"].total("elements"), encoded)
        return tracks

    def test_sums_are_those_of_the_report(self):
        tracks = self.check_whole("mant", "array", *APART)
        self.assertIn(("machine", "quantizer"), tracks)
        for other in ("memory.preset=hbm2", "memory.preset=flat-64gbps", "fidelity=cycle"):
            self.check_whole("mant", "array", *APART, f"--set={other}")
        self.check_whole("harmonia", "array", *APART)
        self.check_whole("int8-array", "array", *APART)

    def test_multiprocessors(self):
        tracks = self.check_whole("pacq", "multiprocessors")
        self.assertGreater(tracks["machine", "multiprocessors"].total("compute"), 0)

    def test_units_side_by_side_each_have_a_track(self):
        report, tracks, _ = self.run_traced("mant", "--prefill=70", "--decode=2", *WHOLE)
        self.check_traffic(report, tracks)
        compute = sum(tracks["machine", name].total("compute") for name in ("array", "vector unit"))
        hidden = report["totals"]["hidden_cycles"]
        self.assertTrue(report["totals"]["compute_cycles"] < compute <= report["totals"]["compute_cycles"] + hidden)

    def test_recording_changes_nothing(self):
        for machine in ("mant", "pacq"):
            arguments = ("run", f"--accelerator={machine}", "--model", self.model, "--prefill=70", "--decode=2")
            plain, traced = self.report(*arguments), self.report(*arguments, "--out=results")
            for report in (plain, traced):
                del report["host"], report["command"]
            self.assertEqual(json.dumps(plain), json.dumps(traced))

    def test_a_bounded_trace_keeps_the_sums(self):
        report, tracks, _ = self.run_traced("mant", "--prefill=200", "--decode=4", *WHOLE, *APART, "--trace-slices=16")
        self.check_units(report, tracks, "array")
        self.check_traffic(report, tracks)
        for (process, name), track in tracks.items():
            if process != "commands":
                self.assertLessEqual(len(track.slices), 16, name)
                self.assertEqual("merged" in track.name, any("slices" in slice["args"] for slice in track.slices), name)
        for slices in ("15", "1000001", "-1"):
            self.refused("run", "--accelerator=mant", "--model", self.model, "--prefill=1", "--out=more",
                         f"--trace-slices={slices}", words=["--trace-slices", slices])

    def test_what_was_not_simulated_is_shown(self):
        model = self.write("deep.yaml", program.TOY.replace("layers: 2", "layers: 6"))
        report = self.report("run", "--accelerator=mant", "--model", model, "--prefill=70", "--out=results")
        tracks = tracks_of(self, (self.directory / "results" / "trace.json").read_text())
        gap, = tracks["commands", "not simulated"].slices
        self.assertEqual(tracks["commands", "operators"].total("cycles"), report["totals"]["cycles"])
        first_copy, last_copy, like = map(int, re.fullmatch(r"layers (\d) to (\d), like layer (\d)", gap["name"]).groups())
        self.assertEqual((first_copy, last_copy), (like + 1, 5))
        first = [o for o in report["operators"] if o["layer"] == first_copy][0]
        self.assertAlmostEqual(gap["ts"], first["begin_cycle"] / report["clock_mhz"], places=6)
        for (process, name), track in tracks.items():
            if process == "machine":
                inside = [slice for slice in track.slices if gap["ts"] <= slice["ts"] < gap["ts"] + gap["dur"]]
                self.assertEqual(inside, [], name)
                self.assertTrue(any(slice["ts"] >= gap["ts"] + gap["dur"] for slice in track.slices), name)

    def test_same_run_same_bytes_and_prices_keep_it(self):
        _, _, first = self.run_traced("mant", "--prefill=40", "--decode=2")
        _, _, second = self.run_traced("mant", "--prefill=40", "--decode=2")
        self.assertEqual(first, second)
        self.succeed("price", "results", "--technology=published-45nm", "--out=priced")
        self.assertEqual((self.directory / "priced" / "trace.json").read_text(), first)
        (self.directory / "results" / "trace.json").unlink()
        self.succeed("price", "results", "--technology=published-45nm", "--out=alone")
        self.assertNotIn("alone/trace.json", self.files())


if __name__ == "__main__":
    unittest.main()
