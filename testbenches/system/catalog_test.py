# SPDX-License-Identifier: Apache-2.0
"""nibble list, show, validate over everything that configs/ holds."""
import json

import program

KINDS = ("accelerators", "models", "memories", "technologies", "sweeps")


def names(kind):
    return sorted(path.stem for path in (program.SOURCE / "configs" / kind).glob("*.yaml"))


class Catalog(program.ProgramTest):
    def test_every_configuration_is_listed_and_valid(self):
        for kind in KINDS:
            with self.subTest(kind):
                text = self.succeed("list", kind).out
                for name in names(kind):
                    self.assertIn(name, text)
                self.assertIn(names(kind)[0], json.dumps(json.loads(self.succeed("list", kind, "--json").out)))
                for path in sorted((program.SOURCE / "configs" / kind).glob("*.yaml")):
                    self.succeed("validate", path)

    def test_what_is_shown_loads_to_the_same(self):
        for kind, name in (("accelerator", "mant"), ("model", "phi-2"), ("memory", "hbm2")):
            with self.subTest(kind):
                shown = self.succeed("show", kind, name).out
                path = self.write(f"{name}.yaml", shown)
                self.succeed("validate", path)
                again = self.succeed("show", kind, f"./{name}.yaml").out

                def values(text):
                    return [line.split("#")[0].rstrip() for line in text.splitlines()]
                self.assertEqual(values(shown), values(again))

    def test_a_shown_machine_computes_the_same(self):
        small = ("--m=32", "--k=256", "--n=64", "--set=memory.preset=flat-64gbps")
        self.write("copy.yaml", self.succeed("show", "accelerator", "mant").out)
        original = self.report("gemm", "--accelerator=mant", *small)
        copy = self.report("gemm", "--accelerator=./copy.yaml", *small)
        self.assertEqual(original["totals"], copy["totals"])

    def test_overrides_are_shown(self):
        shown = self.succeed("show", "accelerator", "mant", "--set=array.rows=16", "--set=clock_mhz=250").out
        self.assertIn("rows: 16", shown)
        self.assertIn("clock_mhz: 250", shown)
        self.assertIn("--set", shown)

    def test_formats_are_drawn(self):
        text = self.succeed("show", "format", "bfp8-g32").out
        for part in ("element, 9 bits", "| sign | mantissa |", "36 bytes", "byte 0", "9.15625"):
            self.assertIn(part, text)
        layout = json.loads(self.succeed("show", "format", "amove4-g128c16", "--json").out)
        self.assertEqual((layout["metadata_bytes"], layout["bits_per_element"]), (4, 4.25))
        self.assertEqual([field["name"] for field in layout["metadata"][:3]], ["S", "R", "E0"])
        self.refused("show", "format", "mant4", words=["did you mean 'mant4-g32'?"])
        self.refused("show", "format", "mant4-g64", "--set=a=1", words=["--set"])

    def test_every_subcommand_speaks_json(self):
        for arguments in (("list", "models"), ("show", "accelerator", "mant"), ("show", "model", "phi-2"),
                          ("validate", program.SOURCE / "configs/accelerators/mant.yaml")):
            with self.subTest(arguments):
                json.loads(self.succeed(*arguments, "--json").out)


if __name__ == "__main__":
    program.main()
