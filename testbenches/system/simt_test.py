# SPDX-License-Identifier: Apache-2.0
"""The SIMT machines as the program runs them: utilisation of the FP16 baseline, and scripts/pacq_study.py."""
import csv
import importlib
import subprocess
import sys
import unittest

import program

SCRIPT = program.SOURCE / "scripts/pacq_study.py"
ROWS = program.SOURCE / "docs/studies/pacq.csv"


class Utilisation(program.ProgramTest):
    @unittest.skipIf(program.SANITIZED, "takes minutes")
    def test_large_square_products_keep_the_tensor_cores_as_busy_as_real_kernels_do(self):
        for size in (4096, 8192):
            with self.subTest(size):
                words = (f"--{extent}={size}" for extent in "mkn")
                used = self.report("gemm", "--accelerator=simt-fp16", *words)["totals"]["utilization"]
                self.assertTrue(0.85 < used < 1, used)


class Fidelity(program.ProgramTest):
    MACHINES = ("pacq", "pacq-int2", "simt-fp16", "simt-dequant", "simt-k-packed", "simt-mix-gemm", "amove-tensor-core",
                "amove-tensor-core-conservative", "int8-tensor-core", "ant-tensor-core", "olive-tensor-core")

    def totals(self, machine, m, k, n, fidelity):
        return self.report("gemm", f"--accelerator={machine}", f"--m={m}", f"--k={k}", f"--n={n}",
                           "--set=multiprocessor.count=4", f"--fidelity={fidelity}")["totals"]

    @unittest.skipIf(program.SANITIZED, "too slow with sanitizers")
    def test_both_fidelities_of_every_machine_agree(self):
        for machine in self.MACHINES:
            # The largest differences seen: 0.7 %, and with a single row, whose time is latency, 8.6 % (ANT, OliVe).
            for shape, most in (((512, 1024, 512), 0.02), ((1, 2048, 2048), 0.09)):
                with self.subTest(machine, shape=shape):
                    slices = self.totals(machine, *shape, "transaction")
                    warps = self.totals(machine, *shape, "cycle")
                    self.assertAlmostEqual(slices["cycles"] / warps["cycles"], 1, delta=most)
                    for same in ("macs", "pe_macs", "dram_read_bytes", "dram_write_bytes", "traffic_bytes"):
                        self.assertEqual(slices[same], warps[same], same)
                    # The L2 cache is read by whole slices or by the loads of warps, which meet a sector twice.
                    self.assertAlmostEqual(slices["sram_read_bytes"] / warps["sram_read_bytes"], 1, delta=0.02)


class PacqStudy(program.ProgramTest):
    def study(self, *arguments):
        done = subprocess.run([sys.executable, "-B", SCRIPT, "--nibble", program.PROGRAM, *arguments],
                              cwd=self.directory, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    @staticmethod
    def rows(file):
        with open(file, newline="", encoding="utf-8") as lines:
            return {(row["case"], row["gemm"], row["m"]): row for row in csv.DictReader(lines)}

    def test_the_page_holds_what_the_program_counts(self):
        self.study("--csv=rows.csv", "--case=simt-dequant", "--case=pacq", "--case=pacq-int2, d = 8", "--m=16")
        fresh, kept = self.rows(self.directory / "rows.csv"), self.rows(ROWS)
        self.assertEqual(len(fresh), 6)
        for key, row in fresh.items():
            self.assertEqual(row, kept[key])

    def test_only_the_points_asked_for_are_replaced(self):
        self.study("--csv=rows.csv", "--case=pacq", "--m=16,32")
        before = self.rows(self.directory / "rows.csv")
        self.study("--csv=rows.csv", "--case=pacq-int2", "--m=16")
        after = self.rows(self.directory / "rows.csv")
        self.assertEqual(len(after), 6)
        self.assertEqual({key: after[key] for key in before}, before)

    def test_every_point_of_the_study_is_there(self):
        kept = self.rows(ROWS)
        self.assertEqual(len(kept), 12 * 2 * 5)
        for (case, gemm, m), row in kept.items():
            k, n = (4096, 11008) if gemm == "gate/up" else (11008, 4096)
            # A step is an instruction: HMMA follow from tiles of whole m16n16 and the steps of docs/simt.md.
            tile_m, tile_k, tile_n = map(int, row["schedule"].split()[0].split("x"))
            whole = -(-int(m) // tile_m) * tile_m * (-(-n // tile_n) * tile_n) * (-(-k // tile_k) * tile_k)
            steps = {"pacq": 8, "pacq-int2": 4, "simt-mix-gemm": 4}.get(case.split(",")[0], 16)
            self.assertEqual(int(row["hmma"]), whole // 4096 * steps, (case, gemm, m))
            self.assertGreaterEqual(int(row["cycles"]), int(row["ideal_cycles"]))
            self.assertEqual(int(row["unpack"]) > 0, case.startswith("simt-dequant"))

    def test_the_grid_of_kernels_is_whole_and_what_the_program_counts(self):
        sys.path.insert(0, str(SCRIPT.parent))
        kernels = importlib.import_module("pacq_kernels")
        with open(ROWS.with_name("pacq-kernels.csv"), newline="", encoding="utf-8") as lines:
            kept = {(row["case"], row["gemm"], int(row["m"]), row["kernel"]): row["cycles"] for row in csv.DictReader(lines)}
        points = {(case, gemm, m, kernels.text(kernel)): kernel for case in kernels.CASES for gemm in ("gate/up", "down")
                  for m in kernels.ROWS for kernel in kernels.kernels(m)}
        self.assertEqual(kept.keys(), points.keys())
        for point in (("pacq", "down", 16, "16x256x64 1x4"), ("simt-dequant", "gate/up", 16, "16x64x64 1x4"),
                      ("simt-fp16", "down", 16, "16x512x256 1x4")):
            self.assertEqual(str(kernels.cycles_of(program.PROGRAM, *point[:3], points[point])), kept[point], point)

    def test_sections(self):
        for section, part in (("time", "| gate/up | 256 |"), ("instructions", "| hmma |"), ("traffic", "l2 fills"),
                              ("energy", "EDP"), ("trees", "d = 8"), ("packing", "along k"), ("published", "1.99x")):
            self.assertIn(part, self.study("--tables", section))


if __name__ == "__main__":
    program.main()
