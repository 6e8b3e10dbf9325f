# SPDX-License-Identifier: Apache-2.0
"""nibble gemm: results against the independent reference, to the bit; traffic, bounds, determinism."""
import json
import subprocess
import sys

import numpy as np

import program
import report_checks

GEMM = ("gemm", "--accelerator", "mant", "--set", f"memory.preset={program.MEMORY}")
FULL = (64, 256, 96) if program.SANITIZED else (256, 1024, 512)


class Results(program.ProgramTest):
    def reference(self, *arguments):
        done = subprocess.run([sys.executable, "-B", program.SOURCE / "scripts/reference/gemm_reference.py",
                               "--accelerator=mant", "--output=c-expected.npy", "--accumulator=acc-expected.npy",
                               *map(str, arguments)], cwd=self.directory, capture_output=True, check=True)
        return json.loads(done.stdout)

    def compare(self, shape, *arguments, only_nibble=(), scale=0.02, dtype=np.float32):
        m, k, n = shape
        activations = np.random.default_rng(1).standard_normal((m, k))
        activations[:, :: max(1, k // 5)] *= 30  # channels of outliers
        activations = self.save("a.npy", activations.astype(dtype))
        weights = self.random("w.npy", n, k, 2, scale, dtype)
        tensors = ("--activations", activations, "--weights", weights, *arguments)
        report = self.report(*GEMM, *tensors, *only_nibble, "--output=c.npy", "--accumulator=acc.npy")
        expected = self.reference(*tensors)
        for name in ("c", "acc"):
            mine, theirs = (np.load(self.directory / f"{name}{kind}.npy") for kind in ("", "-expected"))
            self.assertEqual((mine.shape, mine.dtype), ((m, n), theirs.dtype))
            self.assertTrue(np.array_equal(mine.view(f"u{mine.itemsize}"), theirs.view(f"u{theirs.itemsize}")), name)
        self.assertEqual(np.load(self.directory / "c.npy").dtype, np.float16)
        self.assertEqual(np.load(self.directory / "acc.npy").dtype, np.float32)
        self.assertEqual(report["overflows"], expected["overflows"])
        report_checks.check(self, report)
        return report

    def test_every_selection_of_types(self):
        calibration = self.random("x.npy", 50, FULL[1], 3)
        report = self.compare(FULL)
        self.assertEqual((report["activation_format"], report["weight_format"]), ("int8-g64", "mant4-g64"))
        for select in ("mse", "variance", "variance8"):
            with self.subTest(select):
                self.compare(FULL, "--weight-select", select)
        self.compare(FULL, "--weight-select=output-mse", "--calibration", calibration)

    def test_int8_weights(self):
        for name in ("int8-g64", "int8-channel"):
            with self.subTest(name):
                report = self.compare(FULL, "--weight-format", name)
                self.assertEqual(report["weight_format"], name)

    def test_ragged_shapes(self):
        for shape in ((1, 1, 1), (3, 63, 31), (37, 200, 90), (65, 65, 33), (2, 1000, 7)):
            for name in ("mant4-g64", "int8-g64", "int8-channel"):
                with self.subTest(shape=shape, format=name):
                    self.compare(shape, "--weight-format", name)

    def test_other_groups(self):
        for group in (16, 32, 128, 256):
            for family in ("mant4", "int8"):
                with self.subTest(group=group, family=family):
                    self.compare((20, 600, 70), f"--weight-format={family}-g{group}", f"--activation-format=int8-g{group}")

    def test_cycle_fidelity(self):
        for shape in ((37, 200, 90), (1, 256, 64)):
            self.compare(shape, only_nibble=("--fidelity=cycle",))
            self.compare(shape, "--weight-format=int8-g64", only_nibble=("--fidelity=cycle", "--set=array.rows=32"))

    def test_spilled_partial_sums(self):
        self.compare((100, 512, 200), only_nibble=("--set=buffers.output_kib=16", "--set=buffers.activation_kib=4",
                                                   "--set=buffers.weight_kib=8"))

    def test_half_precision_inputs(self):
        self.compare((16, 128, 40), dtype=np.float16)

    def test_overflow_to_infinity(self):
        report = self.compare((16, 512, 40), scale=4000.0)
        self.assertGreater(report["overflows"], 0)
        self.assertTrue(np.isinf(np.load(self.directory / "c.npy")).any())

    def test_tensors_do_not_change_the_figures(self):
        with_data = self.compare((40, 300, 70))
        without = self.report(*GEMM, "--m=40", "--k=300", "--n=70")
        self.assertEqual(with_data["totals"], without["totals"])
        one_output = self.report(*GEMM, "--activations=a.npy", "--weights=w.npy", "--output=only.npy")
        self.assertEqual(one_output["totals"], without["totals"])

    def test_same_command_same_bytes(self):
        self.compare((30, 200, 70))
        results = []
        for _ in range(2):
            outcome = self.report(*GEMM, "--activations=a.npy", "--weights=w.npy", "--output=c.npy",
                                  "--accumulator=acc.npy", "--explain")
            outcome.pop("host")
            results.append((outcome, *((self.directory / name).read_bytes() for name in ("c.npy", "acc.npy"))))
        self.assertEqual(results[0], results[1])
        plain = [self.succeed(*GEMM, "--m=30", "--k=200", "--n=70", "--explain").out for _ in range(2)]
        self.assertEqual(plain[0], plain[1])


class Figures(program.ProgramTest):
    def gemm(self, m, k, n, *arguments):
        report = self.report(*GEMM, f"--m={m}", f"--k={k}", f"--n={n}", *arguments)
        report_checks.check(self, report)
        return report["totals"]

    def test_weights_of_a_vector_product_move_once(self):
        for k, n in ((4096, 4096), (64, 32), (1024, 11008), (128, 1)):
            totals = self.gemm(1, k, n)
            self.assertEqual(totals["traffic_bytes"]["weight"] * 8, n * k * 4.375)
            # A few kilobytes of activations may be read again for every tile of weights.
            self.assertEqual(totals["traffic_bytes"]["activation"] % (k + k // 64 * 2), 0)
            self.assertEqual(totals["traffic_bytes"]["output"], 2 * n)
            self.assertEqual(totals["traffic_bytes"]["partial_sum"], 0)
            asked = totals["traffic_bytes"]["total"] - totals["traffic_bytes"]["command"]
            self.assertLessEqual(asked, 1.01 * totals["compulsory_bytes"])

    def test_tails_of_groups_and_tiles(self):
        for m, k, n in ((1, 65, 33), (7, 63, 1), (130, 190, 100)):
            totals = self.gemm(m, k, n)
            self.assertEqual(totals["compulsory_bytes"],
                             report_checks.packed_bytes(m, k, 8, 64, 2) + report_checks.packed_bytes(n, k, 4, 64, 3) +
                             2 * m * n)

    def test_int8_weights_take_twice_the_passes(self):
        narrow = self.gemm(512, 512, 512)
        wide = self.gemm(512, 512, 512, "--weight-format=int8-g64")
        self.assertEqual(wide["compute_cycles"], 2 * narrow["compute_cycles"])
        self.assertEqual(wide["macs"], narrow["macs"])

    def test_a_compute_bound_product_reaches_the_peak(self):
        totals = self.gemm(2048, 2048, 2048)
        self.assertGreater(totals["utilization"], 0.98)
        self.assertLessEqual(totals["utilization"], 1)

    def test_more_bandwidth_is_never_slower(self):
        cycles = [self.gemm(16, 2048, 1024, "--set=memory.preset=flat-64gbps", f"--set=memory.bandwidth_gbps={rate}",
                            "--set=schedule.traffic_price=0")["cycles"] for rate in (4, 16, 64, 256, 1024)]
        self.assertEqual(cycles, sorted(cycles, reverse=True))

    def test_the_schedule_is_explained(self):
        text = self.succeed(*GEMM, "--m=2048", "--k=4096", "--n=4096", "--explain").out
        for word in ("2048 x 4096 x 4096", "compulsory", "fastest", "bytes"):
            self.assertIn(word, text)
        report = self.report(*GEMM, "--m=64", "--k=64", "--n=64", "--explain")
        self.assertIn("64 x 64 x 64", report["explanation"])


if __name__ == "__main__":
    program.main()
