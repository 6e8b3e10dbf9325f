# SPDX-License-Identifier: Apache-2.0
"""Bad input through the command line: one clear line, status 2, nothing printed, nothing written."""
import os
import signal
import struct
import subprocess
import time
import unittest

import numpy as np

import program

GEMM = ("gemm", "--accelerator", "mant")
SMALL = (*GEMM, "--m", 4, "--k", 64, "--n", 32)
RUN = ("run", "--accelerator", "mant", "--model", "llama-2-7b")


class CommandLine(program.ProgramTest):
    def test_unknown_subcommands_and_options(self):
        self.refused("simulate", words=["simulate"])
        self.refused()
        self.refused("--frobnicate")
        self.refused(*SMALL, "--frobnicate", words=["frobnicate"])
        self.refused(*SMALL, "extra", words=["extra"])
        self.refused("gemm")
        self.refused("gemm", "--m", 1, "--k", 1, "--n", 1, words=["--accelerator"])
        self.refused("run", "--accelerator", "mant", words=["--model"])
        self.refused("run", "--model", "llama-2-7b", words=["--accelerator"])
        self.refused("quantize", words=["input"])
        self.refused("quantize", "a.npy", words=["--format"])
        self.refused("list", words=["kind"])
        self.refused("show", "accelerator", words=["name"])
        self.refused("validate", words=["files"])

    def test_numbers_that_are_none(self):
        for value in ("abc", "1.5", "", "0x", "1e3", "12k", "--json"):
            with self.subTest(value):
                self.refused(*GEMM, "--k", 64, "--n", 32, "--m", value, words=["--m"])
                self.refused(*RUN, "--prefill", value, words=["--prefill"])
        self.refused(*GEMM, "--k", 64, "--n", 32, "--m", "99999999999999999999", words=["--m"])

    def test_sizes_out_of_range(self):
        for value in (-1, 0, 2**31, 2**40, 2**62, -2**62):
            with self.subTest(value):
                self.refused(*GEMM, f"--m={value}", "--k=64", "--n=32", words=["--m"])
                self.refused(*GEMM, "--m=64", f"--k={value}", "--n=32", words=["--k"])
                self.refused(*GEMM, "--m=64", "--k=64", f"--n={value}", words=["--n"])
        self.refused(*GEMM, f"--m={2**30}", f"--k={2**30}", f"--n={2**30}")
        self.refused(*GEMM, f"--m={2**24}", f"--k={2**6}", f"--n={2**20}", words=["memory"])

    def test_scenarios_out_of_range(self):
        for option in ("--prefill", "--decode", "--context", "--batch"):
            for value in (-1, -2**62):
                with self.subTest(option, value=value):
                    self.refused(*RUN, "--decode=1", f"{option}={value}", words=[option])
        self.refused(*RUN, "--prefill=1", "--batch=0", words=["--batch"])
        self.refused(*RUN)
        self.refused(*RUN, "--prefill=0", "--decode=0")
        self.refused(*RUN, "--context=5")
        for option in ("--prefill", "--decode", "--context", "--batch"):
            for value in (2**33, 2**40, 2**62):
                with self.subTest(option, value=value):
                    self.refused(*RUN, *(() if option == "--decode" else ("--decode=1",)), f"{option}={value}")

    def test_options_that_exclude_or_need_each_other(self):
        a = self.random("a.npy", 4, 64, 1)
        w = self.random("w.npy", 32, 64, 2)
        self.refused(*GEMM, words=["--activations"])
        self.refused(*GEMM, "--m", 4, words=["--k"])
        self.refused(*GEMM, "--m", 4, "--k", 64, words=["--n"])
        self.refused(*GEMM, "--activations", a, words=["--weights"])
        self.refused(*GEMM, "--weights", w, words=["--activations"])
        self.refused(*SMALL, "--activations", a, "--weights", w)
        for option in ("--output", "--accumulator"):
            self.refused(*SMALL, option, "c.npy", words=[option])
        self.refused(*SMALL, "--weight-select", "mse", words=["--weight-select"])
        self.refused(*SMALL, "--calibration", a, words=["--calibration"])
        self.refused(*SMALL, "--exponent", 1, words=["--exponent"])
        self.refused(*SMALL, "--accumulate", "fp16", words=["--accumulate"])
        tensors = (*GEMM, "--activations", a, "--weights", w)
        self.refused(*tensors, "--weight-select", "nothing", words=["nothing", "mse"])
        self.refused(*tensors, "--weight-select", "output-mse")
        self.refused(*tensors, "--weight-select", "mse", "--calibration", a)
        self.refused(*tensors, "--weight-select", "variance", "--calibration", a)
        self.refused(*tensors, "--weight-format", "int8-g64", "--weight-select", "mse")
        self.refused(*tensors, "--output", "c.npy", "--accumulator", "c.npy")

    def test_formats_that_the_pe_does_not_take(self):
        for option, value in (("--activation-format", "fp16"), ("--activation-format", "int4-g64"),
                              ("--activation-format", "mant4-g64"), ("--activation-format", "int8-channel"),
                              ("--activation-format", "int8-g32"), ("--activation-format", "int8-g512"),
                              ("--weight-format", "fp16"), ("--weight-format", "int4-g64"),
                              ("--weight-format", "mant4-g32"), ("--weight-format", "amove4-g128c16"),
                              ("--weight-format", "int8-tensor")):
            with self.subTest(option, value=value):
                self.refused(*SMALL, option, value, words=["int8-g", "mant4-g"])
        for value in ("int9-g64", "mant4", "mant4-g0", "mant4-g-1", "", "xyz", "mant4-g99999999999999999999"):
            with self.subTest(value):
                self.refused(*SMALL, "--weight-format=" + value, words=["format"] if value else ())
        self.refused(*SMALL, "--fidelity", "rtl", words=["transaction", "cycle"])


