# SPDX-License-Identifier: Apache-2.0
"""nibble run: every model, grouped queries, batches, contexts; what it writes; determinism."""
import csv
import json
import os
import unittest

import program
import report_checks

RUN = ("run", "--accelerator", "mant", "--set", f"memory.preset={program.MEMORY}")
# Tens of gigabytes of weights: a memory that is not timed burst by burst.
LARGE = ("run", "--accelerator", "mant", "--set", "memory.preset=flat-64gbps")
LAYER = ["attention_norm", "q_proj", "k_proj", "v_proj", "q_rotary", "k_rotary", "attention_scores", "softmax",
         "attention_context", "o_proj", "attention_residual", "feed_forward_norm", "gate_proj", "up_proj", "silu_gate",
         "down_proj", "feed_forward_residual"]


def models():
    return sorted(path.stem for path in (program.SOURCE / "configs/models").glob("*.yaml"))


class Toy(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.write("toy.yaml", program.TOY)

    def run_toy(self, *arguments):
        report = self.report(*RUN, "--model", self.model, *arguments)
        report_checks.check(self, report)
        return report

    def test_a_prompt_behind_a_cache(self):
        """The same tokens in the caches, whether they were there before or are the prompt's."""
        for machine in ("mant", "harmonia", "amove-array", "int8-array"):
            with self.subTest(machine=machine):
                run = ("run", "--accelerator", machine, "--model", self.model, "--decode=1")
                behind = self.report(*run, "--prefill=40", "--context=300")
                report_checks.check(self, behind)
                self.assertEqual(behind["kv_cache"], self.report(*run, "--context=300")["kv_cache"])
                figures = {phase["name"]: phase for phase in behind["phases"]}
                alone = {phase["name"]: phase for phase in self.report(*run, "--prefill=40")["phases"]}
                whole = {phase["name"]: phase for phase in self.report(*run, "--prefill=300")["phases"]}
                self.assertEqual(figures["decode"]["macs"], whole["decode"]["macs"])
                self.assertTrue(alone["prefill"]["macs"] < figures["prefill"]["macs"] < whole["prefill"]["macs"])
                self.assertGreater(figures["prefill"]["traffic_bytes"]["kv"], alone["prefill"]["traffic_bytes"]["kv"])
        self.refused(*RUN, "--model", self.model, "--prefill=40", "--context=39", words=["as large, not 39"])

    def test_a_stretch_without_an_event_ends(self):
        """Commands on an array that fills for free before an untimed memory: nothing happens for more than a watch's slice."""
        report = self.report("run", "--accelerator=int8-array", "--model=llama-7b", "--prefill=256", "--set=array.rows=8",
                             "--set=array.columns=8", "--set=array.fill=free", "--set=memory={preset: flat-bitmod}", timeout=60)
        self.assertGreater(report["totals"]["cycles"], 10**9)

    def test_operators_in_order_of_the_network(self):
        report = self.run_toy("--prefill=100", "--decode=2")
        for phase in ("prefill", "decode"):
            names = [o["name"] for o in report["operators"] if o["phase"] == phase]
            self.assertEqual(names, ["embedding"] + 2 * LAYER + ["final_norm", "lm_head"])
            layers = [o["layer"] for o in report["operators"] if o["phase"] == phase]
            self.assertEqual(layers, [-1] + [0] * len(LAYER) + [1] * len(LAYER) + [-1, -1])
        self.assertEqual([p["name"] for p in report["phases"]], ["prefill", "decode"])
        self.assertEqual(report["scenario"], {"batch": 1, "prefill": 100, "decode": 2, "context": 0})

    def test_a_sliding_window_skips_what_no_row_of_a_tile_sees(self):
        narrow = self.write("narrow.yaml", program.TOY + "sliding_window: 64\n")
        for machine in ("mant", "harmonia", "fp16-array"):
            with self.subTest(machine):
                reports = [self.report("run", "--accelerator", machine, "--model", model, "--prefill=512")
                           for model in (self.model, narrow)]
                for report in reports:
                    report_checks.check(self, report)
                whole, windowed = (sum(o["pe_macs"] for o in report["operators"] if o["name"].startswith("attention_"))
                                   for report in reports)
                self.assertLess(windowed, 0.8 * whole)

    def test_macs_counted_by_hand(self):
        # Per token of a layer: Q, O 256 x 256, K, V 256 x 64, three of 256 x 512. Attention: 8 heads of 32, causal.
        linear = 2 * 256 * 256 + 2 * 256 * 64 + 3 * 256 * 512
        head = 256 * 1000
        for batch, prefill in ((1, 100), (2, 100), (1, 1), (3, 64), (1, 65)):
            totals = self.run_toy(f"--prefill={prefill}", f"--batch={batch}")["totals"]
            attention = 2 * 8 * 32 * prefill * (prefill + 1) // 2
            self.assertEqual(totals["macs"], batch * (2 * (prefill * linear + attention) + head))
        for batch, context in ((1, 0), (1, 63), (2, 64), (1, 100)):
            totals = self.run_toy("--decode=2", f"--context={context}", f"--batch={batch}")["totals"]
            attention = sum(2 * 8 * 32 * (context + step + 1) for step in range(2))
            self.assertEqual(totals["macs"], batch * (2 * (2 * linear + attention) + 2 * head))

    def test_cache_traffic_grows_with_the_context(self):
        # Keys: 4 bits and 3 bytes per 64, here per head of 32 channels; values: groups of 64 tokens, the rest as INT8.
        for context in (0, 1, 62, 63, 64, 100, 127, 128, 1000):
            report = self.run_toy("--decode=1", f"--context={context}")
            tokens = context + 1
            scores = next(o for o in report["operators"] if o["name"] == "attention_scores")
            values = next(o for o in report["operators"] if o["name"] == "attention_context")
            self.assertEqual((scores["n"], values["k"], scores["count"]), (tokens, tokens, 2))
            self.assertEqual(scores["traffic_bytes"]["kv"], 2 * tokens * (32 // 2 + 3))
            window = tokens % 64
            finished = tokens // 64
            self.assertEqual(values["traffic_bytes"]["kv"],
                             2 * 32 * (finished * (32 + 3) + (window + 2 if window else 0)))
            self.assertEqual(any(o["name"] == "value_requantize" for o in report["operators"]), tokens % 64 == 0)

    def test_fused_attention_moves_neither_scores_nor_probabilities(self):
        # 8 query heads, 2 key heads, 2 layers: per sequence 8 rows of tokens scores in FP16, as many INT8 probabilities
        # with a scale per 64; each written once and read once.
        for batch, context in ((1, 200), (2, 63), (3, 1000)):
            scenario = ("--decode=1", f"--context={context}", f"--batch={batch}")
            plain, fused = self.run_toy(*scenario), self.run_toy(*scenario, "--set=attention.fused=true")
            tokens = context + 1
            row = 2 * tokens + tokens + 2 * -(-tokens // 64)
            saved = 2 * 2 * batch * 8 * row
            for key in ("compulsory_bytes", "traffic_bytes"):
                # Descriptors apart: attention without scores on chip comes in parts.
                before, after = (r["totals"][key] if key == "compulsory_bytes" else
                                 r["totals"][key]["total"] - r["totals"][key]["command"] for r in (plain, fused))
                self.assertEqual(before - after, saved, key)
            self.assertEqual(plain["totals"]["macs"], fused["totals"]["macs"])
            for stream in ("weight", "kv"):
                self.assertEqual(plain["totals"]["traffic_bytes"][stream], fused["totals"]["traffic_bytes"][stream])

    def test_fused_attention_in_chunks_of_rows_and_instances(self):
        # A row against 100 tokens takes 200 bytes, a key head has 4 x 100 rows, and there are two. 64 KiB hold 327 rows: 324,
        # whole tokens, and 76; 512 KiB both heads; 1 KiB one token; 512 bytes half a token.
        for buffers, share, steps in ((128, 0.5, 4), (1024, 0.5, 1), (2, 0.5, 200), (2, 0.25, 400)):
            plain = self.run_toy("--prefill=100", f"--set=buffers.activation_kib={buffers}",
                                 "--set=vector_unit.overlap=false")
            fused = self.run_toy("--prefill=100", f"--set=buffers.activation_kib={buffers}", "--set=attention.fused=true",
                                 f"--set=attention.buffer_share={share}")
            self.assertEqual(plain["totals"]["macs"], fused["totals"]["macs"])
            for report, count in ((plain, 1), (fused, steps)):
                for operator in report["operators"]:
                    if operator["name"] in ("attention_scores", "softmax", "attention_context"):
                        self.assertEqual(operator["steps"], count, operator["name"])

    def test_scores_that_do_not_fit_are_one_error(self):
        self.refused(*RUN, "--model", self.model, "--decode=1", "--context=3000", "--set=attention.fused=true",
                     "--set=buffers.activation_kib=8", words=(
                         "attention.fused", "3001 tokens", "6002 bytes", "4096 bytes", "buffers.activation_kib to 12",
                         "attention.buffer_share"))
        for size, fits in ((11, False), (12, True)):
            run = self.nibble(*RUN, "--model", self.model, "--decode=1", "--context=3000", "--set=attention.fused=true",
                              f"--set=buffers.activation_kib={size}")
            self.assertEqual(run.status == 0, fits, run.err)

    def test_repeated_layers_stand_for_those_simulated_one_by_one(self):
        deep = self.write("deep.yaml", program.TOY.replace("layers: 2", "layers: 9"))
        for scenario in (["--prefill=130", "--decode=3"], ["--decode=2", "--context=63", "--batch=2"]):
            short = self.report(*RUN, "--model", deep, *scenario)
            whole = self.report(*RUN, "--model", deep, *scenario, "--every-layer")
            report_checks.check(self, short)
            self.assertTrue(any("--every-layer" in note for note in short["notes"]))
            self.assertFalse(any("--every-layer" in note for note in whole["notes"]))
            self.assertEqual(len(short["operators"]), len(whole["operators"]))
            for ours, theirs in zip(short["operators"], whole["operators"]):
                for key in ("name", "phase", "layer", "steps", "macs", "traffic_bytes", "schedule", "sram_read_bytes",
                            "hidden_under"):
                    self.assertEqual(ours[key], theirs[key], (ours["name"], ours["layer"], key))
                if not ours["hidden_under"]:
                    for key in ("compute_cycles", "weight_load_cycles"):
                        self.assertEqual(ours[key], theirs[key], (ours["name"], ours["layer"], key))
                # A refresh that falls into an operator of a few microseconds, or not.
                self.assertLess(abs(ours["cycles"] - theirs["cycles"]), 0.02 * theirs["cycles"] + 400)
                if 0 <= ours["layer"] < 2 and ours["phase"] == "prefill":
                    self.assertEqual(ours["cycles"], theirs["cycles"])
            self.assertLess(abs(short["totals"]["cycles"] / whole["totals"]["cycles"] - 1), 0.01)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_one_layer_behind_the_end_of_another_stands_for_all(self):
        deep = self.write("deep.yaml", program.TOY.replace("layers: 2", "layers: 9").replace("hidden: 256", "hidden: 4096")
                          .replace("feed_forward: 512", "feed_forward: 8192"))
        # Thread blocks meet in other banks of DRAM where weights have other addresses: equal layers take 604,000 to 639,000 cycles.
        for machine, scenario, most in (("mant", ("--decode=2", "--context=63"), 0.002), ("tender", ("--prefill=66",), 0.002),
                                        ("int8-tensor-core", ("--prefill=66",), 0.03)):
            command = ("run", "--accelerator", machine, "--model", deep, *scenario)
            one, whole = self.report(*command), self.report(*command, "--every-layer")
            if "tensor-core" not in machine:
                report_checks.check(self, one)
            note = next(note for note in one["notes"] if "--every-layer" in note)
            self.assertIn("behind the end of one that is not counted", note)
            self.assertNotIn("two are simulated", note)
            keys = [[(o["name"], o["phase"], o["layer"], o["steps"], o["macs"], o["traffic_bytes"], o["schedule"]) for o in report["operators"]]
                    for report in (one, whole)]
            self.assertEqual(*keys)
            self.assertLess(abs(one["totals"]["cycles"] / whole["totals"]["cycles"] - 1), most, machine)
            self.assertEqual(one["totals"]["traffic_bytes"], whole["totals"]["traffic_bytes"])
            begins = [o["begin_cycle"] for o in one["operators"] if o["steps"] == 1 and not o["hidden_under"]]
            self.assertEqual(begins, sorted(begins))

    def test_grouped_queries_read_the_cache_once_per_key_head(self):
        many = program.TOY.replace("kv_heads: 2", "kv_heads: 8")
        self.write("many.yaml", many)
        grouped = self.run_toy("--decode=1", "--context=200")
        full = self.report(*RUN, "--model", "./many.yaml", "--decode=1", "--context=200")
        report_checks.check(self, full)

        def cache(report):
            return sum(o["traffic_bytes"]["kv"] for o in report["operators"] if o["kind"] == "attention")
        self.assertEqual(cache(full), 4 * cache(grouped))
        self.assertEqual(sum(o["macs"] for o in full["operators"] if o["kind"] == "attention"),
                         sum(o["macs"] for o in grouped["operators"] if o["kind"] == "attention"))

    def test_batches_share_weights_and_nothing_else(self):
        one = self.run_toy("--decode=1", "--context=128")
        four = self.run_toy("--decode=1", "--context=128", "--batch=4")
        for a, b in zip(one["operators"], four["operators"]):
            self.assertEqual(b["traffic_bytes"]["weight"], a["traffic_bytes"]["weight"], a["name"])
            self.assertEqual(b["traffic_bytes"]["kv"], 4 * a["traffic_bytes"]["kv"], a["name"])
            self.assertEqual(b["macs"], 4 * a["macs"])

    def test_decode_steps_sum_up(self):
        together = self.run_toy("--decode=3", "--context=70")["totals"]
        alone = [self.run_toy("--decode=1", f"--context={70 + step}")["totals"] for step in range(3)]
        for key in ("macs", "compulsory_bytes"):
            self.assertEqual(together[key], sum(totals[key] for totals in alone))
        self.assertEqual(together["traffic_bytes"]["total"], sum(totals["traffic_bytes"]["total"] for totals in alone))
        cycles = sum(totals["cycles"] for totals in alone)
        self.assertLess(abs(together["cycles"] - cycles), 0.02 * cycles)

    def test_quantizer_time_is_exposed_and_its_work_counted(self):
        report = self.run_toy("--prefill=128")
        self.assertGreater(report["totals"]["exposed_quantizer_cycles"], 0)
        self.assertGreater(report["totals"]["energy_pj"]["quantizer"], 0)

    def test_both_fidelities(self):
        for scenario in (("--prefill=40",), ("--decode=1", "--context=70")):
            transaction = self.run_toy(*scenario)
            cycle = self.run_toy(*scenario, "--set=fidelity=cycle")
            self.assertEqual(transaction["totals"], cycle["totals"])

    def test_same_command_same_bytes(self):
        arguments = (*RUN, "--model", self.model, "--prefill=64", "--decode=3", "--batch=2")
        self.assertEqual(self.succeed(*arguments).out, self.succeed(*arguments).out)
        first, second = self.report(*arguments), self.report(*arguments)
        self.assertNotEqual(first.pop("host"), {})
        second.pop("host")
        self.assertEqual(json.dumps(first), json.dumps(second))
        self.succeed(*arguments, "--out=results")
        names = ("operators.csv", "trace.json")
        before = {name: (self.directory / "results" / name).read_bytes() for name in names}
        self.succeed(*arguments, "--out=results")
        for name in names:
            self.assertEqual((self.directory / "results" / name).read_bytes(), before[name])

    @unittest.skipIf(program.SANITIZED, "sanitizers need memory of their own")
    def test_many_decode_steps_need_no_memory_of_their_own(self):
        few, many = (self.run_toy(f"--decode={steps}", "--set=memory.preset=flat-64gbps") for steps in (10, 2000))
        self.assertLess(many["host"]["peak_rss_bytes"], few["host"]["peak_rss_bytes"] + 4 * 2**20)

    def test_files_written(self):
        (self.directory / "results").mkdir()
        self.write("results/keep.txt", "mine")
        os.chmod(self.model, 0o400)
        arguments = (*RUN, "--model", self.model, "--prefill=20", "--decode=2")
        shown = self.report(*arguments, "--out=results")
        self.assertEqual(self.files(), ["results", "results/keep.txt", "results/operators.csv", "results/report.html",
                                        "results/report.json", "results/trace.json", "toy.yaml"])
        results = self.directory / "results"
        self.assertEqual((results / "keep.txt").read_text(), "mine")
        stored = json.loads((results / "report.json").read_text())
        self.assertEqual(stored, shown)
        with open(results / "operators.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), len(stored["operators"]))
        for row, operator in zip(rows, stored["operators"]):
            for key in ("name", "kind", "phase"):
                self.assertEqual(row[key], operator[key])
            for key in ("layer", "m", "k", "n", "count", "steps", "cycles", "compute_cycles", "macs", "compulsory_bytes"):
                self.assertEqual(int(row[key]), operator[key])
        html = (results / "report.html").read_text()
        self.assertIn("toy", html)
        self.assertNotIn("http://", html.replace("http://www.w3.org", ""))

    def test_out_makes_missing_parents(self):
        self.succeed(*RUN, "--model", self.model, "--decode=1", "--out=a/b/c")
        self.assertIn("a/b/c/report.json", self.files())

    def test_operands_beyond_the_memory_are_told(self):
        # A memory of 1 MiB: places are handed out again, and the report says so.
        report = self.report(*RUN, "--model", self.model, "--prefill=8", "--set=memory.preset=flat-64gbps",
                             "--set=memory.capacity_mib=1", "--set=formats.weight=mant4-g64")
        self.assertGreater(report["footprint_bytes"], 2**19)
        self.assertEqual(bool(report["notes"]), report["footprint_bytes"] > report["capacity_bytes"])

    def test_a_foreign_configuration(self):
        self.write("config.json", json.dumps({
            "model_type": "llama", "hidden_size": 256, "num_attention_heads": 8, "num_key_value_heads": 2,
            "num_hidden_layers": 2, "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 4096,
            "hidden_act": "silu", "torch_dtype": "float16", "rms_norm_eps": 1e-5}))
        foreign = self.report(*RUN, "--model", "./config.json", "--prefill=32")
        own = self.run_toy("--prefill=32")
        self.assertEqual(foreign["totals"], own["totals"])


class Models(program.ProgramTest):
    def check(self, names):
        for name in names:
            with self.subTest(name):
                report = self.report(*LARGE, "--model", name, "--prefill=64", "--decode=2")
                report_checks.check(self, report)
                self.assertEqual(report["model"], name)

    def test_small(self):
        self.check([name for name in models() if name in ("opt-1.3b", "phi-2")])
        text = self.succeed(*LARGE, "--model=phi-2", "--decode=1").out
        for word in ("linear", "attention", "vector", "roofline", "weights", "compulsory", "energy", "sources"):
            self.assertIn(word, text)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_stretches_of_long_commands_stand_for_those_behind_them(self):
        for machine, scenario in (("mant", ["--prefill=2048"]), ("harmonia", ["--decode=1", "--context=65536", "--batch=16",
                                                                              "--set=vector_unit.overlap=false"])):
            command = ("run", "--accelerator", machine, "--model=llama-2-7b", *scenario)
            short, whole = self.report(*command), self.report(*command, "--every-tile")
            report_checks.check(self, short)
            self.assertTrue(any("--every-tile" in note for note in short["notes"]))
            self.assertFalse(any("--every-tile" in note for note in whole["notes"]))
            ours, theirs = short["totals"], whole["totals"]
            for key in ("macs", "pe_macs", "traffic_bytes", "compulsory_bytes", "ideal_cycles", "sram_read_bytes",
                        "sram_write_bytes"):
                self.assertEqual(ours[key], theirs[key], key)
            for key in ("cycles", "compute_cycles", "dram_read_bytes", "dram_write_bytes"):
                self.assertLess(abs(ours[key] / theirs[key] - 1), 0.001, key)
            self.assertLess(abs(ours["energy_pj"]["total"] / theirs["energy_pj"]["total"] - 1), 0.001)
            # Operators follow one another in the time of the report.
            for before, behind in zip(short["operators"], short["operators"][1:]):
                if before["steps"] == behind["steps"] == 1:
                    self.assertLess(abs(behind["begin_cycle"] - before["begin_cycle"] - before["cycles"]), 200)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_rounds_of_attentions_stand_for_those_behind_them(self):
        for machine, batch in (("bitmod", 4), ("amove-array", 16)):
            command = ("run", "--accelerator", machine, "--model=llama-2-7b", "--prefill=256", "--context=2048",
                       f"--batch={batch}")
            short, whole = self.report(*command), self.report(*command, "--every-tile")
            report_checks.check(self, short)
            self.assertTrue(any("equal parts" in note and "--every-tile" in note for note in short["notes"]))
            self.assertFalse(any("equal parts" in note for note in whole["notes"]))
            for ours, theirs in zip(short["operators"], whole["operators"]):
                for key in ("name", "layer", "steps", "macs", "pe_macs", "traffic_bytes", "compulsory_bytes", "ideal_cycles",
                            "sram_read_bytes", "sram_write_bytes"):
                    self.assertEqual(ours[key], theirs[key], (ours["name"], key))
            ours, theirs = short["totals"], whole["totals"]
            for key in ("cycles", "dram_read_bytes", "dram_write_bytes"):
                self.assertLess(abs(ours[key] / theirs[key] - 1), 0.001, key)
            self.assertLess(abs(ours["energy_pj"]["total"] / theirs["energy_pj"]["total"] - 1), 0.001)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_rows_under_a_mask_stand_for_those_behind_them(self):
        # One KV head is one instance: rows of tiles see more and more tokens, tiles of columns are seen by fewer.
        for machine in ("olive", "mant"):
            command = ("run", "--accelerator", machine, "--model=llama-3-8b", "--prefill=512", "--context=16384")
            short, whole = self.report(*command), self.report(*command, "--every-tile")
            report_checks.check(self, short)
            for ours, theirs in zip(short["operators"], whole["operators"]):
                for key in ("name", "layer", "steps", "macs", "pe_macs", "traffic_bytes", "compulsory_bytes", "ideal_cycles",
                            "sram_read_bytes", "sram_write_bytes"):
                    self.assertEqual(ours[key], theirs[key], (ours["name"], key))
            ours, theirs = short["totals"], whole["totals"]
            for key, most in (("cycles", 0.001), ("compute_cycles", 0.001), ("dram_read_bytes", 0.002), ("dram_write_bytes", 0.002)):
                self.assertLess(abs(ours[key] / theirs[key] - 1), most, key)
            self.assertLess(abs(ours["energy_pj"]["total"] / theirs["energy_pj"]["total"] - 1), 0.002)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_data_cost_little_beside_time_alone(self):
        for machine in ("amove-array", "anda", "ant", "bitfusion", "bitmod", "figna", "fp16-array", "harmonia", "int8-array", "mant",
                        "olive", "tender"):
            for model, prompt in (("toy-2layer", 126), ("toy-2layer-opt", 62)):
                command = ("run", "--accelerator", machine, "--model", model, f"--prefill={prompt}", "--decode=4", "--batch=2",
                           "--every-layer")
                ours, alone = self.report(*command, "--functional"), self.report(*command)
                for key in ("macs", "pe_macs"):
                    self.assertEqual(ours["totals"][key], alone["totals"][key], (machine, key))
                # Values leave their projection in FP16, to be arranged, and may have other tiles.
                weights = [{(o["name"], o["phase"], o["layer"]): o["traffic_bytes"]["weight"] for o in report["operators"]
                            if o["kind"] == "linear" and o["name"] != "v_proj"} for report in (ours, alone)]
                self.assertEqual(*weights)
                self.assertLess(abs(ours["totals"]["cycles"] / alone["totals"]["cycles"] - 1), 0.15, (machine, model))

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_scores_of_some_parts_are_in_memory_at_a_time(self):
        # 2048 queries of 512 heads against 65536 tokens: 137 GB of scores, of which a part at a time is needed.
        for overlap in ("true", "false"):
            report = self.report("run", "--accelerator=amove-array", "--model=llama-2-7b", "--prefill=2048",
                                 "--context=65536", "--batch=16", f"--set=vector_unit.overlap={overlap}")
            report_checks.check(self, report)
            steps = {o["name"]: o["steps"] for o in report["operators"] if o["layer"] == 0}
            self.assertGreater(steps["attention_scores"], 1)
            self.assertEqual(steps["attention_scores"], steps["softmax"])
            held = steps["attention_scores"] * report["capacity_bytes"]
            self.assertGreater(held, 3 * 512 * 2048 * 65536 * 2)

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_llama(self):
        self.check([name for name in models() if name.startswith("llama")])

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_others(self):
        self.check([name for name in models() if not name.startswith("llama") and name not in ("opt-1.3b", "phi-2")])


if __name__ == "__main__":
    program.main()
