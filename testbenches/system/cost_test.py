# SPDX-License-Identifier: Apache-2.0
"""Cost books, areas and variants through the program: side by side, priced anew, computed, refused."""
import json

import program
import report_checks

MODEL = {"model_type": "llama", "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3,
         "num_attention_heads": 2, "vocab_size": 128, "max_position_embeddings": 256}
FILES = ("report.json", "operators.csv", "report.html", "trace.json")


def without_host(text):
    """A report without what says how and where it was made."""
    report = json.loads(text)
    del report["host"], report["command"]
    return json.dumps(report, indent=1)


class Books(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("toy.json", json.dumps(MODEL))
        self.run_words = ("run", "--accelerator=mant", "--model=./toy.json", "--prefill=70", "--decode=3")

    def read(self, *parts):
        return self.directory.joinpath(*parts).read_text(encoding="utf-8")

    def command(self, directory):
        return json.loads(self.read(directory, "report.json"))["command"]

    def test_priced_anew_is_what_a_new_run_writes(self):
        """Byte for byte, but for the command line and the host's figures."""
        self.succeed(*self.run_words, "--out=first")
        for words in (("--technology=published-45nm",),
                      ("--technology=published-28nm", "--technology=published-16nm")):
            with self.subTest(words):
                run = self.succeed(*self.run_words, *words, "--out=run")
                priced = self.succeed("price", "first", *words, "--out=priced")
                self.assertEqual(run.out, priced.out)
                for file in FILES[1:]:
                    self.assertEqual(self.read("run", file).replace(self.command("run"), ""),
                                     self.read("priced", file).replace(self.command("priced"), ""), file)
                self.assertEqual(without_host(self.read("run", "report.json")),
                                 without_host(self.read("priced", "report.json")))
                report_checks.check(self, json.loads(self.read("priced", "report.json")))
                # And what was priced can be priced again.
                again = self.succeed("price", "priced/report.json", "--technology=published-28nm", "--json")
                self.assertEqual(json.loads(again.out)["totals"], json.loads(self.read("first", "report.json"))["totals"])

    def test_books_stand_side_by_side(self):
        words = ("gemm", "--accelerator=bitfusion", "--m=32", "--k=128", "--n=64")
        text = self.succeed(*words, "--technology=published-28nm", "--technology=published-45nm").out
        for part in ("published-28nm: pJ each", "published-45nm: pJ each", "cost book published-45nm (45 nm)",
                     "sources, published-45nm"):
            self.assertIn(part, text)
        report = self.report(*words, "--set=technology=[published-28nm, published-45nm]")
        one, other = report["prices"]
        self.assertEqual((one["node_nm"], other["node_nm"]), (28, 45))
        self.assertIn("pe.mac.w8a8", one["energy_pj"]["unknown"])
        mac = next(line for line in other["energy"] if line["name"] == "pe.mac.w8a8")
        self.assertEqual((mac["count"], mac["pj_each"]), (32 * 128 * 64, 0.56))
        self.assertAlmostEqual(mac["pj"], 32 * 128 * 64 * 0.56)
        alone = self.report(*words, "--technology=published-45nm")
        self.assertEqual(alone["prices"], [other])
        self.assertEqual(alone["totals"]["energy_pj"], other["energy_pj"])

    def test_idle_units_by_choice(self):
        words = ("gemm", "--accelerator=mant", "--m=4", "--k=128", "--n=64")
        clocked, gated, busy = (self.report(*words, f"--set=idle.pe={policy}")["totals"]
                                for policy in ("clocked", "gated", "as_active"))
        self.assertIn("pe.idle", clocked["energy_pj"]["unknown"])
        self.assertEqual(gated["activity"]["pe.gated"], clocked["activity"]["pe.idle"])
        self.assertNotIn("pe.idle", busy["energy_pj"]["unknown"])
        self.assertAlmostEqual(busy["energy_pj"]["idle"], busy["activity"]["pe.idle"] * 0.340)
        # All PEs in all cycles, as BitMoD's and UniCore's simulators charge them.
        self.assertAlmostEqual(busy["energy_pj"]["idle"] + 4 * 128 * 64 * 0.340, 2048 * busy["cycles"] * 0.340)

    def test_areas_are_shown_without_a_run(self):
        text = self.succeed("show", "area", "mant").out
        self.assertIn("786432", json.dumps(json.loads(self.succeed("show", "area", "mant", "--json").out)))
        for part in ("pe                     2,048    384 um2    0.786 mm2", "control                    1    unknown",
                     "total                                    >= ", "ITRS-HP, 360 K"):
            self.assertIn(part, text)
        both = self.succeed("show", "area", "amove-array", "--technology=published-28nm", "--technology=published-45nm")
        self.assertIn("published-45nm: each", both.out)
        self.refused("show", "model", "phi-2", "--technology=published-28nm", words=["accelerators and areas"])

    def test_bad_input_is_refused(self):
        self.succeed(*self.run_words, "--out=first")
        self.refused("price", "first", words=["--technology"])
        self.refused("price", "nothing.json", "--technology=published-28nm", words=["nothing.json", "cannot be read"])
        self.refused("price", "toy.json", "--technology=published-28nm", words=["toy.json", "schema: is missing"])
        self.refused("price", "first", "--technology=published-29nm", words=["did you mean 'published-28nm'?"])
        self.refused("price", "first", "--technology=published-28nm", "--technology=published-28nm",
                     words=["names the cost book 'published-28nm' twice"])
        self.refused(*self.run_words, "--set=technology=[]", words=["empty list"])
        text = self.read("first", "report.json")
        self.write("counters.json", text.replace('"name": "pe.idle"', '"name": "pe.waiting"').replace(
            '"pe.idle":', '"pe.waiting":'))
        self.refused("price", "counters.json", "--technology=published-28nm", words=["not what its machine counts"])
        self.write("machine.json", text.replace("kind: systolic", "kind: quantum"))
        self.refused("price", "machine.json", "--technology=published-28nm", words=["must be one of systolic"])


class Variants(program.ProgramTest):
    def test_computed_arrays_are_shown_and_run(self):
        shown = self.succeed("show", "accelerator", "ant", "--set=iso.area_of=mant", "--set=iso.bandwidth_of=mant").out
        self.assertIn("rows: 46  # computed: 46 x 64 PEs of 257.6 um2 = 758374.4 um2 <= 786432 um2 of mant", shown)
        copy = self.write("copy.yaml", shown)
        self.succeed("validate", copy)
        words = ("gemm", "--m=64", "--k=128", "--n=64")
        by_set = self.report(*words, "--accelerator=ant", "--set=iso.area_of=mant", "--set=iso.bandwidth_of=mant")
        shipped = self.report(*words, "--accelerator=ant-iso-mant")
        again = self.report(*words, "--accelerator=./copy.yaml")
        self.assertEqual(by_set["totals"], shipped["totals"])
        self.assertEqual(by_set["totals"], again["totals"])
        self.assertEqual(by_set["peak_macs_per_cycle"], 46 * 64)
        self.assertEqual(shipped["accelerator"], "ant-iso-mant")

    def test_a_base_of_ones_own(self):
        self.write("mine.yaml", "base: mant\nname: mine\narray:\n  rows: 32\n  sources: {rows: a trial}\n")
        shown = self.succeed("show", "accelerator", "./mine.yaml").out
        self.assertIn("rows: 32  # ./mine.yaml:4 - a trial", shown)
        self.assertIn("mant.yaml:", shown)
        self.assertIn("(accelerators)", self.succeed("validate", "./mine.yaml").out)
        self.write("bad.yaml", "base: mant\narray: {rosw: 32}\n")
        self.refused("validate", "./bad.yaml", words=["bad.yaml:2:9", "did you mean 'rows'?"])

    def test_a_variant_is_priced_as_it_ran(self):
        words = ("--model=./toy.json", "--prefill=8", "--out=first")
        self.write("toy.json", json.dumps(MODEL))
        self.succeed("run", "--accelerator=ant-iso-mant", *words)
        priced = json.loads(self.succeed("price", "first", "--technology=published-45nm", "--json").out)
        pes = next(item for item in priced["prices"][0]["area"] if item["component"] == "pe")
        self.assertEqual(pes["instances"], 46 * 64)



class Synthesized(program.ProgramTest):
    """The books from the PEs' own RTL."""
    BOOKS = ("osu018", "synthesized-45nm", "synthesized-28nm", "synthesized-16nm")

    def test_every_machine_runs_with_every_book(self):
        machines = json.loads(self.succeed("list", "accelerators", "--json").out)["names"]
        self.assertGreater(len(machines), 10)
        books = [f"--technology={book}" for book in self.BOOKS]
        for name in machines:
            with self.subTest(name):
                # What is computed from areas asks the first book of the configuration, which stays.
                report = self.report("gemm", f"--accelerator={name}", "--m=8", "--k=128", "--n=64", *books)
                self.assertEqual([p["node_nm"] for p in report["prices"]], [180, 45, 28, 16])
                self.succeed("show", "area", name, *books)
                if "kind: simt" not in self.succeed("show", "accelerator", name).out:
                    report_checks.check(self, report)

    def test_no_entry_of_the_main_machines_is_missing(self):
        for name, components in {"mant": ("pe", "foot"), "harmonia": ("pe", "quantizer"), "amove-array": ("pe",),
                                 "int8-array": ("pe", "foot"), "fp16-array": ("pe",)}.items():
            with self.subTest(name):
                prices = self.report("gemm", f"--accelerator={name}", "--m=8", "--k=128", "--n=64",
                                     "--technology=synthesized-28nm")["prices"][0]
                for unknown in prices["energy_pj"]["unknown"]:
                    component, what = unknown.split(".", 1)
                    if component in components:
                        self.assertEqual(what, "leakage", unknown)

    def test_areas_decide_variants(self):
        shown = self.succeed("show", "accelerator", "int8-array", "--set=technology=synthesized-28nm",
                             "--set=iso.area_of=mant").out
        self.assertIn("synthesized-28nm", shown)
        self.assertIn("computed: ", shown)

    def test_numbers_are_printed_with_their_origin(self):
        text = self.succeed("show", "technology", "synthesized-28nm").out
        for part in ("pe.mant.w4a8.mac", "Stillmaker and Baas 2017", "Yosys", "scripts/synthesize.sh"):
            self.assertIn(part, text)


if __name__ == "__main__":
    program.main()
