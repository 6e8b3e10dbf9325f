# SPDX-License-Identifier: Apache-2.0
"""Runs the nibble program for the system tests: `NIBBLE_PROGRAM`, `NIBBLE_SOURCE` and `NIBBLE_SANITIZED` come from CTest."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

PROGRAM = os.environ["NIBBLE_PROGRAM"]
SOURCE = Path(os.environ["NIBBLE_SOURCE"])
SANITIZED = os.environ.get("NIBBLE_SANITIZED") == "1"
# The memory of tests that do not ask for one.
MEMORY = "hbm2"
# Two layers, grouped-query attention: four query heads share a key head.
TOY = """name: toy
source: made for tests
layers: 2
hidden: 256
heads: 8
kv_heads: 2
feed_forward: 512
vocabulary: 1000
max_positions: 4096
activation: gated_silu
norm: rms
positions: rotary
"""
ENVIRONMENT = {**os.environ, "NIBBLE_CONFIG_PATH": str(SOURCE / "configs")}


def messages(err):
    """What the program itself wrote to standard error, as text. The address sanitizer announces, in three lines of its own,
    that it does not follow exceptions over the stacks of SystemC threads; that is no message of the program."""
    text = err.decode()
    if not SANITIZED:
        return text
    own = ("WARNING: ASan is ignoring requested __asan_handle_no_return", "False positive error reports may follow",
           "For details see https://github.com/google/sanitizers/issues/189")
    return "".join(line for line in text.splitlines(keepends=True) if not any(part in line for part in own))


class Outcome:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout.decode(), messages(done.stderr)


class ProgramTest(unittest.TestCase):
    """A test in an empty directory of its own."""

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="nibble-test-"))
        self.addCleanup(self.remove)

    def remove(self):
        for path in [self.directory, *self.directory.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(self.directory)

    def files(self):
        return sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*"))

    def nibble(self, *arguments, timeout=100):
        return Outcome(subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.directory, env=ENVIRONMENT,
                                      stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False))

    def succeed(self, *arguments, **options):
        outcome = self.nibble(*arguments, **options)
        self.assertEqual(outcome.status, 0, f"{arguments}: {outcome.err}")
        return outcome

    def report(self, *arguments, **options):
        """The JSON document of a command, which is all of standard output; nothing on standard error."""
        outcome = self.succeed(*arguments, "--json", **options)
        self.assertEqual(outcome.err, "")
        return json.loads(outcome.out)

    def refused(self, *arguments, words=(), timeout=100):
        """Bad input: one line on standard error that holds `words`, status 2, nothing printed, nothing written."""
        before = self.files()
        outcome = self.nibble(*arguments, timeout=timeout)
        self.assertEqual(outcome.status, 2, f"{arguments}: {outcome.err or outcome.out}")
        self.assertEqual(outcome.out, "")
        self.assertTrue(outcome.err.startswith("error: "), outcome.err)
        self.assertEqual(outcome.err.count("\n"), 1, outcome.err)
        self.assertTrue(outcome.err.endswith("\n"))
        self.assertNotIn("internal", outcome.err)
        for word in words:
            self.assertIn(word, outcome.err)
        self.assertEqual(self.files(), before, "something was written")
        return outcome.err

    def save(self, name, array):
        path = self.directory / name
        np.save(path, array)
        return path

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def random(self, name, rows, columns, seed, scale=1.0, dtype=np.float32):
        values = np.random.default_rng(seed).standard_normal((rows, columns)) * scale
        return self.save(name, values.astype(dtype))


def main():
    unittest.main(verbosity=2, argv=[sys.argv[0], *sys.argv[1:]])
