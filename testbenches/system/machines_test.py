# SPDX-License-Identifier: Apache-2.0
"""Every machine configuration and every PE as the program offers them: results against the independent reference, to the
bit; the rules of the options; language models from prompt to decode."""
import subprocess
import sys

import numpy as np

import program
import report_checks

MACHINES = ("fp16-array", "int8-array", "harmonia", "amove-array", "amove-array-conservative", "ant", "olive", "bitfusion",
            "figna", "tender", "anda", "bitmod")
PES = ("mant", "bfp", "fp_int", "fp_int_k", "amove", "fp16", "fp16_dequant", "int8", "int4", "bitfusion", "ant", "olive",
       "fp_int_aligned", "tender", "anda", "bitmod")
CASES = 1 if program.SANITIZED else 2


class Results(program.ProgramTest):
    def crosscheck(self, *arguments):
        done = subprocess.run([sys.executable, "-B", program.SOURCE / "scripts/reference/crosscheck_gemm.py",
                               f"--nibble={program.PROGRAM}", f"--cases={CASES}", *arguments],
                              env=program.ENVIRONMENT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_machine(self):
        for name in MACHINES:
            with self.subTest(name):
                self.crosscheck(f"--accelerator={name}")

    def test_every_machine_with_small_buffers(self):
        small = [f"--set=buffers.{name}_kib={kib}" for name, kib in (("activation", 16), ("weight", 64), ("output", 16))]
        for name in MACHINES:
            with self.subTest(name):
                self.crosscheck(f"--accelerator={name}", "--seed=7", *small)

    def test_every_pe_alone(self):
        for name in PES:
            with self.subTest(name):
                self.crosscheck(f"--pe={name}")


class Options(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.tensors = ("--activations", self.random("a.npy", 9, 300, 1), "--weights", self.random("w.npy", 20, 300, 2))

    def test_the_formats_are_those_of_the_configuration(self):
        for name, activation, weight in (("harmonia", "bfp8-g32", "int4-g128"), ("ant", "ant4-channel", "ant4-channel"),
                                         ("amove-array", "amove4-g128c16", "amove4-g128c16"),
                                         ("figna", "fp16", "int4-g128")):
            report = self.report("gemm", "--accelerator", name, *self.tensors)
            self.assertEqual((report["activation_format"], report["weight_format"]), (activation, weight))
            report_checks.check(self, report)

    def test_a_pair_that_the_pe_does_not_multiply_brings_those_that_it_does(self):
        for name, option, supported in (("harmonia", "--weight-format=mant4-g64", "bfp8-g<k>"),
                                        ("fp16-array", "--weight-format=int4-g128", "fp16 with fp16"),
                                        ("amove-array", "--weight-format=amove4-g32c4", "the same k and c"),
                                        ("int8-array", "--activation-format=int8-g64", "int8-channel")):
            self.refused("gemm", "--accelerator", name, "--m=1", "--k=64", "--n=1", option, words=["supported", supported])

    def test_exponent_and_accumulate_are_for_amove(self):
        amove = ("gemm", "--accelerator=amove-array", *self.tensors)
        base = self.report(*amove, "--accumulator=0.npy")
        self.assertIn("saturated_groups", base)
        wide = self.report(*amove, "--exponent=-12", "--accumulate=fp32", "--accumulator=1.npy")
        self.assertGreater(wide["saturated_groups"], base["saturated_groups"])
        self.assertFalse(np.array_equal(*(np.load(self.directory / f"{i}.npy") for i in (0, 1))))
        self.refused(*amove, "--accumulate=fp64", words=["--accumulate", "fp16"])
        for name in ("mant", "harmonia", "int8-array"):
            self.refused("gemm", "--accelerator", name, *self.tensors, "--exponent=1", words=["--exponent"])
            self.refused("gemm", "--accelerator", name, *self.tensors, "--accumulate=fp32", words=["--accumulate"])
        self.assertNotIn("saturated_groups", self.report("gemm", "--accelerator=harmonia", *self.tensors))

    def test_product_and_aligned_bits_are_for_the_pes_that_have_them(self):
        def accumulators(*arguments):
            self.report("gemm", *arguments, *self.tensors, "--accumulator=acc.npy")
            return np.load(self.directory / "acc.npy").tobytes()

        exact = accumulators("--pe=fp_int")
        self.assertEqual(accumulators("--pe=fp_int", "--product=exact"), exact)
        self.assertNotEqual(accumulators("--pe=fp_int", "--product=fp16"), exact)
        aligned = accumulators("--accelerator=figna")
        self.assertEqual(accumulators("--accelerator=figna", "--aligned-bits=14"), aligned)
        narrow = accumulators("--accelerator=figna", "--aligned-bits=8")
        self.assertNotEqual(narrow, aligned)
        self.assertEqual(accumulators("--pe=fp_int_aligned", "--aligned-bits=8"), narrow)
        self.refused("gemm", "--pe=fp_int", *self.tensors, "--product=fp32", words=["--product", "exact"])
        for bits in (3, 16):
            self.refused("gemm", "--accelerator=figna", *self.tensors, f"--aligned-bits={bits}", words=["4 and 15"])
        for option in ("--product=fp16", "--aligned-bits=8"):
            self.refused("gemm", "--accelerator=mant", *self.tensors, option, words=[option.partition("=")[0], "mant"])

    def test_selections_are_those_of_the_weight_format(self):
        bfp = ("gemm", "--accelerator=harmonia", *self.tensors, "--weight-format=bfp8-g32")
        for select in ("truncate", "nearest"):
            self.report(*bfp, f"--weight-select={select}")
        self.refused(*bfp, "--weight-select=mse", words=["mse"])
        self.refused("gemm", "--accelerator=int8-array", *self.tensors, "--weight-select=mse", words=["selection"])

    def test_a_pe_alone(self):
        report = self.report("gemm", "--pe=fp_int", *self.tensors, "--output=c.npy")
        self.assertEqual((report["schema"], report["pe"]), ("nibble.gemm/1", "fp_int"))
        self.assertEqual((report["m"], report["k"], report["n"], report["macs"]), (9, 300, 20, 9 * 300 * 20))
        self.assertEqual(np.load(self.directory / "c.npy").dtype, np.float16)
        self.assertEqual(self.report("gemm", "--pe=amove", *self.tensors)["saturated_groups"], 0)
        for option in ("--fidelity=cycle", "--explain", "--set=clock_mhz=1"):
            self.refused("gemm", "--pe=fp_int", *self.tensors, option, words=["--accelerator"])
        self.refused("gemm", "--pe=fp_int", "--m=1", "--k=1", "--n=1", words=["--pe"])
        self.refused("gemm", "--pe=fpint", *self.tensors, words=["fp_int"])
        self.refused("gemm", "--pe=mant", "--accelerator=mant", *self.tensors)
        self.refused("gemm", *self.tensors)

    def test_cycle_fidelity_is_for_pes_that_have_it(self):
        settings = ["array.pe=fp_int_k", "quantizer.pipeline_cycles=1", "quantizer.elements_per_cycle=1"]
        settings += [f"formats.{name}=int4-channel" for name in ("weight", "key", "value")]
        self.refused("gemm", "--accelerator=fp16-array", "--m=1", "--k=1", "--n=1", "--fidelity=cycle",
                     *(f"--set={setting}" for setting in settings), words=["fp_int_k", "register by register"])

    def test_sums_that_enter_the_array_again_are_stepped_where_they_stay(self):
        for name in ("anda", "bitmod"):
            gemm = ("gemm", "--accelerator", name, "--m=3", "--k=200", "--n=5", "--fidelity=cycle")
            self.report(*gemm)
            self.refused(*gemm, "--set=array.dataflow=weight_stationary", words=["weight_stationary", "transaction"])

    def test_the_dataflow_alone_may_be_overridden(self):
        for dataflow in ("weight_stationary", "input_stationary", "output_stationary"):
            with self.subTest(dataflow):
                cycles = [self.report("gemm", "--accelerator=harmonia", *self.tensors, f"--set=array.dataflow={dataflow}",
                                      f"--fidelity={fidelity}")["totals"]["cycles"] for fidelity in ("transaction", "cycle")]
                self.assertEqual(*cycles)

    def test_a_pe_of_several_outputs_is_no_pe_of_an_array(self):
        self.refused("gemm", "--accelerator=fp16-array", "--m=1", "--k=1", "--n=1", "--set=array.pe=fp_int",
                     words=["several outputs"])


class Models(program.ProgramTest):
    def test_every_machine_runs_a_model(self):
        (self.directory / "toy.yaml").write_text(program.TOY)
        for name in MACHINES:
            for scenario in (("--prefill=70", "--decode=3"), ("--decode=2", "--context=300", "--batch=2")):
                with self.subTest(machine=name, scenario=scenario):
                    report = self.report("run", "--accelerator", name, "--model=toy.yaml", *scenario)
                    report_checks.check(self, report)

    def test_harmonia_reads_its_cache_in_two_widths(self):
        (self.directory / "toy.yaml").write_text(program.TOY)
        report = self.report("run", "--accelerator=harmonia", "--model=toy.yaml", "--decode=1", "--context=4095")
        operators = {op["name"]: op for op in report["operators"] if op.get("layer") == 0}
        tokens = [operators[f"attention_scores{part}"]["n"] for part in ("_initial", "", "_local")]
        self.assertEqual(tokens, [32, 4000, 64])
        # Codes and 5 bits of exponent per 32: two heads of 32 channels (256 / 8), batch 1.
        weight = operators["attention_scores"]["traffic_bytes"]["kv"]
        self.assertEqual(weight, 2 * (4000 * 32 * 5 + 4000 * 5) // 8)

    def test_caches_hold_what_attention_reads(self):
        """Decode reads every key and value once: the bytes that moved are those that the report says are held."""
        (self.directory / "toy.yaml").write_text(program.TOY)
        for name, model, bits in (("harmonia", "llama-2-7b", 5.25), ("mant", "toy.yaml", None), ("fp16-array", "toy.yaml", 16),
                                  ("int8-array", "toy.yaml", None), ("amove-array", "toy.yaml", 5)):
            with self.subTest(machine=name):
                report = self.report("run", "--accelerator", name, "--model", model, "--decode=1", "--context=4095")
                held = report["kv_cache"]
                read = sum(op["traffic_bytes"]["kv"] for op in report["operators"] if op["name"].startswith("attention_")
                           and op["kind"] == "attention")
                # Scales of M-ANT's window are kept while it is empty; each tile of values brings the scales of its channels.
                layers, heads, channels = 2, 2, 32
                scales = layers * heads * channels * 2
                more = {"mant": scales, "int8-array": -15 * scales}.get(name, 0)
                self.assertEqual(held["bytes"] - read, more)
                self.assertEqual(held["tokens"], 4096)
                self.assertEqual(held["bits_per_value"], 8 * held["bytes"] / held["values"])
                if bits is not None:
                    self.assertAlmostEqual(held["bits_per_value"], bits, places=4)
        shown = self.succeed("run", "--accelerator=harmonia", "--model=llama-2-7b", "--decode=1", "--context=4095").out
        self.assertIn("KV cache, 4,096 tokens: 705 MB, 5.25 bits per value, 3.05x below FP16", shown)


class Caches(program.ProgramTest):
    """Bytes of keys and values that three decode steps move, counted by hand: two sequences, two KV heads of 64 channels with
    two query heads each, so four caches per layer. Read by scores and context, written by the rotation of keys, the
    projection of values and the encoder behind it."""

    def setUp(self):
        super().setUp()
        self.write("toy.yaml", program.TOY.replace("heads: 8", "heads: 4") + "head_dim: 64\n")

    def moved(self, machine, context):
        report = self.report("run", "--accelerator", machine, "--model=toy.yaml", "--batch=2", "--decode=3",
                             f"--context={context}")
        return {op["name"]: op["traffic_bytes"]["kv"] for op in report["operators"] if op["layer"] == 0 and op["traffic_bytes"]["kv"]}

    def test_mant(self):
        # 62 cached tokens: the second step fills a group. A key: 32 bytes of codes, 3 of scale and type; so a channel of a group.
        self.assertEqual(self.moved("mant", 62), {
            "attention_scores": 4 * (63 + 64 + 65) * 35,
            # INT8 window with scales; a group; a group and the window of one token.
            "attention_context": 4 * 64 * ((63 + 2) + 35 + (35 + 1 + 2)),
            "k_rotary": 3 * 4 * 35,
            "v_proj": 3 * 4 * 64,
            "value_requantize": 4 * 64 * ((64 + 2) + 35)})

    def test_harmonia(self):
        # 158 cached tokens: 159, 160, 161 are 32 initial, 32, 64, 64 demoted, 95, 64, 65 local ones. A key: two groups of 36 or 20
        # bytes; exponents of 5 bits in a table per 16 rows and group.
        def keys(tokens, group):
            return tokens * 2 * group + 2 * (tokens // 16 * 10 + (tokens % 16 * 5 + 7) // 8)

        def values(tokens, bits):
            whole = tokens // 32 * (64 * 4 * bits + 4 * 10)
            return whole + (64 * ((tokens % 32 * bits + 7) // 8) + 40 if tokens % 32 else 0)

        self.assertEqual(self.moved("harmonia", 158), {
            "attention_scores_initial": 4 * 3 * keys(32, 36),
            "attention_scores": 4 * (keys(32, 20) + 2 * keys(64, 20)),
            "attention_scores_local": 4 * (keys(95, 36) + keys(64, 36) + keys(65, 36)),
            "attention_context": 4 * (3 * values(32, 9) + values(32, 5) + 2 * values(64, 5) + values(95, 9) + values(64, 9) +
                                      values(65, 9)),
            # Exponents in bits 70 to 74, 75 to 79 and 0 to 4 of their tables of 16 rows: in 2, 1 and 1 bytes, which other
            # tokens share and which are read before.
            "k_rotary": 3 * 4 * 72 + 2 * 4 * 2 * (2 + 1 + 1),
            "v_proj": 3 * 4 * 64 * 2,
            # The open group of 31, 32 and 1 tokens in FP16 is read and encoded.
            "value_encode": 4 * (64 * 2 * (31 + 32 + 1) + values(31, 9) + values(32, 9) + values(1, 9))})

    def test_amove(self):
        # 30 cached tokens; records of 20 bytes for 32 elements, complete also where the group is open.
        self.assertEqual(self.moved("amove-array", 30), {
            "attention_scores": 4 * (31 + 32 + 33) * 40,
            "attention_context": 4 * 64 * (20 + 20 + 40),
            "k_rotary": 3 * 4 * 40,
            "v_proj": 3 * 4 * 64 * 2,
            "value_encode": 4 * 64 * (2 * (31 + 32 + 1) + 3 * 20)})


if __name__ == "__main__":
    program.main()
