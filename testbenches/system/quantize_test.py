# SPDX-License-Identifier: Apache-2.0
"""nibble quantize on checkpoints: every tensor, rankings, files that lie, progress, interruption."""
import json
import os
import pty
import signal
import struct
import subprocess
import time

import numpy as np

import program

TYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "uint16": "BF16"}  # NumPy has no bfloat16


def header_of(tensors):
    """Header and data of arrays by name."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": TYPES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return header, data


def contents(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def read(path):
    """Arrays of a file by name."""
    raw = path.read_bytes()
    begin = 8 + struct.unpack("<Q", raw[:8])[0]
    types = {word: name for name, word in TYPES.items()}
    header = json.loads(raw[8:begin])
    header.pop("__metadata__", None)
    return {name: np.frombuffer(raw[begin + entry["data_offsets"][0]:begin + entry["data_offsets"][1]],
                                types[entry["dtype"]]).reshape(entry["shape"]) for name, entry in header.items()}


class Checkpoint(program.ProgramTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(5)
        weights = (random.standard_normal((24, 96)) * 0.02).astype(np.float32)
        self.tensors = {"layer.0.q.weight": (weights.view(np.uint32) >> 16).astype(np.uint16),
                        "layer.0.norm.weight": np.linspace(0.5, 1.5, 96).astype(np.float16),
                        "layer.0.up.weight": (random.standard_normal((40, 96)) * 0.05).astype(np.float32),
                        "positions": np.arange(4)}
        self.file = self.directory / "model.safetensors"
        self.file.write_bytes(contents(*header_of(self.tensors)))

    def widened(self, name):
        array = self.tensors[name]
        return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array.astype(np.float32)

    def test_every_tensor_is_what_its_array_alone_is(self):
        for options in (("--format=mant4-g32",), ("--format=nvfp4-g16",), ("--format=int6-tensor",),
                        ("--format=amove4-g32c4", "--select=offline"), ("--format=bf16",)):
            together = self.report("quantize", "model.safetensors", *options)
            self.assertEqual([entry["tensor"] for entry in together], list(self.tensors))
            self.assertIn("I64", together[3]["skipped"])
            for entry in together[:3]:
                self.save("alone.npy", self.widened(entry["tensor"]))
                alone = self.report("quantize", "alone.npy", *options)
                named = self.report("quantize", f"model.safetensors:{entry['tensor']}", *options)
                self.assertEqual(named, entry)
                for key in set(alone) - {"input", "dtype"}:
                    self.assertEqual(alone[key], entry[key], key)

    def test_decoded_checkpoints(self):
        self.succeed("quantize", "model.safetensors", "--format=int4-g32", "--output=decoded.safetensors")
        decoded = read(self.directory / "decoded.safetensors")
        self.assertEqual(list(decoded), list(self.tensors))
        self.assertTrue(np.array_equal(decoded["positions"], self.tensors["positions"]))
        for name in list(self.tensors)[:3]:
            self.save("alone.npy", self.widened(name))
            self.succeed("quantize", "alone.npy", "--format=int4-g32", "--output=y.npy")
            self.assertEqual(np.load(self.directory / "y.npy").tobytes(), decoded[name].tobytes())

    def test_sharded_checkpoints_and_directories(self):
        names = list(self.tensors)
        parts = {"a-1.safetensors": names[:1], "a-2.safetensors": names[1:]}
        for part, inside in parts.items():
            (self.directory / part).write_bytes(contents(*header_of({name: self.tensors[name] for name in inside})))
        index = {"metadata": {"total_size": 1},
                 "weight_map": {name: part for part, inside in parts.items() for name in inside}}
        self.write("model.safetensors.index.json", json.dumps(index))
        whole = self.report("quantize", "model.safetensors", "--format=int8-g32")
        for argument in ("model.safetensors.index.json", "."):
            sharded = self.report("quantize", argument, "--format=int8-g32")
            self.assertEqual([{**entry, "input": 0} for entry in sharded], [{**entry, "input": 0} for entry in whole])
        one = self.report("quantize", ".:layer.0.up.weight", "--format=int8-g32")
        self.assertEqual(one["tensor"], "layer.0.up.weight")
        index["weight_map"]["lost"] = "a-2.safetensors"
        self.write("model.safetensors.index.json", json.dumps(index))
        self.refused("quantize", ".", "--format=int8-g32", words=["a-2.safetensors", "lost"])
        index["weight_map"] = {"lost": "../a-2.safetensors"}
        self.write("model.safetensors.index.json", json.dumps(index))
        self.refused("quantize", ".", "--format=int8-g32", words=["index.json", "lost"])

    def test_rankings_are_deterministic_and_sorted(self):
        command = ("quantize", "model.safetensors", "--compare=int4-g32,int8-g32,mant4-g32,mxfp4-g32,fp16,olive4-channel")
        first = self.report(*command)
        self.assertEqual(first, self.report(*command))
        ratios = [entry["sqnr_db"] for entry in first["ranking"]]
        self.assertEqual(ratios, sorted(ratios, reverse=True))
        self.assertEqual([entry["rank"] for entry in first["ranking"]], [1, 2, 3, 4, 5, 6])
        text = self.succeed(*command).out
        self.assertEqual(text.splitlines()[0], "model.safetensors: 3 tensors together")
        self.assertIn("skipped positions", text)


class Lies(program.ProgramTest):
    """Every file that is none is one line, for every command that takes tensors."""

    def setUp(self):
        super().setUp()
        self.good = self.random("good.npy", 4, 64, 1)
        self.header, self.data = header_of({"a": np.ones((4, 64), np.float32), "b": np.ones((64,), np.float16)})

    def refused_file(self, raw, words=()):
        bad = self.directory / "bad.safetensors"
        bad.write_bytes(raw)
        for options in (("--format=int8-g64", "--output=y.npy", "--codes=c.npy", "--metadata=m.json"),
                        ("--format=int8-g64", "--output=y.safetensors"), ("--compare=int8-g64,fp16",), ):
            self.refused("quantize", "bad.safetensors:a", *options, words=["bad.safetensors", *words])
        self.refused("quantize", "bad.safetensors", "--format=int8-g64", words=["bad.safetensors", *words])
        self.refused("quantize", "good.npy", "--format=mant4-g64", "--calibration=bad.safetensors:a",
                     words=["bad.safetensors", *words])

    def changed(self, tensor, **entries):
        header = json.loads(json.dumps(self.header))
        header[tensor].update(entries)
        return contents(header, self.data)

    def test_lengths(self):
        whole = contents(self.header, self.data)
        for length in (0, 1, 7, 8, 9, 100, len(whole) - 1):
            self.refused_file(whole[:length])
        self.refused_file(whole + b"\0", ["1153"])
        for length in (0, 1, 10**8 + 1, 2**63, 2**64 - 1, len(whole)):
            self.refused_file(contents(self.header, self.data, length))

    def test_entries(self):
        self.refused_file(self.changed("a", data_offsets=[0, 2048]), ["bad.safetensors", "beyond"])
        self.refused_file(self.changed("a", data_offsets=[0, 1020]), ["1024"])
        self.refused_file(self.changed("a", data_offsets=[1024, 0]), ["before"])
        self.refused_file(self.changed("a", data_offsets=[-1, 1023]))
        self.refused_file(self.changed("a", data_offsets=[0, 2**64]))
        self.refused_file(self.changed("b", data_offsets=[1020, 1148]), ["overlaps"])
        self.refused_file(self.changed("b", data_offsets=[0, 128]), ["overlaps"])
        self.refused_file(self.changed("a", shape=[4, 65]), ["1040"])
        self.refused_file(self.changed("a", shape=[2**62, 2**62]), ["too large"])
        self.refused_file(self.changed("a", shape=[4, -64]))
        self.refused_file(self.changed("a", dtype="F31"), ["F31", "F32"])
        self.refused_file(self.changed("a", dtype="F64"), ["2048"])
        self.refused_file(self.changed("__metadata__", format=7), ["__metadata__"])

    def test_texts(self):
        text = json.dumps(self.header)
        for bad in ("", "[]", "{", text[:-1], text + "}", text.replace('"b"', '"a"'), text.replace('"', "'"),
                    "{" * 10000, '{"a":' * 10000, '{"a": NaN}', text.replace("F16", "\udcff")):
            self.refused_file(contents(bad.encode("utf-8", "surrogateescape"), self.data))

    def test_values(self):
        for value in (np.nan, np.inf, -np.inf):
            array = np.ones((4, 64), np.float32)
            array[1, 2] = value
            self.refused_file(contents(*header_of({"a": array})), ["66"])
        array[1, 2] = 3e38
        (self.directory / "bad.safetensors").write_bytes(contents(*header_of({"a": array})))
        for name in ("int8-g64", "int4-tensor", "fp16", "bfp8-g32", "mant4-g64", "ant4-channel"):
            self.refused("quantize", "bad.safetensors", f"--format={name}", "--output=y.npy", words=["bad.safetensors:a"])

    def test_names_of_formats_and_tensors(self):
        for bad, suggestion in (("int4g64", "int4-g64"), ("mant4-64", "mant4-g64"), ("mxfp4", "mxfp4-g32"),
                                ("amove4-g128", "amove4-g128c16"), ("bfp8", "bfp8-g32"), ("fp23", "fp32"),
                                ("int4-chanel", "int4-channel"), ("INT8-g64", "int8-g64"), ("nvfp4-g32", "nvfp4-g16")):
            with self.subTest(bad):
                self.refused("quantize", "good.npy", f"--format={bad}", words=[bad, f"did you mean '{suggestion}'?"])
        self.refused("quantize", "good.npy:a", "--format=int8-g64", words=["no name"])
        self.refused("quantize", "good.npy", words=["--format", "--compare"])


class Operands(program.ProgramTest):
    """The same spelling of tensors in nibble gemm."""

    GEMM = ("gemm", "--accelerator=mant", "--set=memory.preset=flat-64gbps")

    def setUp(self):
        super().setUp()
        random = np.random.default_rng(9)
        self.tensors = {"layer.w": (random.standard_normal((24, 128)) * 0.02).astype(np.float16),
                        "layer.x": random.standard_normal((5, 128)).astype(np.float32), "ids": np.arange(3)}
        (self.directory / "model.safetensors").write_bytes(contents(*header_of(self.tensors)))
        for name, array in self.tensors.items():
            self.save(f"{name}.npy", array)

    def test_results(self):
        for weights in ("layer.w.npy", "model.safetensors:layer.w"):
            for activations in ("layer.x.npy", "model.safetensors:layer.x"):
                self.succeed(*self.GEMM, "--activations", activations, "--weights", weights, "--output=c.npy",
                             "--calibration=model.safetensors:layer.x", "--weight-select=output-mse")
                result = (self.directory / "c.npy").read_bytes()
                expected = getattr(self, "expected", result)
                self.assertEqual(result, expected)
                self.expected = expected

    def test_errors(self):
        for bad, words in (("model.safetensors", ["3 tensors", "layer.w"]), ("model.safetensors:layer.v", ["layer.w"]),
                           ("model.safetensors:ids", ["I64"]), ("layer.w.npy:layer.w", ["no name"]), (".", ["./model.safetensors", "3 tensors"])):
            for option, other in (("--activations", "--weights"), ("--weights", "--activations")):
                self.refused(*self.GEMM, option, bad, other, "layer.x.npy", "--output=c.npy", words=words)
        header, data = header_of(self.tensors)
        header["layer.w"]["data_offsets"][1] += 2
        (self.directory / "model.safetensors").write_bytes(contents(header, data))
        for option, other in (("--activations", "--weights"), ("--weights", "--activations")):
            self.refused(*self.GEMM, option, "model.safetensors:layer.x", other, "layer.x.npy", "--output=c.npy",
                         words=["model.safetensors", "layer.w", "6146"])


class Long(program.ProgramTest):
    """Work that lasts: rankings by the slow searches of ant4 and olive4."""

    COMMAND = ("quantize", "large.npy", "--compare=" + ",".join(
        f"{name}-{grouping}" for name in ("ant4", "olive4") for grouping in ("channel",)) + "," + ",".join(
            f"mant4-g{k}" for k in range(16, 256, 4)))

    def setUp(self):
        super().setUp()
        self.random("large.npy", 1024, 2048, 1)

    def test_interruption(self):
        for options in (self.COMMAND, ("quantize", "large.npy", "--format=olive4-channel", "--output=y.npy",
                                       "--codes=c.npy", "--metadata=m.json")):
            process = subprocess.Popen([program.PROGRAM, *options], cwd=self.directory, env=program.ENVIRONMENT,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(0.4)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out, program.messages(err)), (130, b"", "error: interrupted\n"))
            self.assertEqual(self.files(), ["large.npy"])

    def test_progress_is_for_terminals(self):
        main, terminal = pty.openpty()
        process = subprocess.Popen([program.PROGRAM, *self.COMMAND], cwd=self.directory, env=program.ENVIRONMENT,
                                   stdout=subprocess.PIPE, stderr=terminal)
        os.close(terminal)
        shown = b""
        while b"%)" not in shown:
            shown += os.read(main, 1000)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        os.close(main)
        self.assertIn(b"\r\x1b[Kquantize: ", shown)
        quiet = self.succeed("quantize", "large.npy", "--format=int8-g64")
        self.assertEqual(quiet.err, "")


if __name__ == "__main__":
    program.main()
