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


if __name__ == "__main__":
    program.main()