class Configurations(program.ProgramTest):
    def accelerator(self, *changes):
        text = (program.SOURCE / "configs/accelerators/mant.yaml").read_text()
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new, 1)
        return self.write("machine.yaml", text)

    def refused_file(self, words, *changes):
        machine = self.accelerator(*changes)
        for command in (("gemm", "--accelerator", machine, "--m=1", "--k=64", "--n=1"),
                        ("run", "--accelerator", machine, "--model=llama-2-7b", "--decode=1", "--out=results"),
                        ("validate", machine), ("show", "accelerator", machine)):
            error = self.refused(*command, words=words)
            self.assertIn("machine.yaml:", error)

    def test_keys(self):
        self.refused_file(["rowz", "rows"], ("  rows: 64", "  rowz: 64"))
        self.refused_file(["clock_mhz"], ("clock_mhz: 500", "clock_mhz: -500"))
        self.refused_file(["clock_mhz"], ("clock_mhz: 500", "clock_mhz: fast"))
        self.refused_file(["clock_mhz"], ("clock_mhz: 500", "clock_mhz: .inf"))
        self.refused_file(["clock_mhz"], ("clock_mhz: 500", "clock_mhz: .nan"))
        self.refused_file(["clock_mhz"], ("clock_mhz: 500\n", ""))
        self.refused_file(["rows"], ("  rows: 64", "  rows: -64"))
        self.refused_file(["rows"], ("  rows: 64", "  rows: 64.5"))
        self.refused_file(["rows"], ("  rows: 64", "  rows: 63"))
        self.refused_file(["weight_kib"], ("weight_kib: 128", "weight_kib: 0"))
        self.refused_file(["pe", "mant"], ("  pe: mant", "  pe: man"))
        self.refused_file(["weight"], ("  weight: mant4-g64", "  weight: mant4-g32"))
        self.refused_file(["turbo"], ("clock_mhz: 500", "clock_mhz: 500\nturbo: true"))
        self.refused_file(["lanes"], ("  lanes: 64", "  lanes: [64]"))
        self.refused_file(["kind"], ("kind: systolic", "kind: systolik"))

    def test_syntax(self):
        for text in ("", "[]", "just text", "a: [1, 2", "a: 1\na: 2", "\x00\x01\x02", "kind: systolic\n---\nkind: x",
                     "a: &a [*a]", "kind: !!python/object x", "{" * 200):
            with self.subTest(text[:20]):
                self.write("machine.yaml", text)
                self.refused("gemm", "--accelerator", "./machine.yaml", "--m=1", "--k=1", "--n=1", words=["machine.yaml"])
                self.refused("run", "--accelerator", "mant", "--model", "./machine.yaml", "--decode=1",
                             words=["machine.yaml"])
                self.refused("validate", "./machine.yaml", words=["machine.yaml"])

    def test_overrides(self):
        for value, words in (("array.rowz=8", ["array.rowz", "rows"]), ("array.rows=-8", ["array.rows"]),
                             ("array.rows=eight", ["array.rows"]), ("array.rows", ["array.rows", "="]),
                             ("array.rows=", ["array.rows"]), ("=8", []), ("", []), ("array=8", ["array"]),
                             ("array.rows.more=8", ["array.rows"]), ("clock_mhz=0", ["clock_mhz"]),
                             ("memory.preset=nothing", ["nothing"]), ("memory.chanels=4", ["chanels"]),
                             ("technology=nothing", ["nothing"]), ("fidelity=rtl", ["transaction"]),
                             ("buffers.weight_kib=99999999999", ["weight_kib"]), ("dma.transaction_bytes=3000", ["power"]),
                             ("vector_unit.lanes=0", ["lanes"]), ("formats.weight=mant4-g64x", ["mant4-g64x"])):
            with self.subTest(value):
                self.refused(*SMALL, "--set=" + value, words=words)
                self.refused(*RUN, "--decode=1", "--set=" + value, words=words)

    def test_buffers_too_small_for_any_tile(self):
        self.refused(*GEMM, "--m=64", "--k=1024", "--n=64", "--weight-format=int8-g256", "--activation-format=int8-g256",
                     "--set=buffers.weight_kib=2", "--set=buffers.output_kib=2", "--set=buffers.activation_kib=2",
                     words=["buffer"])

    def test_names(self):
        self.refused("gemm", "--accelerator", "mnat", "--m=1", "--k=1", "--n=1", words=["mnat", "mant"])
        self.refused("run", "--accelerator", "mnat", "--model=llama-2-7b", "--decode=1", words=["mnat", "mant"])
        self.refused("run", "--accelerator", "mant", "--model=lama-2-7b", "--decode=1", words=["lama-2-7b", "llama-2-7b"])
        self.refused("run", "--accelerator", "mant", "--model=", "--decode=1")
        self.refused("gemm", "--accelerator=", "--m=1", "--k=1", "--n=1")
        self.refused("gemm", "--accelerator", "nothing/there.yaml", "--m=1", "--k=1", "--n=1", words=["nothing/there.yaml"])
        self.refused("gemm", "--accelerator", "../../etc/passwd", "--m=1", "--k=1", "--n=1")
        self.refused("gemm", "--accelerator", self.directory, "--m=1", "--k=1", "--n=1")
        self.refused("gemm", "--accelerator", "llama-2-7b", "--m=1", "--k=1", "--n=1")
        self.refused("list", "gadgets", words=["gadgets", "accelerators"])
        self.refused("show", "gadget", "mant", words=["gadget"])
        self.refused("show", "accelerator", "mnat", words=["mnat", "mant"])
        self.refused("validate", "missing.yaml", words=["missing.yaml"])

    def test_models(self):
        good = (program.SOURCE / "configs/models/llama-3-8b.yaml").read_text()
        path = self.write("model.yaml", good)
        self.succeed("validate", path)
        lines = [line for line in good.splitlines() if ":" in line and not line.lstrip().startswith("#")]
        heads = next(line for line in lines if line.startswith("heads:"))
        kv_heads = next(line for line in lines if line.startswith("kv_heads:"))
        for old, new, words in ((heads, "heads: 31", ["heads"]), (kv_heads, "kv_heads: 7", ["kv_heads"]),
                                (heads, "heads: 0", ["heads"]), (heads, "heads: -32", ["heads"]),
                                (heads, "haeds: 32", ["haeds", "heads"])):
            with self.subTest(new):
                self.write("model.yaml", good.replace(old, new))
                self.refused("run", "--accelerator", "mant", "--model", path, "--decode=1", "--out=results", words=words)
                self.refused("validate", path, words=words)


