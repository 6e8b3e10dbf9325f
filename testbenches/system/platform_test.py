# SPDX-License-Identifier: Apache-2.0
"""Probes and the quantum of the program's platform."""
import csv
import json

import program

SMALL = ["gemm", "--accelerator=mant", "--m=64", "--k=256", "--n=64"]


class Probes(program.ProgramTest):
    def test_probes_change_nothing(self):
        without = self.report(*SMALL)
        probed = self.report(*SMALL, "--probe=protocol", "--probe=transactions,file=all.csv",
                             "--probe=transactions,file=all.json,link=machine.memory", "--probe=waves,file=all.vcd")
        self.assertEqual(without["operators"], probed["operators"])
        rows = list(csv.DictReader((self.directory / "all.csv").open()))
        self.assertEqual({row["link"] for row in rows}, {"host.control", "machine.memory", "router.memory"})
        operator = without["operators"][0]
        read = sum(int(row["bytes"]) for row in rows if row["link"] == "machine.memory" and row["command"] == "read")
        slices = json.loads((self.directory / "all.json").read_text())["traceEvents"]
        begun = [event for event in slices if event["ph"] == "b"]
        self.assertEqual(len(begun), sum(row["link"] == "machine.memory" for row in rows))
        self.assertEqual(read, sum(event["args"]["bytes"] for event in begun if event["name"].startswith("read")))
        self.assertGreater(read, 0)
        self.assertTrue(all(row["status"] == "ok" for row in rows), operator)

    def test_probes_of_the_configuration(self):
        self.write("mine.yaml", "base: mant\nprobes:\n  - {kind: bandwidth, link: router.memory, file: bandwidth.csv}\n")
        self.succeed(*SMALL[:1], "--accelerator=mine.yaml", *SMALL[2:])
        self.assertIn("router.memory,", (self.directory / "bandwidth.csv").read_text())

    def test_loosely_timed_links(self):
        exact, loose = self.report(*SMALL)["operators"][0], self.report(*SMALL, "--probe=lt,link=machine.memory")["operators"][0]
        self.assertEqual(exact["traffic_bytes"], loose["traffic_bytes"])
        self.assertLess(abs(exact["cycles"] - loose["cycles"]), exact["cycles"] / 4)

    def test_refused(self):
        self.refused(*SMALL, "--probe=latency,link=dram,file=a.csv", words=["unknown link 'dram'", "router.memory"])
        self.refused(*SMALL, "--probe=latency,file=nowhere/a.csv", words=["nowhere/a.csv"])
        self.refused(*SMALL, "--probe=spy", words=["protocol, transactions"])


class Messages(program.ProgramTest):
    def categories(self, *arguments):
        done = self.succeed(*arguments)
        lines = [line for line in done.err.splitlines() if line.startswith("Info: ")]
        return done.out, [line.split(": ")[1] for line in lines]

    def test_verbosity(self):
        quiet, none = self.categories(*SMALL)
        self.assertEqual(none, [])
        shown, medium = self.categories(*SMALL, "--verbosity=medium")
        self.assertEqual(quiet, shown)
        self.assertEqual(set(medium), {"/nibble/command", "/nibble/host"})
        self.assertEqual(set(self.categories(*SMALL, "--verbosity=/nibble/dma=full")[1]), {"/nibble/dma"})
        everything = self.categories("run", "--accelerator=mant", "--model=toy-2layer", "--prefill=4", "--decode=1", "--verbosity=full",
                                     "--verbosity=/nibble/memory=none")[1]
        self.assertEqual(set(everything), {f"/nibble/{name}" for name in
                                           ("command", "register", "array", "vector", "dma", "router", "host")})
        self.write("mine.yaml", "base: mant\nverbosity: [full, /nibble/dma=none, /nibble/memory=none]\n")
        configured = self.categories("gemm", "--accelerator=mine.yaml", *SMALL[2:], "--verbosity=/nibble/array=none")[1]
        self.assertEqual(set(configured), {"/nibble/command", "/nibble/register", "/nibble/router", "/nibble/host"})

    def test_of_a_memory(self):
        messages = self.categories("memory", "--memory=ddr4-3200", "--pattern=random", "--verbosity=/nibble/memory=full",
                                   "--probe=latency,file=latency.csv")[1]
        self.assertGreater(len(messages), 1000)
        self.assertIn("trace.memory,read,", (self.directory / "latency.csv").read_text())

    def test_refused(self):
        self.refused(*SMALL, "--verbosity=loud", words=["loud", "none, low, medium, high, full, debug"])
        self.refused(*SMALL, "--verbosity=/nibble/dna=low", words=["/nibble/dma"])


class Quantum(program.ProgramTest):
    def test_results_do_not_depend_on_the_quantum(self):
        a, w = self.random("a.npy", 32, 256, 1), self.random("w.npy", 64, 256, 2)
        outputs = []
        for quantum in (0, 10, 1000000):
            report = self.report("gemm", "--accelerator=mant", f"--activations={a}", f"--weights={w}",
                                 f"--output=c{quantum}.npy", f"--set=quantum_ns={quantum}")
            outputs.append((report["operators"], (self.directory / f"c{quantum}.npy").read_bytes()))
        self.assertEqual(outputs[0][1], outputs[1][1])
        self.assertEqual(outputs[0][1], outputs[2][1])
        self.assertEqual(outputs[0][0][0]["macs"], outputs[2][0][0]["macs"])
        self.refused("gemm", "--accelerator=mant", "--m=1", "--k=64", "--n=64", "--set=quantum_ns=-1", words=["quantum_ns"])

    def test_loosely_timed_machines(self):
        """Results and bytes of blocking calls are those of the phases; cycles of arrays within 1 %, whatever the quantum, and of tensor cores,
        whose small transactions a DRAM then serves one by one, within a factor of 2.5."""
        a, w = self.random("a.npy", 32, 512, 1), self.random("w.npy", 128, 512, 2)
        for accelerator in ("mant", "harmonia"):
            outputs = []
            for options in ([], *(["--set=dma.loosely_timed=true", f"--set=quantum_ns={quantum}"] for quantum in (0, 100, 1000000))):
                report = self.report("gemm", f"--accelerator={accelerator}", f"--activations={a}", f"--weights={w}", "--output=c.npy", *options)
                outputs.append((report["operators"][0], (self.directory / "c.npy").read_bytes()))
            for operator, result in outputs[1:]:
                self.assertEqual(result, outputs[0][1])
                self.assertEqual(operator["traffic_bytes"], outputs[0][0]["traffic_bytes"])
        for accelerator, least, most in (("mant", 0.99, 1.01), ("harmonia", 0.99, 1.01), ("simt-fp16", 1, 2.5)):
            long = ["gemm", f"--accelerator={accelerator}", "--m=16", "--k=4096", "--n=4096"]
            exact = self.report(*long)["operators"][0]
            for quantum in (0, 1000, 1000000):
                loose = self.report(*long, "--set=dma.loosely_timed=true", f"--set=quantum_ns={quantum}")["operators"][0]
                self.assertEqual(loose["traffic_bytes"], exact["traffic_bytes"])
                self.assertTrue(least < loose["cycles"] / exact["cycles"] < most, f"{accelerator} {quantum}: {loose['cycles']}")


if __name__ == "__main__":
    program.main()