class Tensors(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.good = self.random("good.npy", 4, 64, 1)
        self.weights = self.random("weights.npy", 32, 64, 2)

    def refused_tensor(self, path, words=()):
        words = [path.name, *words]
        self.refused(*GEMM, "--activations", path, "--weights", self.weights, "--output=c.npy", words=words)
        self.refused(*GEMM, "--activations", self.good, "--weights", path, "--output=c.npy", words=words)
        self.refused(*GEMM, "--activations", self.good, "--weights", self.weights, "--weight-select=output-mse",
                     "--calibration", path, "--output=c.npy", words=words)
        self.refused("quantize", path, "--format=int8-g64", "--output=d.npy", "--codes=q.npy", words=words)

    def test_values(self):
        for value, word in ((np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf")):
            array = np.load(self.good)
            array[2, 5] = value
            self.refused_tensor(self.save("bad.npy", array), [str(2 * 64 + 5)])

    def test_shapes_and_types(self):
        self.refused_tensor(self.save("bad.npy", np.zeros((4, 64), np.float64)), ["f8"])
        self.refused_tensor(self.save("bad.npy", np.zeros((4, 64), np.int64)))
        self.refused_tensor(self.save("bad.npy", np.zeros((4, 64), bool)))
        self.refused_tensor(self.save("bad.npy", np.zeros((4, 64), np.complex64)))
        self.refused_tensor(self.save("bad.npy", np.zeros((4, 64), ">f4")))
        self.refused_tensor(self.save("bad.npy", np.zeros((4, 64), np.float32).T))
        self.refused_tensor(self.save("bad.npy", np.zeros((), np.float32)))
        self.refused_tensor(self.save("bad.npy", np.zeros((0, 64), np.float32)))
        self.refused_tensor(self.save("bad.npy", np.zeros((64, 0), np.float32)))
        self.refused_tensor(self.save("bad.npy", np.array([["a"]])))

    def test_operands_with_other_axes(self):
        for shape in ((64,), (2, 4, 64)):
            bad = self.save("bad.npy", np.zeros(shape, np.float32))
            self.refused(*GEMM, "--activations", bad, "--weights", self.weights, words=["bad.npy", "2"])
            self.refused(*GEMM, "--activations", self.good, "--weights", bad, words=["bad.npy", "2"])
        other = self.random("other.npy", 32, 65, 3)
        self.refused(*GEMM, "--activations", self.good, "--weights", other, "--output=c.npy", words=["64", "65"])
        self.refused(*GEMM, "--activations", self.good, "--weights", self.weights, "--weight-select=output-mse",
                     "--calibration", other, words=["other.npy"])

    def test_bytes(self):
        whole = self.good.read_bytes()
        bad = self.directory / "bad.npy"
        for length in (0, 5, 6, 9, 10, 60, 127, 128, 129, len(whole) - 1):
            with self.subTest(length):
                bad.write_bytes(whole[:length])
                self.refused_tensor(bad)
        bad.write_bytes(whole + b"\0")
        self.refused_tensor(bad)
        bad.write_bytes(whole.replace(b"NUMPY", b"numpy"))
        self.refused_tensor(bad)
        bad.write_bytes(whole[:6] + b"\x09\x00" + whole[8:])
        self.refused_tensor(bad)
        for header in ("", "{", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (4, -64), }",
                       "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
                       "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 64), }",
                       "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (4, 64), }",
                       "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4, 64), }", "\xff" * 40):
            with self.subTest(header):
                text = header.encode("latin-1")
                text += b" " * (117 - len(text)) + b"\n"
                bad.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(1024))
                self.refused_tensor(bad)

    def test_files_that_are_none(self):
        self.refused(*GEMM, "--activations=missing.npy", "--weights", self.weights, words=["missing.npy"])
        self.refused(*GEMM, "--activations", self.directory, "--weights", self.weights)
        self.refused("quantize", "missing.npy", "--format=int8-g64", words=["missing.npy"])

    def test_values_beyond_the_format(self):
        huge = np.load(self.good)
        huge[3, 1] = 3e38
        path = self.save("huge.npy", huge)
        self.refused(*GEMM, "--activations", path, "--weights", self.weights, "--output=c.npy", words=["huge.npy"])
        self.refused("quantize", path, "--format=mant4-g64", "--output=c.npy", words=["huge.npy"])


class Outputs(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.tensors = (*GEMM, "--activations", self.random("a.npy", 4, 64, 1), "--weights",
                        self.random("w.npy", 32, 64, 2))
        self.quick = ("run", "--accelerator=mant", "--model", self.write("toy.yaml", program.TOY), "--decode=1")
        self.write("file", "kept")

    def test_files_that_cannot_be_written(self):
        for option in ("--output", "--accumulator"):
            self.refused(*self.tensors, option, "missing/c.npy", words=["missing"])
            self.refused(*self.tensors, option, "file/c.npy", words=["file"])
            self.refused(*self.tensors, option, ".")
            self.refused(*self.tensors, option, "")
        # The other file is not written either.
        self.refused(*self.tensors, "--output=c.npy", "--accumulator=missing/c.npy")
        self.refused(*self.tensors, "--output=missing/c.npy", "--accumulator=acc.npy")
        for option in ("--output", "--codes", "--metadata"):
            self.refused("quantize", "a.npy", "--format=int8-g64", option, "missing/c.npy", words=["missing"])
            self.refused("quantize", "a.npy", "--format=int8-g64", option, ".")

    def test_directories_that_cannot_be_written(self):
        self.refused(*self.quick, "--out=file", words=["file"])
        self.refused(*self.quick, "--out=file/results", words=["file"])
        self.refused(*self.quick, "--out=/proc/nibble", words=["/proc/nibble"])
        self.refused(*self.quick, "--out=/dev/null/x")
        self.assertEqual((self.directory / "file").read_text(), "kept")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_directories_without_permission(self):
        locked = self.directory / "locked"
        locked.mkdir(mode=0o500)
        self.refused(*self.quick, "--out=locked", words=["locked"])
        self.refused(*self.quick, "--out=locked/results", words=["locked"])
        self.refused(*self.tensors, "--output=locked/c.npy", words=["locked"])

    def test_a_directory_in_the_place_of_a_file(self):
        (self.directory / "results/report.json").mkdir(parents=True)
        self.refused(*self.quick, "--out=results", words=["report.json"])

    def test_an_input_is_never_overwritten_by_a_failing_command(self):
        before = (self.directory / "a.npy").read_bytes()
        self.refused(*self.tensors, "--weight-select=nothing", "--output=a.npy")
        self.assertEqual((self.directory / "a.npy").read_bytes(), before)

    def test_standard_output_that_is_full(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program.PROGRAM, *map(str, SMALL)], cwd=self.directory, env=program.ENVIRONMENT,
                                  stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertTrue(program.messages(done.stderr).startswith("error: "))


class Interruption(program.ProgramTest):
    def test_interrupted_runs_leave_nothing_behind(self):
        arguments = ("run", "--accelerator=mant", "--model=llama-65b", "--prefill=512", "--decode=4000", "--out=results")
        for how in (signal.SIGINT,):
            process = subprocess.Popen([program.PROGRAM, *arguments], cwd=self.directory, env=program.ENVIRONMENT,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(1.5)
            process.send_signal(how)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130, err)
            self.assertEqual(out, b"")
            self.assertEqual(program.messages(err), "error: interrupted\n")
            self.assertEqual(self.files(), [])

    def test_a_long_gemm_can_be_interrupted(self):
        # The kernel's processes end where they stand: what their stacks own is not given back.
        environment = {**program.ENVIRONMENT, "ASAN_OPTIONS": "detect_leaks=0"}
        process = subprocess.Popen([program.PROGRAM, *map(str, GEMM), "--m=4096", "--k=4096", "--n=4096",
                                    "--fidelity=cycle"], cwd=self.directory, env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out, program.messages(err)), (130, b"", "error: interrupted\n"))


class Help(program.ProgramTest):
    def test_every_subcommand_has_an_example(self):
        top = self.succeed("--help").out
        for command in ("run", "gemm", "quantize", "sweep", "list", "show", "validate"):
            self.assertIn(command, top)
            outcome = self.succeed(command, "--help")
            self.assertIn(f"Example: nibble {command}", outcome.out)
            self.assertEqual(outcome.err, "")

    def test_the_examples_work(self):
        self.random("w.npy", 64, 128, 1)
        for command in ("run", "gemm", "quantize", "sweep", "list", "show", "validate"):
            text = self.succeed(command, "--help").out
            example = text[text.index("Example: nibble ") + len("Example: nibble "):].splitlines()[0].split()
            if program.SANITIZED and command in ("run", "gemm", "sweep"):
                continue
            if command in ("run", "gemm"):
                example.append("--set=memory.preset=flat-64gbps")  # quicker than a memory timed burst by burst
            example = [word if not word.startswith("configs/") else str(program.SOURCE / word) for word in example]
            with self.subTest(example):
                self.succeed(*example)

    def test_version(self):
        self.assertRegex(self.succeed("--version").out, r"^nibble \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    program.main()
